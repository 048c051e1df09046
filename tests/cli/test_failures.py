"""When things go wrong: one sentence, its exit code, nothing half-written, nothing of the user's touched."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from facts import names

Bokeh = Callable[..., Any]
Make = Callable[..., Path]


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder, hidden ones too, with its hash."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def refuses(bokeh: Bokeh, tmp_path: Path) -> Bokeh:
    """Run a command that must fail, check all that every failure owes to the user, and give its run."""

    def run(*arguments: object, code: int = 1, facts: tuple[object, ...]) -> Any:
        before = contents(tmp_path)
        result = bokeh(*arguments)
        assert result.code == code, result.err
        assert len(result.errors) == 1, result.err
        assert names(result.errors[0], *facts)
        assert "Traceback" not in result.err
        assert result.out == ""
        assert contents(tmp_path) == before
        return result

    return run


@pytest.fixture
def lens(track: Path) -> list[object]:
    """The options of a run that would work."""
    return ["--disparity", track, "--focus", "0.5", "--k", "8"]


def test_missing_file(refuses: Bokeh, tmp_path: Path, lens: list[object]) -> None:
    missing = tmp_path / "gone.mp4"
    refuses("refocus", missing, *lens, facts=(missing, "exist"))


def test_folder_without_videos(refuses: Bokeh, tmp_path: Path, lens: list[object]) -> None:
    (tmp_path / "empty").mkdir()
    refuses("refocus", tmp_path / "empty", *lens, facts=(tmp_path / "empty", "no video"))


def test_name_that_no_file_can_have(refuses: Bokeh, lens: list[object]) -> None:
    name = "x" * 300 + ".mp4"
    refuses("refocus", name, *lens, facts=(name, "long"))


def test_text_called_mp4(refuses: Bokeh, tmp_path: Path, lens: list[object]) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("This is no film. " * 200)
    refuses("refocus", text, *lens, facts=(text, "is a text file"))


def test_empty_file(refuses: Bokeh, tmp_path: Path, lens: list[object]) -> None:
    empty = tmp_path / "empty.mp4"
    empty.touch()
    refuses("refocus", empty, *lens, facts=(empty, "is empty"))


def test_mp4_cut_off_before_its_index(refuses: Bokeh, clip: Path, lens: list[object]) -> None:
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    refuses("refocus", clip, *lens, facts=(clip, "cannot be read"))


def test_heavily_damaged_file(refuses: Bokeh, tmp_path: Path, make_clip: Make, make_track: Make) -> None:
    damaged = flip_bytes(make_clip(tmp_path / "damaged.mp4", frames=24), range(8, 24))
    track = make_track(tmp_path / "long.mkv", frames=24)
    refuses(
        *("refocus", damaged, "--disparity", track, "--focus", "0.5", "--k", "8"),
        facts=(damaged, "is damaged"),
    )


def test_sound_alone(refuses: Bokeh, tmp_path: Path, lens: list[object]) -> None:
    sound = tmp_path / "sound.mp4"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    refuses("refocus", sound, *lens, facts=(sound, "no video"))


def test_network_that_is_not_here_names_the_way_to_it(refuses: Bokeh, clip: Path) -> None:
    lens = ["--focus", "0.5", "--k", "8", "--depth", "small"]
    run = refuses("refocus", clip, *lens, facts=("depth-small",))
    assert "bokeh download-weights depth-small" in run.err


@pytest.mark.parametrize(("frames", "said"), [(1, "1 frames"), (3, "lacks 1 of"), (9, "9 frames")])
def test_track_with_fewer_or_more_frames(
    frames: int, said: str, refuses: Bokeh, clip: Path, tmp_path: Path, make_track: Make
) -> None:
    other = make_track(tmp_path / "other.mkv", frames=frames)
    refuses(
        *("refocus", clip, "--disparity", other, "--focus", "0.5", "--k", "8"),
        facts=(other, said, clip, "4 frames"),
    )


def test_track_of_another_aspect(refuses: Bokeh, clip: Path, tmp_path: Path, make_track: Make) -> None:
    wide = make_track(tmp_path / "wide.mkv", width=128)
    refuses(
        *("refocus", clip, "--disparity", wide, "--focus", "0.5", "--k", "8"),
        facts=(wide, "128x48", clip, "64x48"),
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 1.1])
def test_track_with_values_that_are_not_disparity(
    value: float, refuses: Bokeh, clip: Path, tmp_path: Path
) -> None:
    disparity = np.full((4, 48, 64), 0.5, np.float32)
    disparity[2, 5, 7] = value
    np.save(tmp_path / "track.npy", disparity)
    refuses(
        *("refocus", clip, "--disparity", tmp_path / "track.npy", "--focus", "0.5", "--k", "8"),
        facts=(tmp_path / "track.npy", 0, 1),
    )


def test_missing_track(refuses: Bokeh, clip: Path, tmp_path: Path) -> None:
    refuses(
        *("refocus", clip, "--disparity", tmp_path / "gone.mkv", "--focus", "0.5", "--k", "8"),
        facts=(tmp_path / "gone.mkv", "exist"),
    )


@pytest.mark.parametrize(("content", "why"), [("", ["empty"]), ("no film" * 99, ["text file"])])
def test_track_that_is_no_video_is_told_from_the_clip(
    content: str, why: list[str], refuses: Bokeh, clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "track.mp4").write_text(content)
    refuses(
        *("refocus", clip, "--disparity", tmp_path / "track.mp4", "--focus", "0.5", "--k", "8"),
        facts=("disparity track", tmp_path / "track.mp4", *why),
    )


def test_result_that_exists_stays(refuses: Bokeh, clip: Path, lens: list[object]) -> None:
    clip.with_name("clip.refocus.mp4").write_text("mine")
    run = refuses("refocus", clip, *lens, facts=("clip.refocus.mp4", "exists"))
    assert "--overwrite" in run.err


def test_result_that_exists_stays_when_the_run_that_overwrites_it_fails(
    refuses: Bokeh, clip: Path, tmp_path: Path, make_track: Make
) -> None:
    clip.with_name("clip.refocus.mp4").write_text("mine")
    disparity = np.full((4, 48, 64), 0.5, np.float32)
    disparity[3] = np.nan
    np.save(tmp_path / "track.npy", disparity)
    refuses(
        *(
            "refocus",
            clip,
            "--disparity",
            tmp_path / "track.npy",
            "--focus",
            "0.5",
            "--k",
            "8",
            "--overwrite",
        ),
        facts=(tmp_path / "track.npy", 0, 1),
    )


@pytest.mark.parametrize("output", ["gone/out.mp4", "gone/deeper/", "clip.mp4/out.mp4", "clip.mp4/out/"])
def test_output_folder_that_cannot_be(
    output: str, refuses: Bokeh, clip: Path, tmp_path: Path, lens: list[object]
) -> None:
    folder = tmp_path / output.split("/")[0]
    refuses("refocus", clip, *lens, "-o", f"{tmp_path}/{output}", facts=(f"{folder}",))
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize("output", ["/proc/out.mp4", "/proc/out/"])
def test_output_folder_that_is_read_only(output: str, refuses: Bokeh, clip: Path, lens: list[object]) -> None:
    refuses("refocus", clip, *lens, "-o", output, facts=("/proc",))


def test_two_inputs_for_one_output(
    refuses: Bokeh, clip: Path, tmp_path: Path, make_clip: Make, lens: list[object]
) -> None:
    other = make_clip(tmp_path / "other.mp4")
    output = tmp_path / "out.mp4"
    refuses("refocus", clip, other, *lens, "-o", output, code=2, facts=(output,))


def test_result_that_would_replace_its_input(refuses: Bokeh, clip: Path, lens: list[object]) -> None:
    refuses("refocus", clip, *lens, "-o", clip, "-y", code=2, facts=("replace", clip))


def test_name_without_a_container(refuses: Bokeh, clip: Path, tmp_path: Path, lens: list[object]) -> None:
    refuses("refocus", clip, *lens, "-o", tmp_path / "out.xyz", facts=("out.xyz", ".mp4", ".mkv"))


def test_pixel_format_that_cannot_take_an_odd_size(
    refuses: Bokeh, tmp_path: Path, make_clip: Make, make_track: Make
) -> None:
    odd = make_clip(tmp_path / "odd.mp4", width=63, height=47)
    track = make_track(tmp_path / "odd.mkv", width=63, height=47)
    refuses(
        *("refocus", odd, "--disparity", track, "--focus", "0.5", "--k", "8", "--pix-fmt", "yuv420p"),
        facts=("yuv420p", "63x47"),
    )


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        (["--pix-fmt", "yuv999p"], "libx264 pixel format yuv999p"),
        (["--codec", "vhs"], "encoder 'vhs'"),
        (["--preset", "hasty"], "libx264 preset hasty"),
        (["--lossless", "-o", "lossless.mp4"], "Lossless FFV1 .mp4"),
        (["--start", "9"], "clip.mp4 9 s 4 frames 0.12"),
        (["--start", "f4"], "clip.mp4 frame 4 frames 0.12"),
        (["--start", "f2", "--end", "0.05"], "clip.mp4 frame 2 0.05"),
        (["--end", "0"], "clip.mp4 before 0"),
    ],
)
def test_encoder_options_and_ranges_that_cannot_be(
    options: list[str], facts: str, refuses: Bokeh, clip: Path, lens: list[object]
) -> None:
    refuses("refocus", clip, *lens, *options, facts=tuple(facts.split()))


def test_sound_that_the_container_cannot_hold(
    refuses: Bokeh, tmp_path: Path, make_clip: Make, lens: list[object]
) -> None:
    clip = make_clip(tmp_path / "sound.mkv", audio="aac")
    run = refuses(
        *("refocus", clip, *lens, "-o", tmp_path / "out.webm"),
        facts=(".webm", "aac", clip),
    )
    assert ".mkv" in run.err


def test_device_that_is_not_there(refuses: Bokeh, clip: Path, lens: list[object]) -> None:
    refuses("refocus", clip, *lens, "--device", "mps", code=2, facts=("mps",))


def test_one_frame_is_a_clip(bokeh: Bokeh, tmp_path: Path, make_clip: Make, make_track: Make) -> None:
    clip, track = make_clip(tmp_path / "one.mp4", frames=1), make_track(tmp_path / "one.mkv", frames=1)
    run = bokeh("refocus", clip, "--disparity", track, "--focus", "0.5", "--k", "8")
    assert (run.code, run.errors) == (0, [])
    assert len(list(av.open(str(tmp_path / "one.refocus.mp4")).decode(video=0))) == 1


def test_track_of_one_value_is_worth_one_warning(bokeh: Bokeh, clip: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.full((4, 48, 64), 0.5, np.float32))
    run = bokeh("refocus", clip, "--disparity", tmp_path / "flat.npy", "--focus", "0.2", "--k", "8")
    assert run.code == 0
    warnings = [line for line in run.err.splitlines() if line.startswith("Warning:")]
    assert len(warnings) == 1
    assert names(warnings[0], tmp_path / "flat.npy", "one value")


def test_lightly_damaged_file_is_refocused_with_one_warning(
    bokeh: Bokeh, tmp_path: Path, make_clip: Make, make_track: Make
) -> None:
    damaged = flip_bytes(make_clip(tmp_path / "damaged.mp4", frames=24), range(8, 10))
    track = make_track(tmp_path / "track.mkv", frames=24)
    run = bokeh("refocus", damaged, "--disparity", track, "--focus", "0.5", "--k", "8")
    assert run.code == 0, run.err
    assert run.err.count("Warning:") == 1
    assert "is damaged" in run.err


def test_unexpected_errors_say_how_to_see_more(
    bokeh: Bokeh, clip: Path, lens: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    # What no code foresees has to be provoked: the number of threads is read deep inside the encoder.
    monkeypatch.setattr("os.cpu_count", lambda: "many")
    run = bokeh("refocus", clip, *lens)
    assert run.code == 1
    assert "Unexpected TypeError" in run.errors[0]
    assert "--debug" in run.err
    assert "Traceback" not in run.err
    assert "Traceback" in bokeh("refocus", clip, *lens, "--debug").err
    assert list(clip.parent.glob("*.refocus.*")) == []


def flip_bytes(path: Path, packets: range) -> Path:
    """Turn all bytes of some of the packets of a video over."""
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for start, size in [places[number] for number in packets]:
        data[start : start + size] = bytes(byte ^ 0xFF for byte in data[start : start + size])
    path.write_bytes(data)
    return path


def test_one_bad_name_fails_alone(bokeh: Bokeh, clip: Path, track: Path, tmp_path: Path) -> None:
    loop = tmp_path / "loop.mp4"
    loop.symlink_to(loop)
    tracks = tmp_path / "tracks"
    tracks.mkdir()
    track.rename(tracks / "clip.mkv")
    bad = [loop, tmp_path / ("n" * 300 + ".mp4"), tmp_path / "shot.%04d.png"]
    run = bokeh(
        "refocus", *bad, clip, "--focus", 0.5, "--k", 4, "--disparity", tracks, "-o", f"{tmp_path}/out/"
    )
    assert run.code == 3
    assert run.out == f"{tmp_path / 'out' / 'clip.refocus.mp4'}\n"
    assert len(run.errors) == 3


def test_the_largest_picture_is_an_option(bokeh: Bokeh, clip: Path, track: Path) -> None:
    arguments = ("refocus", clip, "--focus", 0.5, "--k", 4, "--disparity", track)
    run = bokeh(*arguments, "--max-pixels", 100)
    assert run.code == 1 and "--max-pixels" in run.err
    assert "ANY2BOKEH_MAX_PIXELS" not in os.environ
    assert bokeh(*arguments, "--max-pixels", 64 * 48).code == 0
    assert bokeh(*arguments, "--max-pixels", 0).code == 2

"""The circle of confusion and the matte of the focus, as files beside the result."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import OpenEXR
import pytest
import tifffile
from films import write_clip, write_track
from numpy.typing import NDArray
from stills import HEIGHT, WIDTH, write_ramps, write_sequence, write_still

from any2bokeh.video.gray import GrayVideo
from any2bokeh.video.pictures.picture_files import read_picture_file

Shown = tuple[list[Fraction], list[NDArray[np.uint16]]]
HOW = ("--focus", "0.5", "--renderer", "lens", "--device", "cpu", "--no-align-edges")
RAMP = np.linspace(0, 1, WIDTH)  # disparity from left to right
PX = WIDTH / 1024  # of K
NUMBERS = [1001, 1002, 1003]
BOTH = ("--export", "coc,focus-matte")


def coc_of(strength: float) -> NDArray[np.float64]:
    return (0.5 - RAMP) * strength * PX


def matte_of(strength: float) -> NDArray[np.float64]:
    return ((2 - abs(coc_of(strength))) / 1.5).clip(0, 1)


def shown(path: Path) -> Shown:
    """The times [s] and the codes of a gray video."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        assert {frame.format.name for frame in frames} == {"gray16le"}
        return [frame.pts * frame.time_base for frame in frames], [frame.to_ndarray() for frame in frames]


def times_of(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def radii(codes: NDArray[np.uint16]) -> NDArray[np.float64]:
    return (codes.astype(float) - 32768) / 64


@pytest.fixture
def plates(tmp_path: Path) -> Path:
    write_ramps(tmp_path / "d" / "d.%04d.png", NUMBERS)
    return write_sequence(tmp_path / "plates" / "shot.%04d.png", NUMBERS)


def test_a_video_has_both_beside_it_with_its_times(clip: Path, track: Path, bokeh: Callable) -> None:
    k = "0s:0, f3:120"
    run = bokeh("refocus", clip, "--disparity", track, *HOW, "--k", k, "--easing", "linear", *BOTH, "--json")
    assert run.code == 0, run.err
    result, coc, matte = (
        clip.with_name(f"clip.{name}") for name in ("refocus.mp4", "coc.mkv", "focus-matte.mkv")
    )
    assert json.loads(run.out)["results"][0]["exports"] == [str(coc), str(matte)]
    times, pictures = shown(coc)
    assert len(times) == 4
    np.testing.assert_allclose(np.array(times, float), np.array(times_of(result), float), atol=0.0006)
    assert shown(matte)[0] == times
    for strength, codes, white in zip((0, 40, 80, 120), pictures, shown(matte)[1], strict=True):
        for row in radii(codes)[2:-2]:
            np.testing.assert_allclose(row[2:-2], coc_of(strength)[2:-2], atol=0.05)
        np.testing.assert_allclose(white[20, 2:-2] / 65535, matte_of(strength)[2:-2], atol=0.04)
    assert (pictures[0] == 32768).all() and (shown(matte)[1][0] == 65535).all()  # K = 0
    assert shown(matte)[1][3][20, 8] == 0 and shown(matte)[1][3][20, 32] == 65535
    assert "64" in GrayVideo(coc).note and "32768" in GrayVideo(coc).note


def test_a_part_of_a_video_that_is_turned(tmp_path: Path, bokeh: Callable) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 6, rotation=90, audio="aac")
    track = write_track(tmp_path / "track.mkv", 6, HEIGHT, WIDTH)
    how = ("--disparity", track, *HOW, "--k", "60", "--start", "f2", "--end", "f5")
    target = tmp_path / "out" / "take 1.mov"
    target.parent.mkdir()
    run = bokeh("refocus", clip, *how, *BOTH, "-o", target)
    assert run.code == 0, run.err
    times, pictures = shown(target.with_name("take 1.coc.mkv"))
    assert pictures[0].shape == (WIDTH, HEIGHT)
    np.testing.assert_allclose(np.array(times, float), np.array(times_of(target), float), atol=0.0006)
    assert len(times) == 3 and times[0] == 0
    assert target.with_name("take 1.focus-matte.mkv").exists()


def test_a_subject_that_is_held_is_in_focus_whole(
    clip: Path, track: Path, tmp_path: Path, bokeh: Callable
) -> None:
    mask = np.zeros((HEIGHT, WIDTH, 1), np.float32)
    mask[12:36, 20:44] = 1
    for number in range(4):
        write_still(tmp_path / "mask" / f"m.{number}.png", mask, 8)
    how = ("--disparity", track, "--k", "120", "--device", "cpu", "--renderer", "lens")
    run = bokeh("refocus", clip, *how, "--focus-mask", tmp_path / "mask", *BOTH)
    assert run.code == 0, run.err
    coc, matte = (shown(clip.with_name(f"clip.{name}.mkv"))[1][2] for name in ("coc", "focus-matte"))
    inside = (slice(15, 33), slice(23, 41))  # disparity differs by 0.28 in there: 2.1 px
    assert abs(radii(coc[inside])).max() < 0.5
    assert matte[inside].min() == 65535
    assert matte[:, :6].max() == 0


@pytest.mark.parametrize("options", [(), ("--no-align-edges",)])
def test_edges_are_those_that_the_lens_draws(
    options: tuple[str, ...], tmp_path: Path, bokeh: Callable
) -> None:
    size, square = 160, slice(50, 110)
    picture, disparity = np.full((size, size, 3), 0.2), np.zeros((size, size, 1))
    picture[square, square], disparity[52:108, 52:108] = (0.9, 0.6, 0.1), 1  # two pixels too small
    write_still(tmp_path / "in.png", picture, 8)
    write_still(tmp_path / "d.png", disparity, 16)
    how = (
        "--disparity",
        tmp_path / "d.png",
        "--focus",
        "0",
        "--k",
        "60",
        "--renderer",
        "lens",
        "--device",
        "cpu",
    )
    run = bokeh("refocus", tmp_path / "in.png", *how, *options, "--export", "coc")
    assert run.code == 0, run.err
    coc = radii(read_picture_file(tmp_path / "in.coc.png").codes[..., 0])
    near = np.flatnonzero(coc[80] < -5)
    assert (near[0], near[-1]) == ((52, 107) if options else (50, 109))
    alone = bokeh("refocus", tmp_path / "in.png", *how, *options, "-o", tmp_path / "alone.png")
    assert alone.code == 0, alone.err
    assert (tmp_path / "in.refocus.png").read_bytes() == (tmp_path / "alone.png").read_bytes()


def test_a_sequence_has_sequences_with_its_numbers(plates: Path, tmp_path: Path, bokeh: Callable) -> None:
    how = ("refocus", plates, "--disparity", tmp_path / "d", *HOW, "--k", "100", *BOTH)
    run = bokeh(*how, "--dry-run")
    folders = [plates.parent / f"shot.{name}" for name in ("coc", "focus-matte")]
    patterns = [folder / f"{folder.name}.%04d.png" for folder in folders]
    assert run.code == 0 and all(str(pattern) in run.out for pattern in patterns)
    assert not any(folder.exists() for folder in folders)
    run = bokeh(*how)
    assert run.code == 0, run.err
    for folder in folders:
        assert sorted(path.name for path in folder.iterdir()) == [f"{folder.name}.{n}.png" for n in NUMBERS]
    coc = read_picture_file(folders[0] / "shot.coc.1002.png")
    assert (coc.bits, coc.codes.shape[2]) == (16, 1)
    np.testing.assert_allclose(radii(coc.codes[20, 2:-2, 0]), coc_of(100)[2:-2], atol=0.05)
    assert any(kind == b"tEXt" and b"32768" in data for kind, data in coc.kept)
    again = bokeh(*how, "--overwrite")
    assert again.code == 0, again.err


def test_what_is_there_is_never_replaced_unasked(plates: Path, tmp_path: Path, bokeh: Callable) -> None:
    how = ("refocus", plates, "--disparity", tmp_path / "d", *HOW, "--k", "100")
    stranger = write_still(plates.parent / "shot.coc" / "shot.coc.1002.png", np.ones((2, 2, 1)), 8)
    before = stranger.read_bytes()
    run = bokeh(*how, "--export", "coc")
    assert run.code == 1 and stranger.name in run.err
    assert stranger.read_bytes() == before
    assert not (plates.parent / "shot.refocus" / "shot.refocus.1001.png").exists()


def test_gaps_are_filled(plates: Path, tmp_path: Path, bokeh: Callable) -> None:
    how = ("refocus", plates, "--disparity", tmp_path / "d", *HOW, "--k", "100", "--skip-existing")
    assert bokeh(*how).code == 0
    result = plates.parent / "shot.refocus" / "shot.refocus.1002.png"
    made = result.stat().st_mtime_ns
    assert bokeh(*how, "--export", "coc").code == 0
    exported = [plates.parent / "shot.coc" / f"shot.coc.{number}.png" for number in NUMBERS]
    kept = exported[0].stat().st_mtime_ns
    exported[2].unlink()
    assert bokeh(*how, "--export", "coc").code == 0
    assert exported[2].exists() and exported[0].stat().st_mtime_ns == kept
    assert result.stat().st_mtime_ns == made


def test_a_run_that_was_stopped_goes_on(
    plates: Path, tmp_path: Path, bokeh: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = ("refocus", plates, "--disparity", tmp_path / "d", *HOW, "--k", "100", "--export", "coc")
    broken = (plates.parent / "shot.1003.png").read_bytes()
    (plates.parent / "shot.1003.png").write_bytes(b"cut")
    assert bokeh(*how).code == 1
    (plates.parent / "shot.1003.png").write_bytes(broken)
    assert (plates.parent / "shot.coc" / "shot.coc.1001.png").exists()
    run = bokeh(*how)
    assert run.code == 0, run.err
    names = sorted(path.name for path in (plates.parent / "shot.coc").iterdir())
    assert names == [f"shot.coc.{number}.png" for number in NUMBERS]


def test_exr_holds_radii_as_floats_at_the_window_of_the_result(tmp_path: Path, bokeh: Callable) -> None:
    write_ramps(tmp_path / "d" / "d.%04d.png", [7])
    light = {name: np.full((HEIGHT, WIDTH), 0.5, np.float16) for name in "RGB"}
    window = np.array([-8, -4], np.int32), np.array([WIDTH - 9, HEIGHT - 5], np.int32)
    header = {"compression": OpenEXR.DWAA_COMPRESSION, "type": OpenEXR.scanlineimage, "owner": "a studio"}
    header |= {"dataWindow": window, "displayWindow": window}
    with OpenEXR.File(header, light) as file:
        file.write(str(tmp_path / "shot.0007.exr"))
    how = ("--disparity", tmp_path / "d", *HOW, "--k", "100", "--aovs", "coc", *BOTH)
    run = bokeh("refocus", tmp_path / "shot.%04d.exr", *how, "-o", tmp_path / "out.%04d.exr")
    assert run.code == 0, run.err
    with OpenEXR.File(str(tmp_path / "out.coc.0007.exr"), separate_channels=True) as file:
        header, coc = dict(file.header()), file.channels()["Y"].pixels.copy()
    assert coc.dtype == np.float32 and "pixels" not in header
    np.testing.assert_array_equal(header["dataWindow"], window)
    assert header["compression"] == OpenEXR.ZIP_COMPRESSION and "px" in header["comments"]
    np.testing.assert_allclose(coc[:, 2:-2], np.tile(coc_of(100)[2:-2], (HEIGHT, 1)), atol=0.05)
    with OpenEXR.File(str(tmp_path / "out.focus-matte.0007.exr"), separate_channels=True) as file:
        np.testing.assert_allclose(file.channels()["Y"].pixels, ((2 - abs(coc)) / 1.5).clip(0, 1), atol=1e-6)


def test_a_photo_has_a_picture_beside_it(tmp_path: Path, bokeh: Callable) -> None:
    track = write_still(tmp_path / "d.png", np.broadcast_to(RAMP, (HEIGHT, WIDTH))[..., None], 16)
    for suffix in (".jpg", ".tif"):
        photo = write_still(tmp_path / f"photo{suffix}", np.full((HEIGHT, WIDTH, 3), 0.5), 8)
        run = bokeh("refocus", photo, "--disparity", track, *HOW, "--k", "100", "--export", "coc")
        assert run.code == 0, run.err
    np.testing.assert_allclose(
        radii(read_picture_file(tmp_path / "photo.coc.png").codes[20, 2:-2, 0]), coc_of(100)[2:-2], atol=0.05
    )
    with tifffile.TiffFile(tmp_path / "photo.coc.tif") as file:
        assert "px" in file.pages[0].description
        np.testing.assert_allclose(file.asarray()[20, 2:-2], coc_of(100)[2:-2], atol=0.05)


def test_a_radius_beyond_the_largest_code_is_told(tmp_path: Path, bokeh: Callable) -> None:
    clip = write_clip(tmp_path / "wide.mp4", 2, 8400, 16)
    track = write_track(tmp_path / "track.mkv", 2, 8400, 16)
    how = ("--disparity", track, "--focus", "1", "--k", "128", "--renderer", "lens", "--device", "cpu")
    run = bokeh("refocus", clip, *how, "--export", "coc", "--preset", "ultrafast")
    assert run.code == 0, run.err
    assert run.err.count("512") == 1
    assert shown(tmp_path / "wide.coc.mkv")[1][1].max() == 65535


def test_stdout_has_no_place_beside_it(clip: Path, track: Path, bokeh: Callable) -> None:
    how = ("refocus", clip, "--disparity", track, *HOW, "--k", "10")
    run = bokeh(*how, "--export", "coc", "-o", "-")
    assert run.code == 2 and "--export" in run.err
    assert bokeh(*how, "--export", "beauty").code == 2


def test_a_video_that_is_there_is_told_of_before_the_work(clip: Path, track: Path, bokeh: Callable) -> None:
    clip.with_name("clip.coc.mkv").write_text("mine")
    how = ("refocus", clip, "--disparity", track, *HOW, "--k", "10", "--export", "coc")
    run = bokeh(*how)
    assert run.code == 1 and "clip.coc.mkv" in run.err and not clip.with_name("clip.refocus.mp4").exists()
    assert clip.with_name("clip.coc.mkv").read_text() == "mine"
    assert bokeh(*how, "--overwrite").code == 0
    assert len(shown(clip.with_name("clip.coc.mkv"))[0]) == 4
    asked = clip.with_name("clip.coc.mkv")
    assert (
        bokeh("refocus", asked, "--disparity", track, *HOW, "--k", "1", "--export", "coc", "-o", track).code
        == 2
    )


@pytest.mark.slow
@pytest.mark.parametrize("result", ["clip.refocus.mkv", "out.%04d.png"])
def test_runs_in_parts_export_the_same(result: str, tmp_path: Path, bokeh: Callable) -> None:
    clip, track = write_clip(tmp_path / "clip.mp4", 30), write_track(tmp_path / "track.mkv", 30)
    how = ("refocus", clip, "--disparity", track, *HOW, "--k", "0s:0, 1s:120", *BOTH, "--lossless")
    how = how if result.endswith("mkv") else how[:-1]
    exported = []
    for name, parts in (("one", ()), ("resumed", ("--resume",)), ("shards", None)):
        (tmp_path / name).mkdir()
        target = tmp_path / name / result
        if parts is None:
            for shard in ("2/2", "1/2"):
                run = bokeh(*how, "-o", target, "--shard", shard, "--work", tmp_path / "work")
                assert run.code == 0, run.err
            assert sorted(path.name for path in target.parent.iterdir()) == []
            assert bokeh("join", tmp_path / "work").code == 0
        else:
            run = bokeh(*how, "-o", target, *parts)
            assert run.code == 0, run.err
        files = sorted((tmp_path / name).iterdir())
        exported.append([(file.name, file.read_bytes()) for file in files if "refocus" not in file.name])
    assert len(exported[0]) == (2 if result.endswith("mkv") else 90)
    assert exported[0] == exported[1] == exported[2]

"""Pictures through the real command: sequences, folders and single ones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from stills import HEIGHT, WIDTH, stripes, write_ramps, write_sequence, write_still

from any2bokeh.optics.transfer import from_linear, to_linear
from any2bokeh.render.lens.cpu.compiled_engine import CompiledEngine
from any2bokeh.render.lens.highlights import FRAMES_AHEAD, FRAMES_BEFORE, Highlights
from any2bokeh.scene import Scene
from any2bokeh.video.decode import open_video
from any2bokeh.video.pictures.picture_files import read_picture_file

HOW = ("--focus", "0.5", "--k", "120", "--renderer", "lens", "--device", "cpu")
NUMBERS = [1001, 1002, 1003]


@pytest.fixture
def plates(tmp_path: Path) -> Path:
    write_ramps(tmp_path / "d" / "d.%04d.png", NUMBERS)
    return write_sequence(tmp_path / "plates" / "shot.%04d.png", NUMBERS)


def codes(path: Path) -> np.ndarray:
    return read_picture_file(path).codes.astype(int)


def test_a_sequence_becomes_one_beside_it_with_its_numbers(
    plates: Path, tmp_path: Path, bokeh: Callable
) -> None:
    run = bokeh("refocus", plates, "--disparity", tmp_path / "d" / "d.####.png", *HOW)
    assert run.code == 0, run.err
    folder = plates.parent / "shot.refocus"
    assert run.out.strip() == str(folder / "shot.refocus.%04d.png")
    assert sorted(path.name for path in folder.iterdir()) == [f"shot.refocus.{n}.png" for n in NUMBERS]
    before, after = codes(plates.parent / "shot.1002.png"), codes(folder / "shot.refocus.1002.png")
    middle = WIDTH // 2
    np.testing.assert_array_equal(after[:, middle - 2 : middle + 2], before[:, middle - 2 : middle + 2])
    assert abs(after - before)[:, :8].mean() > 655  # a hundredth of white
    again = bokeh("refocus", plates, "--disparity", tmp_path / "d", *HOW)
    assert again.code == 1 and "exist already" in again.err


def test_a_folder_of_pictures_is_their_sequence(plates: Path, tmp_path: Path, bokeh: Callable) -> None:
    run = bokeh(
        "refocus",
        plates.parent,
        "--disparity",
        tmp_path / "d",
        "--k",
        "0",
        "--focus",
        "0.5",
        "--frames",
        "1001,1003",
    )
    assert run.code == 0, run.err
    folder = tmp_path / "plates.refocus"
    assert [path.name for path in sorted(folder.iterdir())] == [
        "plates.refocus.1001.png",
        "plates.refocus.1003.png",
    ]
    np.testing.assert_array_equal(
        codes(folder / "plates.refocus.1003.png"), codes(plates.parent / "shot.1003.png")
    )


def test_disparity_belongs_to_frames_by_number(plates: Path, tmp_path: Path, bokeh: Callable) -> None:
    (tmp_path / "d" / "d.1002.png").unlink()
    run = bokeh("refocus", plates, "--disparity", tmp_path / "d" / "d.%04d.png", *HOW)
    assert run.code == 1 and "1002" in run.err
    part = bokeh("refocus", plates, "--disparity", tmp_path / "d" / "d.%04d.png", *HOW, "--frames", "1003")
    assert part.code == 0, part.err


def test_missing_frames_end_the_run_or_are_held(plates: Path, tmp_path: Path, bokeh: Callable) -> None:
    (plates.parent / "shot.1002.png").unlink()
    how = ("refocus", plates, "--disparity", tmp_path / "d", "--focus", "0.5", "--k", "0")
    run = bokeh(*how)
    assert run.code == 1 and "1002" in run.err and "--missing hold" in run.err
    assert bokeh(*how, "--missing", "hold").code == 0
    held = plates.parent / "shot.refocus" / "shot.refocus.1002.png"
    np.testing.assert_array_equal(codes(held), codes(plates.parent / "shot.1001.png"))


def test_existing_frames_are_filled_up_with_skip_existing(
    plates: Path, tmp_path: Path, bokeh: Callable
) -> None:
    how = ("refocus", plates, "--disparity", tmp_path / "d", *HOW)
    assert bokeh(*how).code == 0
    folder = plates.parent / "shot.refocus"
    expected = codes(folder / "shot.refocus.1003.png")
    (folder / "shot.refocus.1003.png").unlink()
    kept = (folder / "shot.refocus.1001.png").stat().st_mtime_ns
    assert bokeh(*how, "-n").code == 0
    np.testing.assert_array_equal(codes(folder / "shot.refocus.1003.png"), expected)
    assert (folder / "shot.refocus.1001.png").stat().st_mtime_ns == kept


def test_a_missing_frame_is_drawn_with_the_lights_of_those_around_it(
    tmp_path: Path, bokeh: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = list(range(1001, 1018))
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    for number in numbers:
        away = np.hypot(columns - 9 - 0.37 * (number - 1000), rows - 20)
        lamp = (5 - away).clip(0.05, 1)
        write_still(tmp_path / "lamp" / f"lamp.{number}.png", np.stack([lamp] * 3, axis=-1), 16)
    write_ramps(tmp_path / "d" / "d.%04d.png", numbers)
    how = ("refocus", tmp_path / "lamp" / "lamp.%04d.png", "--disparity", tmp_path / "d", *HOW)
    assert bokeh(*how).code == 0
    missing = tmp_path / "lamp" / "lamp.refocus" / "lamp.refocus.1013.png"
    expected = codes(missing)
    missing.unlink()
    drawn: set[int] = set()
    draw = CompiledEngine.draw

    def counted(
        self: CompiledEngine, scene: Scene, coc: torch.Tensor, lights: Highlights | None
    ) -> torch.Tensor:
        drawn.add(scene.pts)
        return draw(self, scene, coc, lights)

    monkeypatch.setattr(CompiledEngine, "draw", counted)
    assert bokeh(*how, "-n").code == 0
    np.testing.assert_array_equal(codes(missing), expected)
    # 0 is not of the sequence: the lens draws a small picture while it gets warm.
    assert drawn - {0} == set(range(1013 - FRAMES_BEFORE, 1014 + FRAMES_AHEAD)) < set(numbers)


def test_a_photo_becomes_a_photo(tmp_path: Path, bokeh: Callable) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray((stripes() * 255).astype(np.uint8)).save(tmp_path / "photo.jpg", exif=exif, quality=90)
    ramp = np.broadcast_to(np.linspace(0, 1, HEIGHT), (WIDTH, HEIGHT))[..., None]
    track = write_still(tmp_path / "d.png", ramp, 16)
    run = bokeh("refocus", tmp_path / "photo.jpg", "--disparity", track, "--focus-at", "24,10", "--k", "100")
    assert run.code == 0, run.err
    with Image.open(tmp_path / "photo.refocus.jpg") as result:
        assert result.size == (WIDTH, HEIGHT) and result.getexif()[0x0112] == 6


def test_depth_is_written_as_pictures_that_can_be_used(plates: Path, tmp_path: Path, bokeh: Callable) -> None:
    target = tmp_path / "depth" / "depth.%04d.png"
    run = bokeh("depth", plates, "--disparity", tmp_path / "d", "-o", target)
    assert run.code == 0, run.err
    written = tmp_path / "depth" / "depth.1003.png"
    np.testing.assert_array_equal(codes(written), codes(tmp_path / "d" / "d.1003.png"))
    assert bokeh("depth", plates, "--disparity", tmp_path / "d", "-o", tmp_path / "d.jpg").code == 1


def test_pictures_and_videos_mix(clip: Path, track: Path, tmp_path: Path, bokeh: Callable) -> None:
    how = ("--disparity", track, "--focus", "0.5", "--k", "0")
    assert bokeh("refocus", clip, *how, "-o", tmp_path / "f.%04d.png").code == 0
    assert len(list(tmp_path.glob("f.*.png"))) == 4
    assert (
        bokeh("refocus", tmp_path / "f.%04d.png", *how, "-o", tmp_path / "back.mkv", "--fps", "24").code == 0
    )
    wrong = bokeh("refocus", clip, *how, "--frames", "1-3", "-o", tmp_path / "x.mkv")
    assert wrong.code == 1 and "--frames" in wrong.err


def test_depth_in_floats_may_be_meters_with_nothing_behind(tmp_path: Path, bokeh: Callable) -> None:
    meters = np.full((HEIGHT, WIDTH, 1), 2, np.float32)
    meters[:, WIDTH // 2 :] = np.inf
    meters[:, :2] = 1
    track = write_still(tmp_path / "z.tif", meters, 0)
    write_still(tmp_path / "a.png", stripes(), 16)
    out = tmp_path / "out.png"
    refused = bokeh("depth", tmp_path / "a.png", "--disparity", track, "-o", out)
    assert refused.code == 1 and "--disparity-kind depth" in refused.err
    run = bokeh("depth", tmp_path / "a.png", "--disparity", track, "--disparity-kind", "depth", "-o", out)
    assert run.code == 0, run.err
    disparity = codes(out)[HEIGHT // 2, :, 0] / 65535
    assert disparity[-8:].max() == 0 and disparity[0] == 1
    np.testing.assert_allclose(disparity[8:24], 0.5, atol=0.002)


def test_log_footage_keeps_its_curve_and_its_codes(plates: Path, tmp_path: Path, bokeh: Callable) -> None:
    how = ("refocus", plates, "--disparity", tmp_path / "d", *HOW, "--frames", "1002")
    assert bokeh(*how, "-o", tmp_path / "log.%04d.png", "--color", "slog3").code == 0
    assert bokeh(*how, "-o", tmp_path / "srgb.%04d.png").code == 0
    before, log, srgb = (
        codes(path)
        for path in (plates.parent / "shot.1002.png", tmp_path / "log.1002.png", tmp_path / "srgb.1002.png")
    )
    middle = WIDTH // 2
    np.testing.assert_array_equal(log[:, middle - 2 : middle + 2], before[:, middle - 2 : middle + 2])
    assert abs(log - srgb)[:, :8].max() > 100  # light is another in S-Log3
    as_srgb = (*how, "-o", tmp_path / "shown.%04d.png", "--color", "slog3", "--color-out", "srgb")
    assert bokeh(*as_srgb).code == 0
    shown = codes(tmp_path / "shown.1002.png")[:, middle]
    light = to_linear(torch.from_numpy(before[:, middle] / 65535), "slog3")
    expected = from_linear(light.clamp(0, 1), "srgb") * 65535
    np.testing.assert_allclose(shown, expected.numpy(), atol=2)


def test_a_log_video_keeps_its_codes(clip: Path, track: Path, tmp_path: Path, bokeh: Callable) -> None:
    how = ("--disparity", track, "--focus", "0.5", "--k", "0", "--color", "logc3")
    assert bokeh("refocus", clip, *how, "-o", tmp_path / "log.mkv", "--lossless").code == 0
    with open_video(clip) as before, open_video(tmp_path / "log.mkv") as after:
        for one, other in zip(before, after, strict=True):
            assert torch.equal(one.picture, other.picture)
    wrong = bokeh("refocus", clip, *how[:-2], "--color", "log")
    assert wrong.code == 2

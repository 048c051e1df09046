"""The focus is what a mask shows, in each frame."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from facts import naming

from any2bokeh.depth.track import DepthClip
from any2bokeh.errors import FocusError
from any2bokeh.focus.masked import disparity_in_mask
from any2bokeh.focus.pull import pull_focus
from any2bokeh.settings.focus_settings import FocusSettings
from any2bokeh.video.png import write_png

from .conftest import counted, disparities

Film = Callable[..., DepthClip]
FRAMES = 30


def swinging(number: int) -> list[tuple[float, float, float, float]]:
    """A disc that comes nearer and goes away again; for some frames it is out of the picture."""
    x = 90 if not 12 <= number < 16 else -500
    return [(x, 40, 20, 0.5 + 0.2 * math.sin(number / 5))]


def focus_of(clip: DepthClip, mask: Path, smoothing_s: float = 0.0) -> list[float]:
    settings = FocusSettings(focus_mask=mask, blur_strength=8, smoothing_s=smoothing_s)
    return [focus.focus_disparity for focus in pull_focus(clip, settings).focus]


def test_focus_is_the_disparity_inside_and_held_where_the_mask_is_empty(film: Film, tmp_path: Path) -> None:
    clip = film(swinging, FRAMES)
    told, tell = counted()
    measured = disparity_in_mask(tmp_path / "mask.mkv", clip, tell)
    wanted = disparities(swinging, FRAMES)
    empty = np.arange(FRAMES)[12:16]
    assert np.isnan(measured.disparity[empty]).all()
    seen = np.delete(np.arange(FRAMES), empty)
    np.testing.assert_allclose(measured.disparity[seen], wanted[seen], atol=1e-4)
    assert told == list(range(1, FRAMES + 1))
    held = focus_of(clip, tmp_path / "mask.mkv")
    np.testing.assert_allclose(np.array(held)[12:16], wanted[11], atol=0.05)
    smoothed = np.array(focus_of(clip, tmp_path / "mask.mkv", smoothing_s=0.1))
    assert abs(np.diff(smoothed)).max() < 0.05 < abs(np.diff(held)).max()


def test_a_few_wrong_pixels_in_the_mask_change_nothing(film: Film, tmp_path: Path) -> None:
    clip = film(swinging, 2)
    folder = tmp_path / "masks"
    folder.mkdir()
    mask = torch.zeros(1, 54, 96)  # half the size of the picture
    mask[:, 16:24, 40:50] = 1
    mask[:, 50:, :9] = 1  # a piece of floor
    for number in range(2):
        write_png(folder / f"{number}.png", mask)
    assert focus_of(clip, folder) == pytest.approx(disparities(swinging, 2), abs=1e-3)


def test_a_subject_that_is_not_at_one_distance_is_warned_of(
    film: Film, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clip = film(swinging, 2)
    focus_of(clip, tmp_path / "mask.mkv")
    assert "will blur" not in caplog.text
    folder = tmp_path / "masks"
    folder.mkdir()
    mask = torch.zeros(1, 54, 96)
    mask[:, 10:30, 40:50] = mask[:, 40:, 60:80] = 1  # the disc, and as much of the floor
    for number in range(2):
        write_png(folder / f"{number}.png", mask)
    focus_of(clip, folder)
    assert "parts of it will blur" in caplog.text


def test_masks_that_cannot_be_used_are_one_sentence(film: Film, tmp_path: Path) -> None:
    clip = film(swinging, 3)
    folder = tmp_path / "masks"
    folder.mkdir()
    for number in range(3):
        write_png(folder / f"{number}.png", torch.full((1, 54, 96), 0.2))
    with pytest.raises(FocusError, match=naming(folder, "empty", "clip.mkv")):
        focus_of(clip, folder)
    (folder / "2.png").unlink()
    with pytest.raises(FocusError, match=naming("2 frames", "3 frames")):
        focus_of(clip, folder)
    write_png(folder / "2.png", torch.rand(3, 54, 96))
    with pytest.raises(FocusError, match=naming(folder / "2.png", "gray")):
        focus_of(clip, folder)
    shutil.rmtree(folder)
    with pytest.raises(FocusError, match=naming(folder)):
        focus_of(clip, folder)


def test_a_frame_of_something_else_is_no_cut(film: Film, tmp_path: Path) -> None:
    def flash(number: int) -> list[tuple[float, float, float, float]]:
        # One frame, as by lightning, shows nothing that the others show.
        others = [(x, y, 16, 0.25) for x in range(5, 200, 23) for y in range(5, 120, 29)]
        return [*(others if number == 10 else []), (60 + number, 40, 20, 0.3 + 0.01 * number)]

    clip = film(flash, 24)
    measured = disparity_in_mask(tmp_path / "mask.mkv", clip, lambda done: None)
    assert measured.starts == []
    np.testing.assert_allclose(measured.disparity, disparities(flash, 24), atol=1e-4)


@pytest.mark.slow
def test_focus_jumps_at_a_cut_and_nowhere_else(film: Film, tmp_path: Path) -> None:
    def cut(number: int) -> list[tuple[float, float, float, float]]:
        # The second shot shows discs all over the picture, so that nothing of the first is found again.
        if number < 12:
            return [(60 + number, 40, 20, 0.3)]
        others = [(x, y, 16, 0.25) for x in range(5, 200, 23) for y in range(5, 120, 29)]
        return [*others, (120 - number, 60, 20, 0.8)]

    clip = film(cut, 24)
    measured = disparity_in_mask(tmp_path / "mask.mkv", clip, lambda done: None)
    assert measured.starts == [12]
    focus = focus_of(clip, tmp_path / "mask.mkv", smoothing_s=0.2)
    assert focus == pytest.approx([0.3] * 12 + [0.8] * 12, abs=1e-3)

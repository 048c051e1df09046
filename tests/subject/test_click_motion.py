"""Motion as the network sees it: measured between frames, cut to windows, told apart from none."""

import cv2
import numpy as np
import pytest
import torch

from any2bokeh.subject.click_motion import FARTHEST, flow_to, motion_in, to_units
from any2bokeh.subject.click_network import MOTION_UNIT, _motions
from any2bokeh.subject.click_views import Window


def test_a_thing_moves_and_the_panning_camera_does_not() -> None:
    rng = np.random.default_rng(0)
    wide, thing = (
        cv2.GaussianBlur(rng.integers(0, 255, (200, 300)).astype(np.uint8), (0, 0), 3) for _ in "12"
    )
    wide, thing = (cv2.equalizeHist(part) for part in (wide, thing))
    before, after = wide[:192, 10:266].copy(), wide[:192, 12:268].copy()
    before[60:140, 80:180], after[60:140, 83:183] = thing[:80, :100], thing[:80, :100]
    shift = flow_to(before, after)
    assert shift is not None
    motion = to_units(shift)
    assert motion is not None and to_units(None) is None
    inside = motion[70:130, 95:165].mean((0, 1))
    np.testing.assert_allclose(inside, [5 / (MOTION_UNIT * 256), 0], atol=0.7)
    assert np.abs(motion[:40]).mean() < 0.2 * np.abs(inside).max()
    assert np.abs(to_units(shift * 100)).max() <= FARTHEST  # type: ignore[arg-type]


@pytest.mark.parametrize("sizes", [((48, 64), (64, 48)), ((20, 64), (20, 64))])
def test_frames_of_other_sizes_and_tiny_ones_have_none(sizes: tuple[tuple[int, int], ...]) -> None:
    assert flow_to(*(np.zeros(size, np.uint8) for size in sizes)) is None


def test_a_window_shows_its_part_of_the_motion() -> None:
    motion = np.zeros((60, 80, 2), np.float32)
    motion[30:, 40:] = 5, -3  # the lower right quarter
    seen = motion_in(motion, Window(120, 160, 240, 320), (240, 320), (24, 32))
    assert seen.shape == (3, 24, 32)
    np.testing.assert_allclose(seen[:, 2:-2, 2:-2], np.broadcast_to([[[5]], [[-3]], [[1]]], (3, 20, 28)))
    assert not motion_in(motion, Window(0, 0, 120, 160), (240, 320), (24, 32))[:2].any()
    assert not motion_in(None, Window(0, 0, 120, 160), (240, 320), (24, 32)).any()


def test_parts_that_move_as_the_subject_does_are_told() -> None:
    motion = torch.zeros(1, 3, 20, 20)
    motion[:, 2] = 1
    motion[:, 0, :, :8] = 6  # the subject, and more of it than is marked
    motion[:, 1, :, 15:] = 6
    own = torch.zeros(1, 1, 20, 20)
    own[..., 4:8, 2:5] = 1
    unlike = _motions(motion, own)[0, 3]
    assert unlike[:, :8].max() < 0.2 and unlike[:, 8:].min() > 2.4
    assert not _motions(torch.zeros(1, 3, 20, 20), own).any()

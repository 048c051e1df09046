"""Where a correction to the lens counts."""

import pytest
import torch

from any2bokeh.render.diffusion.working_frame import WorkingFrame
from any2bokeh.render.small.correction import (
    CORRECTED_PX,
    FULL_CHANGE,
    correct,
    correction_frame,
    correction_share,
)
from any2bokeh.scene import PictureFormat, Scene

REACH = CORRECTED_PX + 3  # and the smoothing before and after


def changed_square(amount: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A picture, and what a lens made of it that changed a square in its middle."""
    sharp = torch.full((1, 3, 64, 64), 0.5)
    lens = sharp.clone()
    lens[:, :, 28:36, 28:36] += amount
    return sharp, lens


def test_a_correction_counts_as_much_as_the_lens_changed() -> None:
    full = correction_share(*changed_square(FULL_CHANGE))
    assert full.shape == (1, 1, 64, 64) and full[..., 32, 32] == 1
    torch.testing.assert_close(correction_share(*changed_square(FULL_CHANGE / 4)), full / 4)
    more = correction_share(*changed_square(4 * FULL_CHANGE))
    assert more[..., 32, 32] == 1 and more.max() == 1


def test_far_from_what_the_lens_changed_its_pixels_stay_bit_for_bit() -> None:
    sharp, lens = changed_square(0.2)
    scene = Scene(sharp=sharp[0], disparity=torch.zeros(1, 64, 64), focus_disparity=0, blur_strength=9, pts=0)
    corrected = correct(scene, lens[0], torch.rand(3, 64, 64), WorkingFrame.fit(64, 64, 1, 128, 1.0))
    changed = (corrected != lens[0]).any(0)
    far = torch.ones(64, 64, dtype=torch.bool)
    far[28 - REACH : 36 + REACH, 28 - REACH : 36 + REACH] = False
    assert changed[28:36, 28:36].all()
    assert not changed[far].any()


def test_the_lens_keeps_its_detail_where_the_working_frame_is_smaller() -> None:
    sharp = torch.rand(3, 64, 64)
    lens = (sharp + 0.1 * torch.rand(3, 64, 64)).clamp(0, 1)
    scene = Scene(sharp=sharp, disparity=torch.zeros(1, 64, 64), focus_disparity=0, blur_strength=9, pts=0)
    frame = WorkingFrame.fit(64, 64, 1, 1024, 0.5)
    assert (frame.height, frame.width) == (32, 32)
    unchanged = correct(scene, lens, frame.scale(lens[None])[0], frame)
    torch.testing.assert_close(unchanged, lens)


@pytest.mark.parametrize(
    ("width", "height", "blur_strength", "wanted"),
    [
        (320, 192, 48, (192, 320)),  # as it was trained: 15 pixels
        (1280, 720, 12, (720, 1280)),  # 15 pixels at the clip's own size
        (1280, 720, 48, (180, 320)),
        (720, 1280, 48, (320, 180)),
        (320, 192, 0, (192, 320)),
        (1280, 720, None, (68, 120)),  # not known: the largest that there is, 128
    ],
)
def test_a_correction_is_worked_out_where_discs_are_as_large_as_in_training(
    width: int, height: int, blur_strength: float | None, wanted: tuple[int, int]
) -> None:
    pictures = PictureFormat(height=height, width=width)
    frame = correction_frame(pictures, 2048, 15.0, blur_strength)
    assert (frame.height, frame.width) == wanted

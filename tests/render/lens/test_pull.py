"""A focus pull through a scene that stands still: what is drawn changes evenly, without steps."""

import pytest
import torch
from lenses import compiled_lens

from any2bokeh.focus.depth_of_field import reshape
from any2bokeh.focus.focus_track import Curve, Focus
from any2bokeh.scene import Scene
from any2bokeh.settings.focus_settings import DepthOfFieldSettings
from any2bokeh.settings.render_settings import LensSettings

FRAMES = 48


def still_life() -> tuple[torch.Tensor, torch.Tensor]:
    """A textured slope from far to near with two textured blocks before it."""
    rows, columns = torch.meshgrid(torch.arange(72).float(), torch.arange(128).float(), indexing="ij")
    texture = 0.5 + 0.4 * torch.stack([(columns / 2).sin() * (rows / 3).cos()] * 3)
    picture = texture * torch.tensor([0.9, 0.7, 0.5])[:, None, None]
    disparity = columns / 127 * 0.6
    for left, near in ((20, 0.7), (80, 0.95)):
        block = (columns >= left) & (columns < left + 24) & (rows >= 20) & (rows < 60)
        disparity = torch.where(block, near, disparity)
        picture = torch.where(block, picture.flip(0), picture)
    return picture.contiguous(), disparity[None].contiguous()


@pytest.mark.parametrize(
    "shape",
    [DepthOfFieldSettings(), DepthOfFieldSettings(dof_range=0.1, near_strength=2, far_strength=0.7)],
    ids=["plain", "shaped"],
)
def test_neighboring_frames_of_a_pull_differ_evenly(shape: DepthOfFieldSettings) -> None:
    picture, disparity = still_life()
    pull = Curve([0, FRAMES - 1], [0.1, 0.9], "linear")

    def scenes():
        for number in range(FRAMES):
            shaped, plane, strength = reshape(disparity, Focus(pull.at(number), 96), shape)
            yield Scene(
                sharp=picture, disparity=shaped, focus_disparity=plane, blur_strength=strength, pts=number
            )

    renderer = compiled_lens(LensSettings())
    frames = [frame.picture for frame in renderer.render(scenes())]
    steps = torch.stack(frames).diff(dim=0)
    changes = steps.abs().mean(dim=(1, 2, 3))
    assert changes.min() > 0.6 * changes.median()  # it never stands still
    assert changes.max() < 1.4 * changes.median()  # nor does it jump
    # Nor is what one frame changes undone by the next, which would be flicker.
    assert steps.diff(dim=0).abs().mean(dim=(1, 2, 3)).max() < 0.5 * changes.median()

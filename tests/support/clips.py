"""Small data sets of which everything is known."""

from fractions import Fraction
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from any2bokeh.lab.synthesis.dataset import write_clip, write_made_by
from any2bokeh.lab.synthesis.dataset_clip import ClipDescription, ClipFrame, ClipObject, ClipSetting
from any2bokeh.render.base import Renderer, make_renderer
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.settings.render_settings import RenderSettings

WIDTH, HEIGHT, FRAMES = 96, 64, 4
NEAR, FAR = 0.8, 0.2
FOCUS_FAR, FOCUS_NEAR = "far-k24", "near-k96"


def write_lens_dataset(
    folder: Path, names: tuple[str, ...] = ("000000", "000001"), frames: int = FRAMES
) -> Path:
    """Clips of a near square that moves over stripes, whose truth is what the lens draws."""
    write_made_by(folder, {"made_by": "a test"})
    for name in names:
        description = _description(name, frames)
        with write_clip(folder, description) as writer:
            for number in range(frames):
                frame = _frame(number)
                writer.write(
                    frame, {setting.name: _drawn(frame, setting, number) for setting in description.settings}
                )
    return folder


def _description(name: str, frames: int) -> ClipDescription:
    far = ClipSetting(
        name=FOCUS_FAR, kind="fixed", focus=(FAR,) * frames, blur_strength=(24.0,) * frames, object=None
    )
    near = ClipSetting(
        name=FOCUS_NEAR, kind="fixed", focus=(NEAR,) * frames, blur_strength=(96.0,) * frames, object=1
    )
    return ClipDescription(
        name=name,
        seed=0,
        split="test",
        width=WIDTH,
        height=HEIGHT,
        frames=frames,
        rate=Fraction(24),
        objects=(ClipObject(index=1, name="square", disparity=(NEAR,) * frames),),
        settings=(far, near),
    )


def _frame(number: int) -> ClipFrame:
    columns = torch.arange(WIDTH)
    stripes = 0.25 + 0.5 * (columns // 4 % 2).float()
    sharp = stripes.expand(3, HEIGHT, WIDTH).clone()
    objects = torch.zeros(1, HEIGHT, WIDTH, dtype=torch.uint8)
    square = (slice(None), slice(16, 48), slice(24 + number, 64 + number))
    rows = torch.arange(32)[None, :, None]
    sharp[square] = torch.tensor([0.9, 0.5, 0.1]).view(3, 1, 1) * (0.5 + 0.5 * (rows // 3 % 2))
    objects[square] = 1
    disparity = torch.where(objects == 1, NEAR, FAR)
    return ClipFrame(sharp=sharp, disparity=disparity, objects=objects)


@cache
def _lens() -> Renderer:
    pictures = PictureFormat(height=HEIGHT, width=WIDTH)
    return make_renderer(RenderSettings(renderer="lens"), torch.device("cpu"), pictures)


def _drawn(frame: ClipFrame, setting: ClipSetting, number: int) -> Tensor:
    focus = setting.at(number)
    # What is read again: codes of 8 and 16 bits.
    scene = Scene(
        sharp=(frame.sharp * 255).round() / 255,
        disparity=(frame.disparity * 65535).round() / 65535,
        focus_disparity=focus.focus_disparity,
        blur_strength=focus.blur_strength,
        pts=number,
    )
    return next(_lens().render(iter([scene]))).picture

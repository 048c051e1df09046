"""A small data set: a square that moves in front of a texture, and lens pictures through gray glass."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import torch
from safetensors import safe_open
from torch.nn.functional import interpolate

from any2bokeh.lab.synthesis.dataset import write_clip, write_made_by
from any2bokeh.lab.synthesis.dataset_clip import ClipDescription, ClipFrame, ClipObject, ClipSetting
from any2bokeh.lab.training.training_settings import RunSettings
from any2bokeh.render.lens.renderer import make_lens
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.settings.render_settings import LensSettings

HEIGHT, WIDTH, FRAMES = 64, 96, 8
GLASS = 0.7  # what it lets through, so that there is something to learn in a few steps
SETTINGS = (
    ClipSetting(name="near", kind="fixed", focus=(0.8,) * FRAMES, blur_strength=(60.0,) * FRAMES, object=1),
    ClipSetting(name="far", kind="fixed", focus=(0.1,) * FRAMES, blur_strength=(60.0,) * FRAMES),
)
QUICK = ("precision=no", "batch=1", "checkpoint_every=2", "look_every=100")

RunOf = Callable[..., RunSettings]


def write_clips(folder: Path, count: int) -> Path:
    lens = make_lens(LensSettings(), torch.device("cpu"), PictureFormat(height=HEIGHT, width=WIDTH))
    write_made_by(folder, {"seed": 0})
    for number in range(count):
        description = ClipDescription(
            name=f"{number:06d}",
            seed=number,
            split="train",
            width=WIDTH,
            height=HEIGHT,
            frames=FRAMES,
            rate=Fraction(25),
            objects=(ClipObject(index=1, name="square", disparity=(0.8,) * FRAMES),),
            settings=SETTINGS,
        )
        with write_clip(folder, description) as writer:
            for time, frame in enumerate(_frames(number)):
                scenes = {
                    setting.name: Scene(
                        sharp=frame.sharp,
                        disparity=frame.disparity,
                        focus_disparity=setting.focus[time],
                        blur_strength=setting.blur_strength[time],
                        pts=time,
                    )
                    for setting in SETTINGS
                }
                writer.write(frame, {name: lens.refocus(scene) * GLASS for name, scene in scenes.items()})
    return folder


def _frames(seed: int) -> list[ClipFrame]:
    generator = torch.Generator().manual_seed(seed)
    size = (HEIGHT, WIDTH + 2 * FRAMES)
    texture, thing = (
        interpolate(torch.rand(1, 3, HEIGHT // cell, WIDTH // cell, generator=generator), size)[0]
        for cell in (4, 8)
    )
    frames = []
    for time in range(FRAMES):
        sharp, objects = texture[:, :, 2 * time : 2 * time + WIDTH].clone(), torch.zeros(1, HEIGHT, WIDTH)
        place = (slice(None), slice(16, 48), slice(20 + 3 * time, 55 + 3 * time))
        sharp[place], objects[place] = thing[:, 16:48, 20:55], 1
        disparity = torch.where(objects == 1, 0.8, 0.1)
        frames.append(ClipFrame(sharp=sharp, disparity=disparity, objects=objects.byte()))
    return frames


def steps_kept(state: Path) -> int:
    """How many steps of a run its state holds."""
    with safe_open(state, "pt") as file:
        return int(file.metadata()["step"])

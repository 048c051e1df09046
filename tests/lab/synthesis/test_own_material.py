from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from facts import naming
from PIL import Image

from any2bokeh.errors import DatasetError
from any2bokeh.lab.synthesis.compiled_tracer import CompiledRayTracer
from any2bokeh.lab.synthesis.dataset import open_dataset
from any2bokeh.lab.synthesis.dataset_maker import synthesize
from any2bokeh.lab.synthesis.drawn_scene import ClipFormat
from any2bokeh.lab.synthesis.own_material import OwnMaterial
from any2bokeh.lab.synthesis.ray_tracer import RayTracer
from any2bokeh.lab.synthesis.stage import FrameView, Plane, still
from any2bokeh.lab.synthesis.textures import Footage, Picture
from any2bokeh.optics.transfer import from_linear, to_linear
from any2bokeh.settings.synthesis_settings import PictureSize, SynthesisSettings
from any2bokeh.video.create import create_video

CLIP = ClipFormat(width=64, height=36, frames=4)
RED, GREEN, BLUE = (200, 30, 30), (30, 180, 60), (40, 60, 210)


def save(
    path: Path, color: tuple[int, int, int], size: tuple[int, int] = (40, 60), alpha: bool = True
) -> None:
    """A picture of one color; with alpha its left half is transparent."""
    pixels = np.zeros((size[1], size[0], 4), np.uint8)
    pixels[..., :3] = color
    pixels[:, size[0] // 2 :, 3] = 255
    Image.fromarray(pixels if alpha else pixels[..., :3]).save(path)


def save_mask(path: Path, size: tuple[int, int] = (40, 60)) -> None:
    mask = np.zeros((size[1], size[0]), np.uint8)
    mask[:, size[0] // 2 :] = 255
    Image.fromarray(mask).save(path)


def save_video(path: Path, size: tuple[int, int] = (40, 60)) -> None:
    """Frames that grow brighter."""
    with create_video(path, *size, Fraction(25)) as video:
        for number in range(3):
            video.write(torch.full((3, size[1], size[0]), 0.2 + 0.3 * number))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "things").mkdir()
    (tmp_path / "places").mkdir()
    return tmp_path


def drawn(folder: Path, name: str) -> torch.Tensor:
    """Color (as displayed) and coverage of the one thing of a folder, ``4 20 20``."""
    thing = OwnMaterial(folder / "things", None, CLIP).foreground(np.random.default_rng(0))
    assert thing.name == name
    x, y = torch.meshgrid(torch.linspace(-0.3, 0.3, 20), torch.linspace(-0.4, 0.4, 20), indexing="xy")
    painted = thing.texture.paint(x, y)
    return torch.cat([from_linear(painted[:3], "srgb"), painted[3:]])


@pytest.mark.parametrize("kind", ["alpha", "mask", "video with a mask"])
def test_a_thing_is_where_its_alpha_or_mask_says(folder: Path, kind: str) -> None:
    if kind == "alpha":
        save(folder / "things" / "cat.png", RED)
    elif kind == "mask":
        save(folder / "things" / "cat.jpg", RED, alpha=False)
    else:
        save_video(folder / "things" / "cat.mp4")
    if kind != "alpha":
        save_mask(folder / "things" / "cat.mask.png")
    painted = drawn(folder, "cat")
    assert (painted[3, :, :9] < 0.01).all()
    assert (painted[3, :, 11:] > 0.99).all()
    color = torch.full((3,), 0.2) if kind.startswith("video") else torch.tensor(RED) / 255
    torch.testing.assert_close(painted[:3, 10, 15], color, atol=0.02, rtol=0)


def test_a_picture_stands_upright(tmp_path: Path) -> None:
    pixels = torch.ones(4, 6, 4)
    pixels[0, :3] = 0  # the upper half lacks red
    picture = Picture(pixels=pixels, size_m=(1.0, 1.5))
    upper, lower = picture.paint(torch.tensor([[0.0, 0.0]]), torch.tensor([[0.4, -0.4]]))[0, 0]
    assert (upper, lower) == (0, 1)
    outside = picture.paint(torch.tensor([[0.7]]), torch.tensor([[0.0]]))
    assert outside[3, 0, 0] == 0


def test_footage_runs_there_and_back() -> None:
    pictures = tuple(Picture(pixels=torch.full((4, 1, 1), float(i)), size_m=(1.0, 1.0)) for i in range(3))
    footage = Footage(frames=pictures, rate=Fraction(25))
    assert [pictures.index(footage.at(i / 25)) for i in range(7)] == [0, 1, 2, 1, 0, 1, 2]
    assert Footage(frames=pictures[:1], rate=Fraction(25)).at(2.0) is pictures[0]


@pytest.mark.parametrize("tracer", [RayTracer, CompiledRayTracer])
def test_footage_is_seen_at_its_time(bare_stage, tracer) -> None:
    pictures = tuple(
        Picture(pixels=torch.tensor([level, level, level, 1.0]).reshape(4, 1, 1), size_m=(9.0, 9.0))
        for level in (0.2, 0.6)
    )
    screen = Plane(
        name="screen",
        size_m=(9.0, 9.0),
        texture=Footage(frames=pictures, rate=Fraction(25)),
        position=still(z=3.0),
    )
    traced = tracer(bare_stage(screen))
    for number, level in ((0, 0.2), (1, 0.6), (2, 0.2)):
        picture = traced.sharp(FrameView(time_s=number / 25, width=8, height=4), 4)
        expected = to_linear(torch.tensor(level), "srgb").expand(3, 4, 8)
        torch.testing.assert_close(picture, expected, atol=1e-4, rtol=0)


def test_a_background_fills_its_rectangle_whatever_its_shape(folder: Path) -> None:
    save(folder / "places" / "sky.png", BLUE, size=(30, 90), alpha=False)
    texture = OwnMaterial(None, folder / "places", CLIP).background(np.random.default_rng(0), (32.0, 18.0))
    x, y = torch.meshgrid(torch.linspace(-15, 15, 9), torch.linspace(-8, 8, 9), indexing="xy")
    painted = texture.paint(x, y)
    assert (painted[3] == 1).all()
    torch.testing.assert_close(
        from_linear(painted[:3], "srgb"), (torch.tensor(BLUE) / 255)[:, None, None].expand(3, 9, 9)
    )


@pytest.mark.parametrize(
    ("name", "named"), [("cat.jpg", "things/cat.jpg"), ("notes.txt", "things"), (None, "missing")]
)
def test_what_cannot_be_used_is_named(folder: Path, name: str | None, named: str) -> None:
    if name == "cat.jpg":
        save(folder / "things" / name, RED, alpha=False)
    elif name:
        (folder / "things" / name).write_text("no picture")
    with pytest.raises(DatasetError, match=naming(folder / named)):
        OwnMaterial(folder / "things" if name else folder / "missing", None, CLIP)


def test_a_data_set_of_ones_own_pictures_shows_them(folder: Path) -> None:
    for name, color in (("red", RED), ("green", GREEN)):
        save(folder / "things" / f"{name}.png", color)
    save(folder / "places" / "blue.png", BLUE, size=(64, 36), alpha=False)
    settings = SynthesisSettings(clips=1, size=PictureSize(64, 36), frames=2, versions=1, samples=16, seed=3)
    settings = replace(settings, foregrounds=folder / "things", backgrounds=folder / "places")
    synthesize(folder / "set", settings, 1, lambda done, total: None)
    (clip,) = open_dataset(folder / "set").clips
    names = {thing.name.rpartition(" ")[0] for thing in clip.description.objects}
    assert names <= {"red", "green"}
    sharp, objects = clip.sharp()[0], clip.objects_map()[0, 0]
    shown = sharp[:, objects == 0].median(dim=1).values
    torch.testing.assert_close(shown, torch.tensor(BLUE) / 255, atol=0.02, rtol=0)
    for thing in clip.description.objects:
        seen = sharp[:, objects == thing.index]
        if seen.shape[1] > 30:
            color = torch.tensor(RED if thing.name.startswith("red") else GREEN) / 255
            torch.testing.assert_close(seen.median(dim=1).values, color, atol=0.03, rtol=0)
    assert "pictures of yours" in (folder / "set" / "README.md").read_text()

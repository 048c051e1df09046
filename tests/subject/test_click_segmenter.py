"""The bundled network follows a click: on made scenes whose masks are exact, and on nothing at all."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from any2bokeh.errors import WeightsError
from any2bokeh.lab.compact.made_pictures import MadePicture, make_shot
from any2bokeh.lab.compact.scenes.additions import AdditionSettings
from any2bokeh.lab.compact.wrong_masks import draw_place
from any2bokeh.scene import Frame
from any2bokeh.subject.click_network import ClickNetwork
from any2bokeh.subject.click_segmenter import WEIGHTS, ClickSegmenter, click_revision, load_click_network
from any2bokeh.subject.click_views import VIEW_SIZES, Window, view_shape
from any2bokeh.subject.segmenter import Click

CPU = torch.device("cpu")
SCENES = {970000: 1, 970007: 2, 970012: 1, 970019: 1}  # seeds, and whose masks
UNIT, FRAMES, RATE = 24, 8, 24


@pytest.fixture
def segmenter() -> ClickSegmenter:
    return load_click_network(CPU, torch.float32).segmenter()


def made(seed: int, count: int = FRAMES) -> list[MadePicture]:
    """A few frames of a scene with things that training did not see."""
    additions = AdditionSettings(kinds=("bird", "machine", "seat"))
    return list(make_shot(seed, [number / RATE for number in range(count)], additions, UNIT))


def shown(picture: np.ndarray, pts: int = 0) -> Frame:
    return Frame(picture=torch.from_numpy(picture).permute(2, 0, 1).contiguous(), pts=pts)


def overlap(mask: Tensor, wanted: np.ndarray) -> float:
    inside = mask[0].numpy() > 0.5
    assert inside.shape == wanted.shape
    return float((inside & wanted).sum() / max((inside | wanted).sum(), 1))


def followed(segmenter: ClickSegmenter, shot: Sequence[MadePicture], owner: int) -> list[float]:
    """Overlap with one thing in each frame, clicked on in the first."""
    first = shot[0][2] == owner
    click = Click(*draw_place(first.astype(np.float32), np.random.default_rng(0)))
    overlaps = []
    for number, (picture, _, owners) in enumerate(shot):
        view = segmenter.view(shown(picture, number))
        mask = segmenter.step(view) if number else segmenter.start(view, [click])
        overlaps.append(overlap(mask, owners == owner))
    return overlaps


def test_shipped_weights_are_as_light_as_promised() -> None:
    tensors = load_file(WEIGHTS)
    assert WEIGHTS.stat().st_size <= 16_000_000 - 11_100_000  # both networks together: 16 MB
    assert all(tensor.dtype == torch.float16 and tensor.isfinite().all() for tensor in tensors.values())


@pytest.mark.slow
def test_things_of_kinds_it_never_saw_are_found_and_followed(segmenter: ClickSegmenter) -> None:
    first, last = [], []
    for seed, owner in SCENES.items():
        overlaps = followed(segmenter, made(seed), owner)
        first.append(overlaps[0])
        last.append(overlaps[-1])
    assert np.mean(first) > 0.75, first
    assert np.mean(last) > 0.65, last


@pytest.mark.slow
def test_a_thing_is_lost_behind_a_wall_and_found_after_it(segmenter: ClickSegmenter) -> None:
    [seed, owner] = next(iter(SCENES.items()))
    [(picture, disparity, owners)] = made(seed, 1)
    wall = np.full_like(picture, 0.4) + 0.1 * np.random.default_rng(0).random(picture.shape, np.float32)
    hidden = (wall, disparity, np.zeros_like(owners))
    there = (picture, disparity, owners)
    shot = [there, there, hidden, hidden, hidden, there, there]
    first = owners == owner
    click = Click(*draw_place(first.astype(np.float32), np.random.default_rng(0)))
    masks = [segmenter.start(segmenter.view(shown(picture)), [click])]
    masks += [segmenter.step(segmenter.view(shown(frame[0], n))) for n, frame in enumerate(shot[1:], 1)]
    assert max(float((mask > 0.5).float().mean()) for mask in masks[2:5]) == 0
    assert min(overlap(mask, first) for mask in (masks[0], masks[1], masks[-1])) > 0.6


@pytest.mark.slow
def test_clicks_on_other_things_are_left_out(segmenter: ClickSegmenter) -> None:
    """Two clicks on one thing find it; a click on something else, where it was found, takes that away."""
    [seed, owner] = next(iter(SCENES.items()))
    [(picture, _, owners)] = made(seed, 1)
    own = Click(*draw_place((owners == owner).astype(np.float32), np.random.default_rng(0)))
    view = segmenter.view(shown(picture))
    segmenter.start(view, [own])
    corrected = segmenter.step(view, [Click(own.x, own.y, on_subject=False)])
    column, row = int(own.x * owners.shape[1]), int(own.y * owners.shape[0])
    assert corrected[0, row, column] < 0.5


@pytest.mark.parametrize("size", [(36, 64), (64, 36), (1, 1), (2, 300), (300, 7)])
def test_frames_of_any_size_get_masks_of_one_size(size: tuple[int, int], segmenter: ClickSegmenter) -> None:
    pictures = [torch.rand(3, *size, generator=torch.Generator().manual_seed(n)) for n in range(3)]
    views = [segmenter.view(Frame(picture=picture, pts=n)) for n, picture in enumerate(pictures)]
    masks = [segmenter.start(views[0], [Click(0.5, 0.5)]), *(segmenter.step(view) for view in views[1:])]
    assert len({mask.shape for mask in masks}) == 1
    assert all(bool(mask.isfinite().all()) and 0 <= mask.min() <= mask.max() <= 1 for mask in masks)


def test_a_new_start_forgets_the_last_subject(segmenter: ClickSegmenter) -> None:
    pictures = [torch.rand(3, 48, 64, generator=torch.Generator().manual_seed(n)) for n in range(2)]
    views = [segmenter.view(Frame(picture=picture, pts=n)) for n, picture in enumerate(pictures)]
    alone = segmenter.start(views[0], [Click(0.3, 0.3)])
    segmenter.step(views[1])
    segmenter.start(views[1], [Click(0.8, 0.8)])
    assert torch.equal(segmenter.start(views[0], [Click(0.3, 0.3)]), alone)


def test_weights_of_another_network_are_told(tmp_path: Path) -> None:
    weights = load_file(WEIGHTS)
    weights.pop(next(iter(weights)))
    save_file(weights, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError):
        load_click_network(CPU, torch.float32, tmp_path / "other.safetensors")


def test_its_revision_is_a_hash_and_its_sizes_those_of_the_file() -> None:
    assert len(click_revision()) == 40 and int(click_revision(), 16)
    shapes = {name: tensor.shape for name, tensor in ClickNetwork().state_dict().items()}
    assert {name: tensor.shape for name, tensor in load_file(WEIGHTS).items()} == shapes


@pytest.mark.parametrize("wanted", [0.3, 0.7, 1.0, 1.4, 16 / 9, 3.0])
def test_a_view_is_of_the_size_nearest_to_its_window(wanted: float) -> None:
    size, shape = view_shape(wanted)
    assert size in VIEW_SIZES
    assert abs(np.log(shape * size[0] / size[1])) < 0.12
    if 0.6 < wanted < 1.7:
        assert shape == pytest.approx(wanted, rel=0.12)


def test_a_window_lies_within_its_picture() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        height, width = (int(side) for side in rng.integers(2, 500, 2))
        x, y, wide = rng.uniform(-100, 600, 3)
        shape = float(np.exp(rng.normal(0, 0.5)))
        window = Window.around(x, y, max(wide, 1), shape, (height, width))
        assert 0 <= window.top < window.bottom <= height
        assert 0 <= window.left < window.right <= width

"""Edges of disparity that are wrong throughout a frame, brought to where the picture has them."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d, pad

from any2bokeh.depth.edge_alignment import align_edges, look_at_edges
from any2bokeh.render.aovs import LayerCollector, scene_coc
from any2bokeh.render.base import AligningRenderer, aligned_scene
from any2bokeh.render.grain.clip_noise import LEVELS, ClipNoise
from any2bokeh.render.grain.flat_blocks import BLOCK_PX
from any2bokeh.render.grain.grained import GrainedRenderer
from any2bokeh.scene import Frame, PictureFormat, Scene

HEIGHT, WIDTH = 72, 96
NEAR, FAR, STEP = 0.8, 0.2, 0.1
Change = Callable[[Tensor], Tensor]


def discs(shift: int = 0, bar: int = 0) -> Tensor:
    """``1 H W`` bool: two discs, and a bar that is so many pixels wide."""
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    near = (x - 28 - shift) ** 2 + (y - 34) ** 2 < 18**2
    near |= (x - 68 - shift) ** 2 + (y - 40) ** 2 < 12**2
    near |= (x >= 88) & (x < 88 + bar) & (y > 20) & (y < 50)
    return near[None]


def picture(near: Tensor, contrast: float = 0.3, noise: float = 0.04, seed: int = 0) -> Tensor:
    """``3 H W``: two textured surfaces, anti-aliased between."""
    generator = torch.Generator().manual_seed(seed)
    share = torch.from_numpy(cv2.GaussianBlur(near[0].float().numpy(), (3, 3), 0.5))
    colors = torch.tensor([1.0, 0.3, -0.5]).view(3, 1, 1) * contrast
    return (0.5 + colors * (share - 0.5) + noise * torch.randn(3, HEIGHT, WIDTH, generator=generator)).clamp(
        0, 1
    )


def disparity(near: Tensor) -> Tensor:
    return torch.where(near, NEAR, FAR)


def grown(values: Tensor, by_px: int) -> Tensor:
    """The largest value around, or the smallest for fewer than 0 pixels."""
    sign, reach = (1, by_px) if by_px > 0 else (-1, -by_px)
    return sign * max_pool2d(pad(sign * values[None], (reach,) * 4, mode="replicate"), 2 * reach + 1, 1)[0]


def wrong(found: Tensor, near: Tensor) -> int:
    return int(((found > (NEAR + FAR) / 2) != near).sum())


def test_exact_disparity_is_given_back_itself() -> None:
    given = disparity(discs())
    assert align_edges(given, picture(discs()), STEP) is given


@pytest.mark.parametrize("by_px", [-2, -1, 1, 2])
def test_near_things_too_small_or_too_large_get_their_size(by_px: int) -> None:
    near = discs()
    given = grown(disparity(near), by_px)
    aligned = align_edges(given, picture(near), STEP)
    assert wrong(aligned, near) < 0.15 * wrong(given, near)
    assert set(aligned.unique().tolist()) <= set(given.unique().tolist()), "a disparity in between"


@pytest.mark.parametrize("by_px", [-1, 1])
def test_without_contrast_nothing_is_known_and_nothing_is_moved(by_px: int) -> None:
    near = discs()
    given = grown(disparity(near), by_px)
    assert align_edges(given, picture(near, contrast=0), STEP) is given


def test_a_texture_that_crosses_a_right_edge_does_not_move_it() -> None:
    given = disparity(discs())
    stripes = 0.5 + 0.4 * (torch.arange(WIDTH) // 3 % 2).expand(3, HEIGHT, WIDTH)
    assert align_edges(given, stripes.contiguous(), STEP) is given


def test_slopes_and_steps_below_the_least_stay() -> None:
    slope = torch.linspace(0, 1, WIDTH).expand(1, HEIGHT, WIDTH).contiguous()
    for given in (slope, 0.1 * disparity(discs())):
        assert align_edges(given, picture(discs()), STEP) is given


def test_a_thin_thing_gets_the_disparity_back_that_blur_took() -> None:
    near = discs(bar=3)
    given = torch.from_numpy(cv2.GaussianBlur(disparity(near)[0].numpy(), (0, 0), 1.0))[None]
    aligned = align_edges(given, picture(near), STEP)
    lost, left = (NEAR - values[0, 36, 89] for values in (given, aligned))
    assert left < 0.1 * lost
    wide = discs()[0]
    assert float(aligned[0, wide].max()) < NEAR + 0.01, "an overshoot"
    assert wrong(aligned, near) <= wrong(given, near)


def test_what_moves_is_moved_alike_in_all_frames() -> None:
    for change in range(4):
        near = discs(shift=change)
        aligned = align_edges(grown(disparity(near), -1), picture(near, seed=change), STEP)
        assert wrong(aligned, near) < 25


class Recorder:
    """A renderer that keeps the disparity it is given."""

    name, work_per_frame, operations_per_frame = "recorder", 1.0, None

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def render(self, scenes: Iterator[Scene]) -> Iterator[Frame]:
        for scene in scenes:
            self.seen.append(scene.disparity)
            yield Frame(picture=scene.sharp * 0.999, pts=scene.pts)

    def context(self, part: range, frames: int) -> range:
        return part

    def peak_bytes(self, pictures: PictureFormat) -> int | None:
        return None

    def close(self) -> None:
        pass


def test_every_renderer_sees_aligned_disparity_but_where_a_mask_tells_the_edges() -> None:
    near = discs()
    given = grown(disparity(near), -1)
    recorder = Recorder()
    renderer = AligningRenderer(recorder, PictureFormat(height=HEIGHT, width=WIDTH))
    whole = torch.ones(1, HEIGHT, WIDTH)
    plans = ((300.0, None), (300.0, whole), (10.0, None))  # K, coverage; the last blurs no step by 2 px
    scenes = (
        Scene(
            sharp=picture(near),
            disparity=given,
            focus_disparity=0.5,
            blur_strength=k,
            pts=0,
            coverage=coverage,
        )
        for k, coverage in plans
    )
    assert len(list(renderer.render(scenes))) == len(plans)
    assert wrong(recorder.seen[0], near) < 0.15 * wrong(given, near)
    assert recorder.seen[1] is given and recorder.seen[2] is given


def test_edges_are_aligned_once_and_layers_keep_the_disparity_that_was_given() -> None:
    near = discs()
    given, pictures = grown(disparity(near), -1), PictureFormat(height=HEIGHT, width=WIDTH)
    scene = Scene(sharp=picture(near), disparity=given, focus_disparity=0.5, blur_strength=300.0, pts=0)
    layers = LayerCollector(("coc", "disparity"), pictures, None, align_edges=True)
    drawn = layers.note(scene)
    assert aligned_scene(drawn, pictures) is drawn
    made = layers.layers_at(0)
    assert torch.equal(made["disparity"], given[0])
    assert torch.equal(made["coc"], scene_coc(drawn, pictures)[0])
    assert not torch.equal(made["coc"], scene_coc(scene, pictures)[0])
    exact = aligned_scene(replace(scene, disparity=disparity(near)), pictures)
    assert exact.edges_aligned and exact.unshaped is None


def test_grain_follows_the_edges_that_are_drawn() -> None:
    near = discs()
    pictures = PictureFormat(height=HEIGHT, width=WIDTH)
    given = Scene(
        sharp=picture(near),
        disparity=grown(disparity(near), -1),
        focus_disparity=NEAR,
        blur_strength=300.0,
        pts=0,
    )
    white = np.tile(np.eye(3, dtype=complex), (BLOCK_PX, BLOCK_PX, 1, 1))
    noise = ClipNoise(np.full((3, LEVELS), 0.01), white)
    lens = Recorder()
    drawn, as_given = (
        GrainedRenderer(AligningRenderer(lens, pictures), noise, 1.0, pictures, align_edges=True),
        GrainedRenderer(lens, noise, 1.0, pictures),
    )
    [made] = drawn.render(iter([given]))
    [wanted] = as_given.render(iter([aligned_scene(given, pictures)]))
    [ignored] = as_given.render(iter([given]))
    assert torch.equal(made.picture, wanted.picture)
    assert not torch.equal(made.picture, ignored.picture)
    assert torch.equal(lens.seen[0], lens.seen[1])


def test_looking_at_edges_tells_rings_and_which_side_a_pixel_looks_like() -> None:
    disparity = torch.full((1, 32, 48), 0.2)
    disparity[..., :24] = 0.8
    picture = torch.full((3, 32, 48), 0.2)
    picture[..., :26] = 0.9  # the nearer thing is two pixels larger than its disparity
    rings, evidence = look_at_edges(disparity, picture, 0.3)
    assert rings[0, 16].tolist()[19:29] == [0, 4, 3, 2, 1, -1, -2, -3, -4, 0]
    assert (evidence[0, 16, 21:26] > 0.5).all() and (evidence[0, 16, 26:28] < -1).all()
    assert evidence[0, :, :20].abs().max() == evidence[0, :, 28:].abs().max() == 0
    flat, nothing = look_at_edges(torch.full((1, 32, 48), 0.5), picture, 0.3)
    assert flat.abs().max() == nothing.abs().max() == 0

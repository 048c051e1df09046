"""Without weights: the surface under a click, where disparity is exact."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.focus.follower import FollowedFrame
from any2bokeh.scene import Frame
from any2bokeh.subject.grown_region import GrownRegion
from any2bokeh.subject.segmenter import Click

WIDTH, HEIGHT = 192, 108
Disc = tuple[float, float, float, float]  # x, y and radius [px], disparity


def seen(discs: list[Disc]) -> tuple[FollowedFrame, list[Tensor]]:
    """A frame of striped discs before a striped wall, and the mask of each."""
    rows, columns = torch.meshgrid(torch.arange(HEIGHT).float(), torch.arange(WIDTH).float(), indexing="ij")
    picture = (0.4 + 0.1 * (columns / 5).sin() * (rows / 7).cos()).expand(3, -1, -1).clone()
    disparity = torch.full((1, HEIGHT, WIDTH), 0.1)
    masks = []
    for x, y, radius, near in discs:
        inside = (columns - x) ** 2 + (rows - y) ** 2 < radius**2
        stripes = 0.5 + 0.3 * (((columns - x) + 2 * (rows - y)) / 3).sin()
        picture = torch.where(inside, stripes * torch.tensor([0.9, 0.3, 0.2])[:, None, None], picture)
        disparity = torch.where(inside, torch.tensor(near), disparity)
        masks.append(inside)
    return GrownRegion().view(Frame(picture=picture, pts=0), disparity), masks


def overlap(mask: Tensor, wanted: Tensor) -> float:
    found = interpolate(mask[None], (HEIGHT, WIDTH), mode="bilinear")[0, 0] > 0.5
    return float((found & wanted).sum() / (found | wanted).sum())


def click(x: float, y: float, *, on_subject: bool = True) -> Click:
    return Click(x / WIDTH, y / HEIGHT, on_subject)


def test_a_thing_that_stands_free_is_found_and_followed() -> None:
    region = GrownRegion()
    for number in range(6):
        view, [wanted] = seen([(60 + 3 * number, 50, 22, 0.6)])
        mask = region.step(view) if number else region.start(view, [click(62, 48)])
        assert mask.shape[0] == 1
        assert overlap(mask, wanted) > 0.8


def test_of_one_surface_with_two_things_the_nearer_part_is_kept() -> None:
    view, [left, right] = seen([(66, 50, 20, 0.6), (94, 50, 20, 0.6)])  # they overlap, at one disparity
    region = GrownRegion()
    assert overlap(region.start(view, [click(68, 50)]), left | right) > 0.8
    mask = region.start(view, [click(68, 50), click(100, 50, on_subject=False)])
    assert overlap(mask, left) > 0.7
    assert overlap(mask, right) < 0.25
    on_the_wall = region.start(view, [click(68, 50), click(80, 12, on_subject=False)])
    assert overlap(on_the_wall, left | right) > 0.8


def test_a_hidden_thing_has_no_mask() -> None:
    region = GrownRegion()
    view, _ = seen([(60, 50, 18, 0.4)])
    region.start(view, [click(60, 50)])
    hidden, _ = seen([(60, 50, 18, 0.4), (60, 50, 40, 0.9)])
    for _ in range(3):
        mask = region.step(hidden)
    assert not mask.any()

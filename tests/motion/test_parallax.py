"""What moves, found in two pictures whose motion is known."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.motion.parallax import CELL, CHANNELS, motion_between, moving_parts, no_motion

HEIGHT, WIDTH = 128, 224
CARD = (slice(40, 96), slice(80, 152))  # rows and columns
WITHIN = (slice(12, 22), slice(24, 34))  # cells that lie in it and stay in it
AROUND = (slice(2, 30), slice(3, 14))  # cells of the background only


def texture(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    cells = (torch.rand(1, 3, HEIGHT // size, WIDTH // size, generator=generator) for size in (4, 16))
    return (
        torch.cat([interpolate(cell, (HEIGHT, WIDTH), mode="bicubic") for cell in cells]).mean(0).clamp(0, 1)
    )


def moved(card_px: int, background_px: int) -> tuple[Tensor, Tensor]:
    """Two pictures of a card before a background, each of which has moved to the right."""
    pictures = []
    for part in (0, 1):
        picture = texture(1).roll(part * background_px, 2)
        columns = slice(CARD[1].start + part * card_px, CARD[1].stop + part * card_px)
        picture[:, CARD[0], columns] = texture(2)[:, CARD[0], CARD[1]]
        pictures.append(picture)
    return pictures[0], pictures[1]


def test_what_moves_alone_is_told_from_what_does_not() -> None:
    there, back = motion_between(*moved(card_px=4, background_px=0))
    assert there.shape == back.shape == (CHANNELS, HEIGHT // CELL, WIDTH // CELL)
    for motion, sign in ((there, 1), (back, -1)):
        assert sign * motion[0][WITHIN].mean() == pytest.approx(np.tanh(4 / (0.03 * WIDTH)), abs=0.08)
        assert sign * motion[2][WITHIN].mean() > 0.7
        assert motion[:4][:, AROUND[0], AROUND[1]].abs().max() < 0.1
        assert motion[4].mean() > 0.9


def test_a_pan_is_taken_away_and_parallax_is_left() -> None:
    there, _ = motion_between(*moved(card_px=7, background_px=3))
    assert there[0][AROUND].mean() == pytest.approx(np.tanh(3 / (0.03 * WIDTH)), abs=0.05)
    assert there[2:4][:, AROUND[0], AROUND[1]].abs().mean() < 0.1
    assert there[2][WITHIN].mean() > 0.7


def test_a_zoom_is_taken_away() -> None:
    large = interpolate(texture(1)[None], scale_factor=1.06, mode="bilinear")[0]
    rows, columns = (large.shape[1] - HEIGHT) // 2, (large.shape[2] - WIDTH) // 2
    there, _ = motion_between(texture(1), large[:, rows : rows + HEIGHT, columns : columns + WIDTH])
    assert there[:2].abs().max() > 0.3
    assert there[2:4, 2:-2, 2:-2].abs().mean() < 0.25


def test_a_still_is_known_not_to_move_and_a_single_picture_is_not_known() -> None:
    there, _ = motion_between(texture(1), texture(1))
    assert there[:4].abs().max() == 0 and there[4].min() > 0.99
    assert no_motion(texture(1)[None]).abs().max() == 0
    other, _ = motion_between(texture(1), texture(3))  # of which nothing is known either
    assert other[4].mean() < 0.4 and bool(other.isfinite().all())


def test_pictures_without_anything_to_follow_give_finite_motion() -> None:
    flat = torch.full((3, HEIGHT, WIDTH), 0.5)
    for motion in motion_between(flat, flat + 0.1):
        assert bool(motion.isfinite().all())


@pytest.mark.parametrize(("card_px", "background_px"), [(4, 0), (7, 3), (-5, 2)])
def test_what_passes_the_largest_part_is_fast_up_to_its_edges(card_px: int, background_px: int) -> None:
    motion, pace = moving_parts(*moved(card_px, background_px))
    assert motion.shape == (CHANNELS, HEIGHT // (2 * CELL), WIDTH // (2 * CELL))
    assert pace.shape == (1, HEIGHT // 2, WIDTH // 2)
    assert pace[0, 24:44, 48:68].mean() > 0.9
    assert pace[0, 4:60, 6:28].mean() < 0.05
    assert pace.min() >= 0 and pace.max() <= 1


def test_what_is_said_of_motion_is_what_pictures_half_as_large_would_say() -> None:
    pictures = moved(card_px=7, background_px=3)
    motion, _ = moving_parts(*pictures)
    first, second = (interpolate(picture[None], scale_factor=0.5, mode="area")[0] for picture in pictures)
    halves, _ = motion_between(first, second)
    for found, expected in zip(motion, halves, strict=True):
        assert (found - expected).abs().mean() < 0.1


def test_nothing_is_fast_in_a_still() -> None:
    assert moving_parts(texture(1), texture(1))[1].abs().max() < 1e-5

"""Disparity that is wrong at its edges: every kind, against a step that is known."""

import numpy as np
import pytest
import torch
from torch import Tensor

from any2bokeh.lab.compact import wrong_disparity
from any2bokeh.lab.compact.wrong_disparity import CHANCES, disturb, grow, shrink, soften

HEIGHT, WIDTH, EDGE = 48, 64, 32


def step() -> Tensor:
    """A near surface on the left of column EDGE, a far one on the right: two frames ``2 1 H W``."""
    disparity = torch.full((2, 1, HEIGHT, WIDTH), 0.2)
    disparity[..., :EDGE] = 0.8
    return disparity


def test_near_things_grow_and_shrink_by_whole_pixels() -> None:
    frame = step()[0]
    for by_px in (1, 2):
        assert (grow(frame, by_px)[0] > 0.5).sum(1).unique().tolist() == [EDGE + by_px]
        assert (shrink(frame, by_px)[0] > 0.5).sum(1).unique().tolist() == [EDGE - by_px]


def test_a_soft_edge_has_the_width_asked_for() -> None:
    row = soften(step()[0], 2.0)[0, 0]
    slope = row.diff().abs()
    assert float(slope.max()) == pytest.approx(0.6 / (2.0 * (2 * np.pi) ** 0.5), rel=0.05)


@pytest.mark.parametrize("kind", range(len(CHANCES)))
def test_each_kind_changes_both_frames_alike(kind: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chances = [0.0] * len(CHANCES)
    chances[kind] = 1.0
    monkeypatch.setattr(wrong_disparity, "CHANCES", tuple(chances))
    sharp = step().expand(2, 3, HEIGHT, WIDTH).contiguous()
    changed = 0
    for seed in range(6):
        wrong = disturb(step(), sharp, 0.5, np.random.default_rng(seed))
        assert wrong.shape == (2, 1, HEIGHT, WIDTH) and wrong.dtype == torch.float32
        assert wrong.min() >= 0 and wrong.max() <= 1
        again = disturb(step(), sharp, 0.5, np.random.default_rng(seed))
        assert torch.equal(wrong, again)
        moved = ((wrong > 0.5) != (step() > 0.5)).float().mean((1, 2, 3))
        assert (moved < 0.2).all()
        changed += not torch.equal(wrong, step())
    assert changed >= 3

"""Soft steps of disparity become steps again, and nothing else changes."""

import pytest
import torch
from torch import Tensor

from any2bokeh.render.lens.torch.edges import snap_ramps


def softened(coc: Tensor, sigma: float) -> Tensor:
    places = torch.arange(-8, 9).float()
    weights = torch.exp(-(places**2) / (2 * sigma**2))
    weights = (weights / weights.sum()).view(1, 1, 1, -1)
    padded = torch.nn.functional.pad(coc[None, None], (8, 8, 8, 8), mode="replicate")
    rows = torch.nn.functional.conv2d(padded, weights)
    return torch.nn.functional.conv2d(rows, weights.transpose(2, 3))[0, 0]


def step(height: int = 40, width: int = 60, *, slant: float = 0.0) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.where(columns + slant * rows < 30, -4.0, 5.0)


@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("slant", [0.0, 0.4, 1.0])
def test_a_ramp_between_two_planes_becomes_the_step_that_it_was(sigma: float, slant: float) -> None:
    sharp = step(slant=slant)
    snapped = snap_ramps(softened(sharp, sigma))
    error = (snapped - sharp).abs()[4:-4, 4:-4]
    assert (error > 1).float().mean() < 0.005  # of pixels, a few at the edge itself may go either way
    assert error.median() < 1e-3


@pytest.mark.parametrize("slant", [0.0, 0.4, 1.0])
def test_a_sharp_step_stays(slant: float) -> None:
    sharp = step(slant=slant)
    assert torch.equal(snap_ramps(sharp), sharp)


@pytest.mark.parametrize("slope", [0.02, 0.3, 0.7, 1.5])
@pytest.mark.parametrize("turn", [0.0, 0.5, 1.0])
def test_a_slanted_plane_is_untouched(slope: float, turn: float) -> None:
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(60.0), indexing="ij")
    plane = slope * (columns + turn * rows)
    inner = (slice(8, -8), slice(8, -8))
    assert torch.equal(snap_ramps(plane)[inner], plane[inner])


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("lean", [0.0, 0.3, 1.0])
def test_a_wire_survives(width: int, lean: float) -> None:
    rows, columns = torch.meshgrid(torch.arange(40), torch.arange(60), indexing="ij")
    place = columns - 15 - (lean * rows).floor()
    wire = torch.where((place >= 0) & (place < width), -6.0, 3.0)
    assert torch.equal(snap_ramps(wire), wire)


def test_noise_is_not_taken_for_ramps() -> None:
    generator = torch.Generator().manual_seed(0)
    sharp = step()
    noisy = sharp + 0.2 * torch.randn(sharp.shape, generator=generator)
    assert (snap_ramps(noisy) - noisy).abs().mean() < 0.02

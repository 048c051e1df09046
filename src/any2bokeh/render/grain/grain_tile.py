"""Noise with a clip's spectrum, made once: squares that repeat without seams, one for each radius of blur."""

import numpy as np
import torch
from torch import Tensor

from any2bokeh.arrays import Floats
from any2bokeh.render.grain.clip_noise import ClipNoise

TILE_PX = 256
SEED = 20
# Circles of confusion [px] for which there is a tile; between them their amplitudes are interpolated.
RADII_PX = (0.0, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0)


def make_tiles(noise: ClipNoise) -> Floats:
    """Return ``R 3 TILE_PX TILE_PX``: luma and two differences of color, of variance 1 where all is removed.

    A blur by a disc leaves ``|H|^2`` of the noise's power, so that ``1 - |H|^2`` is missing. All tiles are
    made of one noise, so that between two radii amplitudes add up.
    """
    roots = _roots(noise)  # T T/2+1 3 3
    generator = torch.Generator().manual_seed(SEED)
    white = torch.fft.rfft2(torch.randn(3, TILE_PX, TILE_PX, generator=generator, dtype=torch.float64))
    waves = torch.einsum("hwij,jhw->ihw", roots, white)
    down, across = torch.fft.fftfreq(TILE_PX)[:, None], torch.fft.rfftfreq(TILE_PX)
    frequency = torch.hypot(down, across).double()
    tiles = torch.stack([torch.fft.irfft2(waves * missing_amplitude(frequency, one)) for one in RADII_PX])
    made: Floats = np.ascontiguousarray(tiles.numpy(), np.float32)
    return made


def missing_amplitude(frequency: Tensor, radius_px: float) -> Tensor:
    """The amplitude of noise, by frequency [1/px], that a blur by a disc asks for to be as noisy as before.

    A disc's transfer function is H(f) = 2 J1(2 pi r f) / (2 pi r f).
    """
    x = 2 * torch.pi * radius_px * frequency
    left = torch.where(x > 1e-3, 2 * torch.special.bessel_j1(x.clamp(min=1e-3)) / x.clamp(min=1e-3), 1)
    return (1 - left.square()).clamp(min=0).sqrt()


def _roots(noise: ClipNoise) -> Tensor:
    """Roots of the cross-spectrum for a tile's frequencies, ``T T/2+1 3 3``: Hermitian, of mean power 1."""
    values, vectors = torch.linalg.eigh(torch.from_numpy(noise.spectrum))
    coarse = (vectors * values.clamp(min=0).sqrt()[..., None, :]) @ vectors.mH
    fine = _finer(_finer(coarse).transpose(0, 1)).transpose(0, 1)
    power = fine.abs().square().sum(-1).mean((0, 1))
    return (fine / power.clamp(min=1e-12).sqrt()[:, None])[:, : TILE_PX // 2 + 1]


def _finer(periodic: Tensor) -> Tensor:
    """Values of ``TILE_PX`` frequencies, interpolated from the fewer of the first axis, which goes round."""
    place = torch.arange(TILE_PX, dtype=torch.float64) * len(periodic) / TILE_PX
    low = place.long()
    share = (place - low).view(-1, *[1] * (periodic.ndim - 1))
    return periodic[low] * (1 - share) + periodic[(low + 1) % len(periodic)] * share

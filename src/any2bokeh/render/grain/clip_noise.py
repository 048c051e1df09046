"""The noise of a clip: how strong it is at each level, and its spectrum, in code values.

Code values are where noise is alike at all levels: a curve for screens or a log curve makes the noise of
photons nearly even, and what film or a codec leaves is added there. Linear light is brought to such a curve
first. Noise is taken apart in luma and two differences of color, as cameras and codecs do.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.arrays import Floats
from any2bokeh.optics.transfer import from_linear, to_linear
from any2bokeh.render.grain.flat_blocks import BLOCK_PX, TREND, FlatBlocks, find_flat_blocks
from any2bokeh.scene import SceneEncoding, Transfer

LEVELS = 16  # of luma, in code values from 0 to 1
ENOUGH_BLOCKS = 200  # for each frequency of a spectrum to be known; of fewer, neighbors are averaged
FEWEST_BLOCKS = 8  # by which a level's noise is known
LEAST_FRESH = 1 / 3  # of a level's flattest blocks: where fewer are, what they show is texture
SAME_KIND = 1.5  # how far the variance of a flat block may be above that of flat blocks in the mean
LEAST_LEFT = 0.3  # of a frequency's power, without the trend; below, its neighbors tell of it
UNMIXING_STEPS = 4
FAINT = (0.5 / 255) ** 2  # a variance of color that is as good as none
ONE_COLOR = 3  # times the usual variance of color in blocks of flat luma; above, they show several colors
NOTHING = (0.02 / 255) ** 2  # a variance of rounding alone
VISIBLE = 0.25 / 255  # a standard deviation, in code values: less noise is none
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)  # of R', G' and B': ITU-R BT.709


@dataclass(frozen=True, eq=False)
class ClipNoise:
    """``sigma``, ``3 LEVELS``: the standard deviation of luma, B' - luma and R' - luma at each level of luma.

    ``spectrum``, ``BLOCK_PX BLOCK_PX 3 3`` complex, is the cross-spectrum of the three by frequency down and
    across; each has a variance of 1.
    """

    sigma: NDArray[np.float64]
    spectrum: NDArray[np.complex128]

    def save(self, path: Path) -> None:
        """Write the numbers as they are; raises ``OSError``."""
        with path.open("wb") as file:
            np.savez(file, sigma=self.sigma, spectrum=self.spectrum)

    @cached_property
    def strongest(self) -> float:
        """The largest standard deviation of luma, in code values."""
        return float(self.sigma[0].max())

    @property
    def is_visible(self) -> bool:
        """Whether there is any to speak of."""
        return self.strongest >= VISIBLE


def open_noise(path: Path) -> ClipNoise | None:
    """Return the noise that ``save`` wrote, or ``None`` for a file without any."""
    if not path.stat().st_size:
        return None
    with np.load(path) as numbers:
        return ClipNoise(numbers["sigma"], numbers["spectrum"])


def to_noise_codes(picture: Tensor, transfer: Transfer) -> Tensor:
    """Return the code values in which noise is measured and added: as they are, where they are codes."""
    return from_linear(to_linear(picture, transfer), "srgb") if is_light(transfer) else picture


def from_noise_codes(codes: Tensor, transfer: Transfer) -> Tensor:
    """Return the picture of such code values."""
    return from_linear(to_linear(codes, "srgb"), transfer) if is_light(transfer) else codes


def is_light(transfer: Transfer) -> bool:
    """Whether values are linear light, as far as is known: a color space of OpenColorIO may be."""
    return transfer == "linear" or isinstance(transfer, SceneEncoding)


def opponents(picture: Floats) -> Floats:
    """Luma, B' - luma and R' - luma of R'G'B' ``3 H W``."""
    luma = np.tensordot(LUMINANCE, picture, 1)
    return np.stack([luma, picture[2] - luma, picture[0] - luma])


def measure_noise(pairs: Iterable[tuple[Tensor, Tensor | None]], transfer: Transfer) -> ClipNoise | None:
    """Return the noise of a clip by some of its pictures, each with the one that follows it, if there is one.

    Pictures are ``3 H W`` as decoded. Noise is what flat parts show and the next picture does not show again:
    detail that repeats along the motion is texture. ``None`` where no part is flat enough to tell them apart.
    """
    found = [
        find_flat_blocks(
            _opponents_of(one, transfer), None if following is None else _opponents_of(following, transfer)
        )
        for one, following in pairs
    ]
    blocks = FlatBlocks.joined([one for one in found if len(one.level)])
    if not len(blocks.level):
        return None
    bins = np.clip((blocks.level * LEVELS).astype(int), 0, LEVELS - 1)
    chosen = np.zeros(len(bins), np.bool_)
    sigma, spread = np.full((3, LEVELS), np.nan), np.full(LEVELS, np.nan)
    for level in range(LEVELS):
        here = np.flatnonzero(bins == level)
        flat = here[_is_flat(blocks.variance[here])]
        fresh = flat[blocks.is_fresh[flat]]
        if len(flat) >= FEWEST_BLOCKS:
            spread[level] = np.sqrt(blocks.variance[flat, 0].mean())
        if 2 * np.count_nonzero(blocks.variance[here, 0] < NOTHING) > len(here):  # clipped, or drawn
            sigma[:, level] = 0
        elif len(fresh) >= max(FEWEST_BLOCKS, LEAST_FRESH * len(flat)):
            variance = blocks.variance[fresh]
            # Codecs leave color noise to a few blocks: where most show none, blur takes none away.
            is_seen = np.median(variance, axis=0) >= (0, VISIBLE**2, VISIBLE**2)
            sigma[:, level] = np.sqrt(np.where(is_seen, variance.mean(0), 0))
            chosen[fresh] = True
    if not chosen.any():
        return None
    known = ~np.isnan(sigma[0])
    places = np.arange(LEVELS)
    spectrum, power = _spectrum(blocks.residual[chosen], sigma[:, bins[chosen]])
    for level in np.flatnonzero(known).tolist():  # one that stands out has been told by texture
        around = np.nanmedian(spread[max(level - 2, 0) : level + 3]) if sigma[0, level] else 0
        sigma[:, level] *= min(1.0, around / max(sigma[0, level], 1e-9))
    sigma = np.stack([np.interp(places, places[known], line[known]) for line in sigma])
    return ClipNoise(sigma * np.sqrt(power)[:, None], spectrum)


def _opponents_of(picture: Tensor, transfer: Transfer) -> Floats:
    return opponents(to_noise_codes(picture, transfer).cpu().numpy())


def _is_flat(variance: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which blocks ``N 3`` show nothing but noise: a cluster of least variance, away from texture."""
    luma = variance[:, 0]
    some = luma[luma >= NOTHING]
    if not len(some):
        return np.zeros(len(luma), np.bool_)
    mean = np.quantile(some, 0.05)
    for _ in range(20):  # climbs from the least to the middle of their cluster, not into a tail
        mean = some[some <= SAME_KIND * mean].mean()
    is_flat = (luma >= NOTHING) & (luma <= SAME_KIND * mean)
    usual = np.quantile(variance[is_flat, 1:], 0.25, axis=0)  # blocks alike in luma may be of several colors
    result: NDArray[np.bool_] = is_flat & (variance[:, 1:] <= ONE_COLOR * np.maximum(usual, FAINT)).all(1)
    return result


def _spectrum(
    residual: Floats, sigma: NDArray[np.float64]
) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """The cross-spectrum of blocks ``N 3 b b`` whose noise has ``sigma 3 N``, and its power by channel.

    The mean of each channel is 1 in the spectrum. Its power exceeds 1 by the part that went with the trend.
    """
    window = np.outer(np.hanning(BLOCK_PX + 2)[1:-1], np.hanning(BLOCK_PX + 2)[1:-1])
    is_there = sigma.T > 0  # N 3
    scale = np.where(is_there, 1 / np.maximum(sigma.T, 1e-9), 0) / np.sqrt(np.maximum(is_there.mean(0), 1e-9))
    even = residual * scale[:, :, None, None] * window
    waves = np.fft.fft2(even)  # N 3 b b
    cross = np.einsum("nihw,njhw->hwij", waves, waves.conj()) / len(waves) / (window**2).sum()
    # With the trend, low frequencies went: of white noise, so much of each is left.
    trend = np.fft.fft2(TREND.T.reshape(-1, BLOCK_PX, BLOCK_PX) * window)
    left = 1 - (np.abs(trend) ** 2).sum(0) / (window**2).sum()
    cross /= np.maximum(left, LEAST_LEFT)[..., None, None]
    is_known = (left >= LEAST_LEFT)[..., None, None]
    around = [
        (0, 1),
        (0, -1),
        (1, 0),
        (-1, 0),
        (1, 1),
        (-1, -1),
        (1, -1),
        (-1, 1),
        (0, 2),
        (2, 0),
        (0, -2),
        (-2, 0),
    ]
    moved = [np.roll(np.where(is_known, cross, 0), step, (0, 1)) for step in around]
    known = sum(np.roll(is_known, step, (0, 1)).astype(float) for step in around)
    cross = np.where(is_known, cross, sum(moved) / np.maximum(known, 1))
    # Few blocks have bumps of chance, which would show as a fabric.
    for _ in range(round(np.sqrt(ENOUGH_BLOCKS / len(residual)) / 2) if len(residual) < ENOUGH_BLOCKS else 0):
        for axis in (0, 1):
            cross = (cross + np.roll(cross, 1, axis) + np.roll(cross, -1, axis)) / 3
    # The window mixes each frequency with its neighbors: which spectrum looks like this one through it?
    seen = np.einsum("hwii->hwi", cross).real.copy()
    own = seen.copy()
    for _ in range(UNMIXING_STEPS):
        own *= seen / np.maximum(_through_window(own), 1e-12)
    gain = np.sqrt(own / np.maximum(seen, 1e-12))
    cross *= gain[..., :, None] * gain[..., None, :]
    power = np.maximum(own.mean((0, 1)), 1e-12)
    return cross / np.sqrt(power[:, None] * power), np.where(power > 1e-9, power, 0)


def _through_window(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """A power spectrum, of frequencies along the first two axes, as a Hann window shows it."""
    for axis in (0, 1):
        power = (4 * power + np.roll(power, 1, axis) + np.roll(power, -1, axis)) / 6
    return power

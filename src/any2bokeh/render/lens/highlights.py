"""Clipped lights, and how much brighter than white they were: as asked for, or as they seem to be.

A pixel on the rim of a light shows a share of it, which is not clipped where the share is small. Of a light
that just reaches white, such pixels show all values from dark to white, half of white on average; of one that
is ``L`` times as bright, those with more than ``1 / L`` of it are white as well, and the others show
``1 / (2 L)`` on average. So the more abruptly a light ends, the brighter it was; and its rim still has its
color. Blur of the picture softens rims, and the light is taken for less bright than it was.
Surfaces in the sun end softly, and stay as they are. In a dim frame only lights are clipped, and they are
taken to be at least somewhat brighter than white.
"""

from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from any2bokeh.arrays import Flags, Floats, Integers
from any2bokeh.optics.smoothstep import smoothstep
from any2bokeh.optics.transfer import keeps_beyond_white, to_linear
from any2bokeh.settings.color_settings import TransferFunction
from any2bokeh.settings.render_settings import LensSettings

FROM_PX, FULL_PX = 1.0, 4.0  # blur from which lights are raised, and fully
LEAST_HEADROOM = 1e-3  # between the threshold and white, in code values

# Light on rims counts from the darkest beside them (0) to white (1).
BESIDE_PX = 3  # how far from a rim the darkest is looked for
AROUND = 0.05  # of the longer side: how wide the square is whose rims tell of a light
CELL_PX = 4  # rims are summed up in cells of so many pixels
PLAIN_RIM = 0.5  # the mean on the rim of a light that just reaches white
PLAIN_PIXELS = 30  # of such a rim that count with all of a frame: few pixels tell little
COMMON_PIXELS = 60  # of the frame's mean rim that count with those around a light
DOUBTFUL, SURE = (
    1.2,
    1.6,
)  # times white: less is not believed, as clothes in the sun have such rims, and more is
BRIGHTEST = 4.0  # times white; rims do not tell more
# Median code value up to which a frame is dim, so that clipped pixels are lights, and from which on it is
# bright, where most of it are surfaces in the sun; the gain of lights in dim frames is at least that much.
DIM, BRIGHT, LEAST_GAIN = 0.26, 0.32, 0.75
BLACK, DIM_STEP = 0.02, 4  # code value from which on pixels count for the median, and every how many of them
RIM_SHARE = 0.5  # of the gain, for clipped pixels at a rim: lights cover but a part of them


class Highlights(NamedTuple):
    """Pixels of clipped lights, at ``rows`` and ``columns``.

    ``gain`` is how many times brighter than white each channel was, minus one; ``3 N``.
    """

    rows: Tensor
    columns: Tensor
    gain: Tensor


def find_highlights(sharp: Tensor, transfer: TransferFunction, settings: LensSettings) -> Highlights | None:
    """The lights of a picture that are to be raised, ``None`` if there are none.

    ``sharp`` is ``3 H W`` in code values, on the CPU.
    """
    if settings.highlights == 0 or (settings.highlights is None and keeps_beyond_white(transfer)):
        return None
    codes, threshold = sharp.contiguous().numpy(), settings.highlight_threshold
    is_clipped = np.greater(codes.max(axis=0), threshold)
    clipped = _places(is_clipped)
    if len(clipped.number) == 0:
        return None
    values = torch.from_numpy(clipped.of(codes))
    if settings.highlights is None:
        full_gain = torch.from_numpy(_gain_by_rims(codes, is_clipped, clipped, transfer))
    else:
        full_gain, values = torch.tensor(settings.highlights), values.amax(dim=0).expand(3, -1)
    # It rises smoothly from the threshold to white, so that nothing pops as a light moves.
    excess = (values - threshold) / max(1 - threshold, LEAST_HEADROOM)
    gain = full_gain * smoothstep(excess.clamp(0, 1))
    return Highlights(torch.from_numpy(clipped.rows), torch.from_numpy(clipped.columns), gain)


def raise_highlights(linear: Tensor, coc: Tensor, lights: Highlights) -> None:
    """Make lights brighter in linear light ``3 H W``, by their circles of confusion ``H W`` [px].

    A light in focus was clipped as it should be.
    """
    rows, columns = lights.rows.to(linear.device), lights.columns.to(linear.device)
    defocus = ((coc[rows, columns].abs() - FROM_PX) / (FULL_PX - FROM_PX)).clamp(0, 1)
    linear[:, rows, columns] *= 1 + lights.gain.to(linear.device) * defocus


def _least_brightness(codes: Floats) -> float:
    """How many times as bright as white clipped pixels were at least: in a dim frame they are lights."""
    some = codes[:, ::DIM_STEP, ::DIM_STEP].mean(axis=0)
    seen = some[some > BLACK]  # bars around a picture are not
    median = float(np.median(seen)) if seen.size else 0.0
    return 1 + LEAST_GAIN * min(max((BRIGHT - median) / (BRIGHT - DIM), 0.0), 1.0)


class _Places(NamedTuple):
    """Pixels of an image, ``N``: their numbers, rows and columns."""

    number: Integers
    rows: Integers
    columns: Integers

    def cells(self, across: int) -> Integers:
        """The numbers of their cells, of which ``across`` are in a row."""
        return self.rows // CELL_PX * across + self.columns // CELL_PX

    def of(self, image: Floats) -> Floats:
        """Its values there: ``... H W`` to ``... N``."""
        return image.reshape(*image.shape[:-2], -1).take(self.number, axis=-1)


def _places(mask: Flags) -> _Places:
    number = np.flatnonzero(mask)  # several times as fast as ``nonzero``
    return _Places(number, *np.divmod(number, mask.shape[1]))


def _gain_by_rims(codes: Floats, is_clipped: Flags, clipped: _Places, transfer: TransferFunction) -> Floats:
    """How many times brighter than white channels of clipped pixels were, minus one, ``3 N``."""
    mask = is_clipped.astype(np.uint8) * 255
    rim = _places(cv2.dilate(mask, np.ones((3, 3), np.uint8)) > mask)
    beside = np.ones((2 * BESIDE_PX + 1,) * 2, np.uint8)
    darkest = np.stack([rim.of(cv2.erode(channel, beside)) for channel in codes])
    light, dark = (to_linear(torch.from_numpy(one), transfer).numpy() for one in (rim.of(codes), darkest))
    shown = np.maximum((light - dark) / (1 - dark), dark**2)  # beside bright surroundings a rim tells little

    down, across = (-(-side // CELL_PX) for side in mask.shape)
    around = (2 * round(AROUND * max(down, across) / 2) + 1,) * 2
    sources, targets = rim.cells(across), clipped.cells(across)

    def sum_around(values: Floats) -> Floats:
        sums = np.bincount(sources, values, minlength=down * across).reshape(down, across)
        sums = cv2.boxFilter(sums, -1, around, normalize=False, borderType=cv2.BORDER_CONSTANT)
        return np.asarray(sums.astype(np.float32).take(targets))

    count = len(rim.number)
    mean = (shown.sum(axis=1, keepdims=True) + PLAIN_PIXELS * PLAIN_RIM) / (count + PLAIN_PIXELS)
    rims = np.stack([sum_around(channel) for channel in shown]) + COMMON_PIXELS * mean
    pixels = sum_around(np.ones(count, np.float32)) + COMMON_PIXELS
    clearest = rims.max(axis=0)
    told = PLAIN_RIM * pixels / clearest
    told = 1 + (told - 1) * smoothstep(((told - DOUBTFUL) / (SURE - DOUBTFUL)).clip(0, 1))
    brightness = np.clip(told, _least_brightness(codes), BRIGHTEST)
    # A straight rim leaves 2/3 of the pixels around clipped.
    inner = clipped.of(cv2.blur(mask, (3, 3), borderType=cv2.BORDER_REPLICATE)) / np.float32(255)
    share = np.clip(1 - (1 - RIM_SHARE) * 3 * (1 - inner), RIM_SHARE, 1)
    gain: Floats = np.maximum(brightness * rims / clearest - 1, 0) * share
    return gain

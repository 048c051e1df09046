"""Clipped lights, and how much brighter than white they were: as asked for, or as they seem to be.

A pixel on the rim of a light shows a share of it, which is not clipped where the share is small. Of a light
that just reaches white, such pixels show all values from dark to white, half of white on average; of one that
is ``L`` times as bright, those with more than ``1 / L`` of it are white as well, and the others show
``1 / (2 L)`` on average. So the more abruptly a light ends, the brighter it was; and its rim still has its
color. Blur of the picture softens rims, and the light is taken for less bright than it was.
Surfaces in the sun end softly, and stay as they are. In a dim frame only lights are clipped, and they are
taken to be at least somewhat brighter than white.

The rim of a lamp is a few pixels, and as it moves between pixels their mean is now twice, now half as much:
its disc would flicker. So rims of the frames around count as well, mostly of those before: each frame that is
read ahead takes memory.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from any2bokeh.arrays import Bytes, Floats, Integers
from any2bokeh.optics.smoothstep import smoothstep
from any2bokeh.optics.transfer import keeps_beyond_white, to_linear
from any2bokeh.scene import Scene
from any2bokeh.settings.color_settings import TransferFunction
from any2bokeh.settings.render_settings import LensSettings

FROM_PX, FULL_PX = 1.0, 4.0  # blur from which lights are raised, and fully
LEAST_HEADROOM = 1e-3  # between the threshold and white, in code values

# Light on rims counts from the darkest beside them (0) to white (1).
BESIDE_PX = 3  # how far from a rim the darkest is looked for
AROUND = 0.05  # of the longer side: how wide the square is whose rims tell of a light
CELL_PX = 4  # rims are summed up in cells of so many pixels
PLAIN_RIM = 0.5  # the mean on the rim of a light that just reaches white
PLAIN_PIXELS = 30  # of such a rim that count with all there are: few pixels tell little
COMMON_PIXELS = 60  # of the mean rim that count with those around a light
DOUBTFUL, SURE = 1.2, 1.6  # times white: less is not believed, as clothes in the sun have such rims; more is
BRIGHTEST = 6.0  # times white; rims do not tell more
# How many times this frame counts, those ahead, and those before, each from the nearest on: little changes as
# one comes, and as one goes. None counts more often than there are frames.
OWN_COUNT, COUNTS_AHEAD, COUNTS_BEFORE = 3.0, (2.0, 1.0), (3.0, 3.0, 3.0, 2.5, 2.0, 1.5, 1.0, 0.5)
FRAMES_AHEAD, FRAMES_BEFORE = len(COUNTS_AHEAD), len(COUNTS_BEFORE)
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


def guesses_highlights(transfer: TransferFunction, settings: LensSettings) -> bool:
    """Whether a lens guesses how bright clipped lights were; scene light is not clipped."""
    return settings.highlights is None and not keeps_beyond_white(transfer)


def with_highlights(
    scenes: Iterable[Scene], transfer: TransferFunction, settings: LensSettings
) -> Iterator[tuple[Scene, Highlights | None]]:
    """Yield each scene of a clip, in order, with the lights that are raised, ``None`` where there are none.

    Where they are guessed, ``FRAMES_AHEAD`` scenes are read ahead; an error that ends them is raised when all
    before it are given out.
    """
    if not guesses_highlights(transfer, settings):
        for scene in scenes:
            yield scene, _as_asked(scene.sharp, settings)
        return
    before: deque[_Rims] = deque(maxlen=FRAMES_BEFORE)
    waiting: deque[tuple[Scene, _Clipped, _Rims]] = deque()

    def first() -> tuple[Scene, Highlights | None]:
        scene, clipped, rims = waiting.popleft()
        ahead = [rims for _, _, rims in waiting]
        counts = (OWN_COUNT, *COUNTS_AHEAD[: len(ahead)], *COUNTS_BEFORE[: len(before)])
        counted = list(zip(counts, (rims, *ahead, *before), strict=True))
        before.appendleft(rims)
        return scene, _as_they_seem(scene.sharp, clipped, counted, settings)

    given, failure = iter(scenes), None
    while failure is None:
        try:
            scene = next(given)
        except Exception as error:  # noqa: BLE001  it is raised below
            failure = error
            continue
        codes = _codes(scene.sharp)
        clipped = _Clipped.of(codes, settings.highlight_threshold)
        waiting.append((scene, clipped, _look_at_rims(codes, clipped, transfer)))
        if len(waiting) > FRAMES_AHEAD:
            yield first()
    while waiting:
        yield first()
    if not isinstance(failure, StopIteration):
        raise failure


def raise_highlights(linear: Tensor, coc: Tensor, lights: Highlights) -> None:
    """Make lights brighter in linear light ``3 H W``, by their circles of confusion ``H W`` [px].

    A light in focus was clipped as it should be.
    """
    rows, columns = lights.rows.to(linear.device), lights.columns.to(linear.device)
    defocus = ((coc[rows, columns].abs() - FROM_PX) / (FULL_PX - FROM_PX)).clamp(0, 1)
    linear[:, rows, columns] *= 1 + lights.gain.to(linear.device) * defocus


def _codes(sharp: Tensor) -> Floats:
    codes: Floats = sharp.contiguous().numpy()
    return codes


def _as_asked(sharp: Tensor, settings: LensSettings) -> Highlights | None:
    """The clipped pixels of a picture ``3 H W``, all channels raised by the brightest."""
    if not settings.highlights:
        return None
    codes = _codes(sharp)
    places = _Clipped.of(codes, settings.highlight_threshold).places
    brightest = places.of(codes).max(axis=0)
    return _highlights(places, np.full((3, 1), settings.highlights, np.float32), brightest, settings)


def _as_they_seem(
    sharp: Tensor, clipped: "_Clipped", counted: Sequence[tuple[float, "_Rims"]], settings: LensSettings
) -> Highlights | None:
    """Those clipped pixels of a picture ``3 H W`` that were brighter than white, by rims of frames."""
    if len(clipped.places.number) == 0:
        return None
    codes = _codes(sharp)
    lights, gain = _gain_by_rims(codes, clipped, _sum_frames(counted))
    return _highlights(lights, gain, lights.of(codes), settings)


def _highlights(
    lights: "_Places", full_gain: Floats, values: Floats, settings: LensSettings
) -> Highlights | None:
    """Lights whose gain rises smoothly from the threshold to white, so that nothing pops as they move."""
    if len(lights.number) == 0:
        return None
    threshold = settings.highlight_threshold
    excess = (values - threshold) / np.float32(max(1 - threshold, LEAST_HEADROOM))
    gain = full_gain * smoothstep(excess.clip(0, 1))
    return Highlights(*(torch.from_numpy(one) for one in (lights.rows, lights.columns, gain)))


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

    @classmethod
    def where(cls, mask: Bytes) -> "_Places":
        """Those that a mask ``H W`` has."""
        number = np.flatnonzero(mask > 0)  # of flags: many times as fast as of numbers, or ``nonzero``
        return cls(number, *np.divmod(number, mask.shape[1]))

    def cells(self, across: int) -> Integers:
        """The numbers of their cells, of which ``across`` are in a row."""
        return self.rows // CELL_PX * across + self.columns // CELL_PX

    def of(self, image: Floats) -> Floats:
        """Its values there: ``... H W`` to ``... N``."""
        return image.reshape(*image.shape[:-2], -1).take(self.number, axis=-1)


class _Clipped(NamedTuple):
    """The clipped pixels of a picture: a mask ``H W`` of 255 and 0, and their places."""

    mask: Bytes
    places: _Places

    @classmethod
    def of(cls, codes: Floats, threshold: float) -> "_Clipped":
        mask = np.greater(codes.max(axis=0), threshold).astype(np.uint8) * 255
        return cls(mask, _Places.where(mask))


class _Rims(NamedTuple):
    """The rims of a picture's lights, summed up in those ``N`` cells that have any: ``sums`` ``4 N``.

    They are the light that pixels show, 0 to 1, of each channel, and the number of these pixels, of which
    ``around`` is the sum in the square around each of all cells, ``down across``.
    """

    cells: Integers
    sums: Floats
    around: Floats


def _look_at_rims(codes: Floats, clipped: _Clipped, transfer: TransferFunction) -> _Rims:
    """The rims of a picture's clipped pixels."""
    rim = _Places.where(cv2.dilate(clipped.mask, np.ones((3, 3), np.uint8)) - clipped.mask)
    beside = np.ones((2 * BESIDE_PX + 1,) * 2, np.uint8)
    darkest = np.stack([rim.of(cv2.erode(channel, beside)) for channel in codes])
    light, dark = (to_linear(torch.from_numpy(one), transfer).numpy() for one in (rim.of(codes), darkest))
    shown = np.maximum((light - dark) / (1 - dark), dark**2)  # beside bright surroundings a rim tells little
    down, across = (-(-side // CELL_PX) for side in clipped.mask.shape)
    of_cells = rim.cells(across)
    sums = [np.bincount(of_cells, one, down * across) for one in (*shown, np.ones(len(of_cells)))]
    whole = np.stack(sums).astype(np.float32)
    cells = np.flatnonzero(whole[3])
    return _Rims(cells, whole[:, cells], _sum_around(whole[3].reshape(down, across)))


def _sum_around(image: Floats) -> Floats:
    """The sums of cells ``down across`` in the square around each."""
    side = 2 * round(AROUND * max(image.shape) / 2) + 1
    sums: Floats = cv2.boxFilter(image, -1, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
    return sums


def _sum_frames(counted: Sequence[tuple[float, _Rims]]) -> Floats:
    """The sums of cells in a frame, the first of ``counted``, and those around, so many times each.

    They are ``4 down across``. A frame counts as far as lights are where they are in this one: across a cut
    it does not.
    """
    here = counted[0][1].around
    sums = np.zeros((4, here.size), np.float32)
    for times, one in counted:
        in_both, in_any = (float(common(one.around, here).sum()) for common in (np.minimum, np.maximum))
        overlap = (in_both + 1) / (in_any + 1)  # of pictures without rims as well
        sums[:, one.cells] += np.float32(min(times, len(counted)) * overlap**2) * one.sums
    return sums.reshape(4, *here.shape)


def _gain_by_rims(codes: Floats, clipped: _Clipped, sums: Floats) -> tuple[_Places, Floats]:
    """Those of the clipped pixels that were brighter than white, and by how much in each channel, ``3 N``."""
    *light, count = sums.sum(axis=(1, 2))
    common = (np.array(light, np.float32) + PLAIN_PIXELS * PLAIN_RIM) / (count + PLAIN_PIXELS)
    *own, pixels = (_sum_around(one) for one in sums)
    shown = np.stack(own) + COMMON_PIXELS * common[:, None, None]
    clearest = shown.max(axis=0)
    told = PLAIN_RIM * (pixels + COMMON_PIXELS) / clearest
    told = 1 + (told - 1) * smoothstep(((told - DOUBTFUL) / (SURE - DOUBTFUL)).clip(0, 1))
    brightness = np.clip(told, _least_brightness(codes), BRIGHTEST)
    of_cells = np.maximum(brightness * shown / clearest - 1, 0).reshape(3, -1)

    cells = clipped.places.cells(sums.shape[2])
    is_light = (of_cells.max(axis=0) > 0).take(cells)  # by day hardly any is
    lights = _Places(*(one[is_light] for one in clipped.places))
    # A straight rim leaves 2/3 of the pixels around clipped.
    around = cv2.blur(clipped.mask, (3, 3), borderType=cv2.BORDER_REPLICATE)
    inner = lights.of(around) / np.float32(255)
    share = np.clip(1 - (1 - RIM_SHARE) * 3 * (1 - inner), RIM_SHARE, 1)
    gain: Floats = of_cells.take(cells[is_light], axis=1) * share
    return lights, gain

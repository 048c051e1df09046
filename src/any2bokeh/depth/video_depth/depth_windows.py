"""A shot of any length through a network that sees 32 frames: windows, fitted to each other and blended.

Each window but the first begins with two frames that are known (the first of the shot, and one from the
window before), by which it is fitted, and shares eight more with the window before, over which it is blended
in. The rest, 22 frames, is new.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import torch
from torch import Tensor

from any2bokeh.depth.video_depth.video_network import WINDOW

STEP = 22  # frames that a window adds
BLENDED = 8  # frames that it shares with the one before and that fade from one to the other
KEY_PLACE = 12  # of the window before: the frame that is seen again beside the first of the shot

_KNOWN = WINDOW - STEP  # frames at the beginning of a window: two key frames, and the blended ones
_KEYS = _KNOWN - BLENDED
# Of the next window, the two key frames and the first of the blended ones change nothing: so many frames are
# a window's own.
_OWN = STEP + _KEYS + 1

Item = TypeVar("Item")


def count_windows(frames: int) -> int:
    """Return how many windows a shot of so many frames takes."""
    return 1 + max(0, -(-(frames - _OWN) // STEP))


def windowed_maps(
    items: Iterable[Item], decode: Callable[[Sequence[Item]], Tensor], *, is_metric: bool = False
) -> Iterator[Tensor]:
    """Yield the map, ``h w``, of each frame of a shot, as soon as it is final.

    ``items`` are the frames, in the form that ``decode`` makes ``32 h w`` of: a shorter shot is filled up
    with its last frame. Maps follow each other in one scale and shift, that of the first window; those that
    are ``is_metric`` have theirs already. Of the past, ten items and ten maps are kept.
    """
    source = iter(items)
    window = list(islice(source, WINDOW))
    if not window:
        return
    first, count = window[0], len(window)  # of the window's places, so many show frames of the shot
    window = _filled(window)
    aligned = waiting = decode(window)
    first_map = aligned[0]
    while count > _OWN:
        yield from waiting[:-BLENDED]
        new = list(islice(source, STEP))
        keys = torch.stack([first_map, aligned[KEY_PLACE]])
        window = _filled([first, window[KEY_PLACE], *window[-BLENDED:], *new])
        count += len(new) - STEP
        aligned = decode(window) if is_metric else _fitted(decode(window), keys)
        blended = torch.lerp(waiting[-BLENDED:], aligned[_KEYS:_KNOWN], _fade(aligned))
        waiting = torch.cat([blended, aligned[_KNOWN:]])
    yield from waiting[: len(waiting) - (WINDOW - count)]


def _filled(window: list[Item]) -> list[Item]:
    return window + window[-1:] * (WINDOW - len(window))


def _fitted(maps: Tensor, keys: Tensor) -> Tensor:
    """The maps, 0 or more, scaled and shifted so that the first two are ``keys``, with the least squares."""
    own, wanted = maps[:_KEYS].double(), keys.double()
    spread = own - own.mean()
    power = spread.square().sum()
    scale = (spread * (wanted - wanted.mean())).sum() / power if power > 0 else own.new_ones(())
    shift = wanted.mean() - scale * own.mean() if power > 0 else own.new_zeros(())
    return (maps * scale.to(maps.dtype) + shift.to(maps.dtype)).clamp(min=0)


def _fade(maps: Tensor) -> Tensor:
    """The share of the new window in each of the blended frames: 0 in the first, 1 in the last."""
    return torch.linspace(0, 1, BLENDED, dtype=maps.dtype, device=maps.device).view(BLENDED, 1, 1)

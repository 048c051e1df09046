"""A loaded depth network: its input, its output, and the checks of both."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from any2bokeh.arrays import Floats
from any2bokeh.errors import DisparityError, ShapeError
from any2bokeh.motion.shots import ReducedFrame

Item = TypeVar("Item")
# From the frames of a clip, in order, to the raw disparity ``h w`` of each.
Estimates = Callable[[Iterable[ReducedFrame]], Iterator[Floats]]


class Estimator(Protocol):
    """A loaded network."""

    def estimate(self, pictures: Tensor, size: tuple[int, int]) -> Tensor:
        """Return the raw relative disparity of each picture, near is large: ``T 1 h w`` float32.

        ``pictures`` are ``T 3 H W`` R'G'B' in 0..1 on any device; the result is on the network's.
        ``size`` is ``h w``, about that of the frame that is looked at (rounded to whole patches). Scale
        and shift are those that the network gave this frame, and differ from frame to frame.

        Raises ``ShapeError`` for another shape, ``DisparityError`` if the network returns values that
        are not numbers.
        """
        ...


def one_by_one(estimator: Estimator, size: tuple[int, int], device: torch.device, batch: int) -> Estimates:
    """Return the estimates of single frames by ``estimator``, ``batch`` at once; ``size`` is ``h w``."""

    def estimates(frames: Iterable[ReducedFrame]) -> Iterator[Floats]:
        for some in batches(frames, batch):
            pictures = torch.stack([frame.picture for frame in some]).to(device)
            disparity = estimator.estimate(pictures, size)
            yield from disparity[:, 0].cpu().numpy()

    return estimates


def batches(items: Iterable[Item], length: int) -> Iterator[list[Item]]:
    """Yield the items in lists of so many; the last one may be shorter."""
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == length:
            yield batch
            batch = []
    if batch:
        yield batch


def check_pictures(pictures: Tensor) -> None:
    """Raise ``ShapeError`` unless ``pictures`` are ``T 3 H W``."""
    if pictures.ndim != 4 or pictures.shape[1] != 3:
        raise ShapeError(f"pictures must be T 3 H W, got {tuple(pictures.shape)}")


def check_disparity(disparity: Tensor, dtype: torch.dtype) -> None:
    """Raise ``DisparityError`` if a network in ``dtype`` returned values that are not numbers."""
    if not bool(disparity.isfinite().all()):
        raise DisparityError(
            f"The depth network returned values that are not numbers in {dtype}.", hint="Use `dtype=float32`."
        )

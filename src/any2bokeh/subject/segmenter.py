"""Finding a subject from clicks: one interface for all networks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from torch import Tensor

from any2bokeh.scene import Frame

View = TypeVar("View")


@dataclass(frozen=True)
class Click:
    """A place in shares of the picture's width and height: on the subject, or on something else."""

    x: float
    y: float
    on_subject: bool = True


class SubjectSegmenter(Protocol[View]):
    """Finds one subject in frame after frame, in either direction of time."""

    def view(self, frame: Frame) -> View:
        """Return its view of a frame, small enough to hold dozens of them."""
        ...

    def start(self, view: View, clicks: Sequence[Click], beside: View | None = None) -> Tensor:
        """Return the mask of the thing under ``clicks``; earlier subjects are forgotten.

        ``beside`` is the frame after it, or before it: it shows how things move.

        A mask is ``1 h w`` in 0..1 on the CPU, of a size of the segmenter's own, the same for all frames.
        """
        ...

    def step(self, view: View, clicks: Sequence[Click] = ()) -> Tensor:
        """Return its mask in the next frame, 0 everywhere while it is not seen.

        ``clicks`` on that frame correct what would be found without them.
        """
        ...

"""Pictures of a result for the report: a still, a part of it enlarged, one row over time, their errors."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import torch
from torch import Tensor

from any2bokeh.atomic import partial_file, writes_to
from any2bokeh.depth.colormap import colorize
from any2bokeh.errors import VideoError
from any2bokeh.lab.evaluation.scores import ReferenceFrame
from any2bokeh.preview.moments import fitted
from any2bokeh.preview.pack import ByteBudget, webps

STILL, CROP, ERROR, SLICE, SLICE_ERROR = "still", "crop", "error", "slice", "slice-error"
BRIGHTEST = 32 / 255  # the error that is drawn as white, or more
STILL_PX, CROP_SHARE, ENLARGED = 800, 1 / 6, 3
MOST_ROWS, SLICE_PX = 240, 160  # frames in a slice, and its least height


@dataclass(frozen=True)
class Places:
    """The parts shown of all pictures of a case: a row of its frames, and a window of its middle one."""

    row: int
    top: int
    left: int
    height: int
    width: int

    @classmethod
    def of(cls, seen: ReferenceFrame) -> "Places":
        """Return the places with most edges that matter: those in focus, else all."""
        edges = (seen.focus_edges if seen.focus_edges.any() else seen.near_edges).float()
        height, width = edges.shape
        margin = height // 8
        row = margin + int(edges[margin : height - margin].sum(dim=1).argmax())
        down, across = (min(side, max(8, round(side * CROP_SHARE))) for side in (height, width))
        # Anchored at its corner, the filter counts the edges in the window that begins at a pixel.
        border = cv2.BORDER_CONSTANT
        counts = cv2.boxFilter(edges.numpy(), -1, (across, down), anchor=(0, 0), borderType=border)
        inside = counts[: height - down + 1, : width - across + 1]
        top, left = divmod(int(inside.argmax()), inside.shape[1])
        return cls(row, top, left, down, across)


class ReportStills:
    """Takes the pictures of one method, frame after frame, and keeps the shown parts of them.

    Errors are against the ground truth; where there is none, they are differences from the sharp picture.
    """

    def __init__(self, frames: int) -> None:
        self._middle, self._number = frames // 2, 0
        self._row = 0
        self._rows: list[Tensor] = []
        self._row_errors: list[Tensor] = []
        self._kept: dict[str, Tensor] = {}

    def add(self, picture: Tensor, seen: ReferenceFrame) -> None:
        """Take the next frame, ``3 H W`` in 0..1."""
        if self._number == 0:
            self._row = Places.of(seen).row
        reference = seen.frame.scene.sharp if seen.frame.ground_truth is None else seen.frame.ground_truth
        if self._number < MOST_ROWS:
            self._rows.append(picture[:, self._row].clone())  # a view would keep the whole picture
            self._row_errors.append(_error(picture[:, self._row], reference[:, self._row]))
        if self._number == self._middle:
            places = Places.of(seen)
            rows = slice(places.top, places.top + places.height)
            columns = slice(places.left, places.left + places.width)
            self._kept = {
                STILL: _shown(picture),
                CROP: _enlarged(picture[:, rows, columns], ENLARGED, ENLARGED),
                ERROR: _shown(colorize(_error(picture, reference))),
            }
        self._number += 1

    def pictures(self) -> Mapping[str, Tensor]:
        """Return the pictures by their kind, each ``3 h w`` in 0..1; time runs downwards in slices."""
        times = max(1, -(-SLICE_PX // len(self._rows)))
        over_time = torch.stack(self._rows, dim=1)
        errors = torch.stack(self._row_errors, dim=1)
        return {
            **self._kept,
            SLICE: _enlarged(_narrowed(over_time), times, 1),
            SLICE_ERROR: _enlarged(_narrowed(colorize(errors)), times, 1),
        }


def picture_path(folder: Path, case: str, method: str, kind: str) -> Path:
    """Where a picture lies."""
    return folder / "pictures" / case / f"{method}.{kind}.webp"


def write_pictures(folder: Path, case: str, method: str, shots: ReportStills, most_bytes: int) -> None:
    """Write all pictures of a method, each of at most so many bytes where its quality allows that."""
    for kind, picture in shots.pictures().items():
        path = picture_path(folder, case, method, kind)
        with writes_to(path.parent, VideoError):
            path.parent.mkdir(parents=True, exist_ok=True)
        with partial_file(path, overwrite=True) as partial:
            partial.write_bytes(ByteBudget(most_bytes, 1).first_that_fits(webps(picture)))


def has_pictures(folder: Path, case: str, method: str) -> bool:
    """Whether all pictures of a method are there."""
    kinds = (STILL, CROP, ERROR, SLICE, SLICE_ERROR)
    return all(picture_path(folder, case, method, kind).is_file() for kind in kinds)


def _error(picture: Tensor, reference: Tensor) -> Tensor:
    """``1 ...`` in 0..1, where 1 is ``BRIGHTEST`` or more."""
    return (picture - reference).abs().mean(dim=0, keepdim=True) / BRIGHTEST


def _shown(picture: Tensor) -> Tensor:
    share = min(1.0, STILL_PX / max(picture.shape[1:]))
    return fitted(picture, max(1, round(picture.shape[2] * share)))


def _narrowed(picture: Tensor) -> Tensor:
    """A slice no wider than a still, its frames left as they are."""
    if picture.shape[2] <= STILL_PX:
        return picture
    size = (picture.shape[1], STILL_PX)
    return torch.nn.functional.interpolate(picture[None], size, mode="area")[0]


def _enlarged(picture: Tensor, down: int, across: int) -> Tensor:
    return picture.repeat_interleave(down, dim=1).repeat_interleave(across, dim=2)

"""Where a correction of the lens counts, and the areas of a frame that the network looks at for it."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d

from any2bokeh.render.small.correction_network import COARSEST, SURFACES_PX, LensView

CELL_PX = 4  # how far a correction reaches is told for cells of so many pixels
STEP_PX = 1.0  # of the circle of confusion within 3x3 pixels: an end of a surface, or a ramp of a soft map
REACH_PX = 32  # no farther from an edge than this
NOWHERE = -1e3
CLIPPED, LIT_PX = 0.98, 2.0  # code value of a clipped light, and how blurred it is where it becomes a disc
FULL_CHANGE = 0.04  # code values that the lens changed: from here on a correction counts fully
CHANGED_CELLS = 2  # how far from what it changed

BLOCK_PX = 64  # areas are found from blocks of so many pixels
MARGIN_PX = 48  # around an area: pixels farther away change the answer by less than a code value
WHOLE_SHARE = 0.8  # of the frame: areas that are larger in all are looked at as one


def lens_view(sharp: Tensor, through_lens: Tensor, coc: Tensor, rings: Tensor, evidence: Tensor) -> LensView:
    """The view of frames in memory; see ``LensView``."""
    nearest, farthest = -largest_around(-coc, SURFACES_PX), largest_around(coc, SURFACES_PX)
    return LensView(sharp, through_lens, coc, nearest, farthest, rings, evidence)


def correction_cells(view: LensView) -> Tensor:
    """How much a correction counts in each cell of 4x4 pixels, ``B 1 H/4 W/4`` in 0..1.

    It counts near steps of the circle of confusion, as far as their blur reaches, and as much as the lens
    changed the picture there: surfaces without an end are blurred right, and where nothing changed there is
    nothing to correct. Discs of clipped lights stay as the lens drew them. The view is in memory; both sides
    are multiples of 4.
    """
    nearest, farthest = -largest_around(-view.coc, 1), largest_around(view.coc, 1)
    widest = torch.maximum(nearest.abs(), farthest.abs())
    of_steps = torch.where(farthest - nearest > STEP_PX, widest, NOWHERE)
    is_light = (view.sharp.amax(dim=1, keepdim=True) > CLIPPED) & (view.coc.abs() > LIT_PX)
    of_lights = torch.where(is_light, view.coc.abs(), NOWHERE)
    change = (view.through_lens - view.sharp).abs().mean(dim=1, keepdim=True)
    change = max_pool2d(avg_pool2d(change, 3, 1, 1, count_include_pad=False), CELL_PX)
    change = largest_around(change, CHANGED_CELLS)
    return _reached(of_steps) * (1 - _reached(of_lights)) * (change / FULL_CHANGE).clamp(max=1)


def _reached(radius: Tensor) -> Tensor:
    """For pixels whose blur has a radius ``B 1 H W`` [px], the cells that it reaches, in 0..1."""
    reach = max_pool2d(radius, CELL_PX) + CELL_PX
    for _ in range(REACH_PX // CELL_PX):  # passed on from cell to cell
        reach = torch.maximum(reach, largest_around(reach, 1) - CELL_PX)
    return (reach / CELL_PX).clamp(0, 1)


def largest_around(images: Tensor, radius: int) -> Tensor:
    """The largest value in the square around each element of ``B 1 H W``, within the image."""
    square = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)  # OpenCV: ten times as fast as pooling
    found = [torch.from_numpy(cv2.dilate(image[0].contiguous().numpy(), square)) for image in images]
    return torch.stack(found)[:, None]


def correction_share(cells: Tensor) -> Tensor:
    """``correction_cells`` for each pixel, ``B 1 H W``."""
    return interpolate(cells, scale_factor=CELL_PX, mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class Area:
    """Rows ``top`` to ``bottom`` and columns ``left`` to ``right`` of a frame."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def pixels(self) -> int:
        """How many it holds."""
        return (self.bottom - self.top) * (self.right - self.left)

    def meets(self, other: "Area") -> bool:
        """Whether both have pixels in common."""
        return (
            self.top < other.bottom
            and other.top < self.bottom
            and self.left < other.right
            and other.left < self.right
        )

    def with_all_of(self, other: "Area") -> "Area":
        """The smallest that holds both."""
        return Area(
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            min(self.left, other.left),
            max(self.right, other.right),
        )

    def within(self, image: Tensor) -> Tensor:
        """Its part of ``... H W``."""
        return image[..., self.top : self.bottom, self.left : self.right]


def areas_to_correct(cells: Tensor) -> list[Area]:
    """The areas, in pixels, that hold all cells ``h w`` that count, with margins; none overlaps another.

    They lie on the grid of the network's coarsest cells, so that it answers as for the whole frame.
    """
    height, width = (side * CELL_PX for side in cells.shape)
    blocks = max_pool2d(cells[None, None], BLOCK_PX // CELL_PX, ceil_mode=True)[0, 0] > 0
    _, _, boxes, _ = cv2.connectedComponentsWithStats(np.asarray(blocks.byte().cpu().numpy()), connectivity=8)
    areas: list[Area] = []
    for left, top, columns, rows, _ in boxes[1:].tolist():
        area = Area(
            max(0, top * BLOCK_PX - MARGIN_PX),
            min(height, (top + rows) * BLOCK_PX + MARGIN_PX),
            max(0, left * BLOCK_PX - MARGIN_PX),
            min(width, (left + columns) * BLOCK_PX + MARGIN_PX),
        )
        while met := next((other for other in areas if area.meets(other)), None):
            areas.remove(met)
            area = area.with_all_of(met)
        areas.append(area)
    if sum(area.pixels for area in areas) > WHOLE_SHARE * height * width:
        return [Area(0, height, 0, width)]
    return areas


assert BLOCK_PX % COARSEST == MARGIN_PX % COARSEST == 0

"""Pictures side by side, each with a caption below it."""

from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

from any2bokeh.depth.colormap import colorize
from any2bokeh.preview.lettering import DARK, DIM, LIGHT, Words, lettered, width_px
from any2bokeh.preview.looks import fitted

GROUND = torch.tensor(DARK).view(3, 1, 1) / 255
CAPTION_SHARE = 1 / 30  # size of the letters over the width of a picture
SMALLEST_PX, LARGEST_PX = 12.0, 40.0  # of the letters
FIRST_LINE, SECOND_LINE, STRIP = 1.1, 2.5, 3.7  # of a caption, in sizes of its letters


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """A picture (``3 H W``, 0..1) and what is written below it: a title, and a dimmer second line.

    ``focus_disparity`` draws, right of the title, the scale of disparity in its colours with the focus on it.
    """

    picture: Tensor
    title: str
    detail: str = ""
    focus_disparity: float | None = None


def lay_out(cells: list[Cell], columns: int, width: int) -> Tensor:
    """Return the sheet (``3 H W``) of pictures ``width`` pixels wide, all of one shape, row by row."""
    pictures = [fitted(cell.picture, width) for cell in cells]
    height, gap, size_px = pictures[0].shape[1], max(4, width // 60), letters_px(width)
    row_px, column_px = height + round(STRIP * size_px), width + gap
    rows = ceil(len(cells) / columns)
    sheet = GROUND.repeat(1, gap + rows * row_px, gap + min(columns, len(cells)) * column_px)
    words: list[Words] = []
    for number, (cell, picture) in enumerate(zip(cells, pictures, strict=True)):
        left, top = gap + number % columns * column_px, gap + number // columns * row_px
        sheet[:, top : top + height, left : left + width] = picture
        words += _caption(cell, left, top + height, size_px)
        if cell.focus_disparity is not None:
            words += _draw_scale(sheet, cell.focus_disparity, left + width, top + height, size_px)
    return lettered(sheet, words)


def letters_px(width: int) -> float:
    """Return the size of the letters under, or on, a picture of that width."""
    return min(max(CAPTION_SHARE * width, SMALLEST_PX), LARGEST_PX)


def _caption(cell: Cell, left: float, top: float, size_px: float) -> list[Words]:
    first, second = top + FIRST_LINE * size_px, top + SECOND_LINE * size_px
    return [
        Words(text=cell.title, x=left, y=first, size_px=size_px),
        Words(text=cell.detail, x=left, y=second, size_px=0.85 * size_px, color=DIM),
    ]


def _draw_scale(sheet: Tensor, focus_disparity: float, right: int, top: int, size_px: float) -> list[Words]:
    """Draw the colours of disparity from 0 to 1, ending at ``right``, and return what is written at them."""
    small_px = 0.85 * size_px
    near_px, length = round(width_px("1 near", small_px) + small_px / 2), round(9 * size_px)
    start, stop = right - near_px - length, right - near_px
    upper, lower = top + round(0.8 * size_px), top + round(1.4 * size_px)
    sheet[:, upper:lower, start:stop] = colorize(torch.linspace(0, 1, length).expand(1, lower - upper, -1))
    focus = start + focus_disparity * (length - 1)
    mark, half = round(focus), max(1, round(size_px / 16))
    sheet[:, upper - 2 * half : lower + 2 * half, mark - half : mark + half] = (
        torch.tensor(LIGHT).view(3, 1, 1) / 255
    )
    middle, below = (upper + lower) / 2, top + SECOND_LINE * size_px
    return [
        Words(text="0 far", x=start - small_px / 2, y=middle, size_px=small_px, anchor="rm", color=DIM),
        Words(text="1 near", x=right, y=middle, size_px=small_px, anchor="rm", color=DIM),
        Words(text=f"{focus_disparity:.3f}", x=focus, y=below, size_px=small_px, anchor="mm"),
    ]

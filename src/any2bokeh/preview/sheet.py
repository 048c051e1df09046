"""Pictures side by side with captions, and words on pictures in Pillow's own typeface (Aileron, CC0)."""

from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from any2bokeh.depth.colormap import colorize
from any2bokeh.preview.moments import fitted
from any2bokeh.video.lossless import to_uint8_rgb

LIGHT, DIM, DARK = (238, 238, 236), (150, 150, 148), (16, 16, 16)
GROUND = torch.tensor(DARK).view(3, 1, 1) / 255
CAPTION_SHARE = 1 / 30  # size of the letters over the width of a picture
SMALLEST_PX, LARGEST_PX = 12.0, 40.0  # of the letters
FIRST_LINE, SECOND_LINE, STRIP = 1.1, 2.5, 3.7  # of a caption, in sizes of its letters


@dataclass(frozen=True, kw_only=True)
class Words:
    """A line of text: ``x`` and ``y`` [px] are where its ``anchor`` (Pillow's two letters) stands.

    The typeface has Latin letters of ASCII, digits and the middle dot.
    """

    text: str
    x: float
    y: float
    size_px: float
    anchor: str = "lm"
    color: tuple[int, int, int] = LIGHT
    outlined: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class CaptionedPicture:
    """A picture (``3 H W``, 0..1) and the text below it: a title, and a dimmer second line.

    ``focus_disparity`` draws, right of the title, the scale of disparity in its colors with the focus on it.
    """

    picture: Tensor
    title: str
    detail: str = ""
    focus_disparity: float | None = None


def lay_out(cells: list[CaptionedPicture], columns: int, width: int) -> Tensor:
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


def width_px(text: str, size_px: float) -> float:
    """Return how much room a line of text takes."""
    return float(ImageFont.load_default(size_px).getlength(text))


def lettered(picture: Tensor, words: list[Words]) -> Tensor:
    """Return the picture (``3 H W``, 0..1) with words on it, in steps of 1/255."""
    image = to_image(picture)
    draw = ImageDraw.Draw(image)
    for line in words:
        draw.text(
            (line.x, line.y),
            line.text,
            fill=line.color,
            font=ImageFont.load_default(line.size_px),
            anchor=line.anchor,
            stroke_width=max(1, line.size_px / 9) if line.outlined else 0,
            stroke_fill=DARK,
        )
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def to_image(picture: Tensor) -> Image.Image:
    """Return R'G'B' ``3 H W`` in 0..1 as a picture of 8 bits; others are clamped."""
    return Image.fromarray(to_uint8_rgb(picture))


def letters_px(width: int) -> float:
    """Return the size of the letters under, or on, a picture of that width."""
    return min(max(CAPTION_SHARE * width, SMALLEST_PX), LARGEST_PX)


def _caption(cell: CaptionedPicture, left: float, top: float, size_px: float) -> list[Words]:
    first, second = top + FIRST_LINE * size_px, top + SECOND_LINE * size_px
    return [
        Words(text=cell.title, x=left, y=first, size_px=size_px),
        Words(text=cell.detail, x=left, y=second, size_px=0.85 * size_px, color=DIM),
    ]


def _draw_scale(sheet: Tensor, focus_disparity: float, right: int, top: int, size_px: float) -> list[Words]:
    """Draw the colors of disparity from 0 to 1, ending at ``right``, and return the words at them."""
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

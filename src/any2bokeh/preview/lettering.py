"""Words and numbers on pictures, in the typeface that Pillow brings along (Aileron, CC0)."""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from any2bokeh.video.lossless import to_uint8_rgb

LIGHT, DIM, DARK = (238, 238, 236), (150, 150, 148), (16, 16, 16)


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

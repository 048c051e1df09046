"""The user's own pictures and clips as textures."""

from dataclasses import dataclass, replace
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor

from any2bokeh.lab.synthesis.scenes import Plane, Texture
from any2bokeh.lab.synthesis.textures import Scaled
from any2bokeh.optics.transfer import to_linear


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """``pixels`` ``4 h w`` (display-referred colour and coverage, top first) over a ``size_m`` rectangle."""

    pixels: Tensor
    size_m: tuple[float, float]

    def paint(self, x: Tensor, y: Tensor) -> Tensor:
        """Colour and coverage ``4 h w``; there is nothing beyond the rectangle."""
        places = torch.stack([2 * x / self.size_m[0], -2 * y / self.size_m[1]], -1)[None]
        # Colour counts where there is any: what transparent pixels hold is anything.
        weighted = torch.cat([to_linear(self.pixels[:3], "srgb") * self.pixels[3:], self.pixels[3:]])
        painted = F.grid_sample(weighted[None], places, padding_mode="border", align_corners=False)[0]
        inside = (places.abs().amax(-1) <= 1).to(x.dtype)
        return torch.cat([painted[:3] / painted[3:].clamp(min=1e-6), painted[3:] * inside])


@dataclass(frozen=True, kw_only=True, eq=False)
class Footage:
    """Pictures one after the other, ``rate`` per second; behind the last they run backwards, and so on."""

    frames: tuple[Picture, ...]
    rate: Fraction

    def paint(self, x: Tensor, y: Tensor) -> Tensor:
        """The first picture."""
        return self.frames[0].paint(x, y)

    def at(self, time_s: float) -> Picture:
        """The picture that is shown at a time."""
        number, last = round(time_s * self.rate), len(self.frames) - 1
        there_and_back = number % max(2 * last, 1)
        return self.frames[min(there_and_back, 2 * last - there_and_back)]


def shown_at(plane: Plane, time_s: float) -> Plane:
    """The plane with the picture that its footage shows at a time; itself where it has none."""
    texture = _texture_at(plane.texture, time_s)
    return plane if texture is plane.texture else replace(plane, texture=texture)


def _texture_at(texture: Texture, time_s: float) -> Texture:
    if isinstance(texture, Footage):
        return texture.at(time_s)
    if isinstance(texture, Scaled):
        inner = _texture_at(texture.texture, time_s)
        return texture if inner is texture.texture else replace(texture, texture=inner)
    return texture

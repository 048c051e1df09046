"""What a renderer is, and which one runs."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Protocol

import torch

from any2bokeh.optics.light import Light
from any2bokeh.render.lens.compiled import CompiledLensRenderer
from any2bokeh.render.lens.reference import LensRenderer
from any2bokeh.scene import Frame, Scene
from any2bokeh.settings import RenderSettings


class Renderer(Protocol):
    """Turns scenes into refocused frames: as many, in the same order, with the same time stamps."""

    @property
    def name(self) -> str:
        """The name that ``--renderer`` takes."""
        ...

    def render(self, scenes: Iterator[Scene]) -> Iterator[Frame]:
        """Yield one refocused frame for each scene."""
        ...


def make_renderer(
    settings: RenderSettings, device: torch.device, *, light: Light, pixel_aspect: Fraction
) -> Renderer:
    """Return the renderer that ``settings`` ask for; ``auto`` is the lens, which runs everywhere.

    ``light`` says how code values encode light; ``pixel_aspect`` is the displayed width of a pixel
    over its height.
    """
    if device.type != "cpu":
        return LensRenderer(settings.lens, device, light=light, pixel_aspect=float(pixel_aspect))
    lens = CompiledLensRenderer(settings.lens, device, light=light, pixel_aspect=float(pixel_aspect))
    lens.compile()
    return lens

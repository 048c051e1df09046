"""The protocol of a renderer, and the choice of one."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import torch

from any2bokeh.render.choose import choose_renderer
from any2bokeh.render.lens.renderer import make_lens
from any2bokeh.scene import Frame, PictureFormat, Scene
from any2bokeh.settings.render_settings import RenderSettings


class Renderer(Protocol):
    """Turns scenes into refocused frames: as many, in the same order, with the same time stamps."""

    @property
    def name(self) -> str:
        """The name that ``--renderer`` takes."""
        ...

    @property
    def work_per_frame(self) -> float:
        """How many times as long as the first frame alone each one takes."""
        ...

    @property
    def operations_per_frame(self) -> float | None:
        """Multiplications and additions of a frame, if that takes too long to try; else ``None``."""
        ...

    @property
    def looks_around(self) -> bool:
        """Whether a frame is drawn by other frames as well as its own scene."""
        ...

    def context(self, part: range, frames: int) -> range:
        """Return the numbers of the scenes that it must be given to draw ``part`` of a clip of ``frames``.

        The frames of the part then are those of a run on the whole clip; the others around them are not.
        """
        ...

    def render(self, scenes: Iterator[Scene]) -> Iterator[Frame]:
        """Yield one refocused frame for each scene."""
        ...

    def peak_bytes(self, pictures: PictureFormat) -> int | None:
        """Return the peak device memory of a whole run on such pictures; ``None`` if not known."""
        ...

    def close(self) -> None:
        """Give back threads and memory; nothing is rendered after that. Closing twice is harmless."""
        ...


def make_renderer(
    settings: RenderSettings,
    device: torch.device,
    pictures: PictureFormat,
    blur_strength: float | None = None,
) -> Renderer:
    """Return the renderer that ``settings`` ask for; see ``choose_renderer`` for ``auto``.

    ``blur_strength`` is the largest K asked for, where that is known. Raises ``SettingsError`` and
    ``WeightsError`` with the obstacle.
    """
    name = choose_renderer(settings, device, pictures, blur_strength)
    if name == "lens":
        return make_lens(settings.lens, device, pictures)
    from any2bokeh.render.load import load_renderer

    network = load_renderer(replace(settings, renderer=name), device, pictures.as_shown, blur_strength)
    if not pictures.keeps_beyond_white:
        return network
    from any2bokeh.render.display_referred import DisplayReferredRenderer

    return DisplayReferredRenderer(network, pictures)

"""Networks before pictures of scene light: they see what a screen shows, which ends at white."""

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from any2bokeh.optics.transfer import recoded, shown_picture
from any2bokeh.render.base import Renderer, RendererAround
from any2bokeh.scene import Frame, PictureFormat, Scene

log = logging.getLogger(__name__)


class DisplayReferredRenderer(RendererAround):
    """A network, given what a screen shows of each scene; what it leaves unchanged keeps its light."""

    def __init__(self, inner: Renderer, pictures: PictureFormat) -> None:
        super().__init__(inner)
        self._transfer = pictures.transfer
        self._in_work: deque[tuple[Tensor, Tensor]] = deque()  # scenes' pictures, as they are and as shown

    def render(self, scenes: Iterator[Scene]) -> Iterator[Frame]:
        """Yield one refocused frame for each scene."""
        log.warning(
            "The network %s sees pictures that end at white: where it draws, light beyond white is lost."
            " `renderer=lens` keeps it.",
            self.name,
        )
        for frame in self._inner.render(self._shown(scene) for scene in scenes):
            stored, shown = self._in_work.popleft()
            drawn = recoded(frame.picture, "srgb", self._transfer)
            picture = torch.where(frame.picture == shown, stored, drawn)
            yield Frame(picture=picture, pts=frame.pts)

    def peak_bytes(self, pictures: PictureFormat) -> int | None:
        """Return the peak device memory of a whole run on such pictures; ``None`` if not known."""
        return self._inner.peak_bytes(pictures.as_shown)

    def _shown(self, scene: Scene) -> Scene:
        shown = shown_picture(scene.sharp, self._transfer)
        self._in_work.append((scene.sharp, shown))
        return replace(scene, sharp=shown)

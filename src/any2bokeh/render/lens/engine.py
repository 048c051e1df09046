"""The lens engine: the steps that a compiled and a plain implementation of the model both have."""

from dataclasses import dataclass
from math import inf
from typing import Protocol

from torch import Tensor

from any2bokeh.optics.coc import CocScale
from any2bokeh.optics.transfer import keeps_beyond_white
from any2bokeh.render.lens.aperture import DrawnExtent, widest_reach
from any2bokeh.render.lens.highlights import Highlights
from any2bokeh.render.lens.model import CLIPPED
from any2bokeh.render.lens.neighbors import Neighbor, PreparedFrame
from any2bokeh.render.lens.surroundings import Surroundings
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.settings.color_settings import TransferFunction
from any2bokeh.settings.render_settings import LensSettings


@dataclass(frozen=True, kw_only=True)
class Lens:
    """A lens before the pictures of one clip.

    ``transfer`` is how code values encode light; ``pixel_aspect`` is the displayed width of a pixel over its
    height.
    """

    settings: LensSettings
    transfer: TransferFunction = "srgb"
    pixel_aspect: float = 1.0

    @property
    def reach(self) -> float:
        """How far the aperture's image reaches, in circles of confusion."""
        return widest_reach(self.settings)

    @property
    def clipped(self) -> float:
        """Linear light from which on a pixel does not tell how bright it is; scene light tells it always."""
        return inf if keeps_beyond_white(self.transfer) else CLIPPED

    def coc_scale(self, scene: Scene) -> CocScale:
        """The scale of circles of confusion in a scene's picture."""
        height, width = scene.sharp.shape[1:]
        longer_side_px = max(width * self.pixel_aspect, height)
        return CocScale.of(scene.focus_disparity, scene.blur_strength, longer_side_px)

    def extent(self, coc: Tensor, margin_px: int = 0) -> DrawnExtent:
        """The drawn pixels: all of ``coc H W``, of which ``margin_px`` on each side lie outside the frame."""
        return DrawnExtent(coc.shape[0], coc.shape[1], margin_px, self.pixel_aspect)


class LensEngine(Protocol):
    """One implementation of the lens model, for one frame after another; not for several threads at once.

    Scenes are on the CPU, and so are refocused pictures; intermediate tensors are on the engine's device.
    """

    @property
    def lens(self) -> Lens:
        """The lens that it draws."""
        ...

    def coc(self, scene: Scene) -> Tensor:
        """Signed CoC ``H W`` [px], ramps of disparity made steps; the next call may overwrite it."""
        ...

    def matte(self, scene: Scene, coc: Tensor, lights: Highlights | None) -> tuple[Tensor, Tensor]:
        """Linear light ``3 H W``, and the same without the share of nearer surfaces in edge pixels.

        ``lights`` are raised.
        """
        ...

    def draw(self, scene: Scene, coc: Tensor, lights: Highlights | None) -> Tensor:
        """The refocused picture ``3 H W`` in code values; pixels that no blur touches are the scene's own."""
        ...

    def draw_among(self, frame: PreparedFrame, around: Surroundings, neighbors: list[Neighbor]) -> Tensor:
        """As ``draw``, with occluded regions and surroundings taken from the frames around."""
        ...

    def peak_bytes(self, pictures: PictureFormat) -> int | None:
        """The peak memory of a run on such pictures; ``None`` where nobody has measured it."""
        ...

    def close(self) -> None:
        """End its threads; it draws no more."""
        ...

"""The protocol of a renderer, and the choice of one."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import torch

from any2bokeh.optics.coc import CocScale
from any2bokeh.render.choose import choose_renderer
from any2bokeh.render.lens.model import EDGE_STEP_PX
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


class RendererAround:
    """Another renderer with work of a subclass before or after it; all else is that renderer's."""

    def __init__(self, inner: Renderer) -> None:
        self.name, self._inner = inner.name, inner

    @property
    def work_per_frame(self) -> float:
        """How many times as long as the first frame alone each one takes."""
        return self._inner.work_per_frame

    @property
    def operations_per_frame(self) -> float | None:
        """Multiplications and additions of a frame, if that takes too long to try; else ``None``."""
        return self._inner.operations_per_frame

    def context(self, part: range, frames: int) -> range:
        """Return the numbers of the scenes that it must be given to draw ``part``; see ``Renderer``."""
        return self._inner.context(part, frames)

    def render(self, scenes: Iterator[Scene]) -> Iterator[Frame]:
        """Yield one refocused frame for each scene."""
        return self._inner.render(scenes)

    def peak_bytes(self, pictures: PictureFormat) -> int | None:
        """Return the peak device memory of a whole run on such pictures; ``None`` if not known."""
        return self._inner.peak_bytes(pictures)

    def close(self) -> None:
        """Close the renderer."""
        self._inner.close()


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
    renderer = _make(settings, device, pictures, blur_strength)
    return AligningRenderer(renderer, pictures) if settings.align_edges else renderer


def _make(
    settings: RenderSettings, device: torch.device, pictures: PictureFormat, blur_strength: float | None
) -> Renderer:
    name = choose_renderer(settings, device, pictures, blur_strength)
    if name == "lens":
        return make_lens(settings.lens, device, pictures)
    network: Renderer
    if name == "small":
        from any2bokeh.render.small.corrected_lens import load_small

        network = load_small(settings, device, pictures.as_shown, blur_strength)
    else:
        from any2bokeh.render.diffusion.load import load_diffusion

        network = load_diffusion(settings, device, pictures.as_shown)
    if not pictures.keeps_beyond_white:
        return network
    from any2bokeh.render.display_referred import DisplayReferredRenderer

    return DisplayReferredRenderer(network, pictures)


class AligningRenderer(RendererAround):
    """A renderer that sees disparity whose edges are where the picture has them."""

    def __init__(self, inner: Renderer, pictures: PictureFormat) -> None:
        super().__init__(inner)
        self._pictures = pictures
        # A frame with an edge: a clip does not wait for compilation.
        columns = (torch.arange(32) >= 16).float()
        picture, disparity = columns.expand(3, 32, 32), columns.expand(1, 32, 32)
        scene = Scene(sharp=picture, disparity=disparity, focus_disparity=0.5, blur_strength=1000.0, pts=0)
        aligned_scene(scene, pictures)

    def render(self, scenes: Iterator[Scene]) -> Iterator[Frame]:
        """Yield one refocused frame for each scene."""
        return self._inner.render(aligned_scene(scene, self._pictures) for scene in scenes)


def aligned_scene(scene: Scene, pictures: PictureFormat) -> Scene:
    """Return the scene with edges of disparity aligned that are steps to a lens; itself where they are.

    Where a subject is held, its mask has told the edges already.
    """
    if scene.edges_aligned:
        return scene
    from any2bokeh.depth.edge_alignment import align_edges  # imports the compiler

    height, width = scene.sharp.shape[1:]
    longer_side_px = max(width * pictures.pixel_aspect, height)
    scale = CocScale.of(scene.focus_disparity, scene.blur_strength, longer_side_px)
    if scene.coverage is not None or scale.px <= EDGE_STEP_PX:  # disparity spans 1 at most
        return scene
    sharp = scene.sharp
    if pictures.transfer == "linear":  # colors are compared as they are seen
        sharp = sharp.clamp(0, 1).sqrt()
    disparity = align_edges(scene.disparity, sharp, EDGE_STEP_PX / scale.px)
    if disparity is scene.disparity:
        return replace(scene, edges_aligned=True)
    unshaped = scene.disparity if scene.unshaped is None else scene.unshaped
    return replace(scene, disparity=disparity, unshaped=unshaped, edges_aligned=True)

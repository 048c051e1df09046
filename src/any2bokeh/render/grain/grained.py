"""A renderer whose pictures keep the grain of their clip where they are blurred."""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.arrays import Floats
from any2bokeh.optics.transfer import keeps_beyond_white
from any2bokeh.render.aovs import scene_coc
from any2bokeh.render.base import Renderer, RendererAround, aligned_scene
from any2bokeh.render.grain.clip_noise import ClipNoise, from_noise_codes, is_light, to_noise_codes
from any2bokeh.render.grain.compiled_grain import (
    CELL_PX,
    FRONT_PX,
    PATCH_PX,
    REACH_CELLS,
    GrainPlaces,
    GrainSource,
    add_grain_rows,
    find_cover,
    find_places,
)
from any2bokeh.render.grain.grain_tile import RADII_PX, SEED, TILE_PX, make_tiles
from any2bokeh.scene import Frame, PictureFormat, Scene
from any2bokeh.settings.render_settings import RenderSettings

BAND_ROWS = 64

log = logging.getLogger(__name__)


def with_grain(
    renderer: Renderer,
    settings: RenderSettings,
    noise: Callable[[], ClipNoise | None],
    pictures: PictureFormat,
) -> Renderer:
    """Return the renderer, with ``settings.grain`` times the clip's ``noise`` where it takes that away.

    The noise is measured only if grain is asked for.
    """
    if not settings.grain:
        return renderer
    try:
        measured = noise()
    except BaseException:
        renderer.close()
        raise
    if measured is None:
        log.warning("No grain is put back: the clip has no flat parts that tell its noise from texture.")
        return renderer
    codes = 255 * measured.strongest
    if not measured.is_visible:
        log.info("No grain is put back: the noise of the clip, %.2f of 255, is not visible.", codes)
        return renderer
    log.info("Noise of up to %.1f of 255 is put back where blur takes it away.", codes)
    return GrainedRenderer(renderer, measured, settings.grain, pictures, align_edges=settings.align_edges)


class GrainedRenderer(RendererAround):
    """Another renderer, and ``amount`` times the noise of the clip where that took it away.

    Grain depends on the sharp picture alone, square by square: it is new in each frame, as its noise is, and
    the same where that is repeated or frozen. Parts of a clip that are rendered apart have the same. Pixels
    that the renderer left as they are stay so. With ``align_edges`` the renderer is one that aligns edges.
    """

    def __init__(
        self,
        inner: Renderer,
        noise: ClipNoise,
        amount: float,
        pictures: PictureFormat,
        *,
        align_edges: bool = False,
    ) -> None:
        super().__init__(inner)
        self._pictures, self._align_edges = pictures, align_edges
        self._source = GrainSource(
            make_tiles(noise), np.array(RADII_PX, np.float32), (amount * noise.sigma).astype(np.float32)
        )
        self._in_work: deque[Scene] = deque()
        self._pool = ThreadPoolExecutor(torch.get_num_threads())

    def render(self, scenes: Iterator[Scene]) -> Iterator[Frame]:
        """Yield one refocused frame for each scene."""
        for frame in self._inner.render(self._noted(scenes)):
            scene = self._in_work.popleft()
            yield Frame(picture=self.with_grain(scene, frame.picture), pts=frame.pts)

    def with_grain(self, scene: Scene, picture: Tensor) -> Tensor:
        """Return the refocused ``picture 3 H W`` of a scene with grain."""
        if picture is scene.sharp or torch.equal(picture, scene.sharp):
            return picture
        transfer = self._pictures.transfer
        codes: Floats = to_noise_codes(picture, transfer).contiguous().clone().numpy()
        own: Floats = to_noise_codes(scene.sharp, transfer).contiguous().numpy()
        height, grain = codes.shape[1], self._grain_of(scene, own)

        def add(top: int) -> None:
            add_grain_rows(self._source, grain, own, (top, min(top + BAND_ROWS, height)), codes)

        list(self._pool.map(add, range(0, height, BAND_ROWS)))
        grained = torch.from_numpy(codes)
        if not keeps_beyond_white(transfer):
            grained.clamp_(0, 1)
        if not is_light(transfer):
            return grained
        return torch.where(picture == scene.sharp, picture, from_noise_codes(grained, transfer))

    def _grain_of(self, scene: Scene, own: Floats) -> GrainPlaces:
        """Where the grain of a frame comes from; ``own 3 H W`` are the codes of its sharp picture."""
        height, width = own.shape[1:]
        coc: Floats = scene_coc(scene, self._pictures)[0].contiguous().numpy()
        places: NDArray[np.int64] = np.empty((-(-height // PATCH_PX), -(-width // PATCH_PX), 2), np.int64)
        find_places(own[1].view(np.uint32), SEED, TILE_PX, places)
        farthest_px = -float(coc.min())  # in front of the focal plane
        cell_px = max(CELL_PX, int(np.ceil(farthest_px / REACH_CELLS)))
        shape = max(-(-height // cell_px), 2), max(-(-width // cell_px), 2)
        cover, cover_px = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        if farthest_px > FRONT_PX:
            find_cover(coc, cell_px, cover, cover_px)
        return GrainPlaces(np.abs(coc), places, cover, cover_px, cell_px)

    def close(self) -> None:
        """Give back threads and memory."""
        self._pool.shutdown()
        super().close()

    def _noted(self, scenes: Iterator[Scene]) -> Iterator[Scene]:
        for scene in scenes:
            if self._align_edges:  # the renderer sees that it is done
                scene = aligned_scene(scene, self._pictures)
            self._in_work.append(scene)
            yield scene

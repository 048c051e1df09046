"""The lens model in plain torch: on a GPU, and the reference that the compiled one is held against."""

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor
from torch.nn.functional import pad

from any2bokeh.optics.transfer import from_linear, keeps_beyond_white, to_linear
from any2bokeh.render.lens.engine import Lens
from any2bokeh.render.lens.highlights import Highlights, raise_highlights
from any2bokeh.render.lens.model import CLIPPED, OCCLUDED_REACH
from any2bokeh.render.lens.neighbors import Neighbor, PreparedFrame
from any2bokeh.render.lens.surroundings import Surroundings
from any2bokeh.render.lens.torch.compositing import draw_surfaces
from any2bokeh.render.lens.torch.disocclusion import find_occluded, recall_occluded
from any2bokeh.render.lens.torch.edges import matte_edges, snap_ramps
from any2bokeh.render.lens.torch.subject_edges import uncover
from any2bokeh.render.lens.torch.surfaces import Surface
from any2bokeh.scene import PictureFormat, Scene


class TorchEngine:
    """The lens in plain torch, on any device."""

    def __init__(self, lens: Lens, device: torch.device) -> None:
        self.lens, self.device = lens, device
        # A thread for each strip, and one thread for each of its many small steps: several threads for
        # each step leave cores idle. A GPU takes the frame as one strip.
        workers = torch.get_num_threads() if device.type == "cpu" else 1
        self._pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))

    @torch.inference_mode()
    def coc(self, scene: Scene) -> Tensor:
        """Signed CoC ``H W`` [px], ramps of disparity made steps."""
        coc = snap_ramps(self.lens.coc_scale(scene).coc(scene.disparity[0].to(self.device)))
        coverage = self._coverage(scene)
        return coc if coverage is None else uncover(coc, coverage)

    @torch.inference_mode()
    def matte(self, scene: Scene, coc: Tensor, lights: Highlights | None) -> tuple[Tensor, Tensor]:
        """Linear light ``3 H W``, and the same without the share of nearer surfaces in edge pixels."""
        linear = self._linearize(scene, coc, lights)
        return linear, matte_edges(linear, coc, self._coverage(scene), self.lens.clipped)[0]

    @torch.inference_mode()
    def draw(self, scene: Scene, coc: Tensor, lights: Highlights | None) -> Tensor:
        """The refocused picture ``3 H W`` in code values; pixels that no blur touches are the scene's own."""
        linear, coverage = self._linearize(scene, coc, lights), self._coverage(scene)
        surfaces = find_surfaces(linear, coc, coverage, self.lens.reach, self.lens.clipped)
        extent = self.lens.extent(coc)
        return self._encode(scene, *draw_surfaces(surfaces, self.lens.settings, extent, self._pool))

    @torch.inference_mode()
    def draw_among(self, frame: PreparedFrame, around: Surroundings, neighbors: list[Neighbor]) -> Tensor:
        """As ``draw``, with occluded regions and surroundings taken from the frames around."""
        linear, coc, margin = around
        coverage = self._coverage(frame.scene)
        if coverage is not None:
            coverage = pad(coverage[None], (margin,) * 4, mode="replicate")[0]
        nearest, fringe, occluded = find_surfaces(linear, coc, coverage, self.lens.reach, self.lens.clipped)
        occluded = recall_occluded(occluded, neighbors, frame.scale, margin)
        surfaces, extent = [nearest, fringe, occluded], self.lens.extent(coc, margin)
        blurred, touched = draw_surfaces(surfaces, self.lens.settings, extent, self._pool)
        inner = (..., slice(margin, -margin), slice(margin, -margin))
        return self._encode(frame.scene, blurred[inner], touched[inner])

    def peak_bytes(self, pictures: PictureFormat) -> int | None:
        """``None``: torch's device memory is not counted."""
        return None

    def close(self) -> None:
        """End its threads."""
        self._pool.shutdown()

    def _coverage(self, scene: Scene) -> Tensor | None:
        return None if scene.coverage is None else scene.coverage[0].to(self.device)

    def _linearize(self, scene: Scene, coc: Tensor, lights: Highlights | None) -> Tensor:
        linear = to_linear(scene.sharp.to(self.device), self.lens.transfer)
        if lights is not None:
            raise_highlights(linear, coc, lights)
        return linear

    def _encode(self, scene: Scene, blurred: Tensor, touched: Tensor) -> Tensor:
        transfer = self.lens.transfer
        picture = from_linear(blurred if keeps_beyond_white(transfer) else blurred.clamp(0, 1), transfer)
        return torch.where(touched, picture, scene.sharp.to(self.device)).cpu()


def find_surfaces(
    linear: Tensor, coc: Tensor, coverage: Tensor | None, reach: float, clipped: float = CLIPPED
) -> list[Surface]:
    """Surfaces that give light: the picture without nearer surfaces' fringes, those, and occluded surfaces.

    ``linear`` is ``3 H W``, ``coc`` the signed circle of confusion ``H W`` in pixels, ``coverage`` that of a
    held subject (``H W``), ``reach`` how far the aperture's image reaches, in circles of confusion;
    ``clipped`` is as in ``matte_edges``.
    """
    matted, fringe = matte_edges(linear, coc, coverage, clipped)
    occluded = find_occluded(matted, coc, OCCLUDED_REACH * reach * float(coc.abs().max()))
    return [Surface(matted, torch.ones_like(coc), coc), fringe, occluded]

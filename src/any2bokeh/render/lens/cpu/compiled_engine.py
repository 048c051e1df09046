"""The lens model compiled for the CPU: the pictures of ``TorchEngine``, many times faster.

Each step works only where there is something to do, and layers are blurred and composed in tiles that stay
in a core's cache.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from any2bokeh.arrays import Floats
from any2bokeh.jit import is_compiling
from any2bokeh.render.lens.aperture import DrawnExtent, zone_kernels
from any2bokeh.render.lens.cpu.compiled_disocclusion import grow_rows
from any2bokeh.render.lens.cpu.compiled_edges import mark_ramps, snap_rows
from any2bokeh.render.lens.cpu.compiled_frame import CompiledFrame, in_bands
from any2bokeh.render.lens.cpu.compiled_light import code_table, linear_table
from any2bokeh.render.lens.cpu.compiled_subject import uncover_rows
from any2bokeh.render.lens.cpu.layer_stack import LayerStack, stack_layers
from any2bokeh.render.lens.engine import Lens
from any2bokeh.render.lens.highlights import Highlights, raise_highlights
from any2bokeh.render.lens.layers import Layer, plan_layers
from any2bokeh.render.lens.model import OCCLUDED_REACH, sample_step, search_stride
from any2bokeh.render.lens.neighbors import Neighbor, PreparedFrame, recall_points
from any2bokeh.render.lens.surroundings import Surroundings
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.settings.render_settings import LensSettings

# Peak resident memory of whole runs on the CPU, 320x180 to 3840x2160 at K = 16: a line fits within a fifth.
BASE_BYTES = 720_000_000
BYTES_PER_PIXEL = 170


class CompiledEngine:
    """The lens on a CPU, for one frame after another: they share memory."""

    def __init__(self, lens: Lens) -> None:
        self.lens = lens
        # Torch gives threads that start later the number set last: one, as these keep the cores busy.
        workers = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
        # That number also is the limit of matrix products everywhere. It changes here, and not at some
        # moment while depth is estimated, or last bits would depend on timing.
        self._pool.submit(int).result()
        self._arrays: dict[str, Floats] = {}

    def coc(self, scene: Scene) -> Tensor:
        """Signed CoC ``H W`` [px], ramps of disparity made steps; the next call may overwrite it."""
        coc: Floats = self.lens.coc_scale(scene).coc(scene.disparity[0]).numpy()
        run, on_ramp = self._pool.map, np.empty(coc.shape, np.uint8)
        snapped = coc
        if sum(in_bands(run, lambda top, bottom: mark_ramps(coc, top, bottom, on_ramp), len(coc))):
            snapped = self._memory("snapped", coc.shape)
            in_bands(run, lambda top, bottom: snap_rows(coc, on_ramp, top, bottom, snapped), len(coc))
        coverage = _coverage(scene)
        if coverage is None:
            return torch.from_numpy(snapped)
        uncovered, step = self._memory("uncovered", coc.shape), sample_step(*coc.shape)
        in_bands(
            run,
            lambda top, bottom: uncover_rows(snapped, coverage, step, top, bottom, uncovered),
            len(coc),
        )
        return torch.from_numpy(uncovered)

    def matte(self, scene: Scene, coc: Tensor, lights: Highlights | None) -> tuple[Tensor, Tensor]:
        """Linear light ``3 H W``, and the same without the share of nearer surfaces in edge pixels."""
        frame = self._linearized(scene.sharp, coc, lights)
        linear = torch.from_numpy(frame.linear.copy())
        frame.matte_edges(self.lens.clipped, _coverage(scene))
        return linear, torch.from_numpy(frame.linear.copy())

    def draw(self, scene: Scene, coc: Tensor, lights: Highlights | None) -> Tensor:
        """The refocused picture ``3 H W`` in code values; pixels that no blur touches are the scene's own."""
        frame = self._linearized(scene.sharp, coc, lights)
        fringe = frame.matte_edges(self.lens.clipped, _coverage(scene))
        occluded = frame.find_occluded(self._occluded_reach_px(coc))
        return torch.from_numpy(frame.compose(fringe, occluded, code_table(self.lens.transfer)))

    def draw_among(self, frame: PreparedFrame, around: Surroundings, neighbors: list[Neighbor]) -> Tensor:
        """As ``draw``, with occluded regions and surroundings taken from the frames around."""
        margin = around.margin_px
        sharp = pad(frame.scene.sharp, (margin,) * 4, mode="replicate")
        drawn = self._frame(sharp, around.coc, margin)
        drawn.set_linear(around.linear.numpy())
        fringe = drawn.matte_edges(self.lens.clipped, _coverage(frame.scene, margin))
        occluded = drawn.find_occluded(self._occluded_reach_px(around.coc))
        seen, depths = recall_points(
            torch.from_numpy(occluded.column * occluded.stride - margin),
            torch.from_numpy(occluded.row * occluded.stride - margin),
            torch.from_numpy(occluded.light),
            torch.from_numpy(occluded.coc),
            neighbors,
            frame.scale,
        )
        occluded = drawn.placed(occluded._replace(light=seen.numpy(), coc=depths.numpy()))
        picture = torch.from_numpy(drawn.compose(fringe, occluded, code_table(self.lens.transfer)))
        return picture[:, margin:-margin, margin:-margin].contiguous()

    def compile_for(self, pictures: PictureFormat) -> None:
        """Compile the loop that such pictures need and small ones do not: see ``find_occluded``."""
        if search_stride(pictures.height, pictures.width) > 1:
            nothing = np.zeros((5, 1, 1), np.float32)
            grow_rows(nothing, 0, 1, np.empty_like(nothing))

    def peak_bytes(self, pictures: PictureFormat) -> int | None:
        """The peak memory of a whole run on such pictures."""
        return BASE_BYTES + BYTES_PER_PIXEL * pictures.width * pictures.height

    def close(self) -> None:
        """End its threads and give its memory back; one that compiles ends by itself, after that."""
        self._pool.shutdown(wait=not is_compiling(), cancel_futures=True)
        self._arrays.clear()

    def _occluded_reach_px(self, coc: Tensor) -> float:
        nearest, farthest = coc.aminmax()
        return OCCLUDED_REACH * self.lens.reach * max(float(farthest), -float(nearest))

    def _linearized(self, sharp: Tensor, coc: Tensor, lights: Highlights | None) -> CompiledFrame:
        frame = self._frame(sharp, coc)
        frame.linearize(linear_table(self.lens.transfer))
        if lights is not None:
            raise_highlights(torch.from_numpy(frame.linear), coc, lights)
        return frame

    def _frame(self, sharp: Tensor, coc: Tensor, margin_px: int = 0) -> CompiledFrame:
        layers = tuple(plan_layers(*(float(end) for end in coc.aminmax())))
        extent = self.lens.extent(coc, margin_px)
        stack = _stack_of(layers, self.lens.settings, extent)
        return CompiledFrame(self._pool.map, self._memory, sharp.contiguous().numpy(), coc.numpy(), stack)

    def _memory(self, name: str, shape: tuple[int, ...]) -> Floats:
        """An array that is the same memory for every frame: new memory has to be cleared by the system."""
        size = math.prod(shape)
        if name not in self._arrays or self._arrays[name].size < size:
            self._arrays[name] = np.empty(size, np.float32)
        return self._arrays[name][:size].reshape(shape)


def _coverage(scene: Scene, margin_px: int = 0) -> Floats | None:
    """That of the held subject, ``H W``, continued around the frame."""
    if scene.coverage is None:
        return None
    around = pad(scene.coverage[None], (margin_px,) * 4, mode="replicate")[0, 0]
    coverage: Floats = around.contiguous().cpu().numpy()
    return coverage


@lru_cache(maxsize=16)
def _stack_of(layers: tuple[Layer, ...], settings: LensSettings, extent: DrawnExtent) -> LayerStack:
    return stack_layers(layers, [zone_kernels(layer, extent, settings) for layer in layers])

"""The lens compiled for the CPU: what ``reference`` draws, many times faster.

Steps and constants are the reference's. What differs is that each step works only where there is something
to do, and that layers are blurred and composed in tiles that stay in a core's cache.
"""

import math
from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from any2bokeh.arrays import Floats
from any2bokeh.render.lens.aperture import widest_reach
from any2bokeh.render.lens.compiled_frame import CompiledFrame, in_bands
from any2bokeh.render.lens.compiled_light import code_table, linear_table
from any2bokeh.render.lens.compiled_ramps import mark_ramps, snap_rows
from any2bokeh.render.lens.layers import IN_FOCUS_PX, Layer, plan_layers
from any2bokeh.render.lens.neighbours import Neighbour, recall_points
from any2bokeh.render.lens.reference import HIDDEN_REACH, LensRenderer
from any2bokeh.render.lens.stack import Stack, make_stack
from any2bokeh.render.lens.window import View
from any2bokeh.render.lens.zones import Extent, zone_kernels
from any2bokeh.scene import Scene
from any2bokeh.settings.render_settings import LensSettings


class CompiledLensRenderer(LensRenderer):
    """The lens on a CPU."""

    @cached_property
    def _rooms(self) -> dict[str, Floats]:
        return {}

    def compile(self) -> None:
        """Run on a frame with an edge, so that a clip does not wait for what that compiles."""
        picture, disparity = torch.rand(3, 16, 32), torch.zeros(1, 16, 32)
        disparity[:, :, 16:] = 1
        self.refocus(
            Scene(sharp=picture, disparity=disparity, focus_disparity=0.5, blur_strength=1000.0, pts=0)
        )

    def refocus(self, scene: Scene) -> Tensor:
        """The refocused picture ``3 H W`` of one scene; pixels that no blur touches are the scene's own.

        Not for several threads at once: frames share memory.
        """
        coc = self._snap_ramps(self._coc_scale(scene).coc(scene.disparity[0]).numpy())
        if _largest(coc) < IN_FOCUS_PX:
            return scene.sharp
        frame = self._frame(scene.sharp, coc)
        frame.linearize(linear_table(self.light), self.settings)
        fringe, hidden = frame.unmix_edges(), frame.find_hidden(self._hidden_reach_px(coc))
        return torch.from_numpy(frame.compose(fringe, hidden, code_table(self.light)))

    @torch.inference_mode()
    def _view(self, scene: Scene) -> View:
        scale = self._coc_scale(scene)
        coc = self._snap_ramps(scale.coc(scene.disparity[0]).numpy()).copy()
        if _largest(coc) < IN_FOCUS_PX:
            return super()._view(scene)
        frame = self._frame(scene.sharp, coc)
        frame.linearize(linear_table(self.light), self.settings)
        linear = torch.from_numpy(frame.linear.copy())
        frame.unmix_edges()
        unmixed, snapped = torch.from_numpy(frame.linear.copy()), torch.from_numpy(coc)
        return View(scene, scale, linear, unmixed, snapped, scale.disparity(snapped))

    @torch.inference_mode()
    def _refocus_among(self, view: View, neighbours: list[Neighbour]) -> Tensor:
        if view.coc.abs().max() < IN_FOCUS_PX:
            return view.scene.sharp
        light, coc, margin = self._with_surroundings(view, neighbours)
        frame = self._frame(pad(view.scene.sharp, (margin,) * 4, mode="replicate"), coc.numpy(), margin)
        frame.take(light.numpy())
        fringe, hidden = frame.unmix_edges(), frame.find_hidden(self._hidden_reach_px(coc.numpy()))
        seen, depths = recall_points(
            torch.from_numpy(hidden.column * hidden.stride - margin),
            torch.from_numpy(hidden.row * hidden.stride - margin),
            torch.from_numpy(hidden.light),
            torch.from_numpy(hidden.coc),
            neighbours,
            view.scale,
        )
        hidden = frame.placed(hidden._replace(light=seen.numpy(), coc=depths.numpy()))
        picture = torch.from_numpy(frame.compose(fringe, hidden, code_table(self.light)))
        return picture[:, margin:-margin, margin:-margin].contiguous()

    def _hidden_reach_px(self, coc: Floats) -> float:
        return HIDDEN_REACH * widest_reach(self.settings) * _largest(coc)

    def _frame(self, sharp: Tensor, coc: Floats, margin_px: int = 0) -> CompiledFrame:
        layers = tuple(plan_layers(float(coc.min()), float(coc.max())))
        extent = Extent(coc.shape[0], coc.shape[1], margin_px, self.pixel_aspect)
        stack = _stack(layers, self.settings, extent)
        return CompiledFrame(self._pool.map, self._room, sharp.contiguous().numpy(), coc, stack)

    def _snap_ramps(self, coc: Floats) -> Floats:
        """The CoC with ramps between surfaces made steps."""
        run, on_ramp = self._pool.map, np.empty(coc.shape, np.uint8)
        if not sum(in_bands(run, lambda top, bottom: mark_ramps(coc, top, bottom, on_ramp), len(coc))):
            return coc
        snapped = self._room("snapped", coc.shape)
        in_bands(run, lambda top, bottom: snap_rows(coc, on_ramp, top, bottom, snapped), len(coc))
        return snapped

    def _room(self, name: str, shape: tuple[int, ...]) -> Floats:
        """An array that is the same memory for every frame: new memory has to be cleared by the system."""
        size = math.prod(shape)
        if name not in self._rooms or self._rooms[name].size < size:
            self._rooms[name] = np.empty(size, np.float32)
        return self._rooms[name][:size].reshape(shape)


@lru_cache(maxsize=16)
def _stack(layers: tuple[Layer, ...], settings: LensSettings, extent: Extent) -> Stack:
    return make_stack(layers, [zone_kernels(layer, extent, settings) for layer in layers])


def _largest(coc: Floats) -> float:
    return max(float(coc.max()), -float(coc.min()))

"""The lens compiled for the CPU: what ``reference`` draws, many times faster.

Steps and constants are the reference's. What differs is that each step works only where there is something
to do, and that layers are blurred and composed in tiles that stay in a core's cache.
"""

import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.optics.coc import coc_px
from any2bokeh.optics.light import Light
from any2bokeh.render.lens.compiled_border import soften_border
from any2bokeh.render.lens.compiled_edges import EdgePixels, mark_edges, unmix_rows
from any2bokeh.render.lens.compiled_hidden import farthest_in_reach, grow_rows, list_rows, search_rows
from any2bokeh.render.lens.compiled_light import code_table, linear_table, linearize_rows, raise_rows
from any2bokeh.render.lens.compiled_ramps import mark_ramps, snap_rows
from any2bokeh.render.lens.edges import EDGE_STEP_PX
from any2bokeh.render.lens.hidden import search_stride
from any2bokeh.render.lens.layers import Layer, plan_layers
from any2bokeh.render.lens.positions import place_list, place_rows
from any2bokeh.render.lens.reference import HIDDEN_REACH, IN_FOCUS_PX, LensRenderer, layer_kernel
from any2bokeh.render.lens.stack import Stack, make_stack
from any2bokeh.render.lens.surfaces import BLOCK, Ground, Sparse, Surfaces
from any2bokeh.render.lens.tiles import compose_band
from any2bokeh.scene import Scene
from any2bokeh.settings import LensSettings

Floats = NDArray[np.float32]

BAND_ROWS = 64  # a band is one task for a thread, and as high as a tile
TILE_ROWS, TILE_SHAPE = 96, 4  # rows of a tile, and columns for each of them
WIDE_REACH_PX = 40  # wider apertures get larger tiles, else most work is done around them


class CompiledLensRenderer(LensRenderer):
    """The lens on a CPU. When it is made on a machine for the first time, it compiles itself."""

    def __init__(
        self,
        settings: LensSettings,
        device: torch.device,
        *,
        light: Light = "srgb",
        pixel_aspect: float = 1.0,
    ) -> None:
        super().__init__(settings, device, light=light, pixel_aspect=pixel_aspect)
        self._rooms: dict[str, Floats] = {}
        self._compile()

    def _compile(self) -> None:
        """Run every step once, on a frame with an edge, so that a clip does not wait for it."""
        picture, disparity = torch.rand(3, 16, 32), torch.zeros(1, 16, 32)
        disparity[:, :, 16:] = 1
        self.refocus(
            Scene(sharp=picture, disparity=disparity, focus_disparity=0.5, blur_strength=1000.0, pts=0)
        )

    def refocus(self, scene: Scene) -> Tensor:
        """The refocused picture ``3 H W`` of one scene; pixels that no blur touches are the scene's own."""
        height, width = scene.sharp.shape[1:]
        longer_side_px = max(width * self.pixel_aspect, height)
        coc = coc_px(scene.disparity[0], scene.focus_disparity, scene.blur_strength, longer_side_px).numpy()
        coc = self._snap_ramps(coc)
        nearest_px, farthest_px = float(coc.min()), float(coc.max())
        if max(-nearest_px, farthest_px) < IN_FOCUS_PX:
            return scene.sharp
        layers = tuple(plan_layers(nearest_px, farthest_px))
        stack = _stack(layers, self.settings, self.pixel_aspect)
        frame = _Frame(self._pool.map, self._room, scene.sharp.contiguous().numpy(), coc, stack)
        frame.linearize(linear_table(self.light), self.settings)
        fringe = frame.unmix_edges()
        hidden = frame.find_hidden(HIDDEN_REACH * max(-nearest_px, farthest_px))
        frame.continue_border()
        return torch.from_numpy(frame.compose(fringe, hidden, code_table(self.light)))

    def _snap_ramps(self, coc: Floats) -> Floats:
        """The CoC with ramps between surfaces made steps."""
        on_ramp, tops = np.empty(coc.shape, np.uint8), range(0, len(coc), BAND_ROWS)
        ends = [min(top + BAND_ROWS, len(coc)) for top in tops]
        if not sum(self._pool.map(lambda top, end: mark_ramps(coc, top, end, on_ramp), tops, ends)):
            return coc
        snapped = self._room("snapped", coc.shape)
        list(self._pool.map(lambda top, end: snap_rows(coc, on_ramp, top, end, snapped), tops, ends))
        return snapped

    def _room(self, name: str, shape: tuple[int, ...]) -> Floats:
        """An array that is the same memory for every frame: new memory has to be cleared by the system."""
        size = math.prod(shape)
        if name not in self._rooms or self._rooms[name].size < size:
            self._rooms[name] = np.empty(size, np.float32)
        return self._rooms[name][:size].reshape(shape)


@lru_cache(maxsize=16)
def _stack(layers: tuple[Layer, ...], settings: LensSettings, pixel_aspect: float) -> Stack:
    return make_stack(layers, [layer_kernel(layer, settings, pixel_aspect) for layer in layers])


class _Frame:
    """One frame on its way through the lens. Bands of rows are worked on in parallel by ``run``."""

    def __init__(
        self,
        run: Callable[..., Iterable[Any]],
        room: Callable[[str, tuple[int, ...]], Floats],
        sharp: Floats,
        coc: Floats,
        stack: Stack,
    ) -> None:
        self.run, self.room, self.stack = run, room, stack
        self.height, self.width = coc.shape
        margin = stack.reach_px
        bordered = self.height + 2 * margin, self.width + 2 * margin
        linear, position = room("linear", (3, *bordered)), room("position", bordered)
        blocks = -(-self.height // BLOCK), -(-self.width // BLOCK)
        is_present = np.zeros((*blocks, len(stack.radius_px)), np.bool_)
        self.ground = Ground(sharp, coc, linear, position, margin, is_present)
        inside = slice(margin, margin + self.height), slice(margin, margin + self.width)
        self.linear = linear[:, *inside]  # without the border

    def _in_bands(self, step: Callable[[int, int], object], rows: int, at_once: int = BAND_ROWS) -> list[Any]:
        """Run a step on bands of so many rows; return what it returned for each."""
        tops = range(0, rows, at_once)
        return list(self.run(step, tops, [min(top + at_once, rows) for top in tops]))

    def linearize(self, table: Floats, settings: LensSettings) -> None:
        """Fill ``linear`` and ``position`` of the ground, without their border, and mark its layers."""
        gain, threshold = np.float32(settings.highlights), np.float32(settings.highlight_threshold)

        def step(top: int, bottom: int) -> None:
            linearize_rows(self.ground, table, top, bottom)
            if gain:
                raise_rows(self.ground, gain, threshold, top, bottom)
            place_rows(self.ground, self.stack.radius_px, top, bottom)

        self._in_bands(step, self.height)

    def unmix_edges(self) -> Sparse:
        """Take the nearer surface's colour out of edge pixels in ``linear``, and return it."""
        marks = np.empty((self.height, self.width), np.uint8)
        coc = self.ground.coc
        counts = self._in_bands(lambda top, bottom: mark_edges(coc, top, bottom, marks), self.height)
        ends = list(accumulate(counts))
        rows, columns = np.empty((2, ends[-1]), np.int64)
        background, front = np.empty((2, 3, ends[-1]), np.float32)
        share, near = np.empty((2, ends[-1]), np.float32)

        def step(top: int, bottom: int) -> None:
            band = top // BAND_ROWS
            own = slice(ends[band] - counts[band], ends[band])
            found = EdgePixels(
                rows[own], columns[own], background[:, own], front[:, own], share[own], near[own]
            )
            unmix_rows(self.linear, coc, marks, top, bottom, found)

        self._in_bands(step, self.height)
        self.linear[:, rows, columns] = background
        first = np.searchsorted(rows, np.arange(self.height + 1))
        return self._placed(Sparse(1, -np.inf, first, columns, front, share, near, np.empty_like(near)))

    def find_hidden(self, reach_px: float) -> Sparse:
        """What lies just behind the pixels near edges."""
        stride = search_stride(self.height, self.width)
        light = self.linear[:, ::stride, ::stride]
        coc = np.ascontiguousarray(self.ground.coc[::stride, ::stride])
        reach = max(1, min(int(reach_px / stride), max(coc.shape)))
        farthest = farthest_in_reach(coc, reach)
        found = self.room("found", (5, *coc.shape))
        around = np.pad(coc, reach, constant_values=-np.inf)
        counts = self._in_bands(
            lambda top, bottom: search_rows(light, around, farthest, reach, top, bottom, found), len(coc)
        )
        if stride > 1:
            grown = self.room("grown", found.shape)
            counts = self._in_bands(lambda top, bottom: grow_rows(found, top, bottom, grown), len(coc))
            found = grown
        ends = list(accumulate(counts))
        columns, colours = np.empty(ends[-1], np.int64), np.empty((3, ends[-1]), np.float32)
        depths, position = np.empty((2, ends[-1]), np.float32)

        def step(top: int, bottom: int) -> None:
            band = top // BAND_ROWS
            own = slice(ends[band] - counts[band], ends[band])
            list_rows(found, top, bottom, columns[own], colours[:, own], depths[own])

        self._in_bands(step, len(coc))
        first = np.concatenate([[0], np.cumsum(np.count_nonzero(found[4], axis=1))])
        coverage = np.ones_like(depths)
        return self._placed(Sparse(stride, EDGE_STEP_PX, first, columns, colours, coverage, depths, position))

    def _placed(self, surface: Sparse) -> Sparse:
        """``surface`` with its ``position`` filled; its layers are marked as present."""
        place_list(surface, self.stack.radius_px, self.ground.is_present)
        return surface

    def continue_border(self) -> None:
        """Continue the frame beyond its border, as ``reference.soften_border``."""
        margin = self.ground.margin
        right, bottom = margin + self.width, margin + self.height
        for plane in (*self.ground.linear, self.ground.position):
            plane[margin:bottom, :margin] = plane[margin:bottom, margin : margin + 1]
            plane[margin:bottom, right:] = plane[margin:bottom, right - 1 : right]
            plane[:margin] = plane[margin]
            plane[bottom:] = plane[bottom - 1]
        self._in_bands(lambda top, bottom: soften_border(self.ground, top, bottom), self.height + 2 * margin)

    def compose(self, fringe: Sparse, hidden: Sparse, table: Floats) -> Floats:
        """The picture ``3 H W`` through the lens, in code values."""
        surfaces = Surfaces(self.ground, fringe, hidden)
        picture = np.empty_like(self.ground.sharp)
        tile = TILE_ROWS
        while tile < 2 * self.ground.margin - 2 * WIDE_REACH_PX:
            tile *= 2

        def step(top: int, bottom: int) -> None:
            compose_band(surfaces, self.stack, table, top, bottom, TILE_SHAPE * tile, picture)

        self._in_bands(step, self.height, tile)
        return picture

"""One frame's way through the compiled lens, step by step."""

from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import Any

import numpy as np

from any2bokeh.arrays import Floats
from any2bokeh.render.lens.cpu.compiled_disocclusion import (
    farthest_in_reach,
    grow_rows,
    list_rows,
    search_rows,
    smooth_rows,
)
from any2bokeh.render.lens.cpu.compiled_edges import EdgePixels, mark_edges, matte_rows
from any2bokeh.render.lens.cpu.compiled_light import linearize_rows, soften_border_rows
from any2bokeh.render.lens.cpu.compiled_subject import mark_covered, separate_covered
from any2bokeh.render.lens.cpu.compiled_surfaces import (
    BLOCK,
    Ground,
    LensSurfaces,
    SparseSurface,
    place_list,
    place_rows,
)
from any2bokeh.render.lens.cpu.layer_stack import LayerStack
from any2bokeh.render.lens.cpu.tiles import compose_band
from any2bokeh.render.lens.model import EDGE_STEP_PX, STREAK_SHARES, sample_step, search_stride

BAND_ROWS = 64  # a band is one task for a thread
# Rows of a tile, and columns for each of them. Rows are a multiple of every layer's cells, or the cells of
# neighboring tiles would not meet: those of 64 px and more come with tiles that have been doubled.
TILE_ROWS, TILE_SHAPE = 96, 4
WIDE_REACH_PX = 40  # wider apertures get larger tiles, else most work is done around them


Run = Callable[..., Iterable[Any]]  # as ``map``


def in_bands(run: Run, step: Callable[[int, int], object], rows: int, at_once: int = BAND_ROWS) -> list[Any]:
    """Run a step on bands of so many rows; return the result of each."""
    tops = range(0, rows, at_once)
    return list(run(step, tops, [min(top + at_once, rows) for top in tops]))


def _parts(counts: list[int]) -> list[slice]:
    """Which part of a list each band fills with so many entries."""
    return [slice(end - count, end) for end, count in zip(accumulate(counts), counts, strict=True)]


class CompiledFrame:
    """One frame on its way through the lens: ``sharp 3 H W`` in code values, ``coc H W`` in pixels.

    Bands of rows are worked on in parallel by ``run``; ``memory`` gives arrays by name and
    shape, the same for every frame.
    """

    def __init__(
        self,
        run: Run,
        memory: Callable[[str, tuple[int, ...]], Floats],
        sharp: Floats,
        coc: Floats,
        stack: LayerStack,
    ) -> None:
        self.run, self.memory, self.stack = run, memory, stack
        self.height, self.width = coc.shape
        margin = stack.reach_px
        bordered = self.height + 2 * margin, self.width + 2 * margin
        linear, position = memory("linear", (3, *bordered)), memory("position", bordered)
        blocks = -(-self.height // BLOCK), -(-self.width // BLOCK)
        is_present = np.zeros((*blocks, len(stack.radius_px)), np.bool_)
        self.ground = Ground(sharp, coc, linear, position, margin, is_present)
        inside = slice(margin, margin + self.height), slice(margin, margin + self.width)
        self.linear = linear[:, *inside]  # without the border

    def linearize(self, table: Floats) -> None:
        """Fill ``linear`` and ``position`` of the ground, without their border, and mark its layers."""

        def step(top: int, bottom: int) -> None:
            linearize_rows(self.ground, table, top, bottom)
            place_rows(self.ground, self.stack.radius_px, top, bottom)

        in_bands(self.run, step, self.height)

    def set_linear(self, linear: Floats) -> None:
        """The same with given linear light ``3 H W``."""

        def step(top: int, bottom: int) -> None:
            self.linear[:, top:bottom] = linear[:, top:bottom]
            place_rows(self.ground, self.stack.radius_px, top, bottom)

        in_bands(self.run, step, self.height)

    def matte_edges(self, clipped: float, coverage: Floats | None = None) -> SparseSurface:
        """Take the nearer surface's color out of edge pixels in ``linear``, and return it.

        Light of ``clipped`` and more does not tell how bright it is. ``coverage H W`` is that of a held
        subject, and ``coc`` the background's where it covers a part.
        """
        marks = np.empty((self.height, self.width), np.uint8)
        coc, samples_apart = self.ground.coc, sample_step(self.height, self.width)

        def mark(top: int, bottom: int) -> int:
            count = mark_edges(coc, top, bottom, marks)
            if coverage is not None:
                count += mark_covered(coc, coverage, samples_apart, top, bottom, marks)
            return int(count)

        counts = in_bands(self.run, mark, self.height)
        parts, total = _parts(counts), sum(counts)
        rows, columns = np.empty((2, total), np.int64)
        background, front = np.empty((2, 3, total), np.float32)
        share, near = np.empty((2, total), np.float32)

        def step(top: int, bottom: int) -> None:
            own = parts[top // BAND_ROWS]  # where this band's pixels go in the lists
            found = EdgePixels(rows, columns, background, front, share, near, own.start, own.stop)
            matte_rows(self.linear, coc, marks, (top, bottom), np.float32(clipped), found)
            if coverage is not None:
                separate_covered(self.linear, coc, coverage, marks, samples_apart, found)

        in_bands(self.run, step, self.height)
        self.linear[:, rows, columns] = background  # only now: bands look at one another's mixed colors
        first = np.searchsorted(rows, np.arange(self.height + 1))
        return self.placed(
            SparseSurface(1, -np.inf, first, columns, front, share, near, *np.empty((2, total), np.float32))
        )

    def find_occluded(self, reach_px: float) -> SparseSurface:
        """The surface just behind the pixels near edges."""
        stride = search_stride(self.height, self.width)
        light = self.linear[:, ::stride, ::stride]
        # Single pixels of a grid: means would mix surfaces.
        coc = np.ascontiguousarray(self.ground.coc[::stride, ::stride])
        reach = max(1, min(int(reach_px / stride), max(coc.shape)))
        farthest = farthest_in_reach(coc, reach)
        found = self.memory("found", (5, *coc.shape))
        # Outside the frame is nearer than all, so that walks pass it over without looking for the border.
        around = np.pad(coc, reach, constant_values=-np.inf)
        counts = in_bands(
            self.run,
            lambda top, bottom: search_rows(light, around, farthest, reach, top, bottom, found),
            len(coc),
        )
        for share in STREAK_SHARES:
            found = self._smoothed(found, share)
        if stride > 1:
            grown = self.memory("grown", found.shape)
            counts = in_bands(self.run, lambda top, bottom: grow_rows(found, top, bottom, grown), len(coc))
            found = grown
        parts, total = _parts(counts), sum(counts)
        columns, colors = np.empty(total, np.int64), np.empty((3, total), np.float32)
        depths, position, visible = np.empty((3, total), np.float32)

        def step(top: int, bottom: int) -> None:
            own = parts[top // BAND_ROWS]
            list_rows(found, (top, bottom), own.start, columns, colors, depths)

        in_bands(self.run, step, len(coc))
        first = np.concatenate([[0], np.cumsum(np.count_nonzero(found[4], axis=1))])
        coverage = np.ones_like(depths)
        return self.placed(
            SparseSurface(stride, EDGE_STEP_PX, first, columns, colors, coverage, depths, position, visible)
        )

    def _smoothed(self, found: Floats, share: float) -> Floats:
        smoothed = self.memory(f"smoothed {share}", found.shape)
        in_bands(
            self.run,
            lambda top, bottom: smooth_rows(found, np.float32(share), top, bottom, smoothed),
            found.shape[1],
        )
        return smoothed

    def placed(self, surface: SparseSurface) -> SparseSurface:
        """``surface`` with ``position`` and ``visible`` filled; its layers are marked as present."""
        place_list(surface, self.stack.radius_px, self.ground)
        return surface

    def _continue_border(self) -> None:
        """Continue the frame beyond its border, as ``surroundings.soften_border``."""
        margin = self.ground.margin
        right, bottom = margin + self.width, margin + self.height
        for plane in (*self.ground.linear, self.ground.position):
            plane[margin:bottom, :margin] = plane[margin:bottom, margin : margin + 1]
            plane[margin:bottom, right:] = plane[margin:bottom, right - 1 : right]
            plane[:margin] = plane[margin]
            plane[bottom:] = plane[bottom - 1]
        in_bands(
            self.run,
            lambda top, bottom: soften_border_rows(self.ground, top, bottom),
            self.height + 2 * margin,
        )

    def compose(self, fringe: SparseSurface, occluded: SparseSurface, table: Floats) -> Floats:
        """The picture ``3 H W`` through the lens, in code values."""
        self._continue_border()
        surfaces = LensSurfaces(self.ground, fringe, occluded)
        picture = np.empty_like(self.ground.sharp)
        tile = TILE_ROWS
        while tile < 2 * self.ground.margin - 2 * WIDE_REACH_PX:
            tile *= 2

        def step(top: int, bottom: int) -> None:
            compose_band(surfaces, self.stack, table, top, bottom, TILE_SHAPE * tile, picture)

        in_bands(self.run, step, self.height, tile)
        return picture

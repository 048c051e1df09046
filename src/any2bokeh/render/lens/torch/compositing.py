"""Layers blurred and laid over each other, front to back, in strips of the frame."""

import math
from collections.abc import Iterator
from concurrent.futures import Executor

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, interpolate, pad

from any2bokeh.render.lens.aperture import DrawnExtent, Zones, zone_kernels
from any2bokeh.render.lens.layers import Layer, plan_layers
from any2bokeh.render.lens.model import (
    IN_FOCUS_PX,
    LEAST_COVERAGE,
    NEGLIGIBLE_COVERAGE,
    ONE_SURFACE_SPACINGS,
    REMEMBERED_LAYERS,
)
from any2bokeh.render.lens.surroundings import soften_border
from any2bokeh.render.lens.torch.surfaces import Surface, layer_positions
from any2bokeh.settings.render_settings import LensSettings

STRIP_PIXELS = 1 << 17  # a strip's layers stay in the CPU's cache
GPU_STRIP_PIXELS = 1 << 21  # on a GPU a frame of 1920 x 1080 is one strip, larger ones take no more memory
COLUMN_TILES = 4


def draw_surfaces(
    surfaces: list[Surface], settings: LensSettings, extent: DrawnExtent, pool: Executor
) -> tuple[Tensor, Tensor]:
    """Surfaces through the lens, ``3 H W`` linear light, and which pixels it changed, ``H W`` bool.

    The first surface is opaque. The scene is cut into layers by signed CoC; each is blurred by its own
    aperture, and they are laid over each other front to back, neighboring ones side by side. Strips of
    the frame are worked on by the threads of ``pool``.
    """
    coc = surfaces[0].coc
    layers = plan_layers(float(coc.min()), float(coc.max()))
    strips = Strips(surfaces, layers, [zone_kernels(layer, extent, settings) for layer in layers])
    composed = list(pool.map(lambda strip: _compose(strips, layers, *strip), strips))
    blurred = torch.cat([light for light, _ in composed], dim=1)
    open_in_front = torch.cat([openness for _, openness in composed])
    touched = (coc.abs() >= IN_FOCUS_PX) | (open_in_front < 1 - NEGLIGIBLE_COVERAGE)
    return blurred, touched


@torch.inference_mode()
def _compose(strips: "Strips", layers: list[Layer], top: int, bottom: int) -> tuple[Tensor, Tensor]:
    """Lay a strip's layers over each other, front to back.

    Returns the light ``3 rows W``, and how much of each pixel is open in front of the layer in focus.

    A surface that slants through depth lies on several neighboring layers, whose coverages tile it:
    they add up. Things farther apart occlude. So a layer gets ``min(open_before (1 - S), open)`` at
    most, where ``open_before`` is the share that all clearly nearer layers let through and S the coverage
    of the neighbors in front of it.
    """
    light = open_now = open_in_front = None
    passed: list[tuple[float, Tensor, Tensor]] = []  # radius, open after it, its own coverage
    for index, (layer, surfaces) in enumerate(zip(layers, strips.occupied(top, bottom), strict=True)):
        if not surfaces:
            continue
        blurred = strips.blurred(index, surfaces, top, bottom)
        coverage = blurred[3].clamp(max=1)
        if light is None or open_now is None:
            light, open_now = torch.zeros_like(blurred[:3]), torch.ones_like(coverage)
        if open_in_front is None and layer.radius_px >= 0:
            open_in_front = open_now
        open_before, beside = torch.ones_like(coverage), torch.zeros_like(coverage)
        window = ONE_SURFACE_SPACINGS * layer.spacing_px
        for radius_px, open_after, own in passed:
            if layer.radius_px - radius_px >= window:
                open_before = open_after
            else:
                beside = beside + own
        seen = torch.minimum(open_before * torch.minimum(coverage, (1 - beside).clamp_(min=0)), open_now)
        light = light.addcmul(blurred[:3], seen / blurred[3].clamp(min=LEAST_COVERAGE))
        open_now = open_now - seen
        passed = [*passed[1 - REMEMBERED_LAYERS :], (layer.radius_px, open_now, coverage)]
    assert light is not None and open_now is not None  # every pixel lies on some layer
    if open_in_front is None:
        open_in_front = open_now
    return light / (1 - open_now).clamp(min=LEAST_COVERAGE), open_in_front


class Strips:
    """Horizontal strips of the frame, each with the blurred layers that reach it.

    Surfaces are padded once by replication, so that the frame's border does not darken, to a grid on
    which the cells and zones of every layer start at the same pixels in every strip.
    """

    def __init__(self, surfaces: list[Surface], layers: list[Layer], kernels: list[Zones]) -> None:
        self.height, self.width = surfaces[0].coc.shape
        self.layers = layers
        self.zones = [zones._replace(kernels=zones.kernels.to(surfaces[0].coc)) for zones in kernels]
        self.cell = max(layer.cell_px for layer in layers)
        longest = [max(zones.kernels.shape[1:]) for zones in kernels]
        reach = max(_margin(layer, side) for layer, side in zip(layers, longest, strict=True))
        self.margin = math.ceil(reach / self.cell) * self.cell
        at_once = STRIP_PIXELS if surfaces[0].coc.device.type == "cpu" else GPU_STRIP_PIXELS
        rows = max(at_once // self.width, 1)
        unit = max([self.cell, *(zones.side_px for zones in self.zones if len(zones.kernels) > 1)])
        self.rows = math.ceil(rows / unit) * unit
        below, right = -self.height % self.cell, -self.width % self.cell
        sides = (self.margin, self.margin + right, self.margin, self.margin + below)
        self.light = [
            pad(torch.cat([s.linear, torch.ones_like(s.coc)[None]]), sides, mode="replicate")
            for s in surfaces
        ]
        soften_border(self.light[0], surfaces[0].linear, surfaces[0].coc, self.margin)
        self.coverage = [pad(s.coverage[None], sides, mode="replicate")[0] for s in surfaces]
        self.position = [
            pad(layer_positions(s.coc, layers)[None], sides, mode="replicate")[0] for s in surfaces
        ]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for top in range(0, self.height, self.rows):
            yield top, min(top + self.rows, self.height)

    def occupied(self, top: int, bottom: int) -> list[list[int]]:
        """The numbers of the surfaces that have anything in reach of the strip on each of the layers."""
        rows = slice(top, bottom + 2 * self.margin)
        present = torch.zeros(len(self.light), len(self.layers) + 2, device=self.light[0].device)
        for number, (position, coverage) in enumerate(zip(self.position, self.coverage, strict=True)):
            low = torch.where(coverage[rows] > 0, position[rows].floor(), len(self.layers)).long().flatten()
            present[number].index_fill_(0, low, 1).index_fill_(0, (low + 1).clamp(max=len(self.layers)), 1)
        on_layers = present[:, : len(self.layers)].T.tolist()  # all at once: a GPU is waited for only here
        return [[number for number, is_there in enumerate(layer) if is_there] for layer in on_layers]

    def blurred(self, index: int, numbers: list[int], top: int, bottom: int) -> Tensor:
        """Layer ``index`` of some surfaces blurred: light times coverage, and coverage, ``4 rows W``."""
        layer, zones = self.layers[index], self.zones[index]
        down, across = (_margin(layer, side) for side in zones.kernels.shape[1:])
        bottom_cell = top + math.ceil((bottom - top) / layer.cell_px) * layer.cell_px
        rows = slice(self.margin + top - down, self.margin + bottom_cell + down)
        columns = slice(self.margin - across, self.light[0].shape[2] - self.margin + across)
        total: Tensor | None = None
        for number in numbers:
            light, coverage, position = self.light[number], self.coverage[number], self.position[number]
            share = (1 - (position[rows, columns] - index).abs_()).clamp_(min=0).mul_(coverage[rows, columns])
            part = light[:, rows, columns] * share
            total = part if total is None else total.add_(part)
        assert total is not None
        if layer.cell_px > 1:
            total = avg_pool2d(total, layer.cell_px)
        if len(zones.kernels) > 1:
            total = convolve_zones(total, zones, layer.cell_px, top // zones.side_px)
        elif zones.kernels.numel() > 1:
            total = convolve(total, zones.kernels[0])
        if layer.cell_px > 1:
            total = interpolate(total[None], scale_factor=layer.cell_px, mode="bilinear")[0]
            total = total[:, layer.cell_px : -layer.cell_px, layer.cell_px : -layer.cell_px]
        return total[:, : bottom - top, : self.width]


def convolve(planes: Tensor, kernel: Tensor) -> Tensor:
    """Every plane of ``C H W`` convolved with ``kernel``, without its border: ``C H-kh+1 W-kw+1``.

    Tiles of columns are stacked as channels: depthwise convolution on a CPU is several times faster
    with a multiple of 16 channels.
    """
    channels, height, width = planes.shape
    border = kernel.shape[1] - 1
    tile = math.ceil((width - border) / COLUMN_TILES)
    planes = pad(planes, (0, tile * COLUMN_TILES + border - width))
    tiles = planes.unfold(2, tile + border, tile).transpose(1, 2).reshape(1, -1, height, tile + border)
    weights = kernel.flip(0, 1).expand(tiles.shape[1], 1, *kernel.shape).contiguous()  # torch correlates
    blurred = conv2d(tiles, weights, groups=tiles.shape[1])[0]
    rows = (
        blurred.view(channels, COLUMN_TILES, -1, tile)
        .transpose(1, 2)
        .reshape(channels, -1, tile * COLUMN_TILES)
    )
    return rows[:, :, : width - border]


def convolve_zones(planes: Tensor, zones: Zones, cell_px: int, first: int) -> Tensor:
    """``convolve`` by the kernel of each zone; the output begins with row ``first`` of zones.

    Larger cells begin one cell before it. Zones are stacked as channels of one convolution.
    """
    channels, height, width = planes.shape
    kernel_height, kernel_width = zones.kernels.shape[1:]
    side, border = zones.side_px // cell_px, 1 if cell_px > 1 else 0
    rows, columns = height - kernel_height + 1, width - kernel_width + 1
    before = side * border - border  # the cells of the border lie in zones of their own
    down, across = (math.ceil((before + count) / side) for count in (rows, columns))
    planes = pad(planes, (before, across * side - before - columns, before, down * side - before - rows))
    tiles = planes.unfold(1, side + kernel_height - 1, side).unfold(2, side + kernel_width - 1, side)
    of_row = (torch.arange(down, device=planes.device) + first - border).clamp(0, zones.down - 1)
    of_column = (torch.arange(across, device=planes.device) - border).clamp(0, zones.across - 1)
    chosen = zones.kernels[(of_row[:, None] * zones.across + of_column).flatten()]
    weights = chosen.flip(1, 2).repeat(channels, 1, 1)[:, None].contiguous()  # torch correlates
    blurred = conv2d(tiles.reshape(1, -1, *tiles.shape[3:]), weights, groups=len(weights))[0]
    whole = blurred.view(channels, down, across, side, side).transpose(2, 3)
    whole = whole.reshape(channels, down * side, across * side)
    return whole[:, before : before + rows, before : before + columns]


def _margin(layer: Layer, side: int) -> int:
    """How far around a strip a layer is needed [px]: half a kernel of ``side`` cells, one to interpolate."""
    return (side // 2 + (layer.cell_px > 1)) * layer.cell_px

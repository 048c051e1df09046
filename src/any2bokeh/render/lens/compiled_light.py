"""Frames between code values and linear light, compiled: by tables, which no eye tells from the formulas."""

from functools import cache

import numpy as np
import torch

from any2bokeh.arrays import Floats
from any2bokeh.jit import compiled
from any2bokeh.optics.transfer import Light, from_linear, to_linear
from any2bokeh.render.lens.reference import HIGHLIGHT_FROM_PX, HIGHLIGHT_FULL_PX
from any2bokeh.render.lens.surfaces import Ground

Number = np.float32

STEPS = 2048  # of a table, which stays in the fastest cache; interpolated, its error is below 1e-6


@cache
def linear_table(light: Light) -> Floats:
    """Linear light of the code values 0..1, and one more entry to interpolate to."""
    codes = torch.arange(STEPS + 2, dtype=torch.float64) / STEPS
    return to_linear(codes, light).float().numpy()


@cache
def code_table(light: Light) -> Floats:
    """Code values by the fourth root of linear light, in which every curve is smooth down to black."""
    roots = torch.arange(STEPS + 2, dtype=torch.float64) / STEPS
    return from_linear(roots**4, light).float().numpy()


@compiled
def linearize_rows(ground: Ground, table: Floats, top: int, bottom: int) -> None:
    """Fill rows ``top`` to ``bottom`` of ``ground.linear`` from code values, by ``linear_table``."""
    width, margin = ground.sharp.shape[2], ground.margin
    for channel in range(3):
        for y in range(top, bottom):
            codes = ground.sharp[channel, y]
            light = ground.linear[channel, y + margin, margin : margin + width]
            for x in range(width):
                place = min(max(codes[x], np.float32(0)), np.float32(1)) * np.float32(STEPS)
                index = np.uint32(place)
                low = table[index]
                light[x] = low + (place - np.float32(index)) * (table[index + np.uint32(1)] - low)


@compiled
def raise_rows(ground: Ground, gain: Number, threshold: Number, top: int, bottom: int) -> None:
    """Make clipped lights brighter, as ``reference.raise_highlights``, in rows of ``ground.linear``."""
    sharp, coc, linear, margin = ground.sharp, ground.coc, ground.linear, ground.margin
    room = max(np.float32(1) - threshold, np.float32(1e-3))
    from_px, defocus_range = np.float32(HIGHLIGHT_FROM_PX), np.float32(HIGHLIGHT_FULL_PX - HIGHLIGHT_FROM_PX)
    for y in range(top, bottom):
        for x in range(sharp.shape[2]):
            brightest = max(max(sharp[0, y, x], sharp[1, y, x]), sharp[2, y, x])
            if brightest > threshold:
                excess = min((brightest - threshold) / room, np.float32(1))
                defocus = min(max((abs(coc[y, x]) - from_px) / defocus_range, np.float32(0)), np.float32(1))
                smooth = excess * excess * (np.float32(3) - np.float32(2) * excess)
                factor = np.float32(1) + gain * defocus * smooth
                for channel in range(3):
                    linear[channel, y + margin, x + margin] *= factor


@compiled
def encode_row(
    light: Floats, scale: Floats, touched: Floats, sharp: Floats, table: Floats, line: Floats, out: Floats
) -> None:
    """Fill a row with the codes of ``light * scale`` where ``touched`` is 1, with ``sharp`` where it is 0.

    The codes are by ``code_table``; ``line`` is working memory for a row.
    """
    for x in range(len(out)):
        level = min(max(light[x] * scale[x], np.float32(0)), np.float32(1))
        line[x] = np.sqrt(np.sqrt(level)) * np.float32(STEPS)
    for x in range(len(out)):
        index = np.uint32(line[x])
        low = table[index]
        line[x] = low + (line[x] - np.float32(index)) * (table[index + np.uint32(1)] - low)
    is_all = True
    for x in range(len(out)):
        is_all &= touched[x] == np.float32(1)
    if is_all:
        for x in range(len(out)):
            out[x] = line[x]
    else:
        for x in range(len(out)):
            out[x] = sharp[x] + touched[x] * (line[x] - sharp[x])

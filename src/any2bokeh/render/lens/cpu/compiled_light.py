"""The frame's light, compiled: linearized and encoded by tables, and continued outside the frame.

No eye tells the tables from the formulas.
"""

from functools import cache

import numpy as np
import torch

from any2bokeh.arrays import Floats
from any2bokeh.jit import compiled
from any2bokeh.optics.transfer import from_linear, to_linear
from any2bokeh.render.lens.cpu.compiled_surfaces import Ground
from any2bokeh.render.lens.model import SAME_SURFACE_PX
from any2bokeh.settings.color_settings import TransferFunction

STEPS = 2048  # of a table, which stays in the fastest cache; interpolated, its error is below 1e-6


@cache
def linear_table(transfer: TransferFunction) -> Floats:
    """Linear light of the code values 0..1, and one more entry to interpolate to.

    None where codes are light itself, which may be brighter than white.
    """
    if transfer == "linear":
        return np.empty(0, np.float32)
    codes = torch.arange(STEPS + 2, dtype=torch.float64) / STEPS
    return to_linear(codes, transfer).float().numpy()


@cache
def code_table(transfer: TransferFunction) -> Floats:
    """Code values by the fourth root of linear light, in which every curve is smooth down to black.

    None where light is not encoded, and may be brighter than white.
    """
    if transfer == "linear":
        return np.empty(0, np.float32)
    roots = torch.arange(STEPS + 2, dtype=torch.float64) / STEPS
    return from_linear(roots**4, transfer).float().numpy()


@compiled
def linearize_rows(ground: Ground, table: Floats, top: int, bottom: int) -> None:
    """Fill rows ``top`` to ``bottom`` of ``ground.linear`` from code values, by ``linear_table``."""
    width, margin = ground.sharp.shape[2], ground.margin
    for channel in range(3):
        for y in range(top, bottom):
            codes = ground.sharp[channel, y]
            light = ground.linear[channel, y + margin, margin : margin + width]
            if len(table) == 0:
                light[:] = codes
                continue
            for x in range(width):
                place = min(max(codes[x], np.float32(0)), np.float32(1)) * np.float32(STEPS)
                index = np.uint32(place)  # unsigned: numba need not ask whether it counts from the end
                low = table[index]
                light[x] = low + (place - np.float32(index)) * (table[index + np.uint32(1)] - low)


@compiled
def soften_border_rows(ground: Ground, top: int, bottom: int) -> None:
    """Give rows of the border of ``ground.linear``, replicated so far, half of the mirrored picture.

    The rule is that of ``surroundings.soften_border``. ``top`` and ``bottom`` count from the
    first row of the border.
    """
    linear, coc, margin, (height, width) = ground.linear, ground.coc, ground.margin, ground.coc.shape
    for row in range(top, bottom):
        y = row - margin
        edge_y = min(max(y, 0), height - 1)
        mirror_y = min(max(2 * edge_y - y, 0), height - 1)
        # Rows beside the frame have only its two ends outside, those above and below it all columns.
        is_inside = y == edge_y
        for outside in range(2 * margin if is_inside else width + 2 * margin):
            column = outside + width if is_inside and outside >= margin else outside  # past the frame
            x = column - margin
            edge_x = min(max(x, 0), width - 1)
            mirror_x = min(max(2 * edge_x - x, 0), width - 1)
            if abs(coc[mirror_y, mirror_x] - coc[edge_y, edge_x]) < np.float32(SAME_SURFACE_PX):
                for channel in range(3):
                    mirrored = linear[channel, mirror_y + margin, mirror_x + margin]
                    own = linear[channel, edge_y + margin, edge_x + margin]
                    linear[channel, row, column] += np.float32(0.5) * (mirrored - own)


@compiled
def encode_row(
    light: Floats, scale: Floats, touched: Floats, sharp: Floats, table: Floats, line: Floats, out: Floats
) -> None:
    """Fill a row with the codes of ``light * scale`` where ``touched`` is 1, with ``sharp`` where it is 0.

    The codes are by ``code_table``; ``line`` is working memory for a row.
    """
    # Three loops instead of one: the table is looked up element by element, all else by vector instructions.
    if len(table) == 0:
        for x in range(len(out)):
            line[x] = light[x] * scale[x]
    else:
        for x in range(len(out)):
            level = min(max(light[x] * scale[x], np.float32(0)), np.float32(1))
            line[x] = np.sqrt(np.sqrt(level)) * np.float32(STEPS)
        for x in range(len(out)):
            index = np.uint32(line[x])
            low = table[index]
            line[x] = low + (line[x] - np.float32(index)) * (table[index + np.uint32(1)] - low)
    is_all = True  # of the row is blurred: the usual case, which needs no mixing
    for x in range(len(out)):
        is_all &= touched[x] == np.float32(1)
    if is_all:
        for x in range(len(out)):
            out[x] = line[x]
    else:
        for x in range(len(out)):
            out[x] = line[x] if touched[x] == np.float32(1) else sharp[x]

"""Light outside the frame, compiled: the rule of ``reference.soften_border``."""

import numpy as np

from any2bokeh.jit import compiled
from any2bokeh.render.lens.hidden import SAME_SURFACE_PX
from any2bokeh.render.lens.surfaces import Ground


@compiled
def soften_border(ground: Ground, top: int, bottom: int) -> None:
    """Give rows of the border of ``ground.linear``, replicated so far, half of the mirrored picture.

    ``top`` and ``bottom`` count from the first row of the border.
    """
    linear, coc, margin, (height, width) = ground.linear, ground.coc, ground.margin, ground.coc.shape
    for row in range(top, bottom):
        y = row - margin
        edge_y = min(max(y, 0), height - 1)
        mirror_y = min(max(2 * edge_y - y, 0), height - 1)
        is_inside = y == edge_y
        for outside in range(2 * margin if is_inside else width + 2 * margin):
            column = outside + width if is_inside and outside >= margin else outside
            x = column - margin
            edge_x = min(max(x, 0), width - 1)
            mirror_x = min(max(2 * edge_x - x, 0), width - 1)
            if abs(coc[mirror_y, mirror_x] - coc[edge_y, edge_x]) < np.float32(SAME_SURFACE_PX):
                for channel in range(3):
                    mirrored = linear[channel, mirror_y + margin, mirror_x + margin]
                    own = linear[channel, edge_y + margin, edge_x + margin]
                    linear[channel, row, column] += np.float32(0.5) * (mirrored - own)

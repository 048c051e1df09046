"""Pixels that a held subject covers partly, compiled: the rules of ``torch.subject_edges``."""

import numpy as np

from any2bokeh.arrays import Bytes, Floats
from any2bokeh.jit import compiled
from any2bokeh.render.lens.cpu.compiled_edges import PARTLY_COVERED, TOUCHES_NEARER, EdgePixels
from any2bokeh.render.lens.model import (
    CLEAN_SHARE,
    EDGE_STEP_PX,
    LEAST_SAMPLES,
    PARTLY,
    SAMPLE_SIGMA,
    SAMPLES_DOWN_ACROSS,
    SEPARATED_PX,
)

DOWN = np.array([place[0] for place in SAMPLES_DOWN_ACROSS])
ACROSS = np.array([place[1] for place in SAMPLES_DOWN_ACROSS])
CLOSENESS = np.exp((DOWN**2 + ACROSS**2) / (-2 * SAMPLE_SIGMA**2)).astype(np.float32)


@compiled
def uncover_rows(coc: Floats, coverage: Floats, step: int, top: int, bottom: int, uncovered: Floats) -> None:
    """Fill rows of ``uncovered H W``: ``coc`` [px], but the background's where the subject covers a part."""
    height, width = coc.shape
    for y in range(top, bottom):
        own, share, out = coc[y], coverage[y], uncovered[y]
        for x in range(width):
            out[x] = own[x]
        for x in range(width):
            if share[x] < np.float32(0.5) or share[x] >= np.float32(1 - PARTLY):
                continue
            if np.isnan(_subject_coc(coc, coverage, y, x, step)):
                continue
            # Samples are in the order of their distance: the first that is background decides.
            for sample in range(len(DOWN)):
                row = min(max(y + step * DOWN[sample], 0), height - 1)
                column = min(max(x + step * ACROSS[sample], 0), width - 1)
                if coverage[row, column] < np.float32(0.5):
                    if coc[row, column] >= own[x] + np.float32(SEPARATED_PX):
                        out[x] = coc[row, column]
                    break


@compiled
def _subject_coc(coc: Floats, coverage: Floats, y: int, x: int, step: int) -> np.float32:
    """The subject's CoC [px] in a pixel that it covers partly; NaN where it covers none around wholly."""
    height, width = coc.shape
    for sample in range(len(DOWN)):
        row = min(max(y + step * DOWN[sample], 0), height - 1)
        column = min(max(x + step * ACROSS[sample], 0), width - 1)
        if coverage[row, column] >= np.float32(1 - PARTLY):
            found: np.float32 = coc[row, column]
            return found
    return np.float32(np.nan)


@compiled
def mark_covered(coc: Floats, coverage: Floats, step: int, top: int, bottom: int, marks: Bytes) -> int:
    """Mark the pixels of rows that the subject covers partly; return how many did not touch a nearer one."""
    count = 0
    for y in range(top, bottom):
        own, share, mark = coc[y], coverage[y], marks[y]
        for x in range(len(own)):
            if share[x] <= np.float32(PARTLY) or share[x] >= np.float32(1 - PARTLY):
                continue
            subject = _subject_coc(coc, coverage, y, x, step)
            if own[x] >= subject + np.float32(SEPARATED_PX):  # never, where that is NaN
                count += 1 - (mark[x] & TOUCHES_NEARER)
                mark[x] |= TOUCHES_NEARER | PARTLY_COVERED
    return count


@compiled
def separate_covered(
    linear: Floats, coc: Floats, coverage: Floats, marks: Bytes, step: int, found: EdgePixels
) -> None:
    """Write both colors of those of the ``found`` pixels that the subject covers partly, and its share.

    ``linear 3 H W`` is light, without a border, and is not changed; ``coc`` is ``H W`` [px].
    """
    sums = np.empty((2, 4), np.float32)  # of the subject and the background: red, green, blue, weights
    for pixel in range(found.first, found.end):
        y, x = found.rows[pixel], found.columns[pixel]
        if marks[y, x] & PARTLY_COVERED:
            found.share[pixel] = coverage[y, x]
            found.near[pixel] = _subject_coc(coc, coverage, y, x, step)
            _add_samples(linear, coc, coverage, (y, x, step), sums)
            _separate_colors(linear[:, y, x], sums, found, pixel)


@compiled
def _add_samples(
    linear: Floats, coc: Floats, coverage: Floats, place: tuple[int, int, int], sums: Floats
) -> None:
    """Sum up the samples around a pixel (row, column, and how far they are apart) by their surfaces."""
    (y, x, step), (height, width) = place, coc.shape
    own = coc[y, x]
    sums[:] = 0
    for sample in range(len(DOWN)):
        row = min(max(y + step * DOWN[sample], 0), height - 1)
        column = min(max(x + step * ACROSS[sample], 0), width - 1)
        covered = coverage[row, column]
        # A sample counts for a surface the more, the purer it shows it.
        front = CLOSENESS[sample] * covered**CLEAN_SHARE
        behind = CLOSENESS[sample] * (np.float32(1) - covered) ** CLEAN_SHARE
        if coc[row, column] <= own - np.float32(EDGE_STEP_PX):
            behind = np.float32(0)
        for channel in range(3):
            value = linear[channel, row, column]
            sums[0, channel] += front * value
            sums[1, channel] += behind * value
        sums[0, 3] += front
        sums[1, 3] += behind


@compiled
def _separate_colors(mixed: Floats, sums: Floats, found: EdgePixels, pixel: int) -> None:
    """Write both colors of a pixel that shows ``mixed`` (red, green, blue), of which the share is known."""
    share = found.share[pixel]
    rest = np.float32(1) - share
    for channel in range(3):
        own = mixed[channel]
        front = sums[0, channel] / sums[0, 3] if sums[0, 3] > np.float32(LEAST_SAMPLES) else own
        behind = sums[1, channel] / sums[1, 3] if sums[1, 3] > np.float32(LEAST_SAMPLES) else own
        # ``left`` is the part that the two mean colors do not explain; each surface takes its share.
        left = (own - share * front - rest * behind) / (share * share + rest * rest)
        found.background[channel, pixel] = max(behind + rest * left, np.float32(0))
        found.front[channel, pixel] = max(front + share * left, np.float32(0))

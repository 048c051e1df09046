"""Warnings of a subject that was hardly meant, or cannot be held: where, when, and what to try."""

import logging
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from any2bokeh.arrays import Doubles, Floats
from any2bokeh.subject.click_segmenter import SEEN
from any2bokeh.subject.seen_things import MOST_CUT, cut_share
from any2bokeh.subject.segmenter import Click
from any2bokeh.video.opening import VideoInfo

LONG_S = 1.0  # shorter losses are held through, as of somebody who passes behind a post
EVERYTHING = 0.97  # of the picture: a larger subject leaves nothing to blur
AROUND = (0.006, 0.012)  # of the longer side: how far from a click the mask around it is looked at
ALONE = 0.15  # of that ring: less of a mask there belongs to something else

log = logging.getLogger(__name__)


def tell_doubts(path: Path, shares: Sequence[float], times_s: Doubles) -> None:
    """Log one warning of where the subject of a clip at ``path`` cannot be held, if there is such a place.

    ``shares`` is how much of each picture its mask covers, 0..1; ``times_s`` are the frames' times [s].
    """
    lost = list(_stretches(np.array(shares) == 0, times_s, LONG_S))
    whole = list(_stretches(np.array(shares) > EVERYTHING, times_s, 0))
    parts = []
    if lost:
        parts.append(f"its mask is empty {_said(lost)}: nothing is held there")
    if whole:
        parts.append(f"its mask covers the whole picture {_said(whole)}: nothing blurs there")
    if parts:
        log.warning(
            "The subject in %s cannot be held everywhere: %s. Point at it in those seconds too, or mend the"
            " mask and give it as `focus_mask`.",
            path,
            "; ".join(parts),
        )


def tell_doubtful_start(info: VideoInfo, mask: Floats, click: Click) -> None:
    """Log a warning if a click on a subject found something that was hardly meant, ``mask h w`` in 0..1."""
    height, width = mask.shape
    rows, columns = np.arange(height)[:, None] + 0.5, np.arange(width) + 0.5
    away = np.hypot(columns - click.x * width, rows - click.y * height) / max(height, width)
    ring = mask[(away > AROUND[0]) & (away < AROUND[1])]
    share = cut_share(mask)
    if ring.size and (ring > SEEN).mean() < ALONE:
        found = "nothing stands out there, and something beside it is followed"
    elif share > MOST_CUT:
        found = f"its mask reaches along {share:.0%} of the picture's edges, as the ground or a wall does"
    else:
        return
    log.warning(
        "The point %.0f,%.0f in %s is hardly on a subject: %s. Point well inside your subject.",
        click.x * info.width,
        click.y * info.height,
        info.path,
        found,
    )


def _stretches(chosen: NDArray[np.bool_], times_s: Doubles, least_s: float) -> Iterator[tuple[float, float]]:
    """The runs of chosen frames that last for ``least_s``: times of their first and last frames [s]."""
    frame_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    place = 0
    for is_chosen, run in groupby(chosen.tolist()):
        length = len(list(run))
        start, end = float(times_s[place]), float(times_s[place + length - 1])
        if is_chosen and end + frame_s - start >= least_s:
            yield start, end
        place += length


def _said(stretches: list[tuple[float, float]]) -> str:
    shown = [f"from {start:.2f} to {end:.2f} s" for start, end in stretches[:3]]
    more = f" and {len(stretches) - 3} times more" if len(stretches) > 3 else ""
    return ", ".join(shown) + more

"""How a clip is cut: into shards, which are handed out, and into parts, which are made one by one."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

PART_FRAMES = 100  # at most: so much is lost where a run is killed
SNAP = 0.25  # of a piece, by which its end moves to be where a shot starts


@dataclass(frozen=True)
class Part:
    """Frames ``first`` to ``stop`` (exclusive) of a clip, made as a whole; ``shard`` counts from 1."""

    number: int
    first: int
    stop: int
    shard: int

    @property
    def frames(self) -> range:
        """The numbers of its frames."""
        return range(self.first, self.stop)

    @property
    def name(self) -> str:
        """Its name in a work folder."""
        return f"{self.first:07d}-{self.stop:07d}"


def plan_parts(
    frames: int, starts: Sequence[int], shards: int = 1, most_frames: int = PART_FRAMES
) -> list[Part]:
    """Return the parts of a clip, in order: every frame is in one of them, and none in two.

    ``starts`` are the frames at which shots start, ascending. Pieces end there where that makes them hardly
    longer or shorter; longer shots are cut. A shard has no part where there are fewer frames than shards.
    """
    parts: list[Part] = []
    for shard, (first, stop) in enumerate(pairwise(_cuts(0, frames, shards, starts)), start=1):
        pieces = -(-(stop - first) // most_frames)
        for begin, end in pairwise(_cuts(first, stop, pieces, starts)):
            parts.append(Part(len(parts), begin, end, shard))
    return parts


def runs_of(parts: Iterable[Part], most: int | None = None) -> list[list[Part]]:
    """Return parts in runs that follow each other without a gap, of at most so many parts each."""
    runs: list[list[Part]] = []
    for part in parts:
        follows = runs and runs[-1][-1].stop == part.first and (most is None or len(runs[-1]) < most)
        if follows:
            runs[-1].append(part)
        else:
            runs.append([part])
    return runs


def _cuts(first: int, stop: int, pieces: int, starts: Sequence[int]) -> list[int]:
    """The ends of pieces about as long as each other, each moved to the start of a shot that is near."""
    if stop <= first:
        return [first] * (pieces + 1)
    length = (stop - first) / pieces
    inner = [_near(starts, first + round(number * length), length * SNAP) for number in range(1, pieces)]
    return [first, *inner, stop]


def _near(starts: Sequence[int], wanted: int, reach: float) -> int:
    place = bisect_left(starts, wanted)
    around = [start for start in starts[max(0, place - 1) : place + 1] if abs(start - wanted) <= reach]
    return min(around, key=lambda start: abs(start - wanted), default=wanted)

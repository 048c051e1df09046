"""Frames that are processed together, in chunks that overlap and are fused along time."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from any2bokeh.settings.render_settings import ChunkSettings

Item = TypeVar("Item")


@dataclass(frozen=True)
class Chunk:
    """Frames ``begin`` to ``stop`` (exclusive), processed together.

    It speaks for frames from ``start`` on; those before are context, which a last chunk has where the clip
    would not have filled it otherwise. ``fades_in``: its first ``overlap`` frames from ``start`` on are
    shared with the chunk before; ``fades_out``: its last ones with the chunk after.
    """

    begin: int
    start: int
    stop: int
    fades_in: bool
    fades_out: bool
    overlap: int
    context: int

    @property
    def settled(self) -> int:
        """The first frame about which a later chunk has something to say."""
        return self.stop - self.overlap if self.fades_out else self.stop


def next_chunk(before: Chunk | None, available: int, settings: ChunkSettings, *, ended: bool) -> Chunk | None:
    """The chunk that follows ``before``, or ``None`` where more frames must come first, or none are left.

    ``available`` is how many frames there are so far, ``ended`` whether there will be no more.
    """
    start = before.settled if before else 0
    stop = start + settings.length
    fades_out = available > stop
    was_last = before is not None and not before.fades_out
    if was_last or not (fades_out or (ended and available)):
        return None
    shortest = settings.length if settings.shortest is None else settings.shortest
    begin = start if fades_out else max(0, min(start, available - shortest))
    stop = min(stop, available)
    return Chunk(begin, start, stop, before is not None, fades_out, settings.overlap, settings.context)


def plan_chunks(frame_count: int, settings: ChunkSettings) -> Iterator[Chunk]:
    """The chunks of a clip of ``frame_count`` frames, in order."""
    chunk = None
    while chunk := next_chunk(chunk, frame_count, settings, ended=True):
        yield chunk


def needed_items(part: range, frame_count: int, settings: ChunkSettings) -> range:
    """The items of a clip of ``frame_count`` whose chunks say all that is said of the items in ``part``.

    One item more than the last chunk holds tells that another one follows, into which it fades.
    """
    touched = [
        chunk
        for chunk in plan_chunks(frame_count, settings)
        if chunk.start < part.stop and chunk.stop > part.start
    ]
    first, last = min(chunk.begin for chunk in touched), max(chunk.stop for chunk in touched)
    return range(first, min(frame_count, last + 1))


def blend_weights(chunk: Chunk) -> Tensor:
    """How much the chunk counts for each of its frames, 0..1, float32; those of all chunks sum to 1.

    Over the frames that two chunks share, frame j of them, the earlier one counts ``(1 + cos(pi j / O)) / 2``
    and the later one the rest, as in the paper's weighted overlap. With context c, the fade is between the
    contexts, and in their middle: ``(j + 1/2 - c) / (O - 2c)`` takes the place of ``j / O``.
    """
    weights = torch.ones(chunk.stop - chunk.begin)
    first = chunk.start - chunk.begin
    weights[:first] = 0
    into_fade = torch.arange(chunk.overlap) - chunk.context + (0.5 if chunk.context else 0)
    passed = into_fade / max(1, chunk.overlap - 2 * chunk.context)
    fade = (1 + torch.cos(passed.clamp(0, 1) * math.pi)) / 2
    if chunk.fades_in:
        weights[first : first + chunk.overlap] = 1 - fade
    if chunk.fades_out:
        weights[len(weights) - chunk.overlap :] *= fade
    return weights


def fuse_chunks(
    items: Iterable[Item], settings: ChunkSettings, process: Callable[[Sequence[Item]], Tensor]
) -> Iterator[tuple[Item, Tensor]]:
    """Each item with its slice of the chunks' results, blended, in order, as soon as it is settled.

    ``process`` is given the items of one chunk and returns ``T ...``, one slice for each; the slices of
    chunks that share an item are summed by their weights. No more than a chunk and one item is held.
    """
    coming, ended = iter(items), False
    held: deque[Item] = deque()
    fused: deque[Tensor] = deque()  # sums so far of the items from the next chunk's start on
    read, chunk = 0, None
    while True:
        following = next_chunk(chunk, read, settings, ended=ended)
        if following:
            chunk = following
            first = read - len(held)  # the number of the first held item
            members = [held[number - first] for number in range(chunk.begin, chunk.stop)]
            _add(fused, process(members), chunk)
            for number in range(chunk.start, chunk.settled):
                yield held[number - first], fused.popleft()
        elif ended:
            return
        else:
            try:
                held.append(next(coming))
            except StopIteration:
                ended = True
                continue
            read += 1
            # Of the rest, a chunk begins at its start, or as early as the last one has to.
            oldest = min(chunk.settled if chunk else 0, read - settings.length)
            while read - len(held) < oldest:
                held.popleft()


def _add(fused: deque[Tensor], slices: Tensor, chunk: Chunk) -> None:
    """Add a chunk's weighted slices to the sums of the items that it speaks for."""
    weights = blend_weights(chunk).to(slices)
    first = chunk.start - chunk.begin
    shared = len(fused)
    for place in range(first, chunk.stop - chunk.begin):
        weighted = slices[place] * weights[place]
        if place - first < shared:
            fused[place - first] = fused[place - first] + weighted
        else:
            fused.append(weighted)

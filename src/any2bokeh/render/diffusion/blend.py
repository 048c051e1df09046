"""Overlapping chunks of a stream, fused along time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from torch import Tensor

from any2bokeh.render.diffusion.chunks import Chunk, blend_weights, next_chunk
from any2bokeh.settings.render_settings import ChunkSettings

Item = TypeVar("Item")


def fuse_chunks(
    items: Iterable[Item], settings: ChunkSettings, process: Callable[[Sequence[Item]], Tensor]
) -> Iterator[tuple[Item, Tensor]]:
    """Each item with its share of what ``process`` makes of chunks, in order, as soon as it is settled.

    ``process`` is given the items of one chunk and returns ``T ...``, one slice for each; the slices of
    chunks that share an item are summed by their weights. No more than a chunk and one item is held.
    """
    coming, ended = iter(items), False
    held: deque[Item] = deque()
    fused: deque[Tensor] = deque()  # sums so far of the items from the next chunk's start on
    read, chunk = 0, None
    while True:
        following = next_chunk(chunk, read, ended, settings)
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
            # Of what is left, a chunk begins at its start, or as early as the last one has to.
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

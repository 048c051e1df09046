"""Which frames are processed together, and how much each chunk says about a frame that two share."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from any2bokeh.settings.render_settings import ChunkSettings


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


def next_chunk(before: Chunk | None, available: int, ended: bool, settings: ChunkSettings) -> Chunk | None:
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
    while chunk := next_chunk(chunk, frame_count, True, settings):
        yield chunk


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

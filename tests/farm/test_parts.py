"""Parts of a clip: every frame in one of them, cut where shots start, shards as asked for."""

from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from any2bokeh.farm.parts import Part, plan_parts, runs_of
from any2bokeh.render.diffusion.chunks import fuse_chunks
from any2bokeh.render.diffusion.pipeline import DiffusionRenderer
from any2bokeh.settings.render_settings import ChunkSettings


@pytest.mark.parametrize("frames", [1, 2, 7, 99, 100, 101, 1000])
@pytest.mark.parametrize("shards", [1, 2, 3, 8, 50])
def test_every_frame_is_in_one_part_and_shards_are_in_order(frames: int, shards: int) -> None:
    starts = [0, *range(13, frames, 41)]
    parts = plan_parts(frames, starts, shards, most_frames=20)
    assert [number for part in parts for number in part.frames] == list(range(frames))
    assert [part.number for part in parts] == list(range(len(parts)))
    numbers = [part.shard for part in parts]
    assert numbers == sorted(numbers) and set(numbers) <= set(range(1, shards + 1))
    assert len(set(numbers)) == min(frames, shards)


def test_shards_are_cut_where_a_shot_starts_nearby() -> None:
    parts = plan_parts(100, [0, 30, 52, 90], shards=2, most_frames=1000)
    assert [(part.first, part.stop) for part in parts] == [(0, 52), (52, 100)]


def test_long_shots_are_cut_by_frames() -> None:
    parts = plan_parts(100, [0, 98], shards=1, most_frames=25)
    assert [part.stop for part in parts] == [25, 50, 75, 100]


@pytest.mark.parametrize("most", [1, 2, None])
def test_runs_are_parts_without_gaps(most: int | None) -> None:
    parts = plan_parts(60, [], most_frames=10)
    runs = runs_of([part for part in parts if part.number != 2], most)
    assert [part.number for run in runs for part in run] == [0, 1, 3, 4, 5]
    assert all(one.stop == other.first for run in runs for one, other in pairwise(run))
    assert max(map(len, runs)) == (most or 3)


def drawn(frames: range, decoded: ChunkSettings, denoised: ChunkSettings) -> dict[int, float]:
    """As the network's renderer goes, on numbers that depend on the whole chunk that they were in."""

    def process(chunk: Any) -> Tensor:
        values = [float(one[1]) if isinstance(one, tuple) else one * 0.37 % 1 for one in chunk]
        total = sum(value * (place + 1) for place, value in enumerate(values)) / len(values) ** 2
        return torch.tensor([[value + total] for value in values], dtype=torch.float64)

    once = fuse_chunks(iter(frames), denoised, process)
    twice = fuse_chunks(once, decoded, process)
    return {item[0]: float(value) for item, value in twice}


@pytest.mark.parametrize("frames", [1, 5, 8, 9, 13, 40, 61])
@pytest.mark.parametrize(
    "decoded",
    [
        ChunkSettings(length=1, overlap=0),
        ChunkSettings(length=12, overlap=4, context=1, shortest=8),
        ChunkSettings(length=4, overlap=2),
    ],
)
def test_the_context_of_a_part_gives_the_frames_of_the_whole(frames: int, decoded: ChunkSettings) -> None:
    denoised = ChunkSettings(length=8, overlap=4)
    renderer = SimpleNamespace(
        _windows=SimpleNamespace(decode=decoded, encode=4), _settings=SimpleNamespace(chunks=denoised)
    )
    whole = drawn(range(frames), decoded, denoised)
    for first in range(0, frames, 3):
        for stop in {min(frames, first + 1), min(frames, first + 10), frames}:
            part = Part(0, first, stop, 1).frames
            around = DiffusionRenderer.context(cast(DiffusionRenderer, renderer), part, frames)
            assert around.start % 4 == 0
            found = drawn(around, decoded, denoised)
            assert [found[number] for number in part] == [whole[number] for number in part]

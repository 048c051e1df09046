"""Chunks cover every frame, and what they make is fused by weights that sum to one."""

import json

import pytest
import torch
from parity import DATA, assert_near, tensors

from any2bokeh.errors import SettingsError
from any2bokeh.render.diffusion.chunks import blend_weights, fuse_chunks, plan_chunks
from any2bokeh.settings.render_settings import ChunkSettings

LENGTHS = [1, 2, 7, 8, 9, 12, 13, 14, 16, 17, 100]
SETTINGS = [
    ChunkSettings(),
    ChunkSettings(length=8, overlap=0),
    ChunkSettings(length=5, overlap=2),
    ChunkSettings(length=24, overlap=8, context=3),
    ChunkSettings(length=8, overlap=4, context=2),
    ChunkSettings(length=12, overlap=4, context=1, shortest=6),
    ChunkSettings(length=1, overlap=0),
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("frame_count", LENGTHS)
def test_blend_weights_of_every_frame_sum_to_one(frame_count: int, settings: ChunkSettings) -> None:
    total = torch.zeros(frame_count)
    for chunk in plan_chunks(frame_count, settings):
        least = settings.length if settings.shortest is None else settings.shortest
        assert min(least, frame_count) <= chunk.stop - chunk.begin <= settings.length
        total[chunk.begin : chunk.stop] += blend_weights(chunk)
    torch.testing.assert_close(total, torch.ones(frame_count))


@pytest.mark.parametrize("frame_count", [13, 16, 20, 21, 25, 40])
def test_weights_equal_the_published_ones_where_those_exist(frame_count: int) -> None:
    """But for a last chunk, which the published code pads instead of shifting it back."""
    published = json.loads((DATA / "functions.json").read_text())["grouping"]["lengths"][str(frame_count)]
    chunks = list(plan_chunks(frame_count, ChunkSettings()))
    assert len(chunks) == len(published["groups"])
    for chunk, group, weights in zip(chunks, published["groups"], published["weights"], strict=True):
        assert (chunk.start, chunk.stop) == tuple(group)
        wanted = torch.tensor(weights)[: chunk.stop - chunk.start]
        torch.testing.assert_close(
            blend_weights(chunk)[chunk.start - chunk.begin :], wanted, atol=1e-6, rtol=0
        )


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("frame_count", LENGTHS)
def test_items_come_back_in_order_with_the_weighted_sum(frame_count: int, settings: ChunkSettings) -> None:
    chunks = list(plan_chunks(frame_count, settings))
    made = [torch.randn(chunk.stop - chunk.begin, 3) for chunk in chunks]
    wanted = torch.zeros(frame_count, 3)
    for chunk, slices in zip(chunks, made, strict=True):
        wanted[chunk.begin : chunk.stop] += slices * blend_weights(chunk)[:, None]
    seen = []

    def process(members: list[int]) -> torch.Tensor:
        seen.append((members[0], members[-1] + 1))
        return made[len(seen) - 1]

    fused = list(fuse_chunks(iter(range(frame_count)), settings, process))
    assert [item for item, _ in fused] == list(range(frame_count))
    assert seen == [(chunk.begin, chunk.stop) for chunk in chunks]
    torch.testing.assert_close(torch.stack([value for _, value in fused]), wanted)


def test_no_more_is_held_than_a_chunk_and_one() -> None:
    class Item:
        alive = 0

        def __init__(self) -> None:
            Item.alive += 1

        def __del__(self) -> None:
            Item.alive -= 1

    most = 0
    stream = (Item() for _ in range(50))
    for item, _ in fuse_chunks(stream, ChunkSettings(), lambda members: torch.zeros(len(members))):
        del item
        most = max(most, Item.alive)
    assert most <= 8 + 2  # the chunk, the one read ahead, and the one in hand


def test_fusing_the_published_chunks_gives_the_published_latents() -> None:
    """Chunks of 12 frames, in which none is padded: a plain overlap-add."""
    published = tensors("pipeline_case")
    chunks = iter(published["n12.unet_latents"])
    fused = fuse_chunks(range(12), ChunkSettings(), lambda _members: next(chunks))
    assert_near(torch.stack([latents for _, latents in fused]), published["n12.fused_latents"], 1e-6)


@pytest.mark.parametrize(("length", "overlap"), [(8, 5), (8, -1), (1, 1)])
def test_an_overlap_beyond_half_a_chunk_is_refused(length: int, overlap: int) -> None:
    with pytest.raises(SettingsError, match="`overlap` must be"):
        ChunkSettings(length=length, overlap=overlap)

"""Our own layers match the classes of diffusers that the published network is built of."""

from collections.abc import Callable
from typing import Literal

import diffusers.models.attention
import pytest
import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.downsampling import Downsample2D
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.resnet import ResnetBlock2D, TemporalResnetBlock
from diffusers.models.unets.unet_2d_blocks import DownEncoderBlock2D, UNetMidBlock2D
from diffusers.models.upsampling import Upsample2D
from torch import nn

from any2bokeh.render.diffusion.blocks import (
    Downsample,
    FeedForward,
    NumberEmbedding,
    SpatialResBlock,
    TemporalConvolution,
    TemporalResBlock,
    Upsample,
    embed_number,
)
from any2bokeh.render.diffusion.vae import EncoderDownBlock, EncoderMidBlock, FrameAttention

Make = Callable[[], nn.Module]
FEATURES, TIME, TOKENS, CLIP = (3, 64, 10, 14), (3, 24), (2, 7, 64), (2, 64, 5, 4, 6)


def res_block(c_out: int, time: int | None) -> tuple[Make, Make]:
    return (
        lambda: SpatialResBlock(64, c_out, time_channels=time, eps=1e-5),
        lambda: ResnetBlock2D(in_channels=64, out_channels=c_out, temb_channels=time, eps=1e-5),
    )


def temporal_res_block(time: int | None) -> tuple[Make, Make]:
    return (
        lambda: TemporalResBlock(64, time_channels=time, eps=1e-5),
        lambda: TemporalResnetBlock(64, 64, temb_channels=time, eps=1e-5),
    )


def encoder_level(*, halves: bool) -> tuple[Make, Make]:
    return (
        lambda: EncoderDownBlock(64, 96, 2, halves=halves),
        lambda: DownEncoderBlock2D(64, 96, num_layers=2, add_downsample=halves, downsample_padding=0),
    )


def frame_attention() -> tuple[Make, Make]:
    its = {"heads": 1, "dim_head": 64, "eps": 1e-6, "norm_num_groups": 32, "bias": True}
    return lambda: FrameAttention(64), lambda: Attention(64, residual_connection=True, **its)


def encoder_middle() -> tuple[Make, Make]:
    its = {"temb_channels": None, "attention_head_dim": 64, "resnet_groups": 32}
    return lambda: EncoderMidBlock(64), lambda: UNetMidBlock2D(64, **its)


def feed_forward() -> tuple[Make, Make]:
    return lambda: FeedForward(64), lambda: diffusers.models.attention.FeedForward(64, activation_fn="geglu")


def embedding(out: int | None) -> tuple[Make, Make]:
    return lambda: NumberEmbedding(24, 64, out), lambda: TimestepEmbedding(24, 64, out_dim=out)


def downsample(pads: Literal["around", "after"]) -> tuple[Make, Make]:
    its = {"use_conv": True, "padding": int(pads == "around"), "name": "op"}
    return lambda: Downsample(64, pads), lambda: Downsample2D(64, **its)


def upsample() -> tuple[Make, Make]:
    return lambda: Upsample(64), lambda: Upsample2D(64, use_conv=True)


# Ours, theirs, and the sizes of their inputs.
BLOCKS: dict[str, tuple[tuple[Make, Make], tuple[tuple[int, ...] | None, ...]]] = {
    "res block": (res_block(64, 24), (FEATURES, TIME)),
    "res block, other channels": (res_block(96, 24), (FEATURES, TIME)),
    "res block, no time": (res_block(96, None), (FEATURES, None)),
    "temporal res block": (temporal_res_block(24), (CLIP, (2, 5, 24))),
    "temporal res block, no time": (temporal_res_block(None), (CLIP, None)),
    "feed-forward": (feed_forward(), (TOKENS,)),
    "embedding": (embedding(None), (TIME,)),
    "embedding, other channels": (embedding(32), (TIME,)),
    "downsample": (downsample("around"), (FEATURES,)),
    "downsample, padded after": (downsample("after"), (FEATURES,)),
    "upsample": (upsample(), (FEATURES,)),
    "frame attention": (frame_attention(), (FEATURES,)),
    "encoder level": (encoder_level(halves=True), (FEATURES,)),
    "coarsest encoder level": (encoder_level(halves=False), (FEATURES,)),
    "encoder middle": (encoder_middle(), (FEATURES,)),
}


def shapes(block: nn.Module) -> dict[str, torch.Size]:
    return {key: weight.shape for key, weight in block.state_dict().items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_has_the_keys_and_the_arithmetic_of_the_class_that_it_stands_for(
    name: str, dtype: torch.dtype
) -> None:
    torch.set_num_threads(2)  # with one, convolutions in three dimensions sum in another order
    makers, sizes = BLOCKS[name]
    ours, theirs = (make().to(dtype).eval() for make in makers)
    assert shapes(ours) == shapes(theirs)
    generator = torch.Generator().manual_seed(1)
    weights = {key: torch.randn(shape, generator=generator) / 8 for key, shape in shapes(ours).items()}
    given = [size and torch.randn(size, generator=generator).to(dtype) for size in sizes]
    for block in (ours, theirs):
        block.load_state_dict(weights)
    with torch.no_grad():
        found, wanted = ours(*given), theirs(*given)
    assert wanted.std() > 0.01
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("name", BLOCKS)
def test_fresh_weights_are_drawn_in_the_same_order(name: str) -> None:
    """A network that is trained from nothing begins where it always began."""
    states = []
    for make in BLOCKS[name][0]:
        torch.manual_seed(3)
        states.append(make().state_dict())
    ours, theirs = states
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


@pytest.mark.parametrize("channels", [32, 256, 320])
def test_numbers_are_embedded_as_in_the_published_network(channels: int) -> None:
    theirs = Timesteps(channels, flip_sin_to_cos=True, downscale_freq_shift=0)
    for numbers in (torch.tensor([0.0, 1.0, 6.0, 127.0, 0.02]), torch.arange(5)):
        assert torch.equal(embed_number(numbers, channels), theirs(numbers))


@pytest.mark.parametrize("frames", [1, 2, 3, 8])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_gradients_along_time_are_right_for_any_number_of_frames(frames: int, precision: torch.dtype) -> None:
    features, toward = torch.randn(2, 1, 32, frames, 4, 4)
    plain = nn.Conv3d(32, 32, (3, 1, 1), padding=(1, 0, 0))
    own = TemporalConvolution(32)
    own.load_state_dict(plain.state_dict())
    (plain(features) * toward).sum().backward()
    with torch.autocast("cpu", precision, enabled=precision != torch.float32):
        found = own(features)
    (found.float() * toward).sum().backward()
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if precision == torch.float32 else {"rtol": 0.05, "atol": 0.1}
    torch.testing.assert_close(found.float(), plain(features), **tolerance)
    for one, other in zip(own.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, **tolerance)

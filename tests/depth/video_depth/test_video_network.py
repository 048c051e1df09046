"""Video Depth Anything against the numbers of the published network, with made-up weights."""

from dataclasses import replace

import parity
import pytest
import torch
from torch import Tensor, nn
from video_depth import TINY_DIMS, fill_temporal_module, inputs, published_network, tiny_video_network

from any2bokeh.depth.video_depth import video_network
from any2bokeh.depth.video_depth.video_network import (
    BASE_DIMS,
    LARGE_DIMS,
    SMALL_DIMS,
    TemporalAttention,
    TemporalModule,
    VideoDepthDims,
    VideoDepthNetwork,
)
from any2bokeh.errors import ShapeError, WeightsError

STORED, CASES = parity.tensors("video_depth"), parity.document("video_depth")


def shapes_of(dims: VideoDepthDims) -> dict[str, list[int]]:
    with torch.device("meta"):
        return {key: list(value.shape) for key, value in VideoDepthNetwork(dims).state_dict().items()}


def test_small_has_the_351_keys_of_the_published_file() -> None:
    assert shapes_of(SMALL_DIMS) == parity.document("video_depth_keys")
    assert len(shapes_of(SMALL_DIMS)) == 351


def test_places_in_time_are_those_of_the_published_file() -> None:
    """Sines and cosines of t * 10000^(-2i/C), worked out one by one."""
    table = TemporalAttention(64).pos_encoder.pe
    for time, pair in ((0, 0), (1, 0), (31, 5), (17, 31)):
        angle = torch.tensor(time * 10000.0 ** (-2 * pair / 64), dtype=torch.float64)
        wanted = torch.stack([angle.sin(), angle.cos()]).float()
        torch.testing.assert_close(table[0, time, 2 * pair : 2 * pair + 2], wanted, rtol=0, atol=3e-6)


@pytest.mark.parametrize("dims", [SMALL_DIMS, BASE_DIMS, LARGE_DIMS, TINY_DIMS])
def test_sizes_are_found_from_the_shapes(dims: VideoDepthDims) -> None:
    assert VideoDepthDims.of_shapes(shapes_of(dims)) == dims


def test_shapes_of_another_network_are_refused() -> None:
    with pytest.raises(WeightsError, match=r"head\.projects\.0\.weight"):
        VideoDepthDims.of_shapes({"conv.weight": [1, 2, 3, 3]})


@pytest.mark.parametrize("case", [0, 1, 2])
def test_temporal_module_is_the_published_one(case: int) -> None:
    facts = CASES[f"temporal.{case}"]
    channels, frames, height, width = (facts[name] for name in ("channels", "frames", "height", "width"))
    module = fill_temporal_module(TemporalModule(channels), facts["weights"])
    x = inputs(facts["input"], 1, channels, frames, height, width)[0].transpose(0, 1)
    got = module(x).transpose(0, 1)[None]
    parity.assert_near(got, STORED[f"temporal.{case}.output"], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("case", [0, 1])
def test_whole_network_is_the_published_one(case: int) -> None:
    facts = CASES[f"model.{case}"]
    pixels = inputs(facts["input"], 1, facts["frames"], 3, facts["height"], facts["width"])[0]
    got = published_network()(pixels)
    parity.assert_near(got[facts["kept"]], STORED[f"model.{case}.output"], atol=2e-5)
    features = published_network().pretrained(pixels[:1])[3][0]
    parity.assert_near(features, STORED[f"model.{case}.features.11.frame0"], atol=2e-5)


class StreamedAttention(TemporalAttention):
    """The attention as the published streaming has it: frames come one by one, and remember those before."""

    def __init__(self, original: TemporalAttention) -> None:
        nn.Module.__init__(self)
        self.__dict__.update(original.__dict__)
        self.memory: list[Tensor] = []
        self.seen = 0

    def forward(self, pixels: Tensor) -> Tensor:
        """``n 1 C`` to the same."""
        if not self.memory:
            placed = self.pos_encoder(pixels)
            self.memory = [pixels] * 32
        else:
            known = [*self.memory[:2], *self.memory[-29:], pixels]
            entries = self.pos_encoder(torch.cat(known, dim=1))
            self.memory.append(pixels)
            if self.seen > 10:
                del self.memory[1]
            self.seen += 1
            return self.attend(entries[:, -1:], entries)
        self.seen += 1
        return self.attend(placed, placed)


@pytest.mark.slow
def test_one_frame_after_the_other_is_the_published_streaming() -> None:
    """No mode of ours: it is less exact, and what windows share with it is proven once more."""
    facts = CASES["stream"]
    pictures = torch.from_numpy(parity.hashed("stream.frame", (28, 42, 3)))
    first = (127.5 + 100 * pictures).clamp(0, 255).trunc()
    network = VideoDepthNetwork(SMALL_DIMS).eval().requires_grad_(False)
    network.load_state_dict(published_network().state_dict())
    for module in network.head.motion_modules:
        block = module.temporal_transformer.transformer_blocks[0]
        block.attention_blocks = nn.ModuleList(map(StreamedAttention, block.attention_blocks))
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    got = []
    for number in range(facts["kept"][-1] + 1):
        picture = first.roll(number, dims=1).permute(2, 0, 1).float() / 255
        got.append(network(((picture - mean) / std)[None])[0])
    parity.assert_near(torch.stack(got)[facts["kept"]], STORED["stream.depth"], atol=3e-5)


def test_without_its_temporal_modules_each_frame_is_seen_alone() -> None:
    network = VideoDepthNetwork(TINY_DIMS).eval().requires_grad_(False)
    network.load_state_dict(tiny_video_network().state_dict())
    pixels = inputs("frames", 4, 3, 42, 56)
    together = network(pixels)
    assert (network(pixels[:1])[0] - together[0]).abs().max() > 1e-3  # they look at each other
    for module in network.head.motion_modules:
        nn.init.zeros_(module.temporal_transformer.proj_out.weight)
        nn.init.zeros_(module.temporal_transformer.proj_out.bias)
    alone = torch.cat([network(pixels[number : number + 1]) for number in range(4)])
    torch.testing.assert_close(network(pixels), alone, rtol=0, atol=1e-5)


def test_pixels_in_pieces_are_what_they_are_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network, pixels = tiny_video_network(), inputs("frames", 5, 3, 42, 56)
    at_once = network(pixels)
    monkeypatch.setattr(video_network, "_TIME_VALUES", 8 * 5 * 32 * 7)  # 7 pixels
    monkeypatch.setattr(video_network, "_FRAMES_AT_ONCE", 2)
    torch.testing.assert_close(network(pixels), at_once, rtol=0, atol=1e-5)


def test_the_published_rule_reads_the_table_of_positions_elsewhere_than_a_plain_resize() -> None:
    network = tiny_video_network()
    encoder = network.pretrained
    own = encoder._positions(3, 4)
    plain = torch.nn.functional.interpolate(
        encoder.pos_embed[:, 1:].transpose(1, 2).unflatten(2, (5, 5)), (3, 4), mode="bicubic"
    )
    assert (own[:, 1:].transpose(1, 2).unflatten(2, (3, 4)) - plain).abs().max() > 1e-4
    assert encoder._positions(5, 5) is encoder.pos_embed


def test_a_side_that_is_no_whole_patch_is_refused() -> None:
    with pytest.raises(ShapeError, match="43x42"):
        tiny_video_network()(torch.zeros(1, 3, 42, 43))


@pytest.mark.parametrize(
    ("dtype", "atol"), [(torch.float32, 0.0), (torch.bfloat16, 0.05)], ids=["float32", "bfloat16"]
)
def test_precision_is_the_encoders(dtype: torch.dtype, atol: float) -> None:
    network = VideoDepthNetwork(TINY_DIMS).eval().requires_grad_(False)
    network.load_state_dict(tiny_video_network().state_dict())
    pixels = inputs("frames", 3, 3, 42, 56)
    got = network.to_precision(dtype)(pixels)
    assert got.dtype == torch.float32
    assert network.pretrained.norm.weight.dtype == dtype
    assert network.head.projects[0].weight.dtype == torch.float32
    wanted = tiny_video_network()(pixels)
    assert (got - wanted).abs().mean() <= atol * wanted.std()


def test_half_precision_leaves_the_last_layers_in_single() -> None:
    head = VideoDepthNetwork(replace(TINY_DIMS, blocks=4)).to_precision(torch.float16).head
    assert {parameter.dtype for parameter in head.scratch.output_conv2.parameters()} == {torch.float32}
    assert head.scratch.output_conv1.weight.dtype == torch.float16

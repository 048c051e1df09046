"""The compact network as it ships, and tiny ones of its class."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from any2bokeh.depth.compact import (
    SHORTER_SIDE,
    WEIGHTS,
    CompactDims,
    CompactEstimator,
    CompactNetwork,
    EncoderStage,
    SameConvolution,
    load_compact,
)
from any2bokeh.errors import DisparityError, ShapeError, WeightsError
from any2bokeh.lab.compact.made_pictures import make_picture
from any2bokeh.lab.compact.scale_free import fitted_error, rank_correlation

CPU = torch.device("cpu")
STRIDES = (1, 2, 2, 2, 1, 2, 1)
TINY = CompactDims(
    stem=8,
    stages=tuple(EncoderStage(blocks=2, kernel=3, stride=stride, growth=2, width=8) for stride in STRIDES),
    decoder=(8, 8, 8, 8, 8),
    attentions=1,
    heads=2,
    head=4,
)


@pytest.fixture(scope="module")
def shipped() -> CompactEstimator:
    return load_compact(CPU, torch.float32)


def test_shipped_weights_are_as_light_as_promised() -> None:
    assert WEIGHTS.stat().st_size <= 11_100_000
    tensors = load_file(WEIGHTS)
    assert all(tensor.dtype == torch.float16 and tensor.isfinite().all() for tensor in tensors.values())


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(144, 256, (90, 160)), (256, 144, (284, 160)), (37, 61, (160, 263)), (1, 1, (1, 1)), (2, 400, (8, 320))],
)
def test_any_picture_gets_finite_disparity_of_the_size_asked_for(
    shipped: CompactEstimator, height: int, width: int, size: tuple[int, int]
) -> None:
    disparity = shipped.estimate(torch.rand(2, 3, height, width), size)
    assert disparity.shape == (2, 1, *size) and disparity.dtype == torch.float32
    assert bool(disparity.isfinite().all())


@pytest.mark.slow
def test_scenes_it_never_saw_are_ranked_better_than_by_their_rows(shipped: CompactEstimator) -> None:
    ranks, ramp_ranks, errors, ramp_errors = [], [], [], []
    for seed in range(12):
        picture, disparity, _ = make_picture(seed)
        size = disparity.shape
        right = torch.from_numpy(disparity)
        guess = shipped.estimate(torch.from_numpy(picture).permute(2, 0, 1)[None], size)[0, 0]
        ramp = torch.linspace(0, 1, size[0])[:, None].expand(size)
        ranks.append(rank_correlation(guess, right))
        ramp_ranks.append(rank_correlation(ramp, right))
        errors.append(fitted_error(guess, right))
        ramp_errors.append(fitted_error(ramp, right))
    assert sum(ranks) > sum(ramp_ranks) + 0.1 * len(ranks)
    assert sum(errors) < 0.85 * sum(ramp_errors)


def test_each_color_counts_and_where_pixels_are() -> None:
    torch.manual_seed(1)
    network = CompactNetwork(TINY).eval()
    picture = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        guess = network(picture)
        assert guess.shape == (1, 1, 32, 48)
        for channel in range(3):
            other = picture.clone()
            other[:, channel] = 1 - other[:, channel]
            assert not torch.allclose(network(other), guess)
        plain = network(torch.full((1, 3, 256, 256), 0.5))[0, 0, 56:-56, 56:-56]  # away from the padding
    assert plain.std() > 1e-5


def test_the_encoder_gives_five_sizes() -> None:
    network = CompactNetwork()
    levels = network.encoder(torch.rand(1, 3, 64, 96))
    assert [tuple(level.shape[1:]) for level in levels] == [
        (16, 32, 48),
        (24, 16, 24),
        (48, 8, 12),
        (120, 4, 6),
        (352, 2, 3),
    ]


def test_padding_at_stride_2_is_that_of_tensorflow() -> None:
    convolution = SameConvolution(1, 1, 3, stride=2)
    torch.nn.init.constant_(convolution.weight, 1)
    torch.nn.init.constant_(convolution.bias, 0)  # type: ignore[arg-type]
    sums = convolution(torch.ones(1, 1, 4, 4))[0, 0]
    assert sums.tolist() == [[9, 6], [6, 4]]  # nothing is added above and on the left


def test_it_sees_pictures_of_the_size_it_learned_from(shipped: CompactEstimator) -> None:
    """Asked for twice the size, it gives the finer map of a larger picture, not the same one scaled."""
    picture = torch.rand(1, 3, 60, 100)
    once, twice = (
        shipped.estimate(picture, (SHORTER_SIDE * k, round(SHORTER_SIDE * k * 5 / 3))) for k in (1, 2)
    )
    assert twice.shape[2] == 2 * once.shape[2]
    assert not torch.allclose(torch.nn.functional.avg_pool2d(twice, 2)[..., : once.shape[3]], once, atol=1e-2)


def test_weights_of_another_network_are_refused_by_name(tmp_path: Path) -> None:
    tensors = load_file(WEIGHTS)
    del tensors["head.1.bias"]
    save_file(tensors, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=r"head\.1\.bias \[1\] is missing"):
        load_compact(CPU, torch.float32, tmp_path / "other.safetensors")


def test_what_is_no_picture_and_what_is_no_number_is_refused() -> None:
    network = CompactNetwork(TINY).eval()
    with pytest.raises(ShapeError, match="T 3 H W"):
        CompactEstimator(network).estimate(torch.rand(3, 64, 64), (64, 64))
    torch.nn.init.constant_(network.coarsest.bias, torch.nan)  # type: ignore[arg-type]
    with pytest.raises(DisparityError, match="not numbers"):
        CompactEstimator(network).estimate(torch.rand(1, 3, 64, 64), (64, 64))

"""The compact network as it ships, and tiny ones of its class."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from any2bokeh.depth.compact import WEIGHTS, CompactDims, CompactEstimator, CompactNetwork, load_compact
from any2bokeh.errors import DisparityError, ShapeError, WeightsError
from any2bokeh.lab.compact.pairs import VALIDATION, develop_pair, render_pair
from any2bokeh.lab.compact.scale_free import fitted_error, rank_correlation

CPU = torch.device("cpu")
TINY = CompactDims(widths=(8, 8, 16, 16), blocks=(1, 1, 1, 1), attentions=1, heads=2, decoder=(8, 8, 8))


@pytest.fixture(scope="module")
def shipped() -> CompactEstimator:
    return load_compact(CPU, torch.float32)


def test_shipped_weights_are_as_light_as_promised() -> None:
    assert WEIGHTS.stat().st_size <= 14_000_000
    tensors = load_file(WEIGHTS)
    assert sum(tensor.numel() for tensor in tensors.values()) <= 7_000_000
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
    size = (192, 320)
    ramp = torch.linspace(0, 1, size[0])[:, None].expand(size)
    ranks, ramp_ranks, errors, ramp_errors = [], [], [], []
    for seed in range(VALIDATION + 1000, VALIDATION + 1010):
        pictures, _, truth = develop_pair(render_pair(seed, size), size, seed)
        guesses = shipped.estimate(pictures, size, [pictures[1], pictures[0]])
        for guess, right in zip(guesses[:, 0], truth[:, 0], strict=True):
            ranks.append(rank_correlation(guess, right))
            ramp_ranks.append(rank_correlation(ramp, right))
            errors.append(fitted_error(guess, right))
            ramp_errors.append(fitted_error(ramp, right))
    assert sum(ranks) > sum(ramp_ranks) + 0.05 * len(ranks)
    assert sum(errors) < 0.88 * sum(ramp_errors)


def test_pictures_motion_and_where_pixels_are_all_count() -> None:
    torch.manual_seed(1)
    network = CompactNetwork(TINY, folded=True).eval()
    picture = torch.rand(1, 3, 64, 96)
    motion = torch.randn(1, 5, 16, 24)
    with torch.no_grad():
        guess = network(picture, motion)
        assert guess.shape == (1, 1, 32, 48)
        for channel in range(3):
            other = picture.clone()
            other[:, channel] = 1 - other[:, channel]
            assert not torch.allclose(network(other, motion), guess)
        for channel in range(5):
            other = motion.clone()
            other[:, channel] += 1
            assert not torch.allclose(network(picture, other), guess)
        plain = network(torch.full_like(picture, 0.5), torch.zeros_like(motion))[
            0, 0, 8:-8, 8:-8
        ]  # away from the padding
    assert plain.std() > 1e-4


def test_another_frame_of_the_shot_tells_more(shipped: CompactEstimator) -> None:
    size = (192, 320)
    pictures = develop_pair(render_pair(VALIDATION + 1003, size), size, 5)[0]
    alone = shipped.estimate(pictures, size)
    together = shipped.estimate(pictures, size, [pictures[1], None])
    assert (together[0] - alone[0]).abs().max() > 0.01
    torch.testing.assert_close(together[1], alone[1], rtol=1e-4, atol=1e-4)


def test_weights_of_another_network_are_refused_by_name(tmp_path: Path) -> None:
    tensors = load_file(WEIGHTS)
    del tensors["head.bias"]
    save_file(tensors, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=r"head\.bias \[4\] is missing"):
        load_compact(CPU, torch.float32, tmp_path / "other.safetensors")


def test_what_is_no_picture_and_what_is_no_number_is_refused() -> None:
    network = CompactNetwork(TINY, folded=True).eval()
    with pytest.raises(ShapeError, match="T 3 H W"):
        CompactEstimator(network).estimate(torch.rand(3, 64, 64), (64, 64))
    torch.nn.init.constant_(network.head.bias, torch.nan)
    with pytest.raises(DisparityError, match="not numbers"):
        CompactEstimator(network).estimate(torch.rand(1, 3, 64, 64), (64, 64))

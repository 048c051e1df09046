"""The video network on the frames of a clip: their size, shots, maps that are kept, and distances."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from video_depth import TINY_DIMS, fill_video_network, inputs, tiny_video_network

from any2bokeh.depth.video_depth.depth_windows import windowed_maps
from any2bokeh.depth.video_depth.video_estimator import (
    NEAREST_M,
    VideoEstimator,
    load_video_network,
    video_frame_size,
)
from any2bokeh.depth.video_depth.video_network import Maps, VideoDepthNetwork
from any2bokeh.errors import DisparityError, WeightsError
from any2bokeh.motion.flow import prepare_picture
from any2bokeh.motion.shots import ReducedFrame
from any2bokeh.weights.pretrained import standardized

SIZE = 42, 56


def pictures(count: int, name: str = "picture") -> list[Tensor]:
    """A picture that moves by a pixel from frame to frame."""
    first = (inputs(name, 3, *SIZE) / 4 + 0.5).clamp(0, 1)
    return [first.roll(number, dims=2) for number in range(count)]


def as_frames(shots: Sequence[list[Tensor]]) -> Iterator[ReducedFrame]:
    for shot in shots:
        for number, picture in enumerate(shot):
            prepared = prepare_picture(picture)
            yield ReducedFrame(pts=number, picture=picture, prepared=prepared, starts_shot=number == 0)


def estimated(*shots: list[Tensor], batch: int = 1, is_metric: bool = False) -> np.ndarray:
    estimator = VideoEstimator(tiny_video_network(), is_metric=is_metric, batch=batch)
    return np.stack(list(estimator(as_frames(shots))))


@pytest.mark.parametrize(
    ("width", "height", "seen"),
    [
        (1920, 1080, (924, 518)),
        (1280, 720, (924, 518)),
        (3840, 2160, (924, 518)),
        (1024, 576, (924, 518)),
        (1080, 1920, (518, 924)),
        (2048, 858, (938, 392)),
        (4096, 2160, (924, 490)),
        (640, 480, (686, 518)),
        (720, 576, (644, 518)),
    ],
)
def test_size_is_that_of_the_published_program(width: int, height: int, seen: tuple[int, int]) -> None:
    assert video_frame_size(height, width, 518) == seen[::-1]


@pytest.mark.parametrize(("shorter_side", "seen"), [(280, (280, 504)), (57, (70, 98)), (56, (56, 98))])
def test_no_side_is_less_than_asked_for(shorter_side: int, seen: tuple[int, int]) -> None:
    assert video_frame_size(1080, 1920, shorter_side) == seen


class CountingNetwork(VideoDepthNetwork):
    """The network, and how many frames it encoded."""

    encoded = 0

    def encode(self, pixels: Tensor) -> Maps:
        self.encoded += len(pixels)
        return super().encode(pixels)


@pytest.mark.slow
def test_maps_that_are_kept_change_nothing_and_are_made_once() -> None:
    network = fill_video_network(CountingNetwork(TINY_DIMS))
    shot = pictures(47)  # two windows
    kept = np.stack(list(VideoEstimator(network, is_metric=False)(as_frames([shot]))))
    assert network.encoded == 47

    def anew(window: Sequence[Tensor]) -> Tensor:
        maps = [network.encode(standardized(picture[None])) for picture in window]
        first, second, third, fourth = (torch.cat(level) for level in zip(*maps, strict=True))
        return network.decode((first, second, third, fourth))

    again = torch.stack(list(windowed_maps(shot, anew)))
    assert network.encoded == 47 + 2 * 32
    assert np.array_equal(kept, again.numpy())


def test_frames_encoded_together_are_the_same_but_for_rounding() -> None:
    shot = pictures(12)
    one_by_one = estimated(shot)
    np.testing.assert_allclose(estimated(shot, batch=8), one_by_one, rtol=0, atol=1e-5 * one_by_one.max())


@pytest.mark.slow
def test_each_shot_is_estimated_as_if_it_were_alone() -> None:
    shots = [pictures(33), pictures(3, "other")]
    together = estimated(*shots)
    alone = np.concatenate([estimated(shot) for shot in shots])
    assert np.array_equal(together, alone)
    as_one = estimated([picture for shot in shots for picture in shot])
    assert np.abs(as_one - together).max() > 1e-3


def test_metric_depth_becomes_its_inverse() -> None:
    shot = pictures(4)
    depth = estimated(shot)
    assert depth.min() < NEAREST_M < depth.max()
    np.testing.assert_allclose(estimated(shot, is_metric=True), 1 / depth.clip(min=NEAREST_M), rtol=1e-6)


def test_values_that_are_not_numbers_are_an_error() -> None:
    network = fill_video_network(VideoDepthNetwork(TINY_DIMS))
    network.head.scratch.output_conv2[2].bias.fill_(torch.nan)
    with pytest.raises(DisparityError, match="float32"):
        next(VideoEstimator(network, is_metric=False)(as_frames([pictures(1)])))


@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: content[:5000]])
def test_a_file_that_is_damaged_is_an_error(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "model.safetensors"
    save_file({key: value.clone() for key, value in tiny_video_network().state_dict().items()}, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(WeightsError, match=r"model\.safetensors"):
        load_video_network(path, torch.device("cpu"), torch.float32)

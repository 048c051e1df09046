"""Video Depth Anything with made-up weights: of the published cases, and tiny ones of the same classes."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from parity import hashed, recipe
from torch import Tensor, nn

from any2bokeh.depth.distances import DepthRange, MetricScale
from any2bokeh.depth.video_depth.video_network import SMALL_DIMS, VideoDepthDims, VideoDepthNetwork
from any2bokeh.video.clip import VideoClip
from any2bokeh.video.gray import open_gray_writer
from any2bokeh.weights.catalog import load_catalog
from any2bokeh.weights.converted import keep_network

# 537 thousand parameters; the last two levels and the features must be whole groups of 32.
TINY_DIMS = VideoDepthDims(
    width=64, blocks=4, tapped=(0, 1, 2, 3), levels=(8, 16, 32, 32), features=32, table_side=5
)


def inputs(name: str, *shape: int) -> Tensor:
    """The input of a published case."""
    return torch.from_numpy((2 * hashed(name, shape)).astype(np.float32))


@cache
def published_network() -> VideoDepthNetwork:
    """Small with the weights of the published cases."""
    return fill_video_network(VideoDepthNetwork(SMALL_DIMS))


@cache
def tiny_video_network(seed: int = 0) -> VideoDepthNetwork:
    """A network of the same classes whose answer varies with place, picture and time."""
    return fill_video_network(VideoDepthNetwork(TINY_DIMS), prefix=f"{seed or ''}")


def keep_tiny_video_network(name: str, folder: Path) -> Path:
    """Put the tiny network where ``download-weights NAME`` leaves it, by way of a pickle in ``folder``."""
    state = tiny_video_network().state_dict()
    model = load_catalog()[name]
    source = folder / model.files[0].path
    torch.save(state, source)
    return keep_network(model, source, {key: list(value.shape) for key, value in state.items()})


def write_metric_track(path: Path, clip: Path, ranges: dict[int, DepthRange], width: int = 64) -> Path:
    """A track made by hand, 0 at the left to 1 at the right; ``ranges`` begin at frames of these numbers."""
    scale = MetricScale(list(ranges), list(ranges.values()))
    with VideoClip(clip) as video:
        info = video.info
        height = round(width * info.height / info.width)
        ramp = torch.linspace(0, 1, width).expand(1, height, width)
        with open_gray_writer(
            path, width, height, info.time_base, info.frame_rate, note=scale.to_text()
        ) as writer:
            for pts in video.times:
                writer.write(ramp, pts)
    return path


def fill_video_network(network: VideoDepthNetwork, prefix: str = "") -> VideoDepthNetwork:
    """The network with the weights that the published cases were made with."""
    weights = {key: _weight(prefix, key, value) for key, value in network.state_dict().items()}
    weights["head.scratch.output_conv2.2.bias"].fill_(1)
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False)


def fill_temporal_module(module: nn.Module, name: str) -> nn.Module:
    """A temporal module with the weights of the case whose names begin with ``name``."""
    weights = {key: _weight(name, key, value) for key, value in module.state_dict().items()}
    module.load_state_dict(weights)
    return module.eval().requires_grad_(False)


def _weight(prefix: str, key: str, value: Tensor) -> Tensor:
    name, shape = prefix + key, tuple(value.shape)
    match key.rsplit(".", 1)[-1]:
        case "pe":
            return value.clone()
        case "pos_embed":
            values = _positions(name, shape)
        case "cls_token" | "mask_token":
            values = hashed(name, shape)
        case "gamma":
            values = 0.5 + 0.25 * hashed(name, shape)
        case _:
            return torch.from_numpy(recipe(name, shape))
    return torch.from_numpy(values.astype(np.float32))


def _positions(name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """A table of positions: a wave over the rows and columns for each channel."""
    count, width = shape[1:]
    side = round((count - 1) ** 0.5)
    along_y, along_x, phase = hashed(f"{name}.f", (3, width))
    y, x = (axis.reshape(-1, 1) / 37 for axis in np.mgrid[:side, :side])
    waves = np.sin(2 * np.pi * (along_y * y + along_x * x + phase))
    return 0.3 * np.concatenate([hashed(name, shape).reshape(count, width)[:1], waves]).reshape(shape)

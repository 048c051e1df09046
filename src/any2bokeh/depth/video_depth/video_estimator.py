"""The loaded video network: from the frames of a clip to their disparity, a window of a shot at a time."""

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from any2bokeh.arrays import Floats
from any2bokeh.depth.estimator import batches, check_disparity
from any2bokeh.depth.video_depth.depth_windows import count_windows, windowed_maps
from any2bokeh.depth.video_depth.video_network import PATCH, WINDOW, Maps, VideoDepthDims, VideoDepthNetwork
from any2bokeh.errors import WeightsError
from any2bokeh.motion.shots import ReducedFrame
from any2bokeh.weights.checkpoint import load_weights
from any2bokeh.weights.pretrained import standardized
from any2bokeh.weights.tensors import shapes_in

# The network was trained with pictures up to this much longer than high; longer ones are seen smaller.
LONGEST_SHAPE = 1.777
_MEASURED_FRAMES = 4  # of a window: nearly all of its cost grows with their number
NEAREST_M = 0.1  # a depth of 0 m has no disparity; nearer than this nothing can be focused on


def video_frame_size(height: float, width: float, shorter_side: int) -> tuple[int, int]:
    """Return the size of the frame that the network sees of pictures ``height width``, in whole patches.

    About ``shorter_side`` is its shorter side; of pictures longer than 16:9 it is less, so that the number of
    patches stays about the same.
    """
    shape = max(height, width) / min(height, width)
    if shape > LONGEST_SHAPE + 0.003:  # 16:9 itself is 1.7778
        shorter_side = PATCH * round(int(shorter_side * LONGEST_SHAPE / shape) / PATCH)
    scale = shorter_side / min(height, width)
    return _whole_patches(height * scale, shorter_side), _whole_patches(width * scale, shorter_side)


def _whole_patches(side: float, least: int) -> int:
    """The multiple of a patch nearest to ``side`` that is not less than ``least``."""
    nearest = PATCH * round(side / PATCH)
    return nearest if nearest >= least else PATCH * -(-least // PATCH)


class VideoEstimator:
    """The network on its device; ``batch`` frames are encoded at once."""

    def __init__(self, network: VideoDepthNetwork, *, is_metric: bool, batch: int = 1) -> None:
        self._network, self._is_metric, self._batch = network, is_metric, batch
        self._device = network.pretrained.cls_token.device

    def __call__(self, frames: Iterable[ReducedFrame]) -> Iterator[Floats]:
        """Yield the raw disparity ``h w`` of each frame, in one scale and shift for each shot.

        Pictures have sides of whole patches. That of a metric network is 1 / depth, in 1/m.
        """
        shot = 0

        def shot_number(frame: ReducedFrame) -> int:
            nonlocal shot
            shot += frame.starts_shot
            return shot

        for _, of_shot in groupby(frames, shot_number):
            encoded = self._encoded(frame.picture for frame in of_shot)
            for values in windowed_maps(encoded, self._decode, is_metric=self._is_metric):
                disparity = 1 / values.clamp(min=NEAREST_M) if self._is_metric else values
                yield disparity.cpu().numpy()

    def seconds(self, frames: int, size: tuple[int, int]) -> float:
        """Return about how long a shot of so many frames of a size takes, measured on a few of noise."""
        picture = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
        self._decode([self._encode([picture])])  # the first time is slower
        started_s = time.perf_counter()
        maps = self._encode([picture])
        self._synchronize()
        encoded_s = time.perf_counter()
        self._decode([maps] * _MEASURED_FRAMES)
        self._synchronize()
        decoded_s = time.perf_counter()
        decoded = count_windows(frames) * WINDOW / _MEASURED_FRAMES
        return frames * (encoded_s - started_s) + decoded * (decoded_s - encoded_s)

    def _synchronize(self) -> None:
        """Wait for the GPU, which computes on while the program goes on."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    @torch.no_grad()
    def _encode(self, pictures: list[Tensor]) -> Maps:
        return self._network.encode(standardized(torch.stack(pictures).to(self._device)))

    def _encoded(self, pictures: Iterable[Tensor]) -> Iterator[Maps]:
        """The maps of each picture; a window sees ten of them again, which are not made anew."""
        for some in batches(pictures, self._batch):
            maps = self._encode(some)
            for number in range(len(some)):
                first, second, third, fourth = (each[number : number + 1] for each in maps)
                yield first, second, third, fourth

    @torch.no_grad()
    def _decode(self, window: Sequence[Maps]) -> Tensor:
        first, second, third, fourth = (torch.cat(level) for level in zip(*window, strict=True))
        values = self._network.decode((first, second, third, fourth))
        check_disparity(values, self._network.pretrained.cls_token.dtype)
        return values


def load_video_network(path: Path, device: torch.device, dtype: torch.dtype) -> VideoDepthNetwork:
    """Return the network whose weights are in the safetensors file ``path``; its sizes follow from them.

    Raises ``WeightsError`` for weights that are damaged or of another network, naming the key.
    """
    try:
        with safe_open(path, framework="pt") as file:
            dims = VideoDepthDims.of_shapes(shapes_in(file))
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"The weights {path} cannot be read: {error}") from error
    with torch.device("meta"):
        network = VideoDepthNetwork(dims)
    load_weights(network, path, device=device, dtype=torch.float32)
    return network.eval().requires_grad_(False).to_precision(dtype)

"""The networks that estimate disparity: which of them a run takes, and how one is loaded."""

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

from any2bokeh.depth import compact
from any2bokeh.depth.estimator import Estimates, Estimator, one_by_one
from any2bokeh.device import default_depth_size
from any2bokeh.errors import WeightsError
from any2bokeh.motion.flow import prepare_picture
from any2bokeh.motion.shots import ReducedFrame
from any2bokeh.settings.depth_settings import DepthSettings
from any2bokeh.video.opening import VideoInfo
from any2bokeh.weights.catalog import FetchedModel, Model, NetworkIdentity, find_model, load_catalog
from any2bokeh.weights.converted import (
    CONVERTED_FILE,
    Shapes,
    converted_revision,
    find_network_folder,
    network_folder,
)

if TYPE_CHECKING:
    from any2bokeh.depth.video_depth.video_estimator import VideoEstimator

_GPU_BATCH = 8  # frames at once; on the CPU a batch is no quicker than its frames one by one
# "auto" takes the first that is here, and compact where none is.
_IMAGE_NETWORKS = ("depth-small", "depth-base", "depth-large")
_VIDEO_NETWORKS = ("depth-video", "depth-video-base", "depth-video-large", "depth-video-metric")
_ON_GPU = (*_VIDEO_NETWORKS[:1], *_IMAGE_NETWORKS[:1], *_VIDEO_NETWORKS[1:], *_IMAGE_NETWORKS[1:])
_ON_CPU = (*_IMAGE_NETWORKS[:1], *_VIDEO_NETWORKS[:1], *_IMAGE_NETWORKS[1:], *_VIDEO_NETWORKS[1:])


class DepthNetwork(NetworkIdentity, Protocol):
    """A network that is on this machine."""

    @property
    def is_steady(self) -> bool:
        """Whether it sees all frames of a shot, and its disparity needs no temporal stabilization."""
        ...

    @property
    def is_metric(self) -> bool:
        """Whether its raw disparity is 1 / distance, in 1/m."""
        ...

    def shorter_side(self, device: torch.device) -> int:
        """Return the shorter side in pixels of the frame that it sees where the user asks for none."""
        ...

    def is_quick(self, device: torch.device) -> bool:
        """Say whether estimating a frame on ``device`` takes hardly longer than following its motion."""
        ...

    def seen_size(self, info: VideoInfo, shorter_side: int) -> tuple[int, int]:
        """Return height and width of the frame that it sees of a video's displayed picture, made smaller."""
        ...

    def load(self, size: tuple[int, int], device: torch.device, dtype: torch.dtype) -> Estimates:
        """Return the network, ready for frames of a size (height, width).

        Raises ``WeightsError`` for weights that are damaged or do not fit.
        """
        ...

    def seconds(self, frames: int, size: tuple[int, int], device: torch.device, dtype: torch.dtype) -> float:
        """Return about how long estimating so many frames takes, measured on one or a few of noise."""
        ...


class ImageNetwork(ABC):
    """What networks have in common that see one frame at a time."""

    is_steady = False
    is_metric = False

    def seen_size(self, info: VideoInfo, shorter_side: int) -> tuple[int, int]:
        """Return height and width of the displayed picture, made smaller."""
        return working_size(info, shorter_side)

    def load(self, size: tuple[int, int], device: torch.device, dtype: torch.dtype) -> Estimates:
        """Return the network, ready for frames of a size."""
        batch = 1 if device.type == "cpu" else _GPU_BATCH
        return one_by_one(self._estimator(device, dtype), size, device, batch)

    def seconds(self, frames: int, size: tuple[int, int], device: torch.device, dtype: torch.dtype) -> float:
        """Return about how long estimating so many frames takes, measured on one of noise."""
        estimates = self.load(size, device, dtype)
        picture = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
        frame = ReducedFrame(pts=0, picture=picture, prepared=prepare_picture(picture))
        next(estimates([frame]))  # the first time is slower
        started_s = time.perf_counter()
        next(estimates([frame]))
        return frames * (time.perf_counter() - started_s)

    @abstractmethod
    def _estimator(self, device: torch.device, dtype: torch.dtype) -> Estimator: ...


@dataclass(frozen=True)
class DownloadedNetwork(FetchedModel, ImageNetwork):
    """Depth Anything V2, as fetched from the hub into ``folder``."""

    def shorter_side(self, device: torch.device) -> int:
        """Return a size that ``device`` has time for."""
        return default_depth_size(device)

    def is_quick(self, device: torch.device) -> bool:
        """A GPU is quick."""
        return device.type != "cpu"

    def _estimator(self, device: torch.device, dtype: torch.dtype) -> Estimator:
        # Here, because transformers takes seconds to import and a cached track does not need it.
        from any2bokeh.depth.depth_anything import load_estimator

        return load_estimator(self.folder, device, dtype)


@dataclass(frozen=True)
class VideoNetwork(FetchedModel):
    """Video Depth Anything, as converted into ``folder``."""

    is_steady = True

    @property
    def revision(self) -> str:
        """The hash of its weights."""
        return converted_revision(self.folder)

    @property
    def is_metric(self) -> bool:
        """Whether it estimates distances."""
        return self.model.name.endswith("-metric")

    def shorter_side(self, device: torch.device) -> int:
        """Return a size that ``device`` has time for."""
        return default_depth_size(device)

    def is_quick(self, device: torch.device) -> bool:
        """Nowhere could frames be left out: it sees all of them."""
        return True

    def seen_size(self, info: VideoInfo, shorter_side: int) -> tuple[int, int]:
        """Return height and width in whole patches."""
        from any2bokeh.depth.video_depth.video_estimator import video_frame_size

        return video_frame_size(info.height, float(info.width * info.pixel_aspect), shorter_side)

    def seconds(self, frames: int, size: tuple[int, int], device: torch.device, dtype: torch.dtype) -> float:
        """Return about how long one shot of so many frames takes, measured on a few of noise."""
        return self._estimator(device, dtype).seconds(frames, size)

    def load(self, size: tuple[int, int], device: torch.device, dtype: torch.dtype) -> Estimates:
        """Return the network, ready for frames of whole patches."""
        return self._estimator(device, dtype)

    def _estimator(self, device: torch.device, dtype: torch.dtype) -> "VideoEstimator":
        from any2bokeh.depth.video_depth.video_estimator import VideoEstimator, load_video_network

        network = load_video_network(self.folder / CONVERTED_FILE, device, dtype)
        batch = 1 if device.type == "cpu" else _GPU_BATCH
        return VideoEstimator(network, is_metric=self.is_metric, batch=batch)


@dataclass(frozen=True)
class ShippedNetwork(ImageNetwork):
    """The compact network, whose weights are part of the package."""

    name: str = "compact"
    is_fallback: bool = False  # nobody asked for it: no other is here
    source: str = "any2bokeh"

    @property
    def revision(self) -> str:
        """A hash of the weights and of the terms added to their output."""
        return compact.revision()

    def shorter_side(self, device: torch.device) -> int:
        """Return the size that suits it: it is quick enough for any device."""
        return compact.SHORTER_SIDE

    def is_quick(self, device: torch.device) -> bool:
        """Everywhere: it takes a CPU hardly longer than following."""
        return True

    def _estimator(self, device: torch.device, dtype: torch.dtype) -> Estimator:
        """On the CPU in float32, since coarser numbers would show as bands."""
        return compact.load_compact(device, torch.float32 if device.type == "cpu" else dtype)


def find_network(settings: DepthSettings, device: torch.device) -> DepthNetwork:
    """Return the network chosen; "auto" is the one that suits ``device`` best of those that are here.

    Raises ``WeightsError`` that names the command to run if the weights of the one asked for are not here.
    """
    if settings.model == "compact":
        return ShippedNetwork()
    catalog = load_catalog()
    if settings.model != "auto":
        return _network(find_model(f"depth-{settings.model}", catalog))
    names = _ON_CPU if device.type == "cpu" else _ON_GPU
    if settings.every not in (None, 1):  # a video network has no keyframes
        names = (*_IMAGE_NETWORKS, *_VIDEO_NETWORKS)
    for name in names:
        if name in catalog and find_network_folder(catalog[name]) is not None:
            return _network(catalog[name])
    return ShippedNetwork(is_fallback=True)


def _network(model: Model) -> DepthNetwork:
    kind = VideoNetwork if model.is_pickle else DownloadedNetwork
    return kind(model, network_folder(model))


def video_network_shapes(name: str) -> Shapes:
    """Return the shapes of the weights of the video network called ``name``.

    Raises ``WeightsError`` for a name that is none of theirs.
    """
    from any2bokeh.depth.video_depth.video_network import BASE_DIMS, LARGE_DIMS, SMALL_DIMS, VideoDepthNetwork

    sizes = dict(zip(_VIDEO_NETWORKS, (SMALL_DIMS, BASE_DIMS, LARGE_DIMS, SMALL_DIMS), strict=True))
    if name not in sizes:
        raise WeightsError(f"{name} is none of the networks that can be converted: {', '.join(sizes)}.")
    with torch.device("meta"):
        network = VideoDepthNetwork(sizes[name])
    return {key: list(tensor.shape) for key, tensor in network.state_dict().items()}


def working_size(info: VideoInfo, shorter_side: int) -> tuple[int, int]:
    """Return height and width of the displayed picture, made smaller.

    Non-square pixels become square: networks were trained on such pictures.
    """
    width = float(info.width * info.pixel_aspect)
    scale = shorter_side / min(info.height, width)
    return max(1, round(info.height * scale)), max(1, round(width * scale))

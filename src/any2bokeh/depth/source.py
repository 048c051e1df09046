"""Where a clip's disparity comes from: a given track, the cache, or a network."""

import logging
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from any2bokeh.atomic import partial_file
from any2bokeh.depth.cache import cache_key, find_track, keep_track
from any2bokeh.depth.match import Times, nearest_in_time
from any2bokeh.depth.networks import DepthNetwork, find_network
from any2bokeh.depth.normalize import RawTrack
from any2bokeh.depth.stabilization import TrackStabilizer
from any2bokeh.depth.stream import Pace, RawFrame, raw_disparity
from any2bokeh.depth.track import DisparityTrack, open_track
from any2bokeh.device import choose_depth_dtype
from any2bokeh.errors import VideoError
from any2bokeh.settings.depth_settings import DepthSettings
from any2bokeh.settings.device_settings import DtypeName
from any2bokeh.settings.video_settings import TimeRange
from any2bokeh.video.decode import VideoInfo, open_video
from any2bokeh.video.gray import open_gray, open_gray_writer

log = logging.getLogger(__name__)

_GAP_S = 0.1  # to the frame that shows what moves
_USUAL_RATE = 30
_GPU_BATCH = 8  # frames at once; on the CPU a batch is no quicker than its frames one by one


def _ignore(done: int) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What estimating a clip's disparity comes to: the network, its working frame and the frames."""

    info: VideoInfo
    time_range: TimeRange
    network: DepthNetwork
    size: tuple[int, int]  # h w
    pace: Pace
    use_cache: bool
    device: torch.device
    dtype: torch.dtype

    def cached(self) -> Path | None:
        """Return the track of these frames, or of the whole clip, if the cache has it."""
        if not self.use_cache:
            return None
        return find_track(self.key(TimeRange())) or find_track(self.key(self.time_range))

    def key(self, time_range: TimeRange) -> str:
        """Return what the cache keeps the track of ``time_range`` under, on any device in any precision."""
        facts: dict[str, str | int | bool] = {
            "model": self.network.source,
            "commit": self.network.revision,
            "height": self.size[0],
            "width": self.size[1],
            "every": self.pace.every or "auto",
            "steady": self.pace.steady,
            "single shot": self.pace.single_shot,
            "range": str(time_range),
        }
        return cache_key(self.info.path, facts)


@contextmanager
def disparity_source(
    info: VideoInfo,
    times: list[int],
    settings: DepthSettings,
    time_range: TimeRange,
    device: torch.device,
    dtype: DtypeName,
    on_progress: Callable[[int], None] = _ignore,
) -> Iterator[DisparityTrack]:
    """Give the disparity of the frames at ``times``: the track that ``settings`` name, or an estimate.

    What is estimated is estimated before the block begins, ``on_progress`` being told how many frames
    are done, and kept in the cache for the next run. Raises ``DisparityError`` for a track that does
    not fit the video, ``WeightsError`` if there is no track and the network asked for is not here.
    """
    if settings.track is not None:
        log.info("The disparity of %s is the track %s.", info.path, settings.track)
        stabilizer = TrackStabilizer(single_shot=settings.single_shot) if settings.steady else None
        with open_track(settings.track, settings.kind, info, times, stabilizer) as track:
            yield track
        return
    estimate = plan_estimate(info, settings, time_range, device, dtype)
    with _estimated(estimate, on_progress) as path:
        times = _times_within(path, info, times)
        with open_track(path, "disparity", info, times) as track:
            yield track


def estimate_track(
    estimate: Estimate, target: Path, on_progress: Callable[[int], None] = _ignore, *, overwrite: bool = False
) -> None:
    """Write the estimated disparity to ``target``, a track as ``--disparity`` takes it.

    Raises ``RefocusError`` with a sentence for the user.
    """
    with partial_file(target, overwrite=overwrite) as partial, _estimated(estimate, on_progress) as path:
        try:
            shutil.copyfile(path, partial)
        except OSError as error:
            raise VideoError(f"{target} cannot be written: {error.strerror}.") from error


def plan_estimate(
    info: VideoInfo, settings: DepthSettings, time_range: TimeRange, device: torch.device, dtype: DtypeName
) -> Estimate:
    """Return what estimating the disparity of ``info`` comes to; nothing is computed yet.

    Raises ``WeightsError`` that names the way out if the network asked for is not on this machine.
    """
    network = find_network(settings.model)
    return Estimate(
        info=info,
        time_range=time_range,
        network=network,
        size=working_size(info, settings.size or network.shorter_side(device)),
        pace=_choose_pace(info, settings, device, is_quick=network.is_quick(device)),
        use_cache=settings.use_cache,
        device=device,
        dtype=choose_depth_dtype(dtype, device),
    )


def working_size(info: VideoInfo, shorter_side: int) -> tuple[int, int]:
    """Return height and width of the network's frame: that of the displayed picture, made smaller.

    Non-square pixels become square: the network was trained on such pictures.
    """
    width = float(info.width * info.pixel_aspect)
    scale = shorter_side / min(info.height, width)
    return max(1, round(info.height * scale)), max(1, round(width * scale))


def _choose_pace(info: VideoInfo, settings: DepthSettings, device: torch.device, *, is_quick: bool) -> Pace:
    """Where propagation gains next to nothing, all frames are estimated."""
    is_cpu = device.type == "cpu"
    return Pace(
        every=settings.every or (1 if is_quick else None),
        steady=settings.steady is not False,
        single_shot=settings.single_shot,
        batch=1 if is_cpu else _GPU_BATCH,
        gap=max(1, round(_GAP_S * (info.frame_rate or _USUAL_RATE))),
    )


def _times_within(path: Path, info: VideoInfo, times: list[int]) -> list[int]:
    """Those of the video's times that an estimated track has: frames that cannot be decoded are missing."""
    reader = open_gray(path)
    assert reader.times is not None and reader.time_base is not None  # it is a video that we wrote
    partners = nearest_in_time(Times(reader.times, reader.time_base), Times(times, info.time_base))
    return [pts for pts, partner in zip(times, partners, strict=True) if partner >= 0]


@contextmanager
def _estimated(estimate: Estimate, on_progress: Callable[[int], None]) -> Iterator[Path]:
    """Give the file of the estimated track: from the cache, new in the cache, or temporary."""

    def write(path: Path) -> None:
        _write_estimate(estimate, path, on_progress)

    path = estimate.cached()
    log.info(
        "The disparity of %s is estimated by %s: %s.",
        estimate.info.path,
        estimate.network.name,
        estimate.pace if path is None else "the cache has it",
    )
    if path is None and estimate.use_cache:
        path = keep_track(estimate.key(estimate.time_range), write)
    if path is not None:
        yield path
        return
    with TemporaryDirectory(prefix="any2bokeh-") as folder:
        path = Path(folder) / "disparity.mkv"
        write(path)
        yield path


def _write_estimate(estimate: Estimate, target: Path, on_progress: Callable[[int], None]) -> None:
    """Estimate, steady, normalise and write, one frame after the other; the disk holds what lies between."""
    info, (height, width) = estimate.info, estimate.size
    done = estimated = 0
    with RawTrack(target.parent) as raw, closing(_raw_disparity(estimate)) as frames:
        for done, frame in enumerate(frames, start=1):
            raw.add(frame.pts, frame.disparity, new_shot=frame.starts_shot)
            estimated += frame.is_estimated
            on_progress(done)
        log.info("Of %s, %d of %d frames were estimated; shots: %d.", info.path, estimated, done, raw.shots)
        with open_gray_writer(
            target, width, height, info.time_base, info.frame_rate, overwrite=True
        ) as writer:
            for pts, disparity in raw.normalized():
                writer.write(disparity, pts)


def _raw_disparity(estimate: Estimate) -> Generator[RawFrame]:
    estimator = estimate.network.load(estimate.device, estimate.dtype)
    size, device = estimate.size, estimate.device
    with open_video(estimate.info.path, estimate.time_range) as video:
        yield from raw_disparity(
            video,
            lambda pictures, nearby: estimator.estimate(pictures.to(device), size, nearby),
            size,
            estimate.pace,
        )

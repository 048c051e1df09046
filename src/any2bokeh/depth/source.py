"""Where a clip's disparity comes from: a given track, the cache, or a network."""

import logging
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.closeable import Closeable
from any2bokeh.depth.cache import (
    KeptTrack,
    cache_key,
    copy_track,
    drop_track,
    find_track,
    keep_track,
    make_track,
)
from any2bokeh.depth.distances import DepthRange, MetricScale
from any2bokeh.depth.networks import DepthNetwork, ShippedNetwork, find_network, working_size
from any2bokeh.depth.normalize import RawTrack
from any2bokeh.depth.stabilization import TrackStabilizer
from any2bokeh.depth.stream import Pace, RawFrame, raw_disparity
from any2bokeh.depth.track import DisparityTrack, open_track
from any2bokeh.device import choose_depth_dtype
from any2bokeh.errors import DisparityError
from any2bokeh.motion.shots import ReducedFrame
from any2bokeh.progress import OnCount, ignore
from any2bokeh.settings.depth_settings import DepthSettings
from any2bokeh.settings.device_settings import DtypeName
from any2bokeh.settings.video_settings import TimeRange
from any2bokeh.video.clip import Clip
from any2bokeh.video.gray import GrayReader, open_gray_writer
from any2bokeh.video.span import ALL_FRAMES, Span

log = logging.getLogger(__name__)

_WHOLE = TimeRange()


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What estimating a clip's disparity comes to: the network, its working frame and the frames."""

    video: Clip
    network: DepthNetwork
    size: tuple[int, int]  # of the track: h w
    seen_size: tuple[int, int]  # of the frame that the network sees
    pace: Pace
    use_cache: bool
    device: torch.device
    dtype: torch.dtype

    def cached(self) -> KeptTrack | None:
        """Return the track of these frames, or of the whole clip, if the cache has it."""
        if not self.use_cache:
            return None
        return find_track(self.key(_WHOLE)) or find_track(self.key(self.video.time_range))

    def key(self, time_range: TimeRange) -> str:
        """Return the key of the cached track of ``time_range``, on any device in any precision."""
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
        return cache_key(self.video.cached_as, facts | self.video.cached_facts)

    def seconds(self) -> float:
        """Return about how long estimating takes, measured on noise; where frames are left out, at least."""
        frames = self.pace.least_estimated(len(self.video.times))
        return self.network.seconds(frames, self.seen_size, self.device, self.dtype)

    def range_of(self, track: KeptTrack) -> TimeRange:
        """Return which part of the clip a track out of the cache is of."""
        return _WHOLE if track.path.name.startswith(self.key(_WHOLE)) else self.video.time_range


class EstimatedFrames(GrayReader, Closeable):
    """The frames of an estimated track, from the cache or new; a context manager.

    Reading compares every packet with its digest. A track that was damaged since is estimated anew at
    the first frame that tells, and reading goes on from there.
    """

    def __init__(self, estimate: Estimate, on_progress: OnCount = ignore) -> None:
        """Find the track, or estimate it; ``on_progress`` is told how many frames are done."""
        self._estimate = estimate
        self._folder: TemporaryDirectory[str] | None = None
        self._lock = threading.Lock()  # the focus may be looked for in it while it is read
        found = estimate.cached()
        log.info(
            "The disparity of %s is estimated by %s: %s.",
            estimate.video.info.path,
            estimate.network.name,
            estimate.pace if found is None else "the cache has it",
        )
        self._is_new = found is None
        if self._is_new and isinstance(estimate.network, ShippedNetwork) and estimate.network.is_fallback:
            log.warning(
                "The bundled depth network is rough: `bokeh download-weights` fetches better ones, once."
            )
        self._track = found or self._make(estimate.video.time_range, on_progress)
        index = self._track.index
        self.path, self.width, self.height = self._track.path, index.width, index.height
        self.times, self.time_base, self.frame_count = index.times, index.time_base, len(index.times)
        self.note = index.note

    def frames(self, first: int = 0) -> Iterator[tuple[int, Tensor]]:
        """Yield number and picture of every frame from number ``first`` on; see ``GrayReader``."""
        track = self._track
        while True:
            try:
                for number, picture in track.open().frames(first):
                    yield number, picture
                    first = number + 1
            except DisparityError as error:
                track = self._made_anew(track, error)
            else:
                return

    def copy(self, target: Path) -> None:
        """Write the track to ``target``; raises ``OSError``."""
        while not copy_track(track := self._track, target):
            self._made_anew(track, DisparityError(f"{track.path} is damaged."))

    def close(self) -> None:
        """Remove a track that the cache could not keep."""
        if self._folder:
            self._folder.cleanup()

    def _made_anew(self, damaged: KeptTrack, error: DisparityError) -> KeptTrack:
        """The track in place of one that was damaged; raises ``error`` if that was made by this run."""
        with self._lock:
            if self._track is not damaged:  # found by another reader, too
                return self._track
            if self._is_new:
                raise error
            log.warning("%s The cached disparity is unusable and will be estimated again.", error.message)
            time_range = self._estimate.range_of(damaged)
            drop_track(damaged.path)
            self._is_new = True
            self._track = self._make(time_range)
            if self._track.index.times != damaged.index.times:
                raise error
            return self._track

    def _make(self, time_range: TimeRange, on_progress: OnCount = ignore) -> KeptTrack:
        """Estimate a track into the cache, or, where that is not possible, into a temporary folder."""
        estimate = self._estimate

        def write(path: Path) -> None:
            span = ALL_FRAMES if time_range == _WHOLE else estimate.video.span
            write_estimate(estimate, span, path, on_progress)

        kept = keep_track(estimate.key(time_range), write) if estimate.use_cache else None
        if kept:
            return kept
        self._folder = TemporaryDirectory(prefix="any2bokeh-")
        try:
            return make_track(Path(self._folder.name) / "disparity.mkv", write)
        except BaseException:
            self._folder.cleanup()
            raise


def open_given(settings: DepthSettings, video: Clip) -> DisparityTrack:
    """Return the track that ``settings`` name, stabilized if they say so.

    Raises ``DisparityError`` for one that does not fit the video.
    """
    assert settings.track is not None
    log.info("The disparity of %s is the track %s.", video.info.path, settings.track)
    stabilizer = TrackStabilizer(single_shot=settings.single_shot) if settings.steady else None
    return open_track(settings.track, settings.kind, video, stabilizer)


def plan_estimate(video: Clip, settings: DepthSettings, device: torch.device, dtype: DtypeName) -> Estimate:
    """Return what estimating the disparity of a clip comes to; nothing is computed yet.

    Raises ``WeightsError`` that names the way out if the network asked for is not on this machine.
    """
    network, info = find_network(settings, device), video.info
    shorter_side = settings.size or network.shorter_side(device)
    return Estimate(
        video=video,
        network=network,
        size=working_size(info, shorter_side),
        seen_size=network.seen_size(info, shorter_side),
        pace=_choose_pace(settings, network, device),
        use_cache=settings.use_cache,
        device=device,
        dtype=choose_depth_dtype(dtype, device),
    )


def _choose_pace(settings: DepthSettings, network: DepthNetwork, device: torch.device) -> Pace:
    """Where propagation gains next to nothing, all frames are estimated."""
    every = settings.every or (1 if network.is_quick(device) else None)
    if network.is_steady and every != 1:
        log.warning("%s estimates every frame: `every=%d` has no effect.", network.name, every)
        every = 1
    return Pace(
        every=every,
        steady=not network.is_steady if settings.steady is None else settings.steady,
        single_shot=settings.single_shot,
    )


def write_estimate(estimate: Estimate, span: Span, target: Path, on_progress: OnCount = ignore) -> None:
    """Estimate, stabilize, normalize and write a part of the clip, frame by frame; raw values wait on disk.

    A network that sees windows tells of each frame that it saw: its answers come many at once.
    """
    sees_windows = estimate.network.is_steady
    seen = on_progress if sees_windows else ignore
    info, (height, width) = estimate.video.info, estimate.size
    done = estimated = 0
    with RawTrack(target.parent) as raw, closing(_raw_disparity(estimate, span, seen)) as frames:
        for done, frame in enumerate(frames, start=1):
            raw.add(frame.pts, frame.disparity, new_shot=frame.starts_shot)
            estimated += frame.is_estimated
            if not sees_windows:
                on_progress(done)
        log.info("Of %s, %d of %d frames were estimated; shots: %d.", info.path, estimated, done, raw.shots)
        note = _distances_in(raw).to_text() if estimate.network.is_metric else ""
        with open_gray_writer(
            target, width, height, info.time_base, info.frame_rate, note=note, overwrite=True
        ) as writer:
            for pts, disparity in raw.normalized():
                writer.write(disparity, pts)


def _distances_in(raw: RawTrack) -> MetricScale:
    """The depth range of each shot of raw disparity that is 1 / distance."""
    limits = raw.limits()
    ranges = [DepthRange.of_inverse(low, high) for _, low, high in limits]
    return MetricScale([start for start, _, _ in limits], ranges)


def _raw_disparity(estimate: Estimate, span: Span, on_seen: OnCount) -> Generator[RawFrame]:
    """The raw disparity of each frame; ``on_seen`` is told how many frames the network saw."""
    estimates = estimate.network.load(estimate.seen_size, estimate.device, estimate.dtype)

    def counted(frames: Iterable[ReducedFrame]) -> Iterator[ReducedFrame]:
        for number, frame in enumerate(frames, start=1):
            yield frame
            on_seen(number)

    with estimate.video.shown(span) as frames:
        for frame in raw_disparity(
            frames, lambda frames: estimates(counted(frames)), estimate.seen_size, estimate.pace
        ):
            disparity = frame.disparity
            if disparity.shape[1:] != estimate.size:
                disparity = interpolate(disparity[None], estimate.size, mode="bilinear", antialias=True)[0]
            yield replace(frame, disparity=disparity)

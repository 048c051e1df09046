"""One clip, opened once: its times, disparity, focus and scenes."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import cached_property
from pathlib import Path
from typing import Literal

from torch import Tensor

from any2bokeh.closeable import Closeable
from any2bokeh.depth.source import Estimate, EstimatedFrames, open_given, plan_estimate
from any2bokeh.depth.track import DepthClip, DisparityTrack, open_estimated
from any2bokeh.device import choose_device
from any2bokeh.errors import VideoError
from any2bokeh.focus.depth_of_field import focused_scene
from any2bokeh.focus.focus_track import FocusTrack
from any2bokeh.focus.pull import pull_focus
from any2bokeh.progress import OnCount, OnProgress, Progress, ignore
from any2bokeh.scene import Frame, Scene
from any2bokeh.settings.clip_settings import ClipSettings
from any2bokeh.subject.subject_track import SubjectTrack, measure_subject
from any2bokeh.video.clip import VideoClip
from any2bokeh.video.decode import VideoReader
from any2bokeh.video.span import Span

# A frame with its disparity, and the coverage of a subject held in it.
HeldFrame = tuple[Frame, Tensor, Tensor | None]


class ClipSession(Closeable):
    """A clip that is worked on; a context manager, which closes all that was opened.

    The video is probed and scanned once. Its disparity and its focus are found when they are first asked for,
    in the part of it that ``settings`` name, and ``on_progress`` is told how far that has come.
    """

    def __init__(self, source: Path, settings: ClipSettings, on_progress: OnProgress = ignore) -> None:
        """Raises ``VideoError`` if ``source`` cannot be read, or has no frame in the part asked for."""
        self.settings = settings
        self._on_progress = on_progress
        self._reads = 0
        self._reader: VideoReader | None = None
        with ExitStack() as stack:
            self.video = stack.enter_context(VideoClip(source, settings.time_range))
            self.info, self.times, self.span = self.video.info, self.video.times, self.video.span
            self.device = choose_device(settings.device)
            self._opened = stack.pop_all()

    @property
    def corrupt_packets(self) -> int:
        """How many packets could not be decoded when the frames were last read."""
        return self._reader.corrupt_packets if self._reader else 0

    @cached_property
    def estimate(self) -> Estimate:
        """What estimating the disparity comes to; raises ``WeightsError`` if the network is not here."""
        return plan_estimate(self.video, self.settings.depth, self.device, self.settings.dtype)

    @cached_property
    def estimated(self) -> EstimatedFrames:
        """The estimated disparity at the size of the estimate: out of the cache, or made now."""
        return self._opened.enter_context(EstimatedFrames(self.estimate, self._tell("depth")))

    @cached_property
    def disparity(self) -> DisparityTrack:
        """The disparity of each frame: the track that the settings name, or an estimate."""
        if self.settings.depth.track is None:
            track = open_estimated(self.estimated, self.video)
        else:
            track = open_given(self.settings.depth, self.video)
        return self._opened.enter_context(track)

    @cached_property
    def focus(self) -> FocusTrack:
        """The focal plane and the blur strength of each frame."""
        assert self.settings.focus is not None
        measured = self.subject.measured if self.subject else None
        return pull_focus(self._depth_clip, self.settings.focus, self._tell("focus"), subject=measured)

    @cached_property
    def subject(self) -> SubjectTrack | None:
        """The subject that is held in focus, if one is."""
        focus = self.settings.focus
        if focus is None or focus.focus_mask is None or not focus.holds_subject:
            return None
        subject = measure_subject(focus.focus_mask, self._depth_clip, self._tell("focus"))
        return self._opened.enter_context(subject)

    def scenes(self) -> Generator[Scene]:
        """Give each frame with its disparity and the focus at its time, in order; both are found at once."""
        return self._scenes(self.focus)

    def frames(self) -> Generator[tuple[Frame, Tensor]]:
        """Yield each frame with its disparity, ``1 H W`` at its size, in order; a subject is held in it."""
        with closing(self._held_frames()) as frames:
            for frame, disparity, _ in frames:
                yield frame, disparity

    def stills(self, wanted: Sequence[int]) -> Iterator[HeldFrame]:
        """Yield the frames at some time stamps, ascending, with disparity and the held subject's coverage."""
        disparity = self._disparity_from_start()
        last: int | None = None
        for pts in wanted:
            with self.video.frames(Span(pts, self.span.end)) as video:
                frame = next(iter(video), None)
            if frame is not None and frame.pts != last:  # one that cannot be decoded gives way to the next
                last = frame.pts
                yield frame, *self._held(frame, disparity.at(frame))
        if last is None and wanted:
            raise VideoError(f"{self.info.path} cannot be decoded at the times asked for.")

    def close(self) -> None:
        """Let go of all that was opened."""
        self._opened.close()

    @property
    def _depth_clip(self) -> DepthClip:
        return DepthClip(self.video, self.disparity)

    def _scenes(self, focus: FocusTrack) -> Generator[Scene]:
        with closing(self._held_frames()) as frames:
            for frame, disparity, coverage in frames:
                yield focused_scene(frame, disparity, focus.at(frame.pts), focus.depth_of_field, coverage)

    def _held_frames(self) -> Generator[HeldFrame]:
        disparity = self._disparity_from_start()
        with self.video.frames() as video:
            self._reader = video
            for frame in video:
                yield frame, *self._held(frame, disparity.at(frame))

    def _held(self, frame: Frame, disparity: Tensor) -> tuple[Tensor, Tensor | None]:
        if self.subject is None:
            return disparity, None
        return self.subject.hold(frame, disparity, self.focus.at(frame.pts).focus_disparity)

    def _disparity_from_start(self) -> DisparityTrack:
        """The disparity, which is read in order of time, to be read once more."""
        self._reads += 1
        return self.disparity if self._reads == 1 else self._opened.enter_context(self.disparity.again())

    def _tell(self, stage: Literal["depth", "focus"]) -> OnCount:
        return lambda done: self._on_progress(Progress(stage, done, len(self.times)))

"""One clip, opened once: its times, disparity, focus and scenes."""

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Literal

from torch import Tensor

from any2bokeh.closeable import Closeable
from any2bokeh.depth.distances import DepthRange
from any2bokeh.depth.source import Estimate, EstimatedFrames, open_given, plan_estimate
from any2bokeh.depth.track import DepthClip, DisparityTrack, open_estimated, open_mask
from any2bokeh.device import choose_device, choose_render_dtype
from any2bokeh.errors import VideoError
from any2bokeh.focus.depth_of_field import focused_scene
from any2bokeh.focus.focus_track import FocusTrack
from any2bokeh.focus.lens_track import open_lens_track
from any2bokeh.focus.points import check_points
from any2bokeh.focus.pull import (
    depth_ranges,
    pull_focus,
    smoothed_plane,
    subject_planes,
    subject_shares,
)
from any2bokeh.optics.transfer import shown_frame
from any2bokeh.progress import OnCount, OnProgress, Progress, ignore
from any2bokeh.render.grain.clip_noise import ClipNoise, measure_noise
from any2bokeh.scene import Frame, Scene
from any2bokeh.settings.clip_settings import ClipSettings
from any2bokeh.settings.focus_settings import Point, SubjectSettings
from any2bokeh.subject.click_segmenter import LoadedClickNetwork, load_click_network
from any2bokeh.subject.grown_masks import GrownMasks, GrowthPlan
from any2bokeh.subject.held_subjects import HeldDisparity, HeldSubjects
from any2bokeh.subject.likely_subject import find_likeliest
from any2bokeh.subject.segmentation_networks import find_segmentation
from any2bokeh.subject.subject_track import SubjectTrack, measure_subject
from any2bokeh.video.clip import FrameReader
from any2bokeh.video.decode import NothingShownError
from any2bokeh.video.footage import open_footage
from any2bokeh.video.gray import GrayReader
from any2bokeh.video.span import Span

NOISE_MOMENTS = 6  # at which noise is measured: for each, half of a group of pictures is decoded

log = logging.getLogger(__name__)
news = logging.getLogger("any2bokeh.news")

# A frame with its disparity, and the coverage of a subject held in it.
HeldFrame = tuple[Frame, Tensor, Tensor | None]


class ClipSession(Closeable):
    """A clip that is worked on; a context manager, which closes all that was opened.

    The video is probed and scanned once. Its disparity and its focus are found when they are first asked for,
    in the part of it that ``settings`` name, and ``on_progress`` is told how far that has come.
    """

    def __init__(self, source: Path, settings: ClipSettings, on_progress: OnProgress = ignore) -> None:
        """Raises ``VideoError`` if ``source`` cannot be read, or has no frame in the part asked for.

        Raises ``FocusError`` for a focus on a point outside its picture.
        """
        self.settings = settings
        self.on_progress = on_progress
        self._reads = 0
        self._reader: FrameReader | None = None
        with ExitStack() as stack:
            self.video = stack.enter_context(open_footage(source, settings.input, settings.time_range))
            self.info, self.times, self.span = self.video.info, self.video.times, self.video.span
            if settings.focus:
                check_points(settings.focus, self.video)
                for mask in settings.focus.masks:  # told before minutes go into depth
                    open_mask(mask, self.video).close()
                if settings.focus.focus_track and open_lens_track(settings.focus.focus_track, self.video):
                    settings.check_distances(f"The focus track {settings.focus.focus_track}")
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
            track = open_estimated(self._estimated_frames(), self.video)
        else:
            track = self._given_track()
        return self._opened.enter_context(track)

    @cached_property
    def focus(self) -> FocusTrack:
        """The focal plane and the blur strength of each frame."""
        return self._pull_focus()

    def _pull_focus(self) -> FocusTrack:
        assert self.settings.focus is not None
        return pull_focus(
            self._depth_clip, self.settings.focus, self._tell("focus"), subjects=self._subject_planes
        )

    @cached_property
    def masks(self) -> tuple[Path, ...]:
        """The files that show subjects: those that are named, or masks grown from points.

        Masks are grown now, unless the cache has them; raises ``WeightsError`` if the network is not here.
        """
        growths = self.plan_growths()
        if growths:
            return self._grow(growths)
        return self.settings.focus.masks if self.settings.focus else ()

    def plan_growths(self) -> list[GrowthPlan]:
        """Return what growing the masks of all subjects comes to; nothing where no thing is pointed at."""
        focus = self.settings.focus
        if focus is None or focus.masks or focus.pointed is None:
            return []
        pointed = focus.pointed
        # Where the focus goes from one to the other, each has a mask of its own.
        alone = [replace(pointed, points=(point,)) for point in pointed.points]
        return [self.plan_growth(one) for one in (alone if focus.pulls_between_subjects else [pointed])]

    def plan_growth(self, pointed: SubjectSettings) -> GrowthPlan:
        """Return what growing masks from points comes to; raises ``WeightsError`` as ``masks`` do."""
        if pointed.is_automatic:
            pointed = replace(pointed, points=(self._likeliest,))
        # A subject that is asked for is worth waiting for.
        focus = self.settings.focus
        patient = focus is None or focus.follow is None
        segmentation = find_segmentation(pointed.subject_network, self.device, patient=patient)
        return GrowthPlan(
            video=self.video,
            subject=pointed,
            segmentation=segmentation,
            device=self.device,
            dtype=choose_render_dtype(self.settings.dtype, self.device),
            use_cache=self.settings.depth.use_cache,
        )

    @cached_property
    def click_network(self) -> LoadedClickNetwork:
        """The bundled network that finds a subject, whichever one follows it."""
        return load_click_network(self.device, choose_render_dtype(self.settings.dtype, self.device))

    @cached_property
    def _likeliest(self) -> Point:
        """A point on the subject that the clip most likely has; raises ``FocusError`` if it has none."""
        point, count = find_likeliest(self.video, self.click_network)
        news.info(
            "The subject of %s is taken to be the thing at %s@f%s, the likeliest of %d:"
            " `points=X,Y@TIME` chooses another.",
            self.info.path,
            point,
            point.at.frame if point.at else 0,
            count,
        )
        return point

    @cached_property
    def subject(self) -> HeldSubjects | None:
        """The subjects that are held, if there are any."""
        focus = self.settings.focus
        if focus is None or not self._subject_tracks:
            return None
        count = len(self._subject_tracks)
        own_planes = self._subject_planes if focus.pulls_between_subjects else ()
        shares = subject_shares(self.video, focus, count)
        return self._opened.enter_context(HeldSubjects(self._subject_tracks, own_planes, shares))

    @cached_property
    def _subject_tracks(self) -> list[SubjectTrack]:
        """Each subject as it was measured, unless its relief is to be kept."""
        if self.settings.focus is None or self.settings.focus.subject_depth:
            return []
        return [self._measure(mask, number) for number, mask in enumerate(self.masks, start=1)]

    @cached_property
    def _subject_planes(self) -> list[Callable[[int], float]]:
        """The disparity of each subject over time; empty where it is not needed or nothing shows them."""
        focus = self.settings.focus
        if focus is None or isinstance(focus.focus_disparity, float | int) or not self.masks:
            return []
        if self._subject_tracks:
            return [smoothed_plane(self._depth_clip, one.measured, focus) for one in self._subject_tracks]
        return subject_planes(self._depth_clip, focus, self.masks, self._tell("focus"))

    def depth_range_at(self, pts: int) -> DepthRange | None:
        """Return the distances that disparity 1 and 0 stand for at a time, if they are known."""
        assert self.settings.focus is not None
        ranges = depth_ranges(self._depth_clip, self.settings.focus)
        return ranges(pts) if ranges else None

    def scenes(self, span: Span | None = None) -> Generator[Scene]:
        """Give each frame with its disparity and the focus at its time, in order; both are found at once.

        They are those of the part that is worked on, or of a ``span`` inside of it: the same scenes.
        """
        return self._scenes(self.focus, span)

    def frames(self) -> Generator[tuple[Frame, Tensor]]:
        """Yield each frame with its disparity, ``1 H W`` at its size, in order; a subject is held in it."""
        with closing(self._held_frames()) as frames:
            for frame, held in frames:
                yield frame, held.disparity

    def stills(self, wanted: Sequence[int]) -> Iterator[HeldFrame]:
        """Yield the frames at some time stamps, ascending, with disparity and the held subject's coverage.

        They are as a screen shows them, in sRGB where the clip holds light beyond white.
        """
        disparity = self._disparity_from_start()
        last: int | None = None
        for pts in wanted:
            frame = None
            with suppress(NothingShownError), self.video.frames(Span(pts, self.span.end)) as video:
                frame = next(iter(video), None)
            if frame is not None and frame.pts != last:  # one that cannot be decoded gives way to the next
                last, shown = frame.pts, self._shown(frame)
                held = self._held(shown, disparity.at(shown))
                yield shown, held.disparity, held.coverage
        if last is None and wanted:
            raise VideoError(f"{self.info.path} cannot be decoded at the requested times.")

    def close(self) -> None:
        """Let go of all that was opened."""
        self._opened.close()

    def find_noise(self) -> ClipNoise | None:
        """Return the noise of the clip, by pairs of frames at some moments; ``None`` if nothing tells it."""
        return measure_noise(self._pairs(), self.info.pictures.transfer)

    def _pairs(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield a frame and the next one, at moments spread over the clip."""
        times = self.video.all_times  # of the whole clip, so that each part of it has the same grain
        count = min(NOISE_MOMENTS, max(len(times) // 2, 1))
        for moment in range(count):
            place = (2 * moment + 1) * len(times) // (2 * count)
            first = times[max(min(place, len(times) - 2), 0)]
            with suppress(NothingShownError), self.video.frames(Span(first)) as frames:
                pair = [frame.picture for frame in islice(frames, 2)]
                if pair:
                    yield pair[0], pair[1] if len(pair) == 2 else None

    # Found once for the whole clip: a clip that many processes share finds these elsewhere.

    def _estimated_frames(self) -> GrayReader:
        return self.estimated

    def _given_track(self) -> DisparityTrack:
        return open_given(self.settings.depth, self.video)

    def _grow(self, plans: Sequence[GrowthPlan]) -> tuple[Path, ...]:
        return self._opened.enter_context(GrownMasks(plans, self._tell("subject"))).paths

    def _measure(self, mask: Path, number: int) -> SubjectTrack:
        return measure_subject(mask, self._depth_clip, self._tell("focus"))

    @property
    def _depth_clip(self) -> DepthClip:
        return DepthClip(self.video, self.disparity)

    def _scenes(self, focus: FocusTrack, span: Span | None) -> Generator[Scene]:
        with closing(self._held_frames(span)) as frames:
            for frame, held in frames:
                here = focus.at(frame.pts)
                scene = focused_scene(frame, held.disparity, here, focus.depth_of_field, held.coverage)
                unshaped = None if scene.disparity is held.disparity else held.disparity
                yield replace(scene, matte=held.matte, unshaped=unshaped)

    def _held_frames(self, span: Span | None = None) -> Generator[tuple[Frame, HeldDisparity]]:
        disparity = self._disparity_from_start()
        # Stabilization goes on from the frames before: those are read as well.
        read = self.span if disparity.looks_back else span
        with self.video.frames(read) as video:
            self._reader = video
            for frame in video:
                shown = self._shown(frame)
                if span is None or frame.pts in span:
                    yield frame, self._held(shown, disparity.at(shown))
                elif span.end is not None and frame.pts >= span.end:
                    return
                else:
                    disparity.at_own_size(shown)

    def _shown(self, frame: Frame) -> Frame:
        return shown_frame(frame, self.info.pictures.transfer)

    def _held(self, frame: Frame, disparity: Tensor) -> HeldDisparity:
        if self.subject is None:
            return HeldDisparity(disparity)
        return self.subject.hold(frame, disparity, self.focus.at(frame.pts).focus_disparity)

    def _disparity_from_start(self) -> DisparityTrack:
        """The disparity, which is read in order of time, to be read once more."""
        self._reads += 1
        return self.disparity if self._reads == 1 else self._opened.enter_context(self.disparity.again())

    def _tell(self, stage: Literal["depth", "subject", "focus"]) -> OnCount:
        return lambda done: self.on_progress(Progress(stage, done, len(self.times)))

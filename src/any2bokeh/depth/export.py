"""The disparity of a clip as a file: a track for ``--disparity``, or colours for looking."""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from any2bokeh.depth.colormap import colorize
from any2bokeh.depth.source import disparity_source, estimate_track, plan_estimate
from any2bokeh.device import choose_device
from any2bokeh.progress import Progress, ignore
from any2bokeh.scene import Frame
from any2bokeh.settings.depth_settings import TrackSettings
from any2bokeh.settings.video_settings import EncodeSettings
from any2bokeh.video.color import ColorTags
from any2bokeh.video.decode import VideoInfo, frame_times, open_video, probe_video
from any2bokeh.video.encode import open_writer
from any2bokeh.video.gray import open_gray_writer
from any2bokeh.video.png import write_png

OnProgress = Callable[[Progress], None]


def write_track(
    source: Path,
    target: Path,
    settings: TrackSettings,
    on_progress: OnProgress = ignore,
    *,
    overwrite: bool = False,
) -> None:
    """Write the disparity of ``source`` as a track: FFV1 in Matroska with the video's time stamps.

    An estimated track has the size at which it was estimated, a converted one that of the frames.
    Raises ``RefocusError`` with a sentence for the user.
    """
    info = probe_video(source)
    if settings.depth.track is None:
        frame_count = len(frame_times(source, settings.time_range))
        device = choose_device(settings.device)
        estimate_track(
            plan_estimate(info, settings.depth, settings.time_range, device, settings.dtype),
            target,
            lambda done: on_progress(Progress("depth", done, frame_count)),
            overwrite=overwrite,
        )
        return
    with (
        open_gray_writer(
            target, info.width, info.height, info.time_base, info.frame_rate, overwrite=overwrite
        ) as writer,
        closing(_frames(info, settings, on_progress)) as frames,
    ):
        for frame, disparity in frames:
            writer.write(disparity, frame.pts)


def write_colors(
    source: Path,
    target: Path,
    settings: TrackSettings,
    on_progress: OnProgress = ignore,
    *,
    overwrite: bool = False,
) -> None:
    """Write the disparity of ``source`` in colours, near is bright: a video, or a PNG of the first frame.

    Raises ``RefocusError`` with a sentence for the user.
    """
    info = probe_video(source)
    if target.suffix.lower() == ".png":
        with closing(_frames(info, settings, on_progress)) as frames:
            _, disparity = next(frames)
        write_png(target, colorize(disparity), overwrite=overwrite)
        return
    # The colours are those of a plain screen, whatever the source's.
    like = replace(info, color=ColorTags(), hdr10=None)
    encode = EncodeSettings(audio=False)
    with (
        open_writer(target, like, encode, settings.time_range, overwrite=overwrite) as writer,
        closing(_frames(info, settings, on_progress)) as frames,
    ):
        for frame, disparity in frames:
            writer.write(Frame(picture=colorize(disparity), pts=frame.pts))


def _frames(
    info: VideoInfo, settings: TrackSettings, on_progress: OnProgress
) -> Generator[tuple[Frame, Tensor]]:
    """Each frame with its disparity, ``1 H W`` at its size."""
    times = frame_times(info.path, settings.time_range)
    with (
        disparity_source(
            info,
            times,
            settings.depth,
            settings.time_range,
            choose_device(settings.device),
            settings.dtype,
            lambda done: on_progress(Progress("depth", done, len(times))),
        ) as disparity,
        open_video(info.path, settings.time_range) as video,
    ):
        for done, frame in enumerate(video, start=1):
            yield frame, disparity.at(frame)
            on_progress(Progress("render", done, len(times)))

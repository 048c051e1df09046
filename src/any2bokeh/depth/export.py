"""The disparity of a clip as a file: a track for ``--disparity``, or colors for looking."""

from bisect import bisect_left, bisect_right
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from any2bokeh.atomic import partial_file
from any2bokeh.depth.colormap import colorize
from any2bokeh.depth.distances import MetricScale
from any2bokeh.depth.source import EstimatedFrames
from any2bokeh.errors import VideoError
from any2bokeh.progress import OnCount, ignore
from any2bokeh.scene import Frame
from any2bokeh.settings.video_settings import EncodeSettings
from any2bokeh.video.captions import BesidePictures
from any2bokeh.video.clip import Clip
from any2bokeh.video.color import ColorTags
from any2bokeh.video.encode import open_writer
from any2bokeh.video.frame_names import PICTURE_SUFFIXES
from any2bokeh.video.gray import open_gray_writer
from any2bokeh.video.gray_pictures import open_gray_pictures
from any2bokeh.video.opening import VideoInfo
from any2bokeh.video.png import write_png
from any2bokeh.video.span import Span

# Frames with their disparity, ``1 H W`` at their size; the writers close them.
DepthFrames = Generator[tuple[Frame, Tensor]]


def write_estimated(
    target: Path, estimated: EstimatedFrames, video: Clip, *, overwrite: bool = False
) -> None:
    """Write the estimate of a clip as a track of the estimate's size, of the part that is worked on alone.

    Raises ``VideoError`` if it cannot be written.
    """
    wanted = _numbers_in(estimated, video)
    if target.suffix.lower() in PICTURE_SUFFIXES:
        size, times = (estimated.width, estimated.height), list(estimated.times or [])
        shown = [times[number] for number in wanted]
        with open_gray_pictures(target, size, video.info, shown, overwrite=overwrite) as writer:
            for number, disparity in estimated.frames():
                if number in wanted:
                    writer.write(disparity, times[number])
        return
    if len(wanted) < estimated.frame_count:
        _write_part(target, estimated, wanted, video, overwrite=overwrite)
        return
    with partial_file(target, overwrite=overwrite) as partial:
        try:
            estimated.copy(partial)
        except OSError as error:
            raise VideoError(f"{target} cannot be written: {error.strerror}.") from error


def _numbers_in(estimated: EstimatedFrames, video: Clip) -> range:
    """The numbers of the frames of an estimate, which may be of the whole clip, that are in the part."""
    assert estimated.times is not None and estimated.time_base is not None
    ticks = video.info.time_base / estimated.time_base
    first, last = video.times[0] * ticks, video.times[-1] * ticks
    # The track's times are rounded.
    return range(bisect_left(estimated.times, first - 1), bisect_right(estimated.times, last + 1))


def _write_part(
    target: Path, estimated: EstimatedFrames, numbers: range, video: Clip, *, overwrite: bool
) -> None:
    assert estimated.times is not None and estimated.time_base is not None
    size = estimated.width, estimated.height
    rate = video.info.frame_rate
    with open_gray_writer(target, *size, estimated.time_base, rate, overwrite=overwrite) as writer:
        for number, disparity in estimated.frames(numbers.start):
            if number not in numbers:
                break
            writer.write(disparity, estimated.times[number])


def write_given(
    target: Path,
    clip: Clip,
    frames: DepthFrames,
    on_frame: OnCount = ignore,
    *,
    scale: MetricScale | None = None,
    overwrite: bool = False,
) -> None:
    """Write disparity as a track of the frames' size: numbered pictures, or FFV1 in Matroska.

    It has the clip's numbers or time stamps. ``scale`` holds its distances, as far as they are known. Raises
    ``VideoError`` if it cannot be written.
    """
    note, info = scale.to_text() if scale else "", clip.info
    with (
        open_gray_pictures(target, (info.width, info.height), info, clip.times, overwrite=overwrite)
        if target.suffix.lower() in PICTURE_SUFFIXES
        else open_gray_writer(
            target,
            info.width,
            info.height,
            info.time_base,
            info.frame_rate,
            note=note,
            overwrite=overwrite,
        ) as writer,
        closing(frames),
    ):
        for done, (frame, disparity) in enumerate(frames, start=1):
            writer.write(disparity, frame.pts)
            on_frame(done)


def write_colors(
    target: Path,
    info: VideoInfo,
    span: Span,
    beside: BesidePictures,
    frames: DepthFrames,
    on_frame: OnCount = ignore,
    *,
    overwrite: bool = False,
) -> None:
    """Write disparity in colors, near is bright: a video like ``info``'s, or a PNG of the first frame.

    ``span`` is the part that the frames are of, ``beside`` what it has beside its pictures, of which captions
    are left out. Raises ``VideoError`` if it cannot be written.
    """
    if target.suffix.lower() == ".png":
        with closing(frames):
            _, disparity = next(frames)
        write_png(target, colorize(disparity), overwrite=overwrite)
        return
    # The colors are those of a plain screen, whatever the source's.
    like = replace(info, color=ColorTags(), curve="srgb", hdr10=None)
    with (
        open_writer(
            target,
            like,
            EncodeSettings(audio=False),
            span,
            BesidePictures(beside.ending),
            overwrite=overwrite,
        ) as writer,
        closing(frames),
    ):
        for done, (frame, disparity) in enumerate(frames, start=1):
            writer.write(Frame(picture=colorize(disparity), pts=frame.pts))
            on_frame(done)

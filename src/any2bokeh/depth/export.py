"""The disparity of a clip as a file: a track for ``--disparity``, or colors for looking."""

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
from any2bokeh.video.color import ColorTags
from any2bokeh.video.decode import VideoInfo
from any2bokeh.video.encode import open_writer
from any2bokeh.video.gray import open_gray_writer
from any2bokeh.video.png import write_png
from any2bokeh.video.span import Ending, Span

# Frames with their disparity, ``1 H W`` at their size; the writers close them.
DepthFrames = Generator[tuple[Frame, Tensor]]


def write_estimated(target: Path, estimated: EstimatedFrames, *, overwrite: bool = False) -> None:
    """Write an estimate as a track of its own size; raises ``VideoError`` if it cannot be written."""
    with partial_file(target, overwrite=overwrite) as partial:
        try:
            estimated.copy(partial)
        except OSError as error:
            raise VideoError(f"{target} cannot be written: {error.strerror}.") from error


def write_given(
    target: Path,
    info: VideoInfo,
    frames: DepthFrames,
    on_frame: OnCount = ignore,
    *,
    scale: MetricScale | None = None,
    overwrite: bool = False,
) -> None:
    """Write disparity as a track of the frames' size: FFV1 in Matroska with the video's time stamps.

    ``scale`` is what is known of its distances. Raises ``VideoError`` if it cannot be written.
    """
    note = scale.to_text() if scale else ""
    with (
        open_gray_writer(
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
    ending: Ending | None,
    frames: DepthFrames,
    on_frame: OnCount = ignore,
    *,
    overwrite: bool = False,
) -> None:
    """Write disparity in colors, near is bright: a video like ``info``'s, or a PNG of the first frame.

    ``span`` is the part that the frames are of, ``ending`` its last one. Raises ``VideoError`` if it cannot
    be written.
    """
    if target.suffix.lower() == ".png":
        with closing(frames):
            _, disparity = next(frames)
        write_png(target, colorize(disparity), overwrite=overwrite)
        return
    # The colors are those of a plain screen, whatever the source's.
    like = replace(info, color=ColorTags(), hdr10=None)
    with (
        open_writer(target, like, EncodeSettings(audio=False), span, ending, overwrite=overwrite) as writer,
        closing(frames),
    ):
        for done, (frame, disparity) in enumerate(frames, start=1):
            writer.write(Frame(picture=colorize(disparity), pts=frame.pts))
            on_frame(done)

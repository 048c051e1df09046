"""Opening a clip, whatever it is, and writing its result as the name of that asks for."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from any2bokeh.errors import SettingsError, VideoError
from any2bokeh.settings.video_settings import EncodeSettings, InputSettings, TimeRange
from any2bokeh.video.clip import Clip, VideoClip
from any2bokeh.video.containers import container_of
from any2bokeh.video.encode import VideoWriter, open_writer
from any2bokeh.video.encoders import choose_encoder
from any2bokeh.video.frame_names import PICTURE_SUFFIXES, is_pictures
from any2bokeh.video.pipes import STANDARD, is_stream
from any2bokeh.video.sequence_clip import SequenceClip
from any2bokeh.video.sequence_writer import ExistingFrames, open_sequence_writer
from any2bokeh.video.span import WHOLE_VIDEO
from any2bokeh.video.streams import SUFFIXES, open_stream_writer

log = logging.getLogger(__name__)


def open_footage(
    path: Path, settings: InputSettings | None = None, time_range: TimeRange = WHOLE_VIDEO
) -> Clip:
    """Return the clip at ``path``: a video, or pictures.

    Raises ``VideoError`` if it cannot be read, or has no frame in the range.
    """
    settings = settings or InputSettings()
    if is_stream(path) and not path.is_file():
        raise VideoError(
            f"{path} is a pipe, which can be read only once.", hint="`bokeh refocus` keeps what it holds."
        )
    if is_pictures(path):
        if settings.code_range:
            raise VideoError(f"{path} holds pictures: `code_range` is of videos.")
        return SequenceClip(path, settings, time_range)
    if settings.frames:
        raise VideoError(
            f"{path} is no sequence of pictures, which alone has numbered `frames`.",
            hint="`start` and `end` take frames of a video, f120.",
        )
    return VideoClip(path, time_range, settings)


@contextmanager
def open_result(
    target: Path,
    clip: Clip,
    settings: EncodeSettings,
    *,
    existing: ExistingFrames,
) -> Iterator[VideoWriter]:
    """Write the frames of a clip as the name says: to a video, a sequence, or a single picture.

    A video appears under its name when the block ends well; of a sequence, each picture appears when it is
    complete. Raises ``VideoError`` before the block starts if it cannot be written there.
    """
    if settings.aovs and target.suffix.lower() != ".exr":
        raise SettingsError(f"`aovs` are layers of an EXR, which {target} is not.")
    if target == STANDARD:
        with open_stream_writer(clip.info, settings, clip.span, clip.beside_pictures) as writer:
            yield writer
        return
    if target.suffix.lower() in PICTURE_SUFFIXES:
        with open_sequence_writer(target, clip, settings, existing) as writer:
            yield writer
        return
    with open_writer(
        target, clip.info, settings, clip.span, clip.beside_pictures, overwrite=existing.overwrite
    ) as writer:
        yield writer


def describe_result(target: Path, clip: Clip, settings: EncodeSettings) -> str:
    """Return what writes the result, in words; raises ``VideoError`` if nothing can."""
    if target == STANDARD and settings.output_format == "y4m":
        return "y4m to stdout"
    if target.suffix.lower() in PICTURE_SUFFIXES:
        return f"pictures, {target.suffix.lower()[1:]}"
    name = Path(f"stdout{SUFFIXES['matroska']}") if target == STANDARD else target
    encoder = choose_encoder(clip.info, settings, container_of(name))
    return f"{encoder.name} {encoder.pixel_format}"

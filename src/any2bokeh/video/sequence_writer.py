"""Frames into numbered pictures, or a single one, each of which appears when it is complete."""

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from any2bokeh.atomic import DISK_FULL, check_target, partial_file
from any2bokeh.errors import VideoError
from any2bokeh.optics.log_curves import LOG_CURVES
from any2bokeh.scene import Frame, Transfer
from any2bokeh.settings.color_settings import DISPLAY_REFERRED
from any2bokeh.settings.values import frame_ranges
from any2bokeh.settings.video_settings import EncodeSettings
from any2bokeh.video.clip import Clip
from any2bokeh.video.encode import VideoWriter, asked_transfer, finishing
from any2bokeh.video.frame_names import numbered_name
from any2bokeh.video.mux import StoppedError
from any2bokeh.video.opening import VideoInfo
from any2bokeh.video.pictures.picture_files import EXR, PictureKind, converted, picture_kind
from any2bokeh.video.pictures.stored_picture import StoredPicture, blank_picture
from any2bokeh.video.sequence_clip import SequenceClip, SequenceInfo

log = logging.getLogger(__name__)
news = logging.getLogger("any2bokeh.news")  # no warning, but shown


@dataclass(frozen=True, kw_only=True)
class ExistingFrames:
    """What becomes of pictures that are there already.

    They are replaced with ``overwrite``, and kept with ``keep``. With neither, they are kept where a run of
    the same ``run_key`` was stopped, which then goes on, and else are an error.
    """

    overwrite: bool = False
    keep: bool = False
    run_key: str = ""


class PictureSink:
    """Takes frames and writes each to its file; used by one thread at a time, in the place of a ``Muxer``.

    ``like`` gives the picture, by time, whose kind of values, transparency and metadata the result has. The
    file ``mark`` goes when the sequence is complete.
    """

    def __init__(
        self,
        paths: dict[int, Path],
        like: Callable[[int], StoredPicture],
        *,
        overwrite: bool,
        mark: Path | None = None,
        compression: str | None = None,
    ) -> None:
        self.stopped = threading.Event()
        self._paths, self._like, self._overwrite, self._mark = paths, like, overwrite, mark
        self._kind, self._compression = picture_kind(next(iter(paths.values()))), compression

    def encode(self, frame: Frame) -> None:
        """Write a frame; raises ``VideoError`` if that is not possible."""
        if self.stopped.is_set():
            raise StoppedError
        path = self._paths[frame.pts]
        picture = self._like(frame.pts).with_picture(frame.picture.numpy())
        layers = {name: layer.cpu().numpy() for name, layer in frame.layers.items()}
        picture = replace(picture, layers=layers, compression=self._compression)
        write_stored(path, self._kind, picture, overwrite=self._overwrite)

    def finish(self) -> None:
        """Note that the sequence is complete."""
        if self._mark:
            self._mark.unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing stays open between frames."""


def write_stored(path: Path, kind: PictureKind, picture: StoredPicture, *, overwrite: bool) -> None:
    """Write a picture, which appears when it is complete; raises ``VideoError``."""
    with partial_file(path, overwrite=overwrite) as partial:
        try:
            kind.write(partial, picture)
        except OSError as error:
            is_full = error.errno in DISK_FULL
            why = "the disk is full" if is_full else (error.strerror or str(error)).lower()
            raise VideoError(f"{path} cannot be written: {why}.") from error


@contextmanager
def open_sequence_writer(
    target: Path, clip: Clip, settings: EncodeSettings, existing: ExistingFrames
) -> Iterator[VideoWriter]:
    """Write the frames of a clip to the pictures that ``target`` names; their folder is made if need be.

    Pictures keep the numbers, the values, the transparency and the metadata of those that they come from.
    A run that was stopped leaves its finished pictures, and a hidden file beside them by which the same run
    goes on with the others. Raises ``VideoError`` before the block starts if pictures are there already.
    """
    like, times = clip.info, clip.times
    mark = unfinished_mark(target, times, existing)
    existing = going_on(target, times, existing)
    paths, there = plan_pictures(target, like, times, settings.start_number, existing)
    if there:
        news.info("%s: %d of %d pictures are there already, and kept.", target, len(there), len(paths))
    kind = picture_kind(target)
    asked = asked_transfer(like, settings, holds_floats=kind.holds_floats)
    _warn(target, like, asked)
    sink = PictureSink(
        paths,
        stored_like(target, clip),
        overwrite=existing.overwrite,
        mark=mark,
        compression=settings.exr_compression,
    )
    if mark and len(there) < len(paths):
        with _sentence(mark):
            mark.touch()
    writer = VideoWriter(sink, like, transfer=written_transfer(like, target, asked), kept=there)
    try:
        with finishing(writer):
            yield writer
    except BaseException:
        if mark and not any(path.exists() for path in paths.values()):
            with suppress(OSError):
                mark.unlink(missing_ok=True)
        raise


def picture_sink(
    paths: dict[int, Path], target: Path, clip: Clip, settings: EncodeSettings
) -> tuple[PictureSink, Transfer]:
    """Return what writes the frames of ``paths`` as ``target`` would have them, and in which curve."""
    compression = settings.exr_compression
    sink = PictureSink(paths, stored_like(target, clip), overwrite=True, compression=compression)
    asked = asked_transfer(clip.info, settings, holds_floats=picture_kind(target).holds_floats)
    return sink, written_transfer(clip.info, target, asked)


def plan_pictures(
    target: Path, like: VideoInfo, times: list[int], start_number: int, existing: ExistingFrames
) -> tuple[dict[int, Path], frozenset[int]]:
    """Return the file of each frame, by its time, and the times of those that are there and kept.

    Makes the folder. Raises ``VideoError`` where pictures are there that are neither kept nor replaced, or
    the result would replace its source.
    """
    name = None if target.exists() else numbered_name(target)
    if name is None and len(times) > 1:
        example = target.with_name(f"{target.stem}.%04d{target.suffix}")
        raise VideoError(
            f"{target} is one picture, and {like.path} has {len(times)} frames.", hint=f"`target={example}`"
        )
    if name is None:
        paths = {pts: target for pts in times}
    elif isinstance(like, SequenceInfo):
        paths = {pts: name.path(pts) for pts in times}
    else:
        first = start_number if name.first is None else name.first
        paths = {pts: name.path(first + place) for place, pts in enumerate(times)}
    with _sentence(target.parent):
        if target.parent.parent.is_dir():
            target.parent.mkdir(exist_ok=True)
    there = frozenset(pts for pts, path in paths.items() if path.exists())
    _check_source(target, paths, like)
    if existing.overwrite:
        there = frozenset()
    elif there and not existing.keep:
        raise _exists(target, paths, there)
    for path in [path for pts, path in paths.items() if pts not in there][:1]:
        check_target(path, overwrite=existing.overwrite)
    return paths, there


def written_transfer(like: VideoInfo, target: Path, asked: Transfer | None = None) -> Transfer:
    """Return the curve of the pictures that are written: the source's, if ``target`` holds its light."""
    kind = picture_kind(target)
    if asked:
        return asked
    source = like.pictures.transfer
    if kind == EXR:
        return (
            source
            if source in LOG_CURVES and isinstance(like, SequenceInfo) and like.has_floats
            else "linear"
        )
    if source in LOG_CURVES:  # its codes fit into whole numbers
        return source
    is_same = isinstance(like, SequenceInfo) and picture_kind(like.files.first) == kind
    is_float = isinstance(like, SequenceInfo) and like.has_floats and kind.holds_floats
    return like.pictures.transfer if is_same or is_float else like.pictures.as_shown.transfer


def stored_like(target: Path, clip: Clip) -> Callable[[int], StoredPicture]:
    """Return, by time, the picture whose values, transparency and metadata those of the result follow."""
    kind, info = picture_kind(target), clip.info
    if not isinstance(clip, SequenceClip):
        bits, is_float = kind.bits_for(info.bit_depth, is_float=False)
        blank = replace(
            blank_picture(info.width, info.height, bits, is_float=is_float), pixel_aspect=info.pixel_aspect
        )
        return lambda pts: blank

    def stored(pts: int) -> StoredPicture:
        picture = clip.stored(pts)
        return picture if picture_kind(clip.info.files.paths[pts]) == kind else converted(picture, kind)

    return stored


def unfinished_mark(target: Path, times: list[int], existing: ExistingFrames) -> Path | None:
    """Return the hidden file that stands beside a sequence until it is complete; ``None`` for one picture."""
    name = None if target.exists() else numbered_name(target)
    return name.folder / f".{name.title}.{_digest(existing, times)}.unfinished" if name else None


def going_on(target: Path, times: list[int], existing: ExistingFrames) -> ExistingFrames:
    """Return the same, with pictures kept where the run that was stopped at ``target`` goes on."""
    mark = unfinished_mark(target, times, existing)
    return replace(existing, keep=True) if mark and mark.exists() and not existing.overwrite else existing


def _check_source(target: Path, paths: dict[int, Path], like: VideoInfo) -> None:
    if isinstance(like, SequenceInfo):
        sources = {path.resolve() for path in like.files.paths.values()}
        if any(path.resolve() in sources for path in paths.values()):
            raise VideoError(f"{target} is the source itself: choose another name.")


def _exists(target: Path, paths: dict[int, Path], there: frozenset[int]) -> VideoError:
    first = next(path for pts, path in paths.items() if pts in there)
    if len(paths) == 1:
        return VideoError(f"{first} exists already.", hint="`overwrite=True` replaces it.")
    return VideoError(
        f"{len(there)} of the {len(paths)} pictures of {target} exist already, {first.name} the first.",
        hint="`overwrite=True` replaces them, `skip_existing=True` makes those that are missing.",
    )


def _digest(existing: ExistingFrames, times: list[int]) -> str:
    text = f"{existing.run_key} {frame_ranges(times, len(times))}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]


@contextmanager
def _sentence(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise VideoError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}.") from error


def _warn(target: Path, like: VideoInfo, asked: Transfer | None) -> None:
    """Say what pictures do not keep of their source."""
    not_kept = [*like.not_kept, *like.immersive.names]
    if like.copies_streams:
        not_kept.insert(0, "sound, subtitles and tags")
    elif picture_kind(target).holds_alpha:
        not_kept = []
    written = written_transfer(like, target, asked)
    if written != like.pictures.transfer and written in DISPLAY_REFERRED:
        not_kept.append("light beyond white")
    if not_kept:
        log.warning("%s does not keep of its source: %s.", target, ", ".join(not_kept))

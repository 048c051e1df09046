"""Which disparity track and which mask belong to which input, where an option names a folder."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from any2bokeh.atomic import is_kept_beside
from any2bokeh.cli.exit_codes import UsageError
from any2bokeh.errors import DisparityError
from any2bokeh.settings.depth_settings import DepthSettings, TrackSettings
from any2bokeh.settings.evaluation_settings import EvaluationSettings
from any2bokeh.settings.preview_settings import PreviewSettings
from any2bokeh.settings.run_settings import Settings
from any2bokeh.video.frame_names import PICTURE_SUFFIXES, clip_title, pictures_in

Chosen = TypeVar("Chosen", Settings, PreviewSettings, EvaluationSettings)

NO_TRACKS = (".refocus", ".preview", ".focus")  # the ends of the stems of other results, which may lie beside


@dataclass(frozen=True)
class _Kind:
    """A kind of track: what it is called, and the option that names it."""

    name: str
    option: str


_DISPARITY, _MASK = _Kind("disparity track", "--disparity"), _Kind("mask", "--focus-mask")


def with_own_tracks(settings: Chosen, source: Path) -> Chosen:
    """The settings with the disparity track and the mask of the one input ``source``.

    A folder of PNGs is a track as it is; one that holds ``<stem>.*`` stands for that. Raises
    ``DisparityError`` for a folder of neither.
    """
    return _with_tracks(settings, lambda tracks, kind: _own_track(tracks, kind, source))


def with_tracks_of_its_own(settings: Chosen, source: Path) -> Chosen:
    """The settings with the tracks of ``source``, one of several inputs, out of folders of tracks.

    Raises ``DisparityError`` unless each folder holds exactly one.
    """
    return _with_tracks(settings, lambda tracks, kind: _track_of_its_own(tracks, kind, source))


def with_own_track(settings: DepthSettings, source: Path) -> DepthSettings:
    """As ``with_own_tracks``, where there is no mask."""
    return replace(settings, track=settings.track and _own_track(settings.track, _DISPARITY, source))


def with_own_masks(settings: TrackSettings, source: Path) -> TrackSettings:
    """As ``with_own_tracks``, for a track to write."""
    masks = settings.focus.masks if settings.focus else ()
    own = tuple(_own_track(mask, _MASK, source) for mask in masks)
    return replace(settings, depth=with_own_track(settings.depth, source), focus_mask=own or None)


def check_folders_of_tracks(settings: Settings | EvaluationSettings) -> None:
    """Raise ``UsageError`` unless several inputs can each have tracks, and a subject, of their own."""
    if settings.focus.subject.points and not settings.focus.subject.is_automatic:
        raise UsageError(
            f"Several inputs cannot share the subject at {settings.focus.subject.points[0]}.",
            hint="--subject auto chooses one in each; or write the mask of each with bokeh mask, and give the"
            " folder of them as --focus-mask.",
        )
    given = [(settings.depth.track, _DISPARITY), *((mask, _MASK) for mask in settings.focus.masks)]
    for tracks, kind in given:
        if tracks is None or tracks.is_dir():
            continue
        if not tracks.exists():
            raise UsageError(f"The folder of {kind.name}s {tracks} does not exist.")
        raise UsageError(
            f"Several inputs cannot share the {kind.name} {tracks}.",
            hint=f"{kind.option} FOLDER takes the file of each input by its stem.",
        )


def _with_tracks(settings: Chosen, find: Callable[[Path, _Kind], Path]) -> Chosen:
    depth, focus = settings.depth, settings.focus
    if depth.track:
        depth = replace(depth, track=find(depth.track, _DISPARITY))
    if focus.masks:
        focus = replace(focus, focus_mask=tuple(find(mask, _MASK) for mask in focus.masks))
    return replace(settings, depth=depth, focus=focus)


def _own_track(tracks: Path, kind: _Kind, source: Path) -> Path:
    if not tracks.is_dir():
        return tracks
    own = _named_like(source, tracks)
    others = [path for path in own if path.suffix.lower() not in PICTURE_SUFFIXES]
    if len(others) == 1:
        return others[0]
    if pictures_in(tracks):
        return tracks
    wanted = f"one {kind.name} named {clip_title(source)[1]}.*"
    raise DisparityError(f"{tracks} must hold a track's pictures, or {wanted}, {_found(own)}.")


def _track_of_its_own(tracks: Path, kind: _Kind, source: Path) -> Path:
    own = _named_like(source, tracks)
    if len(own) != 1:
        raise DisparityError(
            f"{tracks} must hold one {kind.name} named {clip_title(source)[1]}.*, {_found(own)}."
        )
    return own[0]


def _named_like(source: Path, tracks: Path) -> list[Path]:
    _, title = clip_title(source)
    return sorted(
        path
        for path in tracks.iterdir()
        if (path.name == title or path.name.startswith(f"{title}."))
        and not path.stem.endswith(NO_TRACKS)
        and not is_kept_beside(path)
        and path.suffix.lower() != ".html"  # a page of ours
        and path.resolve() != source.resolve()
    )


def _found(paths: list[Path]) -> str:
    return f"found {', '.join(path.name for path in paths) or 'nothing'}"

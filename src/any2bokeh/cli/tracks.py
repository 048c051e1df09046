"""Which disparity track belongs to which input, where ``--disparity`` names a folder."""

from dataclasses import replace
from pathlib import Path

from any2bokeh.cli.errors import UsageError
from any2bokeh.errors import DisparityError
from any2bokeh.settings import DepthSettings

NO_TRACKS = (".refocus", ".preview")  # the ends of the stems of other results of ours, which may lie beside


def with_own_track(settings: DepthSettings, source: Path) -> DepthSettings:
    """The settings with the track of the one input ``source``: a folder of PNGs is one, as it is.

    A folder that holds ``<stem>.*`` stands for that. Raises ``DisparityError`` for a folder of neither.
    """
    tracks = settings.track
    if tracks is None or not tracks.is_dir():
        return settings
    own = _named_like(source, tracks)
    others = [path for path in own if path.suffix.lower() != ".png"]
    if len(others) == 1:
        return replace(settings, track=others[0])
    if any(path.suffix.lower() == ".png" for path in tracks.iterdir()):
        return settings
    raise DisparityError(
        f"{tracks} must hold a track's PNGs, or one disparity track named {source.stem}.*, {_found(own)}."
    )


def with_track_of_its_own(settings: DepthSettings, source: Path) -> DepthSettings:
    """The settings with the track of ``source``, one of several inputs, out of a folder of tracks.

    Raises ``DisparityError`` unless the folder holds exactly one.
    """
    tracks = settings.track
    if tracks is None:
        return settings
    own = _named_like(source, tracks)
    if len(own) != 1:
        raise DisparityError(f"{tracks} must hold one disparity track named {source.stem}.*, {_found(own)}.")
    return replace(settings, track=own[0])


def check_folder_of_tracks(tracks: Path | None) -> None:
    """Raise ``UsageError`` unless several inputs can each have a track of their own."""
    if tracks is None or tracks.is_dir():
        return
    if not tracks.exists():
        raise UsageError(f"The folder of disparity tracks {tracks} does not exist.")
    raise UsageError(
        f"Several inputs cannot share the disparity track {tracks}.",
        hint="--disparity FOLDER takes the file of each input by its stem.",
    )


def _named_like(source: Path, tracks: Path) -> list[Path]:
    return sorted(
        path
        for path in tracks.iterdir()
        if (path.name == source.stem or path.name.startswith(f"{source.stem}."))
        and not path.stem.endswith(NO_TRACKS)
        and path.resolve() != source.resolve()
    )


def _found(paths: list[Path]) -> str:
    return f"found {', '.join(path.name for path in paths) or 'nothing'}"

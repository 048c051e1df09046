"""Which file becomes which: inputs, outputs and tracks of a run, settled before anything starts."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from any2bokeh.cli.errors import UsageError
from any2bokeh.errors import VideoError
from any2bokeh.settings import Settings
from any2bokeh.video.partial import check_target

VIDEO_SUFFIXES = [
    *(".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"),
    *(".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".webm", ".wmv", ".y4m"),
]
OWN_RESULTS = (".refocus", ".disparity")  # the ends of the stems that `refocus` and `depth` give


@dataclass(frozen=True, kw_only=True)
class Job:
    """One clip to refocus; ``folder`` is the output folder asked for, created when it is needed."""

    source: Path
    target: Path
    settings: Settings
    folder: Path | None


def make_jobs(inputs: list[str], output: str | None, settings: Settings) -> list[Job]:
    """One job for each input; a folder stands for the videos in it.

    Raises ``UsageError`` where two results, or a result and a file that is read, would be one file.
    """
    if "" in inputs:
        raise UsageError("The name of an input is empty.")
    paths = [Path(name) for name in inputs]
    sources = [video for path in paths for video in (_videos_in(path) if path.is_dir() else [path])]
    several = len(paths) > 1 or paths[0].is_dir()
    folder = _output_folder(output, several)
    jobs = [
        Job(
            source=source,
            target=Path(output)
            if output and not folder
            else result_path(source, "refocus", _result_suffix(source, settings), folder),
            settings=_with_own_track(settings, source) if several else settings,
            folder=folder,
        )
        for source in sources
    ]
    check_targets(
        [job.target for job in jobs],
        [path for job in jobs for path in (job.source, job.settings.depth.track)],
    )
    return jobs


def result_path(source: Path, what: str, suffix: str, folder: Path | None = None) -> Path:
    """``<stem>.<what><suffix>`` beside ``source`` or in ``folder``."""
    return (folder or source.parent) / f"{source.stem}.{what}{suffix}"


def _result_suffix(source: Path, settings: Settings) -> str:
    """The source's own, or Matroska's, which takes everything, for kinds of file that are only read."""
    from any2bokeh.video.containers import CONTAINERS

    return ".mkv" if settings.encode.lossless or source.suffix.lower() not in CONTAINERS else source.suffix


def make_folder(folder: Path) -> None:
    """Create the folder of a result where only that one level is missing."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise VideoError(
            f"The output folder {folder} cannot be created: {(error.strerror or str(error)).lower()}."
        ) from error


def check_output(job: Job, *, overwrite: bool) -> None:
    """Raise ``VideoError`` if the result of ``job`` may not be written; creates nothing."""
    if job.folder is None or job.folder.exists():
        check_target(job.target, overwrite=overwrite)
    elif not job.folder.parent.is_dir():
        raise VideoError(
            f"The output folder {job.folder} cannot be created: {job.folder.parent} is no folder."
        )


def _videos_in(folder: Path) -> list[Path]:
    videos = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in VIDEO_SUFFIXES
        and not path.name.startswith(".")
        and not path.stem.endswith(OWN_RESULTS)
        and path.is_file()
    )
    if not videos:
        raise VideoError(f"{folder} holds no video.", hint=f"Looked for {' '.join(VIDEO_SUFFIXES)}.")
    return videos


def _output_folder(output: str | None, several: bool) -> Path | None:
    """The folder that ``-o`` names, or ``None`` where it names a file or is not given."""
    if not output:
        return None
    path = Path(output)
    if output.endswith(("/", os.sep)) or path.is_dir():
        return path
    if several and (path.exists() or path.suffix.lower() in VIDEO_SUFFIXES):
        raise UsageError(
            f"Several inputs cannot become the one file {output}.", hint="-o FOLDER/ takes one file for each."
        )
    return path if several else None


def _with_own_track(settings: Settings, source: Path) -> Settings:
    """The settings with the one track of ``source`` out of a folder of tracks."""
    tracks = settings.depth.track
    if tracks is None:
        return settings
    if not tracks.is_dir():
        raise UsageError(
            f"Several inputs cannot share the disparity track {tracks}.",
            hint="--disparity FOLDER takes the file of each input by its stem.",
        )
    own = [
        path
        for path in tracks.iterdir()
        if (path.name == source.stem or path.name.startswith(f"{source.stem}."))
        and not path.stem.endswith(".refocus")
        and path.resolve() != source.resolve()
    ]
    if len(own) != 1:
        found = ", ".join(sorted(path.name for path in own)) or "nothing"
        raise UsageError(f"{tracks} must hold one disparity track named {source.stem}.*, found {found}.")
    return replace(settings, depth=replace(settings.depth, track=own[0]))


def check_targets(targets: list[Path], read: list[Path | None]) -> None:
    """Raise ``UsageError`` if a file to be written is one that is read, or two are one."""
    sources = {_identity(path) for path in read if path}
    written: set[object] = set()
    for target in targets:
        identity = _identity(target)
        if identity in sources:
            raise UsageError(f"The result {target} would replace a file that is read.")
        if identity in written:
            raise UsageError(f"Two results cannot be written to the one file {target}.")
        written.add(identity)


def _identity(path: Path) -> object:
    """What two names of one file have in common, hard links included."""
    if path.exists():
        status = path.stat()
        return status.st_dev, status.st_ino
    return path.resolve()

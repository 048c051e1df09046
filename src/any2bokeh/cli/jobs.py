"""Which file becomes which: inputs, outputs and tracks of a run, settled before anything starts."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from any2bokeh.atomic import KEPT_MARK, check_target, is_kept_beside
from any2bokeh.cli.exit_codes import UsageError
from any2bokeh.cli.talk import is_quiet, say
from any2bokeh.cli.tracks import check_folders_of_tracks, with_own_tracks, with_tracks_of_its_own
from any2bokeh.errors import RefocusError, VideoError
from any2bokeh.paths import exists, is_folder
from any2bokeh.settings.focus_settings import FOCUS_TRACK_SUFFIXES
from any2bokeh.settings.run_settings import Settings
from any2bokeh.video.frame_names import (
    PICTURE_SUFFIXES,
    clip_title,
    export_targets,
    is_pictures,
    pictures_in,
    sequence_name,
    sequences_of,
    with_title,
)
from any2bokeh.video.pipes import is_stream

VIDEO_SUFFIXES = [
    *(".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"),
    *(".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".webm", ".wmv", ".y4m"),
]
# The ends of the stems of files beside a video: those that `refocus` and `depth` make of it, and its mask.
BESIDE = {
    **dict.fromkeys((".refocus", ".disparity", ".coc", ".focus-matte"), "a result"),
    ".mask": "the mask",
}


@dataclass(frozen=True, kw_only=True)
class Job:
    """One clip to refocus; ``folder`` is the output folder asked for, created when it is needed.

    ``problem`` is an obstacle known beforehand: it fails this clip alone.
    """

    source: Path
    target: Path
    settings: Settings
    folder: Path | None
    problem: RefocusError | None = None

    def check(self) -> None:
        """Raise ``RefocusError`` if there is a problem; defects of the input itself come first."""
        if self.problem is None:
            return
        if not is_folder(self.source) and not is_pictures(self.source):
            from any2bokeh.video.decode import probe_video

            probe_video(self.source)
        raise self.problem

    @property
    def exports(self) -> tuple[Path, ...]:
        """The files beside the result; raises ``SettingsError`` where it is on stdout."""
        return export_targets(self.target, self.settings.encode.exports)

    @property
    def results(self) -> list[Path]:
        """All files that the job writes."""
        return [path for path in (self.target, self.settings.save_focus_track, *self.exports) if path]

    @property
    def is_done(self) -> bool:
        """Whether the result is there; only a run can tell that of a sequence of pictures."""
        return exists(self.target) and not is_folder(self.target)


def make_jobs(inputs: list[str], output: str | None, settings: Settings) -> list[Job]:
    """One job for each input; a folder stands for the videos in it, or for its one sequence of pictures.

    Raises ``UsageError`` where two results, or a result and a file that is read, would be one file.
    """
    if "" in inputs:
        raise UsageError("The name of an input is empty.")
    paths = [Path(name) for name in inputs]
    sources = _without_results([source for path in paths for source in _clips_of(path)])
    several = len(paths) > 1 or (is_folder(paths[0]) and not is_pictures(sources[0]))
    folder = _output_folder(output, several=several)
    if several and not all(is_folder(source) for source in sources):
        check_folders_of_tracks(settings)
    own_tracks = with_tracks_of_its_own if several else with_own_tracks
    save = _focus_target(settings.save_focus_track, several=several)

    def make(source: Path) -> Job:
        target = Path(output) if output and not folder else _own_target(source, settings, folder)
        job = Job(source=source, target=target, settings=settings, folder=folder)
        _ = job.exports  # where that is not possible, no clip is
        try:
            if is_folder(source) and not is_pictures(source):
                raise _no_video(source)
            return replace(job, settings=own_tracks(replace(settings, save_focus_track=save(source)), source))
        except RefocusError as problem:
            return replace(job, problem=problem)

    jobs = [make(source) for source in sources]
    possible = [job for job in jobs if not job.problem]
    check_targets(
        [path for job in possible for path in job.results],
        [path for job in possible for path in _read_for(job)],
    )
    return jobs


@contextmanager
def read_streams(inputs: list[str], output: str | None, settings: Settings) -> Iterator[list[str]]:
    """Give the inputs with a temporary file in the place of a stream, which is read to its end."""
    # ./- is a file, which Path would call - as well.
    if not any(name == "-" or (Path(name).name != "-" and is_stream(Path(name))) for name in inputs):
        yield inputs
        return
    if len(inputs) > 1:
        raise UsageError("A stream must be the only input.")
    if output is None:
        raise UsageError("The result of a stream needs a name.", hint="-o OUT, or -o - for stdout.")
    from any2bokeh.video.streams import kept_stream

    with kept_stream(Path(inputs[0]), settings.input.input_format) as kept:
        yield [str(kept)]


def _read_for(job: Job) -> list[Path | None]:
    """All files that a job reads."""
    focus = job.settings.focus
    return [job.source, job.settings.depth.track, *focus.masks, focus.focus_track]


def _focus_target(wanted: Path | None, *, several: bool) -> Callable[[Path], Path | None]:
    """Where the focus of each input is saved: the file asked for, or <stem>.focus.csv in a folder."""
    if wanted is None:
        return lambda source: None
    if wanted.is_dir() or not wanted.suffix:
        return lambda source: result_path(source, "focus", ".csv", wanted)
    if wanted.suffix.lower() not in FOCUS_TRACK_SUFFIXES:
        raise UsageError(f"The name of a focus track must end in .csv or .json, got {wanted}.")
    if several:
        raise UsageError(
            f"Several inputs cannot share the focus track {wanted}.",
            hint="--save-focus-track FOLDER writes one for each.",
        )
    return lambda source: wanted


def result_path(source: Path, what: str, suffix: str, folder: Path | None = None) -> Path:
    """``<stem>.<what><suffix>`` beside ``source`` or in ``folder``."""
    beside, title = clip_title(source)
    return (folder or beside) / f"{title}.{what}{suffix}"


def _own_target(source: Path, settings: Settings, folder: Path | None) -> Path:
    """The result's name where none is asked for; that of a sequence is a pattern, in a folder of its own."""
    name = sequence_name(source)
    if name is None or settings.encode.lossless:
        return result_path(source, "refocus", _result_suffix(source, settings), folder)
    beside, title = clip_title(source)
    result = f"{title}{KEPT_MARK}"
    return Path(str(with_title(name, folder or beside / result, result)))


def _result_suffix(source: Path, settings: Settings) -> str:
    """The source's own, or Matroska's, which takes everything, for kinds of file that are only read."""
    from any2bokeh.video.containers import CONTAINERS

    is_kept = source.suffix.lower() in (*CONTAINERS, *PICTURE_SUFFIXES)
    return source.suffix if is_kept and not settings.encode.lossless else ".mkv"


def make_folder(folder: Path) -> None:
    """Create the folder of a result where only that one level is missing."""
    try:
        folder.mkdir(exist_ok=True)
    except FileExistsError as error:
        raise VideoError(f"{folder} is a file, not a folder for results.") from error
    except OSError as error:
        raise VideoError(
            f"The output folder {folder} cannot be created: {(error.strerror or str(error)).lower()}."
        ) from error


def check_output(job: Job, *, overwrite: bool) -> None:
    """Raise ``VideoError`` if the result of ``job`` may not be written; creates nothing."""
    if str(job.target) == "-":
        return
    if job.folder is None or job.folder.exists():
        for path in (job.target, *job.exports):
            if path.suffix.lower() not in PICTURE_SUFFIXES or path.exists():
                check_target(path, overwrite=overwrite)
        if (focus := job.settings.save_focus_track) and focus.parent.is_dir():
            check_target(focus, overwrite=overwrite)
    elif not job.folder.parent.is_dir():
        raise VideoError(
            f"The output folder {job.folder} cannot be created: {job.folder.parent} is no folder."
        )


def _clips_of(path: Path) -> list[Path]:
    """The videos of a folder, else the folder for its sequence, else its pictures; a file as it is."""
    if not is_folder(path):
        return [path]
    videos = sorted(
        video
        for video in path.iterdir()
        if video.suffix.lower() in VIDEO_SUFFIXES
        and not video.name.startswith(".")
        and not video.stem.endswith(tuple(BESIDE))
        and not is_kept_beside(video)
        and video.is_file()
    )
    if videos:
        return videos
    pictures = pictures_in(path)
    return [path] if sequences_of(pictures) or not pictures else pictures


def _without_results(sources: list[Path]) -> list[Path]:
    """All but those that are results of others of them, which a pattern such as ``*.mp4`` takes in."""
    origins = {source.parent / source.stem: source for source in sources}
    kept = []
    for source in sources:
        what = Path(source.stem).suffix
        is_what = "a result" if is_kept_beside(source) else BESIDE.get(what)
        origin = origins.get(source.parent / source.stem.removesuffix(what))
        if is_what is None or origin is None:
            kept.append(source)
        elif not is_quiet():
            say(f"{source} is left out: it is {is_what} of {origin}.")
    return kept


def _no_video(folder: Path) -> VideoError:
    looked_for = " ".join([*VIDEO_SUFFIXES, *PICTURE_SUFFIXES])
    return VideoError(f"{folder} holds no video.", hint=f"Looked for {looked_for}.")


def _output_folder(output: str | None, *, several: bool) -> Path | None:
    """The folder that ``-o`` names, or ``None`` where it names a file or is not given."""
    if not output or output == "-":
        if output and several:
            raise UsageError("Several inputs cannot become the one video on stdout.")
        return None
    path = Path(output)
    if output.endswith(("/", os.sep)) or is_folder(path):
        return path
    if not several and not path.suffix and not exists(path):
        raise UsageError(
            f"{output} is not a folder, and has no suffix of a video.",
            hint=f"-o {output}/ creates the folder, -o {output}.mkv the file.",
        )
    if several and (exists(path) or path.suffix.lower() in (*VIDEO_SUFFIXES, *PICTURE_SUFFIXES)):
        raise UsageError(
            f"Several inputs cannot be written to one file, {output}.",
            hint="-o FOLDER/ writes one file for each.",
        )
    return path if several else None


def check_targets(targets: list[Path], read: list[Path | None]) -> None:
    """Raise ``UsageError`` if a file to be written is one that is read, or two are one."""
    sources = {_identity(path) for path in read if path}
    written: set[object] = set()
    for target in targets:
        identity = _identity(target)
        if identity in sources:
            raise UsageError(
                f"The result would replace its own input {target}.", hint="-o names another file."
            )
        if identity in written:
            raise UsageError(f"Two results cannot be written to one file, {target}.")
        written.add(identity)


def _identity(path: Path) -> object:
    """What two names of one file have in common, hard links included."""
    if exists(path):
        status = path.stat()
        return status.st_dev, status.st_ino
    return os.path.realpath(path)

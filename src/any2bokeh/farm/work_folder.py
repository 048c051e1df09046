"""The work folder of one clip: its run, and the parts that are done.

work.json             the source, the settings, the version, the machine: what the parts belong to
plan.json             the parts
tracks/               made once: shots, disparity, masks, subjects, focus
parts/                finished frames, and the record of each part
attempts/             how often each part was begun
"""

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from any2bokeh.documents import parse_json
from any2bokeh.errors import RefocusError, WorkError, shown
from any2bokeh.farm.parts import Part
from any2bokeh.farm.turns import made_once
from any2bokeh.paths import is_folder
from any2bokeh.settings.run_settings import Settings
from any2bokeh.settings.stored_settings import from_document, to_document
from any2bokeh.video.frame_names import pictures_in, sequence_name

FORMAT = 2  # of a work folder, to be raised when another version could not go on with it
SAMPLES, SAMPLE_BYTES = 16, 1 << 20

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Work:
    """The work on one clip, and where its parts wait; ``belongs_to`` tells it from all other work.

    ``target`` is the result that was named when the work began, ``shards`` how many there are.
    """

    folder: Path
    source: Path
    target: Path
    settings: Settings
    shards: int
    belongs_to: dict[str, Any]

    @property
    def tracks(self) -> Path:
        """The folder of tracks that are made once."""
        return self.folder / "tracks"

    @property
    def parts_folder(self) -> Path:
        """The folder of finished frames."""
        return self.folder / "parts"

    @cached_property
    def parts(self) -> list[Part]:
        """All parts, in order; raises ``WorkError`` where nobody has planned them."""
        document = _read(self.folder / "plan.json")
        return [Part(number, *numbers) for number, numbers in enumerate(document["parts"])]

    def begin(self, part: Part) -> int:
        """Note that a part is begun, and return how often that has happened."""
        path = self.folder / "attempts" / part.name
        path.parent.mkdir(exist_ok=True)
        with path.open("ab") as file:
            file.write(b".")
        return path.stat().st_size


def claim(work: Work) -> None:
    """Make the work folder, or check that it belongs to this work; raises ``WorkError`` if it does not."""
    path = work.folder / "work.json"
    if not path.exists():
        _make_folder(work, path)
    found = _read(path)["belongs_to"]
    for name in sorted({*found, *work.belongs_to}, key=str):
        theirs, ours = found.get(name), work.belongs_to.get(name)
        if theirs != ours:
            raise WorkError(
                f"The work folder {work.folder} belongs to another run: its {name} is {_told(theirs)},"
                f" here it is {_told(ours)}.",
                hint="Give the same options and source as then, or another work folder.",
            )


def _make_folder(work: Work, path: Path) -> None:
    if work.folder.exists() and any(work.folder.iterdir()) and not work.tracks.exists():
        raise WorkError(
            f"{work.folder} is not empty, and no work folder.", hint="`work` names a folder of its own."
        )
    try:
        work.tracks.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkError(f"The work folder {work.folder} cannot be made: {error.strerror}.") from error
    document = {
        "belongs_to": work.belongs_to,
        "source": str(work.source.absolute()),
        "target": str(work.target.absolute()),
        "settings": to_document(work.settings),
        "shards": work.shards,
    }

    def write(target: Path) -> None:
        target.write_text(json.dumps(document, indent=2), encoding="utf-8")

    made_once(path, write, "the work folder")


def read_work(folder: Path) -> Work:
    """Return the work that a folder holds; raises ``WorkError`` if it holds none."""
    path = folder / "work.json"
    document = _read(path)
    try:
        return Work(
            folder=folder,
            source=Path(document["source"]),
            target=Path(document["target"]),
            settings=from_document(Settings, document["settings"]),
            shards=document["shards"],
            belongs_to=document["belongs_to"],
        )
    except (KeyError, TypeError, RefocusError) as error:
        raise WorkError(f"{path} is not of a work folder of this version: {error}.") from error


def work_folders(folder: Path) -> list[Path]:
    """Return the work folders of clips in a folder, or the folder where it is one itself."""
    if (folder / "work.json").exists():
        return [folder]
    found = sorted(path.parent for path in folder.glob("*/work.json")) if is_folder(folder) else []
    if not found:
        raise WorkError(
            f"{folder} is no work folder.", hint="`bokeh plan IN` prints the commands that make one."
        )
    return found


def folder_name(source: Path) -> str:
    """Return the name of a clip's folder inside a work folder: that of the clip."""
    name = sequence_name(source)
    if name is None or is_folder(source):
        return source.resolve().name
    return f"{name.title}{Path(name.after).suffix}"


def fingerprint(path: Path) -> str:
    """Return a digest that tells a file, or the pictures of a sequence or folder, from all others.

    Sizes and times of change count, and samples of the content: a film is not read from end to end.
    """
    digest = hashlib.sha256()
    files = list(_files(path))
    for file in files:
        stat = file.stat()
        digest.update(f"{file.name} {stat.st_size} {int(stat.st_mtime)}\n".encode("utf-8", "surrogateescape"))
    sampled = files[:: max(1, len(files) // SAMPLES)]
    for file in sampled:
        pieces = max(1, SAMPLES // len(sampled))
        with file.open("rb") as content:
            size = file.stat().st_size
            for piece in range(pieces):
                content.seek(max(0, size - SAMPLE_BYTES) * piece // max(1, pieces - 1))
                digest.update(content.read(SAMPLE_BYTES))
    return digest.hexdigest()[:32]


def _files(path: Path) -> Iterator[Path]:
    name = sequence_name(path)
    if name is not None:
        files = pictures_in(name.folder)
        yield from (file for file in files if path.is_dir() or name.number_of(file) is not None)
    elif path.is_dir():
        yield from sorted(file for file in path.iterdir() if file.is_file())
    else:
        yield path


def flat(document: Any, name: str = "") -> dict[str, Any]:
    """Return the values of a document by the path to each: ``setting focus.blur_strength``."""
    if not isinstance(document, dict):
        return {name: document}
    found: dict[str, Any] = {}
    for key, value in document.items():
        found |= flat(value, f"{name}.{key}" if name else key)
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        document = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WorkError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if not isinstance(document, dict):
        raise WorkError(f"{path} is not of a work folder of this version.")
    return document


def _told(value: object) -> str:
    return "not said" if value is None else shown(value)

"""Numbered pictures by their names: patterns, the files that they mean, and the sequences in a folder."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from any2bokeh.atomic import KEPT_MARK
from any2bokeh.errors import SettingsError, VideoError
from any2bokeh.paths import exists, is_folder
from any2bokeh.settings.values import MOST_FRAMES, frame_ranges
from any2bokeh.settings.video_settings import Export, InputSettings

PICTURE_SUFFIXES = (".exr", ".png", ".tif", ".tiff", ".jpg", ".jpeg", ".dpx")
FLOAT_SUFFIXES = (".exr", ".tif", ".tiff")  # of those that hold floats
LISTED = 8  # ranges or sequences that a message names

MOST_DIGITS = 18  # of a number: a time stamp cannot count further

_PRINTF, _HASHES = re.compile(r"%(?:0(\d{1,2}))?d"), re.compile(r"#+")
_RANGE = re.compile(r"\[(\d{1,18})-(\d{1,18})\]")
# The last number of the stem; a dash before it parts it from the name, and is no minus.
_NUMBERED = re.compile(r"(.*?)(\d{1,18})(\D*)", re.DOTALL | re.ASCII)
_SEPARATORS = "._- "


@dataclass(frozen=True)
class NumberedName:
    """The names of a sequence's pictures: ``before``, a number of at least so many digits, and ``after``.

    ``first`` and ``last`` are the numbers of a name that says them: ``shot.[1001-1100].exr``.
    """

    folder: Path
    before: str
    digits: int
    after: str
    first: int | None = None
    last: int | None = None

    def __str__(self) -> str:
        return str(self.folder / f"{self.before}%0{self.digits}d{self.after}")

    @property
    def title(self) -> str:
        """The name without number and ending; that of the folder where nothing is left."""
        return self.before.rstrip(_SEPARATORS) or self.folder.resolve().name or "sequence"

    def path(self, number: int) -> Path:
        """Return the file of a number."""
        return self.folder / f"{self.before}{number:0{self.digits}d}{self.after}"

    def number_of(self, path: Path) -> int | None:
        """Return the number in a name of this sequence, or ``None`` for another name."""
        name = path.name
        if not (name.startswith(self.before) and name.endswith(self.after)):
            return None
        digits = name[len(self.before) : len(name) - len(self.after)]
        is_number = digits.isascii() and digits.isdigit() and len(digits) <= MOST_DIGITS
        return int(digits) if is_number and name == self.path(int(digits)).name else None


@dataclass(frozen=True)
class FrameFiles:
    """The pictures of a clip, by number, ascending; ``name`` is ``None`` for a single picture."""

    name: NumberedName | None
    paths: dict[int, Path]

    @property
    def numbers(self) -> list[int]:
        """The numbers of the frames."""
        return list(self.paths)

    @property
    def first(self) -> Path:
        """The file of the first frame."""
        return next(iter(self.paths.values()))


def numbered_name(path: Path) -> NumberedName | None:
    """Return the pattern that ``path`` is, with ``%04d``, ``####`` or ``[1001-1100]``; else ``None``."""
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        return None
    found = [match for one in (_PRINTF, _HASHES, _RANGE) for match in one.finditer(path.name)]
    if not found:
        return None
    match = found[-1]
    before, after = path.name[: match.start()], path.name[match.end() :]
    if match.re is _RANGE:
        return NumberedName(path.parent, before, len(match[1]), after, int(match[1]), int(match[2]))
    digits = len(match[0]) if match.re is _HASHES else int(match[1] or 1)
    return NumberedName(path.parent, before, digits, after)


def is_pictures(path: Path) -> bool:
    """Whether ``path`` is a picture, a numbered sequence of them, or a folder that holds pictures."""
    if is_folder(path):
        return any(pictures_in(path))
    return path.suffix.lower() in PICTURE_SUFFIXES


def clip_title(path: Path) -> tuple[Path, str]:
    """Return the folder beside which results of ``path`` stand, and what the clip is called there."""
    if is_folder(path):
        return path.parent, path.resolve().name if path.name in ("", "..") else path.name
    name = None if exists(path) else numbered_name(path)
    return (name.folder, name.title) if name else (path.parent, path.stem)


def sequence_name(path: Path) -> NumberedName | None:
    """Return the name of a pattern, or of the one sequence in a folder; ``None`` for other paths."""
    if is_folder(path):
        found = sequences_of(pictures_in(path))
        return found[0] if len(found) == 1 else None
    return None if exists(path) else numbered_name(path)


def pictures_in(folder: Path) -> list[Path]:
    """Return the pictures of a folder, sorted by name."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def sequences_of(pictures: Iterable[Path]) -> list[NumberedName]:
    """Return the sequences that pictures of one folder are numbered as."""
    groups: dict[tuple[Path, str, str], list[str]] = defaultdict(list)
    for path in pictures:
        if found := _NUMBERED.fullmatch(path.stem):
            groups[path.parent, found[1], found[3] + path.suffix].append(found[2])
    return [
        NumberedName(folder, before, min(map(len, digits)), after)
        for (folder, before, after), digits in groups.items()
    ]


def find_frames(path: Path, settings: InputSettings) -> FrameFiles:
    """Return the pictures that a path means: a pattern, a folder of one sequence, or a single picture.

    Raises ``VideoError`` where there are none, a folder holds several sequences, or frames are missing and
    ``settings`` do not say what becomes of them.
    """
    if is_folder(path):
        name = _only_sequence(path)
    elif exists(path) or (pattern := numbered_name(path)) is None:
        return _single(path, settings)
    else:
        name = pattern
    present = {}
    if name.folder.is_dir():
        numbered = ((name.number_of(file), file) for file in pictures_in(name.folder))
        present = {number: file for number, file in numbered if number is not None}
    if not present:
        raise VideoError(f"{path} does not exist: there is no picture of that name.")
    return FrameFiles(name, _wanted(path, dict(sorted(present.items())), name, settings))


def _single(path: Path, settings: InputSettings) -> FrameFiles:
    if not exists(path):
        raise VideoError(f"{path} does not exist.")
    if settings.frames:
        raise VideoError(
            f"{path} is a single picture: `frames` are of a sequence.",
            hint=f"{next(map(str, sequences_of([path])), 'shot.%04d.png')} names a sequence.",
        )
    name = next(iter(sequences_of([path])), None)
    return FrameFiles(None, {(name.number_of(path) or 0) if name else 0: path})


def _only_sequence(folder: Path) -> NumberedName:
    found = sequences_of(pictures_in(folder))
    if len(found) == 1:
        return found[0]
    if not found:
        raise VideoError(f"{folder} holds no numbered pictures.")
    names = [str(name) for name in found[:LISTED]] + ["..."] * (len(found) > LISTED)
    raise VideoError(f"{folder} holds {len(found)} sequences: {', '.join(names)}.", hint="Name one of them.")


def _wanted(
    path: Path, present: dict[int, Path], name: NumberedName, settings: InputSettings
) -> dict[int, Path]:
    """The file of each frame that is asked for; one that is missing is held, left out, or an error."""
    numbers = settings.numbers if settings.frames else _all_numbers(path, present, name, settings)
    missing = [number for number in numbers if number not in present]
    if not missing or settings.missing == "skip":
        files = {number: present[number] for number in numbers if number in present}
        if files:
            return files
    if settings.missing == "error" or not present.keys() & set(numbers):
        what = "frame" if len(missing) == 1 else "frames"
        raise VideoError(
            f"{path} lacks {what} {frame_ranges(missing)}.",
            hint="`missing=hold` repeats the frame before, `missing=skip` leaves them out,"
            " `frames` names those to work on.",
        )
    held = present[next(number for number in numbers if number in present)]
    files = {}
    for number in numbers:
        held = present.get(number, held)
        files[number] = held
    return files


def _all_numbers(
    path: Path, present: dict[int, Path], name: NumberedName, settings: InputSettings
) -> Sequence[int]:
    """The numbers from first to last, those of missing frames among them unless they are skipped."""
    is_said = name.first is not None and name.last is not None
    first, last = (name.first, name.last) if is_said else (min(present), max(present))
    assert first is not None and last is not None
    if settings.missing == "skip" and (there := [one for one in present if first <= one <= last]):
        return there
    if last - first >= MOST_FRAMES:  # dates, perhaps: as a sequence it would be mostly holes
        raise VideoError(
            f"{path} is numbered from {first} to {last}, which is more than {MOST_FRAMES} frames.",
            hint="`missing=skip` takes the pictures that are there.",
        )
    return range(first, last + 1)


def with_title(name: NumberedName, folder: Path, title: str) -> NumberedName:
    """Return the name of a result: the same numbers and ending, in another folder, under another title."""
    ending = Path(f"x{name.after}").suffix
    return replace(name, folder=folder, before=f"{title}.", after=ending, first=None, last=None)


def export_targets(result: Path, exports: Iterable[Export]) -> tuple[Path, ...]:
    """Return the files that ``export_target`` names."""
    return tuple(export_target(result, export) for export in exports)


def export_target(result: Path, export: Export) -> Path:
    """Return the file, or the pattern, of an export beside a result: ``<stem>.<export>.<ext>``.

    Beside a video it is one in Matroska, beside pictures that hold floats one of their kind, else PNG. Where
    a sequence has a folder of its own name, as by default, so has an export. Raises ``SettingsError``
    for a result on stdout.
    """
    if result == Path("-"):
        raise SettingsError("`exports` needs a result in a file: it has no place beside stdout.")
    suffix = result.suffix.lower()
    name = None if exists(result) else numbered_name(result)
    if suffix not in PICTURE_SUFFIXES:
        ending = ".mkv"
    else:
        ending = result.suffix if suffix in FLOAT_SUFFIXES else ".png"
    if name is None:
        return result.with_name(f"{result.stem.removesuffix(KEPT_MARK)}.{export}{ending}")
    title = f"{name.title.removesuffix(KEPT_MARK)}.{export}"
    folder = name.folder.parent / title if name.folder.name == name.title else name.folder
    number = f"%0{name.digits}d"
    if name.first is not None:
        number = f"[{name.first:0{name.digits}d}-{name.last:0{name.digits}d}]"
    return folder / f"{title}.{number}{ending}"

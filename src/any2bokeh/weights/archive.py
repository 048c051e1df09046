"""Where the parts of a published checkpoint lie: in a folder, or in a zip that is not trusted."""

import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from any2bokeh.errors import SettingsError, WeightsError, shown
from any2bokeh.paths import HOME_VARIABLE, checked_name
from any2bokeh.progress import OnCount, ignore
from any2bokeh.weights.checkpoint import CONFIG_FILE, PARTS
from any2bokeh.weights.disk import FACTS_FILE, check_space

# A checkpoint may lie this many folders deep, such as name/checkpoints/unet.
_DEEPEST = 2
_WEIGHTS_STEM = "diffusion_pytorch_model"
_WEIGHTS_SUFFIXES = (".safetensors", ".bin")  # in the order of preference
_TEXT_BYTES = 1 << 20  # more than any config.json has
# Weights hardly compress: deflate makes 10 % of them, and a thousandth of a bomb.
_LARGEST_RATIO = 100


@dataclass(frozen=True, kw_only=True)
class FoundPart:
    """The files of the U-Net or the VAE, and what messages call them."""

    config: Path
    weights: Path
    config_name: str
    weights_name: str


@dataclass(frozen=True, kw_only=True)
class FoundCheckpoint:
    """The files of a published checkpoint, on disk; ``facts`` where it brings a ``bokeh.json``."""

    parts: Mapping[str, FoundPart]
    facts: Path | None


@contextmanager
def open_checkpoint(
    source: Path, work_folder: Path, on_progress: OnCount = ignore
) -> Iterator[FoundCheckpoint]:
    """Find the checkpoint in ``source``, a folder or a zip; the needed members of a zip are unpacked.

    It is unpacked into ``work_folder``, ``on_progress`` being told of every piece, and removed again.
    Raises ``WeightsError`` if a part is not there or is there twice, and for a zip that is damaged,
    encrypted or made to do harm.
    """
    if source.is_dir():
        yield _place(_find(_files(source), source), source, source)
        return
    if not source.exists():
        raise WeightsError(f"{source} does not exist.")
    if not zipfile.is_zipfile(source):
        raise WeightsError(f"{source} is neither a folder nor a zip.", hint="Unpack it and give the folder.")
    unpacked = work_folder / "unpacked"
    try:
        yield _unpack(source, unpacked, on_progress)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """The names of the needed files inside the source."""

    configs: Mapping[str, str]
    weights: Mapping[str, str]
    facts: str | None

    @property
    def names(self) -> list[str]:
        return [*self.configs.values(), *self.weights.values(), *([self.facts] if self.facts else [])]


def _files(folder: Path) -> list[str]:
    """Return the names of the files in a folder, as deep as a checkpoint may lie."""
    patterns = ["*/" * depth + "*" for depth in range(_DEEPEST + 3)]  # up to a/b/unet/unet/config.json
    return [
        path.relative_to(folder).as_posix()
        for pattern in patterns
        for path in folder.glob(pattern)
        if path.is_file()
    ]


def _place(layout: _Layout, root: Path, source: Path) -> FoundCheckpoint:
    parts = {
        part: FoundPart(
            config=root / layout.configs[part],
            weights=root / layout.weights[part],
            config_name=f"{source}/{layout.configs[part]}",
            weights_name=f"{source}/{layout.weights[part]}",
        )
        for part in PARTS
    }
    return FoundCheckpoint(parts=parts, facts=root / layout.facts if layout.facts else None)


def _find(names: Sequence[str], source: Path) -> _Layout:
    """Return where the parts are among the files ``names`` of ``source``."""
    folders = {part: _find_part(part, names, source) for part in PARTS}
    weights = {part: _find_weights(part, folders[part], names, source) for part in PARTS}
    beside = str(folders["vae"].parent / FACTS_FILE)
    return _Layout(
        configs={part: str(folder / CONFIG_FILE) for part, folder in folders.items()},
        weights=weights,
        facts=beside if beside in names else None,
    )


def _find_part(part: str, names: Sequence[str], source: Path) -> PurePosixPath:
    """Return the folder of a part: ``unet`` or, as its training saves it, ``unet/unet``."""
    configs = [PurePosixPath(name) for name in names if PurePosixPath(name).name == CONFIG_FILE]
    found = []
    for folder in (config.parent for config in configs):
        outer = folder.parent if folder.parent.name == part else folder
        if folder.name == part and len(outer.parts) - 1 <= _DEEPEST:
            found.append(folder)
    if not found:
        raise WeightsError(
            f"{source} contains no checkpoint: {part}/{CONFIG_FILE} is missing.",
            hint="It must contain the folders unet (or unet/unet) and vae.",
        )
    if len(found) > 1:
        raise WeightsError(f"{source} contains more than one {part}: {found[0]} and {found[1]}.")
    return found[0]


def _find_weights(part: str, folder: PurePosixPath, names: Sequence[str], source: Path) -> str:
    """Return the weights beside a config: safetensors before a pickle, the plain name before a variant."""
    found = [
        name
        for name in names
        if PurePosixPath(name).parent == folder
        and PurePosixPath(name).name.startswith(_WEIGHTS_STEM)
        and PurePosixPath(name).suffix in _WEIGHTS_SUFFIXES
    ]
    if not found:
        raise WeightsError(
            f"{source} holds no weights of the {part}: there is no"
            f" {folder / _WEIGHTS_STEM}.safetensors or .bin in it."
        )
    return min(found, key=lambda name: (_WEIGHTS_SUFFIXES.index(PurePosixPath(name).suffix), len(name)))


def _unpack(source: Path, folder: Path, on_progress: OnCount) -> FoundCheckpoint:
    """Write the needed members of a zip to ``folder``, after all of them were found harmless."""
    try:
        with zipfile.ZipFile(source) as archive:
            members = {member.filename: member for member in archive.infolist() if not member.is_dir()}
            for member in archive.infolist():
                _check_place(member, source)
            layout = _find(list(members), source)
            needed = [members[name] for name in layout.names]
            for member in needed:
                _check_parts(member, source)
                _check_size(member, is_text=member.filename not in layout.weights.values(), source=source)
            check_space(
                f"Unpacking {source}",
                sum(member.file_size for member in needed),
                folder,
                hint=f"{HOME_VARIABLE}=FOLDER names another place",
            )
            for member in needed:
                target = folder / member.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as content, target.open("wb") as file:
                    while piece := content.read(1 << 20):  # no more than the size it states
                        file.write(piece)
                        on_progress(len(piece))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise WeightsError(f"The zip {source} is damaged or has an unknown format: {error}") from error
    return _place(layout, folder, source)


def _check_place(member: zipfile.ZipInfo, source: Path) -> None:
    """Raise ``WeightsError`` for a member that is a link, or whose name leads out of the folder."""
    name = member.orig_filename  # as it is written; ``filename`` is already tidied up
    outside = name.startswith("/") or "\\" in name or "\0" in name or re.match("[A-Za-z]:", name)
    if outside or ".." in name.split("/"):
        raise WeightsError(f"{source} is refused: its member {shown(name)} leads out of the folder.")
    kind = stat.S_IFMT(member.external_attr >> 16)  # 0 where the zip comes from a system without kinds
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise WeightsError(
            f"{source} is refused: its member {shown(name)} is a link or a device, not a file."
        )


def _check_parts(member: zipfile.ZipInfo, source: Path) -> None:
    """Raise ``WeightsError`` for a member that cannot be written under its name on every platform."""
    try:
        for part in member.filename.split("/"):
            checked_name(part, "A part of its name")
    except SettingsError as error:
        raise WeightsError(f"{source} is refused: its member {shown(member.filename)}: {error}") from error


def _check_size(member: zipfile.ZipInfo, *, is_text: bool, source: Path) -> None:
    """Raise ``WeightsError`` for a member that is encrypted, or too large for what it is."""
    if member.flag_bits & 1:
        raise WeightsError(f"{source} is encrypted.", hint="Unpack it and give the folder.")
    if is_text and member.file_size > _TEXT_BYTES:
        raise WeightsError(
            f"{source} is refused: {member.filename} has {member.file_size:,} bytes, too many for text."
        )
    if member.file_size > _LARGEST_RATIO * member.compress_size + _TEXT_BYTES:
        raise WeightsError(
            f"{source} is refused: {member.filename} would grow from {member.compress_size:,} to"
            f" {member.file_size:,} bytes, which weights do not."
        )

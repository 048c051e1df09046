"""Checkpoints on disk: which there are, whether their files are intact, and whether more fits.

``SHA256SUMS`` in a checkpoint is for ``sha256sum -c``. ``bokeh.json`` is not in it: it may be edited.
"""

import hashlib
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open

from any2bokeh.errors import WeightsError, shown
from any2bokeh.paths import checkpoints_folder

FACTS_FILE = "bokeh.json"  # a folder with this file is a checkpoint
MANIFEST_FILE = "SHA256SUMS"


def imported_names() -> list[str]:
    """Return the names of the checkpoints that were imported, whole or damaged."""
    return sorted(path.parent.name for path in checkpoints_folder().glob(f"[!.]*/{FACTS_FILE}"))


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_hash_of(path: Path) -> str:
    """Return the sha1 under which git, and so the hub, knows a small file."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    digest.update(path.read_bytes())
    return digest.hexdigest()


def write_manifest(folder: Path, hashes: Mapping[str, str]) -> None:
    """Write the sha256 of each file, by its path in ``folder``."""
    lines = [f"{sha256}  {path}\n" for path, sha256 in sorted(hashes.items())]
    (folder / MANIFEST_FILE).write_text("".join(lines), encoding="utf-8")


def find_checkpoint_damage(folder: Path, *, thorough: bool) -> str:
    """Return the defect of a checkpoint's files, or an empty text.

    Of weights, the length is compared with what their own table says, and small files are hashed;
    ``thorough`` hashes the weights too, which reads all of them.
    """
    try:
        lines = (folder / MANIFEST_FILE).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return f"there is no {MANIFEST_FILE} to check it against"
    for line in lines:
        match = re.fullmatch(r"([0-9a-f]{64})  ([\w./-]+)", line)
        if match is None:
            return f"{MANIFEST_FILE} has a line that is not a hash and a path: {shown(line)}"
        if damage := _damage_of(folder / match[2], match[1], thorough=thorough):
            return f"{match[2]} {damage}"
    return ""


def _damage_of(path: Path, sha256: str, *, thorough: bool) -> str:
    is_weights = path.suffix == ".safetensors"
    try:
        if is_weights:
            with safe_open(path, framework="pt"):
                pass
        if (thorough or not is_weights) and sha256_of(path) != sha256:
            return "was changed since the import"
    except FileNotFoundError:
        return "is missing"
    except (OSError, SafetensorError) as error:
        return f"cannot be read: {error}"
    return ""


def check_space(what: str, needed_bytes: int, folder: Path, *, hint: str) -> None:
    """Raise ``WeightsError`` if ``folder``, which need not exist yet, has no room for ``what``."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if needed_bytes > free:
        raise WeightsError(
            f"{what} needs {_megabytes(needed_bytes)}, and {existing} has only {_megabytes(free)} free.",
            hint,
        )


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB"

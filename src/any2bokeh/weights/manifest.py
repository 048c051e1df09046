"""The hashes of a checkpoint's files, and whether they still hold.

``SHA256SUMS`` is what ``sha256sum -c`` reads. ``bokeh.json`` is not in it: it may be edited.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open

from any2bokeh.weights.hashes import sha256_of

MANIFEST_FILE = "SHA256SUMS"


def write_manifest(folder: Path, hashes: Mapping[str, str]) -> None:
    """Write the sha256 of each file, by its path in ``folder``."""
    lines = [f"{sha256}  {path}\n" for path, sha256 in sorted(hashes.items())]
    (folder / MANIFEST_FILE).write_text("".join(lines), encoding="utf-8")


def find_damage(folder: Path, *, thorough: bool) -> str:
    """Return what is wrong with the files of a checkpoint, or an empty text.

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
            return f"{MANIFEST_FILE} has a line that is not a hash and a path: {line!r}"
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

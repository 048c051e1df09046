"""Where the program keeps files, and which names files may have."""

import os
import re
import stat
from pathlib import Path

from any2bokeh.errors import SettingsError, shown

CACHE_VARIABLE = "ANY2BOKEH_CACHE"
HOME_VARIABLE = "ANY2BOKEH_HOME"

LONGEST_NAME_BYTES = 200  # file systems take 255; the rest is for suffixes and the marks of temporary files
# Windows opens a device under these names, whatever ending follows them.
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])", re.IGNORECASE)
_DEVICE_FOLDERS = (Path("/dev"), Path("/dev/fd"), Path("/proc/self/fd"))
_REFUSED = re.compile(r"[/\\:\x00-\x1f\x7f-\x9f]")


def cache_root() -> Path:
    """Return the folder of all caches: the one in ``ANY2BOKEH_CACHE``, else the user's cache folder."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser()
    import platformdirs  # here: --help needs no folder

    return platformdirs.user_cache_path("any2bokeh")


def data_root() -> Path:
    """Return the folder of users' files: the one in ``ANY2BOKEH_HOME``, else the user's data folder."""
    if chosen := os.environ.get(HOME_VARIABLE):
        return Path(chosen).expanduser()
    import platformdirs

    return platformdirs.user_data_path("any2bokeh")


def checkpoints_folder() -> Path:
    """Return where imported checkpoints live, a folder for each name."""
    return data_root() / "weights"


def networks_folder() -> Path:
    """Return the folder of networks converted from published files, one folder for each name."""
    return data_root() / "networks"


def private_folder(folder: Path) -> Path:
    """Return ``folder`` after making it, and those above it, if need be; new ones are for their user alone.

    Raises ``OSError`` if it cannot be made.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(exist_ok=True)  # raises where a file bears the name
    return folder


def is_folder(path: Path) -> bool:
    """Whether there is a folder of this name, whatever the name is."""
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name that is too long, or holds a null
        return False


def exists(path: Path) -> bool:
    """Whether there is something of this name, which is no broken link, whatever the name is."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def holds_no_file(path: Path) -> bool:
    """Whether a path is a pipe, a socket or a device, whose place a file cannot take."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or path.parent in _DEVICE_FOLDERS


def checked_name(name: object, what: str) -> str:
    """Return ``name`` if a file or folder can bear it on every platform, inside the folder it is put into.

    Every name from a file, an option or another program that becomes part of a path goes through here.
    ``what`` it is called in messages ("The name of the clip"). Raises ``SettingsError`` for anything but
    one part of a path: empty, ``.`` or ``..``, separators, a drive, control characters, a dot or a space at
    an end, a device of Windows, more than ``LONGEST_NAME_BYTES``.
    """
    if problem := _problem(name):
        raise SettingsError(f"{what} cannot be {shown(name)}: {problem}.")
    return str(name)


def _problem(name: object) -> str:
    """Why ``name`` cannot be the name of a file; empty where it can."""
    if not isinstance(name, str):
        return "it is not text"
    if not name:
        return "it is empty"
    if refused := _REFUSED.search(name):
        return f"a file name cannot contain {refused[0]!r}"
    # Windows drops dots and spaces at the end; hidden files are those that are being written.
    if name[0] in ". " or name[-1] in ". ":
        return "a file name cannot begin or end with a dot or a space"
    if _DEVICES.fullmatch(name.split(".")[0].rstrip()):
        return "it names a device on Windows"
    try:
        length = len(name.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    if length > LONGEST_NAME_BYTES:
        return f"it takes {length} bytes, and a file name at most {LONGEST_NAME_BYTES}"
    return ""

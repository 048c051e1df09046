"""Room on the disk, asked for before it is needed."""

import errno
import shutil
from pathlib import Path

from any2bokeh.errors import WeightsError

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # what writing fails with when there is none left


def check_space(what: str, needed_bytes: int, folder: Path, *, hint: str) -> None:
    """Raise ``WeightsError`` if ``folder``, which need not exist yet, has no room for ``what``."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if needed_bytes > free:
        raise WeightsError(
            f"{what} needs {_megabytes(needed_bytes)}, and {existing} has only {_megabytes(free)} left.",
            hint,
        )


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB"

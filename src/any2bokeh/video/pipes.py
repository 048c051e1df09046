"""Names that stand for streams, of which nothing can be read twice."""

import stat
from pathlib import Path

STANDARD = Path("-")  # stdin, or stdout


def is_stream(path: Path) -> bool:
    """Whether a path is stdin (``-``), a pipe, a socket or a terminal."""
    if path == STANDARD:
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)

"""Names that stand for streams, of which nothing can be read twice."""

from pathlib import Path

from any2bokeh.paths import holds_no_file

STANDARD = Path("-")  # stdin, or stdout


def is_stream(path: Path) -> bool:
    """Whether a path is stdin (``-``), a pipe, a socket or a terminal."""
    if path == STANDARD:
        return True
    return holds_no_file(path)

"""Files that appear under their name only when they are complete."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from any2bokeh.errors import VideoError


@contextmanager
def partial_file(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a temporary path beside ``target``; rename it to ``target`` when the block ends well.

    On any exception, Ctrl-C included, the temporary file is removed and ``target`` stays as it was.
    Raises ``VideoError`` if ``target`` exists and may not be overwritten, or its folder cannot be written.
    """
    check_target(target, overwrite=overwrite)
    # The suffix stays at the end: FFmpeg chooses the container by it.
    partial = target.with_name(f".{target.stem}.{os.getpid()}.part{target.suffix}")
    try:
        yield partial
        try:
            os.replace(partial, target)
        except OSError as error:
            raise VideoError(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)


def check_target(target: Path, *, overwrite: bool) -> None:
    """Raise ``VideoError`` if a file called ``target`` may not be written."""
    if target.is_dir():
        raise VideoError(f"{target} is a folder, not a file to write.")
    if target.exists() and not overwrite:
        raise VideoError(f"{target} exists already.", hint="--overwrite replaces it.")
    if not target.parent.is_dir():
        raise VideoError(f"{target} cannot be written: the folder {target.parent} does not exist.")
    if not os.access(target.parent, os.W_OK):
        raise VideoError(f"{target} cannot be written: the folder {target.parent} is read-only.")

"""Work that one process does for all: the others wait for it, and find it done."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from any2bokeh.atomic import partial_file

POLL_S = 0.2

news = logging.getLogger("any2bokeh.news")


@contextmanager
def turn(path: Path, what: str) -> Iterator[None]:
    """Hold the lock ``path``, waiting for it; a process loses it however it ends.

    Where the file system knows no locks, nobody waits, and work may be done twice.
    """
    from filelock import FileLock, Timeout  # here: it loads asyncio, and most runs lock nothing

    lock = FileLock(path)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            news.info("Waiting for %s, which another process is making.", what)
            lock.acquire(poll_interval=POLL_S)
    except NotImplementedError:
        yield
        return
    try:
        yield
    finally:
        lock.release()


def made_once(target: Path, make: Callable[[Path], None], what: str) -> Path:
    """Return ``target`` after ``make`` has written it, unless it is there; it appears when it is complete."""
    if not target.exists():
        target.parent.mkdir(exist_ok=True)
        with turn(target.with_name(f"{target.stem}.lock"), what):
            if not target.exists():
                with partial_file(target, overwrite=True) as partial:
                    make(partial)
    return target

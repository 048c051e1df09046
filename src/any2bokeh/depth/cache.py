"""Estimated disparity tracks, kept for the next run."""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from any2bokeh.paths import cache_root, private_folder

MAX_BYTES = 5_000_000_000

_FORMAT = 2  # to be raised whenever the same inputs would give another track
_SUFFIX = ".mkv"
_PARTIAL = "partial-"
_EDGE_BYTES = 1 << 20
_STALE_S = 24 * 3600

_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Return the folder of the cache."""
    return cache_root() / "disparity"


def cache_key(video: Path, facts: Mapping[str, str | int | bool]) -> str:
    """Return the key of the track that ``facts`` (all that decides its values) give for ``video``.

    The video is known by its size, its time of change and its first and last megabyte.
    """
    stat = video.stat()
    digest = hashlib.sha256()
    with video.open("rb") as file:
        digest.update(file.read(_EDGE_BYTES))
        file.seek(max(0, stat.st_size - _EDGE_BYTES))
        digest.update(file.read(_EDGE_BYTES))
    identity = {"format": _FORMAT, "bytes": stat.st_size, "changed_ns": stat.st_mtime_ns}
    text = json.dumps({**facts, **identity, "edges": digest.hexdigest()}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def find_track(key: str) -> Path | None:
    """Return the track kept under ``key``, or ``None``; one that was damaged since is removed.

    The file's name holds the hash of its content. Finding it counts as use.
    """
    for entry in cache_folder().glob(f"{key}.*{_SUFFIX}"):
        try:
            if _content_hash(entry) == entry.suffixes[0][1:]:
                os.utime(entry)
                return entry
        except OSError as error:
            _log.debug("the cached track %s cannot be read: %s", entry, error)
        drop_track(entry)
    return None


def drop_track(entry: Path) -> None:
    """Remove one track, if that is possible."""
    try:
        entry.unlink(missing_ok=True)
    except OSError as error:
        _log.debug("the cached track %s cannot be removed: %s", entry, error)


def keep_track(key: str, write: Callable[[Path], None], max_bytes: int = MAX_BYTES) -> Path | None:
    """Let ``write`` make the track of ``key`` at a path it is given, keep it, and return where it is.

    It appears whole or not at all. The tracks that were not used for longest are removed until all of
    them take no more than ``max_bytes``. Returns ``None``, after one warning and without having called
    ``write``, if the cache cannot be written.
    """
    folder = cache_folder()
    partial = folder / f"{_PARTIAL}{key}.{os.getpid()}{_SUFFIX}"
    try:
        private_folder(folder)
        partial.touch()
    except OSError as error:
        _log.warning(
            "The cache folder %s cannot be written (%s): disparity is not kept for the next run.",
            folder,
            error.strerror,
        )
        return None
    try:
        write(partial)
        entry = folder / f"{key}.{_content_hash(partial)}{_SUFFIX}"
        partial.replace(entry)
    finally:
        partial.unlink(missing_ok=True)
    _shrink(folder, max_bytes, newest=entry)
    return entry


def _content_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def _shrink(folder: Path, max_bytes: int, newest: Path) -> None:
    """Remove what a killed run left behind, then the oldest tracks beyond ``max_bytes``."""
    kept_bytes = newest.stat().st_size
    others = [(path.stat(), path) for path in folder.glob(f"*{_SUFFIX}") if path != newest]
    for stat, path in sorted(others, key=lambda other: other[0].st_mtime_ns, reverse=True):
        if _PARTIAL in path.name:
            if time.time() - stat.st_mtime > _STALE_S:
                drop_track(path)
            continue
        kept_bytes += stat.st_size
        if kept_bytes > max_bytes:
            drop_track(path)

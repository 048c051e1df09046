"""Estimated disparity tracks, kept for the next run.

An entry is two files: the track, whose name holds the hash of its content, and beside it its index. With the
index a track is checked while it is read, and nothing of it before.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from any2bokeh.atomic import is_disk_full
from any2bokeh.errors import VideoError
from any2bokeh.paths import cache_root, private_folder
from any2bokeh.video.indexed_gray import IndexedGrayVideo, PacketIndex, index_gray

MAX_BYTES = 5_000_000_000

_FORMAT = 2  # to be raised whenever the same inputs would give another track
_SUFFIX, _INDEX_SUFFIX = ".mkv", ".index"
_PARTIAL = "partial-"
_HASH_DIGITS = 32
_EDGE_BYTES = 1 << 20
_COPIED_BYTES = 1 << 20  # at once
_STALE_S = 24 * 3600

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeptTrack:
    """A track that is here, and its index; ``content_hash`` is that of its file, if it was kept for long."""

    path: Path
    index: PacketIndex
    content_hash: str | None = None

    def open(self) -> IndexedGrayVideo:
        """Return its reader, which compares every packet with the index."""
        return IndexedGrayVideo(self.path, self.index)


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
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_DIGITS]


def find_track(key: str) -> KeptTrack | None:
    """Return the track kept under ``key``, or ``None``; one that is not whole is removed.

    Its content is not read: reading tells of damage. A track without an index, as of an earlier version, is
    read once and gets one. Finding a track counts as use.
    """
    for entry in cache_folder().glob(f"{key}.*{_SUFFIX}"):
        try:
            index, content_hash = _read_index(entry), entry.suffixes[0][1:]
            if index is None and _hash_content(entry) == content_hash:
                index = _write_index(entry)
            if index is not None:
                with suppress(OSError):  # on a read-only disk, or another user's: it is as good
                    os.utime(entry)
                return KeptTrack(entry, index, content_hash)
        except (OSError, VideoError) as error:
            _log.debug("the cached track %s cannot be read: %s", entry, error)
        drop_track(entry)
    return None


def drop_track(entry: Path) -> None:
    """Remove one track with its index, if that is possible."""
    for path in (entry, entry.with_suffix(_INDEX_SUFFIX)):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            _log.debug("the cached file %s cannot be removed: %s", path, error)


def copy_track(track: KeptTrack, target: Path) -> bool:
    """Write the track to ``target`` and say whether it is intact; else it was damaged since it was made.

    Raises ``OSError``.
    """
    digest = hashlib.sha256()
    with track.path.open("rb") as source, target.open("wb") as copy:
        while piece := source.read(_COPIED_BYTES):
            digest.update(piece)
            copy.write(piece)
    return track.content_hash in (None, digest.hexdigest()[:_HASH_DIGITS])


def keep_track(key: str, write: Callable[[Path], None], max_bytes: int = MAX_BYTES) -> KeptTrack | None:
    """Let ``write`` make the track of ``key`` at a path it is given, keep it, and return it.

    It appears whole or not at all. The tracks that were not used for longest are removed until all of
    them take no more than ``max_bytes``. Returns ``None``, after one warning, if the cache cannot be written:
    then ``write`` was not called, or the disk became full meanwhile.
    """
    folder = cache_folder()
    partial = folder / f"{_PARTIAL}{key}.{os.getpid()}{_SUFFIX}"
    try:
        private_folder(folder)
        partial.touch()
    except OSError as error:
        _tell_unwritten(folder, error.strerror)
        return None
    try:
        kept = make_track(partial, write)
        content_hash = _hash_content(partial)
        entry = folder / f"{key}.{content_hash}{_SUFFIX}"
        partial.with_suffix(_INDEX_SUFFIX).replace(entry.with_suffix(_INDEX_SUFFIX))
        partial.replace(entry)
    except (OSError, VideoError) as error:
        if not is_disk_full(error):
            raise
        _tell_unwritten(folder, "the disk is full")
        return None
    finally:
        drop_track(partial)
    _shrink(folder, max_bytes, newest=entry)
    return KeptTrack(entry, kept.index, content_hash)


def _tell_unwritten(folder: Path, reason: str | None) -> None:
    _log.warning(
        "The cache folder %s cannot be written (%s): disparity is not kept for the next run.", folder, reason
    )


def make_track(path: Path, write: Callable[[Path], None]) -> KeptTrack:
    """Let ``write`` make a track at ``path``, and index it."""
    write(path)
    return KeptTrack(path, _write_index(path))


def _hash_content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:_HASH_DIGITS]


def _write_index(entry: Path) -> PacketIndex:
    """Make the index of a track and put it beside it."""
    index = index_gray(entry)
    facts = asdict(index) | {"time_base": str(index.time_base), "bytes": entry.stat().st_size}
    text = json.dumps(facts, separators=(",", ":"))
    partial = entry.with_name(f"{_PARTIAL}{entry.stem}.{os.getpid()}{_INDEX_SUFFIX}")
    try:
        partial.write_text(f"{_text_hash(text)}\n{text}", encoding="ascii")
        partial.replace(entry.with_suffix(_INDEX_SUFFIX))
    finally:
        partial.unlink(missing_ok=True)
    return index


def _read_index(entry: Path) -> PacketIndex | None:
    """The index of a track; ``None`` if there is none, it was damaged, or the track has another size."""
    try:
        stated, _, text = entry.with_suffix(_INDEX_SUFFIX).read_text(encoding="ascii").partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    if stated != _text_hash(text):
        return None
    facts: dict[str, Any] = json.loads(text)
    if facts.pop("bytes") != entry.stat().st_size:
        return None
    return PacketIndex(**facts | {"time_base": Fraction(facts["time_base"])})


def _text_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


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
    for path in folder.glob(f"*{_INDEX_SUFFIX}"):
        is_alone = not path.with_suffix(_SUFFIX).exists()
        if is_alone and time.time() - path.stat().st_mtime > _STALE_S:
            path.unlink(missing_ok=True)

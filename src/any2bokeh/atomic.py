"""Files that appear under their name only when they are complete, and never in the place of another."""

import ctypes
import errno
import hashlib
import os
import platform
import re
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path

from any2bokeh.errors import RefocusError, VideoError
from any2bokeh.paths import holds_no_file, is_folder

KEPT_MARK = ".refocus"  # stands before the number in the name of a result whose own name was taken
_KEPT = re.compile(rf".*{re.escape(KEPT_MARK)}-[0-9]+")

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # errors of writing to a full disk

# Names of files being written: the machine, the process and a random number. They are shorter than most.
_HIDDEN = re.compile(r"\.bokeh-([0-9a-f]{8})-([0-9]+)-[0-9a-f]{12}\.part(\..*)?")
_STALE_S = 24 * 3600  # other machines' are left behind if they are older

LONGEST_NAME_OF_SYSTEMS = 255  # bytes

# AT_FDCWD, RENAME_NOREPLACE and RENAME_EXCHANGE of renameat2(2); RENAME_EXCL and RENAME_SWAP of renamex_np(2)
_LINUX_HERE, _LINUX_NO_REPLACE, _LINUX_EXCHANGE = -100, 1, 2
_MACOS_EXCLUSIVE, _MACOS_SWAP = 4, 2
# The systems' errors where a file system does not know the call: ext3, NFS, FAT, FUSE and others.
_UNSUPPORTED = {
    errno.EINVAL,
    errno.ENOSYS,
    errno.EPERM,
    errno.EACCES,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.EMLINK,
    errno.EXDEV,
}


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or the one that it came from, says that a disk is full."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            return True
        error = error.__cause__
    return False


@contextmanager
def partial_file(
    target: Path, *, overwrite: bool, error_class: type[RefocusError] = VideoError
) -> Iterator[Path]:
    """Give a temporary file beside ``target``; rename it to ``target`` when the block ends well.

    On any exception, Ctrl-C included, the temporary file is removed and ``target`` stays as it was; those of
    killed processes are removed as well. Errors of the block that name the temporary file name ``target``.
    Raises ``error_class`` if ``target`` exists and may not be overwritten, or its folder cannot be written.
    If a file called ``target`` appeared during the block, that one stays, the finished result is kept under
    the name of ``kept_beside``, and the error names it.
    """
    check_target(target, overwrite=overwrite, error_class=error_class)
    remove_left_behind(target.parent)
    # The suffix stays at the end: FFmpeg chooses the container by it.
    partial = _hidden_beside(target, target.suffix)
    try:
        with writes_to(target, error_class):
            _create(partial)
        with _named(partial, target):
            yield partial
        with writes_to(target, error_class):
            if overwrite:
                os.replace(partial, target)
                return
            try:
                rename_to_new(partial, target)
            except FileExistsError:
                kept = _keep_beside(partial, target)
                raise error_class(
                    f"{target} appeared while its result was made, and is not replaced:"
                    f" the result is {kept}.",
                    hint="Use `overwrite=True` to replace it.",
                ) from None
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def partial_folder(
    target: Path, *, overwrite: bool, error_class: type[RefocusError] = VideoError
) -> Iterator[Path]:
    """Give a temporary folder beside ``target``; rename it to ``target`` when the block ends well.

    As with ``partial_file``, nothing is left of it after an exception. Raises ``error_class`` if ``target``
    exists, or appears during the block, and may not be overwritten.
    """
    exists = f"{target} exists already."
    if os.path.lexists(target) and not overwrite:
        raise error_class(exists, hint="Use `overwrite=True` to replace it.")
    partial = _hidden_beside(target)
    partial.mkdir(parents=True)
    remove_left_behind(target.parent)
    try:
        with _named(partial, target):
            yield partial
        if overwrite:
            _replace_folder(partial, target)
            return
        try:
            rename_to_new(partial, target)
        except FileExistsError as error:
            raise error_class(exists, hint="Use `overwrite=True` to replace it.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def folder_beside(target: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``target``, for libraries that write temporary files beside a result.

    It is removed in the end; those of killed processes go as ``partial_file``'s do.
    """
    folder = _hidden_beside(target)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_target(target: Path, *, overwrite: bool, error_class: type[RefocusError] = VideoError) -> None:
    """Raise ``error_class`` if a file called ``target`` may not be written."""
    if is_folder(target):
        raise error_class(f"{target} is a folder, not a file to write.")
    if holds_no_file(target):
        raise error_class(
            f"{target} is a pipe or a device, which a finished file cannot take the place of.",
            hint="`target=-` writes a video to stdout.",
        )
    if len(os.fsencode(target.name)) > LONGEST_NAME_OF_SYSTEMS:
        raise error_class(f"{target} cannot be written: the name is longer than 255 bytes.")
    if os.path.lexists(target) and not overwrite:
        raise error_class(f"{target} exists already.", hint="Use `overwrite=True` to replace it.")
    if not is_folder(target.parent):
        raise error_class(f"{target} cannot be written: the folder {target.parent} does not exist.")
    if not os.access(target.parent, os.W_OK):
        raise error_class(f"{target} cannot be written: the folder {target.parent} is read-only.")


def kept_beside(target: Path) -> Iterator[Path]:
    """Yield the names for a result whose own is taken: ``clip.refocus-2.mp4``, ``clip.refocus-3.mp4``, ..."""
    stem = target.stem.removesuffix(KEPT_MARK)
    return (target.with_name(f"{stem}{KEPT_MARK}-{number}{target.suffix}") for number in count(2))


def is_kept_beside(path: Path) -> bool:
    """Whether a file bears a name of ``kept_beside``."""
    return bool(_KEPT.fullmatch(path.stem))


def rename_to_new(source: Path, target: Path) -> None:
    """Rename a file or a folder, and never replace another; raises ``FileExistsError`` if ``target`` exists.

    Each system has a call for that, which not every file system knows. Where it does not, a hard link takes
    the name, or, where there are none, an empty file or folder that only one program can create.
    """
    for way in (_rename_exclusively, _link_and_unlink):
        try:
            way(source, target)
            return
        except FileExistsError:
            raise
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
    _replace_own_placeholder(source, target)


@contextmanager
def sole_user(folder: Path, busy: Exception, name: str = ".lock") -> Iterator[None]:
    """Hold the lock of ``folder``, a file called ``name`` in it, which a process loses however it ends.

    Raises ``busy`` at once if another process holds it, ``RefocusError`` if the file is a link or a folder.
    """
    from filelock import FileLock, Timeout  # here: it loads asyncio, and most runs lock nothing

    lock = FileLock(folder / name, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:  # which is an OSError
        raise busy from error
    except OSError as error:
        raise RefocusError(f"{folder / name} cannot be written: {error.strerror}.") from error
    try:
        yield
    finally:
        lock.release()


def remove_left_behind(folder: Path) -> None:
    """Remove the temporary files that killed processes left behind in a folder."""
    with suppress(OSError), os.scandir(folder) as entries:
        left = [Path(entry.path) for entry in entries if _HIDDEN.fullmatch(entry.name)]
        for path in filter(_is_left_behind, left):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _create(partial: Path) -> None:
    """Make an empty file of ours; an entry of its name, a link perhaps, is removed and not followed."""
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))


def _keep_beside(partial: Path, target: Path) -> Path:
    for path in kept_beside(target):
        try:
            rename_to_new(partial, path)
        except FileExistsError:
            continue
        return path
    raise AssertionError  # the numbers do not end


def _rename_exclusively(source: Path, target: Path) -> None:
    if sys.platform == "win32":
        os.rename(source, target)  # it never replaces there
        return
    _rename_by_system(source, target, _LINUX_NO_REPLACE, _MACOS_EXCLUSIVE)


def _rename_by_system(source: Path, target: Path, linux: int, macos: int) -> None:
    """The system's rename with a flag; raises ``OSError``, ``_UNSUPPORTED`` ones where it has none."""
    call = _call_of_system(linux, macos)
    if call(os.fsencode(source), os.fsencode(target)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(source), None, str(target))


def _call_of_system(linux: int, macos: int) -> Callable[[bytes, bytes], int]:
    """The C library's rename with flags; raises ``OSError`` where it has none."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            rename = library.renamex_np
            return lambda source, target: int(rename(source, target, macos))
        renameat2 = library.renameat2
    except (AttributeError, OSError, TypeError) as error:
        raise OSError(errno.ENOSYS, "there is no rename with flags") from error
    return lambda source, target: int(renameat2(_LINUX_HERE, source, _LINUX_HERE, target, linux))


def _link_and_unlink(source: Path, target: Path) -> None:
    if not hasattr(os, "link"):
        raise OSError(errno.ENOSYS, "there are no hard links")
    os.link(source, target)
    source.unlink()


def _replace_own_placeholder(source: Path, target: Path) -> None:
    if source.is_dir():
        target.mkdir()
        remove = target.rmdir
    else:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        remove = target.unlink
    try:
        os.replace(source, target)
    except BaseException:
        remove()
        raise


def _replace_folder(partial: Path, target: Path) -> None:
    """Rename ``partial`` to ``target``; the old ``target`` goes only when that has worked.

    Both change names at once where the system can: a kill leaves the old one or the new one.
    """
    try:
        _rename_by_system(partial, target, _LINUX_EXCHANGE, _MACOS_SWAP)
        return  # the old one is at ``partial`` now, which is removed
    except OSError:
        pass  # there is no old one, or no such call here
    replaced = _hidden_beside(target)
    try:
        if target.exists():
            target.rename(replaced)
        partial.rename(target)
    finally:
        if replaced.exists() and not target.exists():
            replaced.rename(target)
    shutil.rmtree(replaced, ignore_errors=True)


def _hidden_beside(target: Path, suffix: str = "") -> Path:
    """A name that nobody can foresee, for what becomes ``target``."""
    return target.with_name(f".bokeh-{_machine()}-{os.getpid()}-{secrets.token_hex(6)}.part{suffix}")


@cache
def _machine() -> str:
    """A few digits for this machine: processes are counted on each."""
    return hashlib.sha256(platform.node().encode("utf-8", "replace")).hexdigest()[:8]


def _is_left_behind(path: Path) -> bool:
    found = _HIDDEN.fullmatch(path.name)
    assert found
    if found[1] == _machine() and sys.platform != "win32":  # where asking would end the process
        try:
            os.kill(int(found[2]), 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):
            pass
        return False
    return time.time() - path.lstat().st_mtime > _STALE_S


@contextmanager
def _named(partial: Path, target: Path) -> Iterator[None]:
    """Let errors that name the temporary file name the result."""
    try:
        yield
    except RefocusError as error:
        error.message = error.message.replace(str(partial), str(target))
        error.args = (error.message,)
        raise
    except OSError as error:
        if error.filename == str(partial):
            error.filename = str(target)
        raise


@contextmanager
def writes_to(target: Path, error_class: type[RefocusError]) -> Iterator[None]:
    """Turn an ``OSError`` of the block into a sentence about ``target``, which the block writes."""
    try:
        yield
    except OSError as error:
        raise error_class(f"{target} cannot be written: {error.strerror}.") from error

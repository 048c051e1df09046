"""Files appear whole or not at all, and never in the place of another, on every platform."""

import ctypes
import errno
import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest
from facts import naming

from any2bokeh import atomic
from any2bokeh.atomic import (
    is_kept_beside,
    kept_beside,
    partial_file,
    partial_folder,
    rename_to_new,
    sole_user,
)
from any2bokeh.errors import DatasetError, RefocusError, VideoError

Way = Callable[[pytest.MonkeyPatch], None]


def unsupported(*_: object, **__: object) -> None:
    raise OSError(errno.ENOTSUP, "Operation not supported")


def as_linux(patch: pytest.MonkeyPatch) -> None:
    """The real calls of this system."""


def as_file_system_with_links_only(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(atomic, "_rename_exclusively", unsupported)


def as_file_system_without_links(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(atomic, "_rename_exclusively", unsupported)
    patch.setattr(os, "link", unsupported)


def as_system_without_links(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(atomic, "_rename_exclusively", unsupported)
    patch.delattr(os, "link")


def as_c_library_without_the_call(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ctypes, "CDLL", lambda *_, **__: SimpleNamespace())


def atomic_swap(source: bytes, target: bytes) -> None:
    os.rename(target, between := target + b".between")
    os.rename(source, target)
    os.rename(between, source)


def as_macos(patch: pytest.MonkeyPatch) -> None:
    def renamex_np(source: bytes, target: bytes, flags: int) -> int:
        assert flags in (2, 4)  # RENAME_SWAP and RENAME_EXCL of <sys/stdio.h>
        try:
            if flags == 2:
                atomic_swap(source, target)
                return 0
            os.link(source, target)
            os.unlink(source)
        except OSError as error:
            ctypes.set_errno(error.errno or 0)
            return -1
        return 0

    patch.setattr(sys, "platform", "darwin")
    patch.setattr(ctypes, "CDLL", lambda *_, **__: SimpleNamespace(renamex_np=renamex_np))


def as_windows(patch: pytest.MonkeyPatch) -> None:
    rename = os.rename

    def rename_to_free_name(source: Path, target: Path) -> None:
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "Cannot create a file when that file already exists")
        rename(source, target)

    patch.setattr(sys, "platform", "win32")
    patch.setattr(os, "rename", rename_to_free_name)


WAYS = (
    as_linux,
    as_file_system_with_links_only,
    as_file_system_without_links,
    as_system_without_links,
    as_c_library_without_the_call,
    as_macos,
    as_windows,
)


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def platform(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    request.param(monkeypatch)


@pytest.mark.usefixtures("platform")
def test_file_gets_a_new_name(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("new")
    rename_to_new(tmp_path / "a", tmp_path / "b")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("b", "new")]


@pytest.mark.usefixtures("platform")
def test_name_that_is_taken_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("new")
    (tmp_path / "b").write_text("old")
    with pytest.raises(FileExistsError):
        rename_to_new(tmp_path / "a", tmp_path / "b")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "new", "b": "old"}


@pytest.mark.usefixtures("platform")
def test_link_that_leads_nowhere_takes_a_name_as_well(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("new")
    (tmp_path / "b").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        rename_to_new(tmp_path / "a", tmp_path / "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.usefixtures("platform")
def test_file_that_appears_meanwhile_stays_and_the_result_is_kept_beside(tmp_path: Path) -> None:
    target = tmp_path / "clip.refocus.mp4"
    (tmp_path / "clip.refocus-2.mp4").write_text("another time")
    with (
        pytest.raises(VideoError) as raised,
        partial_file(target, overwrite=False) as partial,
    ):
        partial.write_text("result")
        target.write_text("somebody else's")
    kept = tmp_path / "clip.refocus-3.mp4"
    assert str(target) in raised.value.message
    assert str(kept) in raised.value.message
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "clip.refocus.mp4": "somebody else's",
        "clip.refocus-2.mp4": "another time",
        "clip.refocus-3.mp4": "result",
    }


@pytest.mark.usefixtures("platform")
def test_file_that_appears_meanwhile_is_replaced_where_that_is_allowed(tmp_path: Path) -> None:
    target = tmp_path / "clip.mp4"
    with partial_file(target, overwrite=True) as partial:
        partial.write_text("result")
        target.write_text("somebody else's")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("clip.mp4", "result")]


@pytest.mark.usefixtures("platform")
def test_nothing_is_left_of_what_failed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), partial_file(tmp_path / "a", overwrite=False) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def fill(folder: Path, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "file").write_text(text)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: (path / "file").read_text() for path in folder.iterdir()}


@pytest.mark.usefixtures("platform")
def test_folder_appears_whole_and_replaces_only_what_it_may(tmp_path: Path) -> None:
    target = tmp_path / "made" / "weights"
    with partial_folder(target, overwrite=False) as partial:
        fill(partial, "first")
        assert not target.exists()
    assert contents(target.parent) == {"weights": "first"}
    with (
        pytest.raises(DatasetError, match="exists already"),
        partial_folder(target, overwrite=False, error_class=DatasetError),
    ):
        pytest.fail("it had begun")
    with partial_folder(target, overwrite=True) as partial:
        fill(partial, "second")
    assert contents(target.parent) == {"weights": "second"}
    with pytest.raises(KeyboardInterrupt), partial_folder(target, overwrite=True) as partial:
        fill(partial, "third")
        raise KeyboardInterrupt
    assert contents(target.parent) == {"weights": "second"}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it is Linux's exchange of names")
def test_a_folder_is_there_at_every_moment_of_its_replacement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between two renames would leave none: neither the old one nor the new one."""
    target = tmp_path / "weights"
    fill(target, "old")

    def renamed(*_: object) -> NoReturn:
        raise AssertionError

    monkeypatch.setattr(Path, "rename", renamed)
    with partial_folder(target, overwrite=True) as partial:
        fill(partial, "new")
    assert contents(tmp_path) == {"weights": "new"}


@pytest.mark.usefixtures("platform")
def test_folder_that_appears_meanwhile_stays(tmp_path: Path) -> None:
    with (
        pytest.raises(DatasetError, match="exists already"),
        partial_folder(tmp_path / "weights", overwrite=False, error_class=DatasetError) as partial,
    ):
        fill(partial, "result")
        fill(tmp_path / "weights", "somebody else's")
    assert contents(tmp_path) == {"weights": "somebody else's"}


def test_what_killed_processes_left_behind_is_cleared_away(tmp_path: Path) -> None:
    gone, running = 2**22 + 1, os.getppid()  # Linux counts no further
    dead = [hidden(tmp_path, gone, ".mp4"), hidden(tmp_path, gone)]
    kept = [
        hidden(tmp_path, running, ".mkv"),
        hidden(tmp_path, gone, machine="0" * 8),
        tmp_path / ".bokeh-x.part",
    ]
    old = hidden(tmp_path, 1, ".mkv", machine="1" * 8)
    dead[1].mkdir()
    fill(dead[1], "half")
    for path in (dead[0], *kept, old):
        path.touch()
    os.utime(old, (0, 0))
    with partial_file(tmp_path / "mine.mp4", overwrite=False) as partial:
        partial.write_text("result")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [*(path.name for path in kept), "mine.mp4"]
    )
    with partial_folder(tmp_path / "folder", overwrite=False) as partial:
        fill(partial, "result")
    assert {path.name for path in tmp_path.iterdir()} > {path.name for path in kept}


def test_a_link_that_bears_the_name_of_what_was_left_behind_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    fill(tmp_path / "precious", "mine")
    hidden(tmp_path, 2**22 + 1).symlink_to(tmp_path / "precious")
    with partial_file(tmp_path / "mine.mp4", overwrite=False) as partial:
        partial.write_text("result")
    assert len(list((tmp_path / "precious").iterdir())) == 1
    assert not list(tmp_path.glob(".bokeh*"))


def hidden(folder: Path, process: int, suffix: str = "", machine: str = "") -> Path:
    """A name such as a process gives to what it is writing."""
    name = atomic._hidden_beside(folder / "mine", suffix).name.split("-")
    return folder / "-".join([name[0], machine or name[1], str(process), name[3]])


@pytest.mark.parametrize("length", [225, 255])
def test_the_longest_names_can_be_written(tmp_path: Path, length: int) -> None:
    target = tmp_path / ("n" * (length - 4) + ".mp4")
    with partial_file(target, overwrite=False) as partial:
        partial.write_text("result")
    with partial_folder(tmp_path / ("f" * length), overwrite=True) as partial:
        fill(partial, "result")
    assert target.read_text() == "result"


def test_a_name_that_no_system_takes_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(VideoError, match="255"),
        partial_file(tmp_path / ("n" * 252 + ".mp4"), overwrite=False),
    ):
        pytest.fail("the block must not start")


def test_errors_name_the_result_and_not_the_temporary_file(tmp_path: Path) -> None:
    target = tmp_path / "clip.mkv"
    with (
        pytest.raises(VideoError, match=r"clip\.mkv is bad") as failure,
        partial_file(target, overwrite=False) as at,
    ):
        raise VideoError(f"{at} is bad.")
    assert ".bokeh" not in str(failure.value)
    with pytest.raises(OSError, match=r"clip\.mkv"), partial_file(target, overwrite=False) as at:
        raise OSError(28, "No space left on device", str(at))


def _take(folder: Path, number: int, start: "multiprocessing.synchronize.Barrier") -> None:  # type: ignore[name-defined]
    source = folder / f"{number}"
    source.write_text(f"{number}")
    start.wait()
    try:
        rename_to_new(source, folder / "name")
    except FileExistsError:
        return


@pytest.mark.parametrize("way", [as_linux, as_file_system_with_links_only, as_file_system_without_links])
def test_of_many_at_once_one_gets_the_name_and_nothing_is_lost(
    tmp_path: Path, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    way(monkeypatch)
    fork = multiprocessing.get_context("fork")  # takes the patches along
    start = fork.Barrier(6)
    runs = [fork.Process(target=_take, args=(tmp_path, number, start)) for number in range(6)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(30)
        assert run.exitcode == 0
    found = sorted(path.read_text() for path in tmp_path.iterdir())
    assert found == [f"{number}" for number in range(6)]
    assert (tmp_path / "name").exists()


def test_temporary_name_that_is_a_link_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious, taken = tmp_path / "precious", tmp_path / "taken.mp4"
    precious.write_text("kept")
    taken.symlink_to(precious)
    monkeypatch.setattr(atomic, "_hidden_beside", lambda *_: taken)
    with partial_file(tmp_path / "clip.mp4", overwrite=False) as partial:
        partial.write_text("result")
    assert precious.read_text() == "kept"
    assert (tmp_path / "clip.mp4").read_text() == "result"
    assert not (tmp_path / "clip.mp4").is_symlink()


def test_file_has_the_rights_that_any_new_file_has(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    with partial_file(tmp_path / "clip.mp4", overwrite=False) as partial:
        partial.write_text("result")
    assert (tmp_path / "clip.mp4").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_link_that_leads_nowhere_is_a_target_that_exists(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").symlink_to(tmp_path / "nowhere")
    with (
        pytest.raises(VideoError, match="exists already"),
        partial_file(tmp_path / "clip.mp4", overwrite=False),
    ):
        pass


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("clip.refocus.mp4", "clip.refocus-2.mp4"),
        ("out.mkv", "out.refocus-2.mkv"),
        ("clip.focus.csv", "clip.focus.refocus-2.csv"),
    ],
)
def test_names_beside_are_numbered_and_recognized(tmp_path: Path, name: str, first: str) -> None:
    names = kept_beside(tmp_path / name)
    path = next(names)
    assert path == tmp_path / first
    assert is_kept_beside(path)
    assert not is_kept_beside(tmp_path / name)
    assert next(names).stem == path.stem[:-1] + "3"


def test_folder_has_one_user_at_a_time(tmp_path: Path) -> None:
    busy = DatasetError("Another run writes there.")
    with sole_user(tmp_path, busy):
        with pytest.raises(DatasetError) as raised, sole_user(tmp_path, busy):
            pass
        assert raised.value is busy
    with sole_user(tmp_path, busy):
        pass


def test_a_lock_is_no_link_to_another_file(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / ".lock").symlink_to(tmp_path / "mine")
    with (
        pytest.raises(RefocusError, match=naming(tmp_path / ".lock")),
        sole_user(tmp_path, AssertionError()),
    ):
        pass
    assert (tmp_path / "mine").read_text() == "mine"

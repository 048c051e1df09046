"""Files appear whole or not at all, and never in the place of another, on every platform."""

import ctypes
import errno
import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from any2bokeh import atomic
from any2bokeh.atomic import (
    is_kept_beside,
    kept_beside,
    partial_file,
    partial_folder,
    rename_to_new,
    sole_user,
)
from any2bokeh.errors import DatasetError, VideoError

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


def as_macos(patch: pytest.MonkeyPatch) -> None:
    def renamex_np(source: bytes, target: bytes, flags: int) -> int:
        assert flags == 4  # RENAME_EXCL of <sys/stdio.h>
        try:
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


@pytest.mark.usefixtures("platform")
def test_folder_that_appears_meanwhile_stays(tmp_path: Path) -> None:
    with (
        pytest.raises(DatasetError, match="exists already"),
        partial_folder(tmp_path / "weights", overwrite=False, error_class=DatasetError) as partial,
    ):
        fill(partial, "result")
        fill(tmp_path / "weights", "somebody else's")
    assert contents(tmp_path) == {"weights": "somebody else's"}


def test_what_killed_processes_left_beside_a_folder_is_cleared_away(tmp_path: Path) -> None:
    old, young = tmp_path / ".mine.1.part", tmp_path / ".mine.2.part"
    old.mkdir()
    young.mkdir()
    os.utime(old, (0, 0))
    with partial_folder(tmp_path / "mine", overwrite=False) as partial:
        fill(partial, "content")
    assert sorted(path.name for path in tmp_path.glob("*mine*")) == [".mine.2.part", "mine"]


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


def test_temporary_name_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept")
    (tmp_path / f".clip.{os.getpid()}.part.mp4").symlink_to(precious)
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

"""Folders are where each platform has them; names that come from elsewhere stay inside theirs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from any2bokeh.errors import RefocusError, SettingsError, shown
from any2bokeh.paths import LONGEST_NAME_BYTES, cache_root, checked_name, private_folder
from any2bokeh.settings.weights_settings import ImportSettings


@pytest.mark.parametrize(
    "name", ["0001", "street at night", "A.b-c_d", "été", "con1", "nulla", "a..b", "x" * LONGEST_NAME_BYTES]
)
def test_name_of_a_file_is_given_back(name: str) -> None:
    assert checked_name(name, "The name") == name


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "empty"),
        (".", "dot or a space"),
        ("..", "dot or a space"),
        (".hidden", "dot or a space"),
        ("end.", "dot or a space"),
        (" a", "dot or a space"),
        ("a ", "dot or a space"),
        ("../up", "cannot contain '/'"),
        ("/etc/passwd", "cannot contain '/'"),
        ("a\\b", "cannot contain"),
        ("C:", "cannot contain ':'"),
        ("C:a", "cannot contain ':'"),
        ("a:stream", "cannot contain ':'"),
        ("a\nb", "cannot contain"),
        ("a\0b", "cannot contain"),
        ("a\x7fb", "cannot contain"),
        ("a\x85b", "cannot contain"),
        ("CON", "Windows"),
        ("nul.txt", "Windows"),
        ("Com1.tar.gz", "Windows"),
        ("lpt¹", "Windows"),
        ("aux .txt", "Windows"),
        ("é" * 101, "it takes 202 bytes"),
        ("\ud800", "Unicode"),
        (7, "text"),
        (None, "text"),
    ],
)
def test_name_that_leads_elsewhere_or_cannot_be_written_is_refused(name: object, problem: str) -> None:
    with pytest.raises(SettingsError) as raised:
        checked_name(name, "The name of the clip")
    assert isinstance(raised.value, RefocusError)
    assert raised.value.message.startswith(f"The name of the clip cannot be {shown(name)}: ")
    assert problem in raised.value.message


@pytest.mark.parametrize("name", ["con", "a.", "x" * 201, "../up"])
def test_checkpoint_cannot_be_imported_under_such_a_name(name: str) -> None:
    with pytest.raises(SettingsError):
        ImportSettings(name=name)


def test_new_folder_is_for_its_user_alone_and_one_that_exists_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    before = os.umask(0)
    try:
        folder = private_folder(tmp_path / "cache" / "disparity")
        assert private_folder(folder) == folder
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in (tmp_path, folder.parent, folder)] == [
        0o755,
        0o700,
        0o700,
    ]


def test_file_in_the_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(OSError, match="cache"):
        private_folder(tmp_path / "cache")


@pytest.mark.parametrize(
    ("platform", "folder"), [("linux", ".cache/any2bokeh"), ("darwin", "Library/Caches/any2bokeh")]
)
def test_cache_is_where_the_platform_has_caches(tmp_path: Path, platform: str, folder: str) -> None:
    program = f"""
import sys
sys.platform = {platform!r}
from any2bokeh.paths import cache_root
print(cache_root())
"""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH")}
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=kept | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == f"{tmp_path / folder}\n"


def test_cache_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANY2BOKEH_CACHE", "~/elsewhere")
    assert cache_root() == Path.home() / "elsewhere"

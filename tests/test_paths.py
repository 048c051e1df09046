"""Names that come from elsewhere stay inside the folder that they are put into."""

import pytest

from any2bokeh.errors import RefocusError, SettingsError
from any2bokeh.paths import LONGEST_NAME_BYTES, checked_name
from any2bokeh.settings.weights_settings import ImportSettings


@pytest.mark.parametrize(
    "name", ["0001", "street at night", "A.b-c_d", "été", "con1", "nulla", "a..b", "x" * LONGEST_NAME_BYTES]
)
def test_name_of_a_file_is_given_back(name: str) -> None:
    assert checked_name(name, "The name") == name


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "it is empty"),
        (".", "begin or end with a dot or a space"),
        ("..", "begin or end with a dot or a space"),
        (".hidden", "begin or end with a dot or a space"),
        ("end.", "begin or end with a dot or a space"),
        (" a", "begin or end with a dot or a space"),
        ("a ", "begin or end with a dot or a space"),
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
        ("CON", "device on Windows"),
        ("nul.txt", "device on Windows"),
        ("Com1.tar.gz", "device on Windows"),
        ("lpt¹", "device on Windows"),
        ("aux .txt", "device on Windows"),
        ("é" * 101, "it takes 202 bytes"),
        ("\ud800", "not valid Unicode"),
        (7, "it is not text"),
        (None, "it is not text"),
    ],
)
def test_name_that_leads_elsewhere_or_cannot_be_written_is_refused(name: object, problem: str) -> None:
    with pytest.raises(SettingsError) as raised:
        checked_name(name, "The name of the clip")
    assert isinstance(raised.value, RefocusError)
    assert raised.value.message.startswith(f"The name of the clip cannot be {name!r}: ")
    assert problem in raised.value.message


@pytest.mark.parametrize("name", ["con", "a.", "x" * 201, "../up"])
def test_checkpoint_cannot_be_imported_under_such_a_name(name: str) -> None:
    with pytest.raises(SettingsError):
        ImportSettings(name=name)

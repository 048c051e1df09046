"""The program's messages for the library's log records."""

import logging

import pytest

from any2bokeh.cli.talk import Verbosity, messages_on_stderr
from any2bokeh.jit import news

LEVELS = {"any2bokeh", news.name}


def said(verbosity: Verbosity, capsys: pytest.CaptureFixture[str]) -> list[str]:
    with messages_on_stderr():
        verbosity.apply()
        logging.getLogger("any2bokeh.run").info("all is well")
        news.info("this takes a minute")
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("verbosity", "lines"),
    [
        (Verbosity(quiet=True), []),
        (Verbosity(), ["Note: this takes a minute"]),
        (Verbosity(verbose=True), ["Info: all is well", "Note: this takes a minute"]),
        (Verbosity(debug=True), ["Info: all is well", "Note: this takes a minute"]),
    ],
)
def test_news_is_told_unless_silence_is_asked_for(
    verbosity: Verbosity, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(verbosity, capsys) == lines


def test_levels_are_given_back(capsys: pytest.CaptureFixture[str]) -> None:
    before = {name: logging.getLogger(name).level for name in LEVELS}
    said(Verbosity(debug=True), capsys)
    assert {name: logging.getLogger(name).level for name in LEVELS} == before

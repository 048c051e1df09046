"""What a message must name, whatever its words: options, values, files."""

import logging
import re

import pytest


def naming(*facts: object) -> str:
    """The pattern of a text that names all ``facts``, in any order, each as a whole: 1 is not in 1.5."""
    return r"(?s)\A" + "".join(f"(?=.*{_whole(str(fact))})" for fact in facts)


def names(text: str, *facts: object) -> bool:
    """Say whether a text names all ``facts``, as ``naming`` does."""
    return re.search(naming(*facts), text) is not None


def _whole(fact: str) -> str:
    before = r"(?<![\w-])(?<!\d\.)" if fact[0].isalnum() or fact[0] == "-" else ""
    after = r"(?![\w-])(?!\.\w)" if fact[-1].isalnum() else ""
    return before + re.escape(fact) + after


def the_warning(caplog: pytest.LogCaptureFixture) -> str:
    """The one warning that was logged; there must be exactly one."""
    [warning] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    return warning

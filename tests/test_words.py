"""The words of the pages, messages and docstrings: the glossary's, without nominal clauses."""

from pathlib import Path

import pytest
import words

GLOSSARY = """
| term | meaning | not |
|---|---|---|
| ground truth | the known result | truth |
| shot, cut | frames without interruption | |
| temporal stabilization | no flicker | steadying, (smoothing) |
"""


def found(prose: str, glossary: str = GLOSSARY) -> list[str]:
    patterns = [words.NOMINAL_CLAUSE]
    patterns += [words.pattern_of(*pair) for pair in words.unwanted_words(glossary).items()]
    text = words.Text(words.ROOT / "page.md", 1, prose)
    return [line.partition(": ")[2] for pattern in patterns for line in text.find(pattern)]


def test_words_that_the_glossary_replaces_are_found() -> None:
    assert words.unwanted_words(GLOSSARY) == {
        "truth": "ground truth",
        "steadying": "temporal stabilization",
    }
    assert found("The truth: steadying and smoothing.\nCompared with ground truth.") == ["truth", "steadying"]


@pytest.mark.parametrize("clause", ["what is near", "What lies behind", "whatever\nmoves"])
def test_nominal_clauses_are_found(clause: str) -> None:
    assert found(f"It blurs {clause}.") == [" ".join(clause.split()[:2])]


@pytest.mark.parametrize(
    "prose", ["Say what to do.", "`what is`", "```\nwhat is\n```", "So:\n\n    what is\n"]
)
def test_other_sentences_and_code_are_left_alone(prose: str) -> None:
    assert found(prose) == []


def test_messages_and_docstrings_are_read() -> None:
    source = '"""One two."""\nraise Wrong(f"three {four} five" " six")'
    texts = [text.prose for text in words.texts_of(Path("module.py"), source)]
    assert texts == ["One two.", "three _ five six"]


def test_pages_keep_to_the_glossary() -> None:
    assert words.findings(words.pages()) == []


def test_messages_and_docstrings_keep_to_the_glossary() -> None:
    assert words.findings(words.package_texts()) == []

"""What the project's own prose must not say, and where it does: python tests/support/words.py.

Reads the pages (README, CHANGELOG, CONTRIBUTING, docs), the messages and the docstrings of the package.
The words come from the third column of docs/glossary.md; nominal clauses have a pattern of their own. Code,
between backticks or indented as a block, is left out.
"""

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "any2bokeh"
# "What lies behind" where "the background" says it. A question of its own ("What is new?") is as bad.
NOMINAL_CLAUSE = re.compile(r"\b[Ww]hat(?:ever)?\s+(?:is|are|was|were|lies|lie|moves|move|stands|stand)\b")
CODE = re.compile(r"```.*?```|``[^`]*``|`[^`]*`|(?<=\n\n)(?: {4}[^\n]*\n)+|\]\([^)]*\)", re.DOTALL)


@dataclass(frozen=True)
class Text:
    """A page, a message or a docstring, and the line on which it begins."""

    path: Path
    line: int
    prose: str

    def find(self, pattern: re.Pattern[str]) -> Iterator[str]:
        """``file:line: words`` of each place that ``pattern`` matches, code left out."""
        without_code = CODE.sub(lambda code: re.sub(r"[^\n]", " ", code[0]), self.prose)
        for found in pattern.finditer(without_code):
            line = self.line + without_code.count("\n", 0, found.start())
            yield f"{self.path.relative_to(ROOT)}:{line}: {' '.join(found[0].split())}"


def pages() -> Iterator[Text]:
    """README, CHANGELOG, CONTRIBUTING and docs, without the glossary, which names the words."""
    for path in (*ROOT.glob("*.md"), *sorted((ROOT / "docs").glob("*.md"))):
        if path.name != "glossary.md":
            yield Text(path, 1, path.read_text("utf-8"))


def package_texts() -> Iterator[Text]:
    """The docstrings of the package, and its other strings of more than one word."""
    for path in sorted(SOURCE.rglob("*.py")):
        yield from texts_of(path, path.read_text("utf-8"))


def texts_of(path: Path, source: str) -> Iterator[Text]:
    """Docstrings and strings of one module; an f-string without its values."""
    parts: set[ast.AST] = set()
    for node in ast.walk(ast.parse(source)):  # from the outside inwards: an f-string before its parts
        if isinstance(node, ast.JoinedStr):
            parts.update(node.values)
            said = "".join(str(part.value) if isinstance(part, ast.Constant) else "_" for part in node.values)
            yield Text(path, node.lineno, said)
        elif isinstance(node, ast.Constant) and node not in parts and " " in str(node.value):
            yield Text(path, node.lineno, inspect.cleandoc(str(node.value)))


def unwanted_words(glossary: str) -> dict[str, str]:
    """Word to the term that stands in its place, from the table of the glossary.

    Words in parentheses are right in another sense, so nobody looks for them.
    """
    words: dict[str, str] = {}
    for line in glossary.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 3 and set(cells[0]) != {"-"} and cells[2] != "not":
            for word in re.sub(r"\([^)]*\)", "", cells[2]).split(","):
                if word.strip():
                    words[word.strip()] = cells[0]
    return words


def pattern_of(word: str, term: str) -> re.Pattern[str]:
    """Finds ``word`` where it is not the end of ``term``: "truth", but not in "ground truth"."""
    begin = term.removesuffix(word)
    before = rf"(?<!{re.escape(begin)})" if begin != term else ""
    return re.compile(rf"{before}\b{re.escape(word)}\b", re.IGNORECASE)


def findings(texts: Iterator[Text]) -> list[str]:
    """A line for each nominal clause and each word that the glossary replaces."""
    words = unwanted_words((ROOT / "docs" / "glossary.md").read_text("utf-8"))
    patterns = [(NOMINAL_CLAUSE, "name the thing")]
    patterns += [(pattern_of(word, term), f"say {term}") for word, term in words.items()]
    return [
        f"{found} ({advice})"
        for text in texts
        for pattern, advice in patterns
        for found in text.find(pattern)
    ]


if __name__ == "__main__":
    found = [*findings(pages()), *findings(package_texts())]
    sys.stdout.write(
        "\n".join(found or ["No nominal clause, and no word that the glossary replaces."]) + "\n"
    )
    sys.exit(bool(found))

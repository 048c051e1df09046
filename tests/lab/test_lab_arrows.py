"""Inside the laboratory imports go one way, and nothing of the product needs it."""

import ast
from pathlib import Path

import pytest

import any2bokeh

PACKAGE = Path(any2bokeh.__file__).parent
LAB = PACKAGE / "lab"
ROOMS = ("synthesis", "training", "evaluation", "compact")
MAY_IMPORT = {  # besides the modules that belong to no room
    "": set(),
    "synthesis": set(),
    "training": {"synthesis"},
    "evaluation": {"synthesis"},
    "compact": {"synthesis"},
}


def imported(path: Path) -> set[str]:
    """The modules of the package that a file imports anywhere, functions included, with all their names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return {name for name in found if name.startswith("any2bokeh.")}


def room_of(module: str) -> str:
    """The room of the laboratory that a module lies in; empty for one that belongs to none."""
    parts = module.split(".")
    return parts[2] if parts[:2] == ["any2bokeh", "lab"] and parts[2:3] and parts[2] in ROOMS else ""


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_of_the_laboratory_imports_no_other_but_those_below_it(room: str) -> None:
    files = sorted((LAB / room).rglob("*.py")) if room else sorted(LAB.glob("*.py"))
    assert len(files) > 2
    wrong = {
        (path.relative_to(LAB).as_posix(), name)
        for path in files
        for name in imported(path)
        if room_of(name) not in {"", room} | MAY_IMPORT[room]
    }
    assert not wrong


def test_the_product_does_without_the_laboratory() -> None:
    files = [path for path in PACKAGE.rglob("*.py") if not path.is_relative_to(LAB)]
    assert len(files) > 100
    users = {
        path.relative_to(PACKAGE).parts[0]
        for path in files
        for name in imported(path)
        if name == "any2bokeh.lab" or name.startswith("any2bokeh.lab.")
    }
    assert users == {"cli"}

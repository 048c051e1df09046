"""The map of the package, drawn from its imports: python tests/support/rooms.py.

Prints the rooms, with their files and lines, their imports of one another, and the figures that tell how
long things are. ``test_house.py`` holds the rules to it.
"""

import ast
import sys
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median

PACKAGE = "any2bokeh"
SOURCE = Path(__file__).parents[2] / "src" / PACKAGE
# From the door inwards. A room imports rooms of its own layer (without going round in circles) and of those
# below. The laboratory stands outside: it imports anything but the command line, and only that imports it.
LAYERS = (
    ("cli",),
    ("run", "frames", "plan", "preview", "farm"),
    ("session",),
    ("subject", "focus", "render"),
    ("depth", "motion", "video", "optics", "weights"),
    (
        *("scene", "settings", "errors", "arrays", "closeable", "documents", "progress", "paths", "atomic"),
        *("jit", "device"),
    ),
)
LABORATORY = "lab"
REPEAT_LINES = 6  # a run of so many equal lines of code counts as repeated


@dataclass(frozen=True)
class Import:
    """An import of a module: ``name`` in full, its line; ``later`` if in a function, or for types alone."""

    name: str
    line: int
    later: bool


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    name: str
    path: Path
    source: str

    @property
    def stem(self) -> str:
        """Its last name."""
        return self.path.stem

    @property
    def room(self) -> str:
        """The room that it stands in; a module at the top is a room of its own."""
        return room_of(self.name)

    @property
    def lines(self) -> list[str]:
        """Its text."""
        return self.source.splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax."""
        return ast.parse(self.source)

    @cached_property
    def imports(self) -> list[Import]:
        """All modules and names that it imports, also inside functions and for types alone."""
        return list(_imports(self.tree))

    @cached_property
    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Every function and method, also those inside others."""
        return [n for n in ast.walk(self.tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]

    @property
    def comments(self) -> int:
        """How many lines hold a comment."""
        tokens = tokenize.generate_tokens(iter(self.source.splitlines(keepends=True)).__next__)
        return sum(token.type == tokenize.COMMENT for token in tokens)

    @property
    def names(self) -> list[str]:
        """The names of its classes and public functions, those that stand at the top of the file."""
        functions = ast.FunctionDef | ast.AsyncFunctionDef
        kept = [n for n in self.tree.body if isinstance(n, ast.ClassDef | functions)]
        return [n.name for n in kept if isinstance(n, ast.ClassDef) or not n.name.startswith("_")]


def _imports(tree: ast.Module) -> Iterator[Import]:
    later = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) or _is_for_types(node)]
    inside = {child for node in later for child in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (Import(name, node.lineno, node in inside) for name in names)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def room_of(name: str) -> str:
    """The room of a module or of a name in it; the package's own is the door, which has no room."""
    _, _, inner = name.partition(".")
    return inner.partition(".")[0]


def read_package(root: Path = SOURCE) -> list[Module]:
    """Every module of the package, in the order of their paths."""
    modules = []
    for path in sorted(root.rglob("*.py")):
        parts = [root.name, *path.relative_to(root).with_suffix("").parts]
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        modules.append(Module(name, path, path.read_text("utf-8")))
    return modules


def inner_imports(modules: Iterable[Module]) -> Iterator[tuple[Module, Import]]:
    """Yield the imports that cross rooms of the package, with their modules."""
    rooms = {module.room for module in modules}
    for module in modules:
        for found in module.imports:
            if found.name.startswith(f"{PACKAGE}.") and room_of(found.name) in rooms - {module.room}:
                yield module, found


def arrows(modules: Iterable[Module]) -> dict[str, Counter[str]]:
    """For each room, how many modules of it import each other room."""
    pairs = {(module.name, module.room, room_of(found.name)) for module, found in inner_imports(modules)}
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for _, room, other in pairs:
        found[room][other] += 1
    return dict(found)


def layer_of(room: str) -> int:
    """How far inside a room lies: 0 is the command line. Raises ``LookupError`` for one that has no place."""
    return next(i for i, layer in enumerate(LAYERS) if room in layer)


def circles(graph: dict[str, Counter[str]]) -> list[list[str]]:
    """The ways from a room back to itself, one for each room where there is one."""

    def way(start: str, here: str, seen: tuple[str, ...]) -> list[str] | None:
        for room in sorted(graph.get(here, ())):
            if room == start:
                return [*seen, room]
            if room not in seen and (found := way(start, room, (*seen, room))):
                return found
        return None

    return [found for room in sorted(graph) if (found := way(room, room, (room,)))]


def repeated_share(modules: Iterable[Module]) -> float:
    """The share of lines of code that stand in a run that stands elsewhere too; docstrings do not count."""
    texts = [_code(module) for module in modules]
    places: defaultdict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)
    for number, lines in enumerate(texts):
        for start in range(len(lines) - REPEAT_LINES + 1):
            places[tuple(lines[start : start + REPEAT_LINES])].append((number, start))
    repeated = {
        (number, start + offset)
        for found in places.values()
        if len(found) > 1
        for number, start in found
        for offset in range(REPEAT_LINES)
    }
    return len(repeated) / max(1, sum(len(lines) for lines in texts))


def _code(module: Module) -> list[str]:
    """Its lines of code without indents; imports stand in every file and do not count."""
    left_out: set[int] = set()
    for node in ast.walk(module.tree):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.stmt) and (is_text or isinstance(node, ast.Import | ast.ImportFrom)):
            left_out |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = [line.partition("  # ")[0].strip() for i, line in enumerate(module.lines, 1) if i not in left_out]
    return [line for line in lines if line and not line.startswith("#")]


def draw_rooms(modules: list[Module]) -> str:
    """The table of rooms and arrows, in Markdown."""
    graph = arrows(modules)
    rooms: defaultdict[str, list[Module]] = defaultdict(list)
    for module in modules:
        rooms[module.room].append(module)
    order = [LABORATORY, *(room for layer in LAYERS for room in layer)]
    rows = ["| room | files | lines | imports (how many of its files do) |", "|---|---|---|---|"]
    for room in sorted(rooms, key=lambda room: order.index(room) if room in order else -1):
        lines = sum(len(module.lines) for module in rooms[room])
        others = sorted(graph.get(room, {}).items(), key=lambda item: (-item[1], item[0]))
        arrow = ", ".join(f"{other} {count}" for other, count in others)
        rows.append(f"| {room or 'the door'} | {len(rooms[room])} | {lines} | {arrow} |")
    rows.append(f"| all | {len(modules)} | {sum(len(module.lines) for module in modules)} | |")
    return "\n".join(rows)


def draw_sizes(modules: list[Module]) -> str:
    """The table of sizes, in Markdown."""
    functions = [(module, function) for module in modules for function in module.functions]
    lengths = sorted(_length(function) for _, function in functions)
    file = max(modules, key=lambda module: len(module.lines))
    home, longest = max(functions, key=lambda item: _length(item[1]))
    asked, asking = max(functions, key=lambda item: _arguments(item[1].args))
    lines = sum(len(module.lines) for module in modules)
    small = sum(len(module.lines) < 60 and not module.stem.startswith("__") for module in modules)
    typical = f"{median(lengths):g} / {lengths[len(lengths) * 9 // 10]} / {lengths[-1]}"
    return "\n".join(
        [
            "| | |",
            "|---|---|",
            f"| longest file | {len(file.lines)} ({file.name}) |",
            f"| function: median / 90th / longest | {typical} ({home.name}.{longest.name}) |",
            f"| most arguments | {_arguments(asking.args)} ({asked.name}.{asking.name}) |",
            f"| repeated | {repeated_share(modules):.1%} |",
            f"| comments per 100 lines | {100 * sum(module.comments for module in modules) / lines:.1f} |",
            f"| files under 60 lines | {small} of {len(modules)} |",
        ]
    )


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _arguments(given: ast.arguments) -> int:
    names = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


if __name__ == "__main__":
    found = read_package()
    sys.stdout.write(f"{draw_rooms(found)}\n\n{draw_sizes(found)}\n")

"""The plan of the house: which room may import which, and that a name stands for one thing."""

import re
import runpy
from collections import defaultdict
from pathlib import Path

import pytest
import rooms
from rooms import LABORATORY, LAYERS, Module, room_of

MODULES = rooms.read_package()
GRAPH = rooms.arrows(MODULES)
# Each large library has one room: others ask there.
LIBRARIES = {
    "accelerate": ("lab.training",),
    "av": ("video",),
    "cv2": (
        "motion",
        "subject.click_motion",
        "subject.click_segmenter",
        "subject.likely_subject",
        "subject.hold",
        "subject.matting",
        "subject.occlusion",
        "render.lens.highlights",
        "render.small.correction",
        "subject.seen_things",
        "lab",
    ),  # regions of pixels; the laboratory draws
    "diffusers": (),  # tests alone hold our layers to its classes
    "matplotlib": ("lab",),
    "numba": ("jit",),
    "OpenEXR": ("video.pictures",),
    "PyOpenColorIO": ("optics.ocio_space",),
    "PIL": ("preview", "video.pictures"),
    "platformdirs": ("paths",),
    "rich": ("cli",),
    "scenedetect": ("motion",),
    "tifffile": ("video.pictures",),
    "tensorboard": ("lab.training",),
    "torchmetrics": ("lab.evaluation",),
    "torchvision": ("lab.evaluation",),
    "transformers": (
        "depth",
        "subject",
        "weights.pretrained",  # a network out of its folder, whoever uses it
        "render.diffusion.image_encoder",  # CLIP, which the published network looks through
        "lab.evaluation.metric_networks",  # VideoMAE, which a metric looks through
    ),
    "typer": ("cli", "lab.compact.__main__"),  # a command line of its own
}
# The rooms of the laboratory, and which others of them each may import.
BENCHES = {
    "synthesis": (),
    "training": ("synthesis",),
    "evaluation": ("synthesis",),
    "compact": ("synthesis",),
}
UNNAMED = {"common", "core", "helper", "helpers", "misc", "shared", "stuff", "tools", "util", "utils"}


def test_the_package_was_read() -> None:
    assert len(MODULES) > 150
    assert {"run", "settings", "render", LABORATORY} <= {module.room for module in MODULES}
    assert GRAPH["run"]["render"] and GRAPH["cli"]["run"], "no imports were found"


def test_every_room_has_its_place() -> None:
    placed = {room for layer in LAYERS for room in layer}
    assert {module.room for module in MODULES} - {"", LABORATORY} <= placed


def test_arrows_point_inwards() -> None:
    wrong = [
        f"{module.name}:{found.line} imports {found.name}"
        for module, found in rooms.inner_imports(MODULES)
        if module.room not in ("", LABORATORY) and room_of(found.name) != LABORATORY
        if rooms.layer_of(room_of(found.name)) < rooms.layer_of(module.room)
    ]
    assert not wrong


def test_rooms_do_not_import_each_other_in_circles() -> None:
    assert not rooms.circles(GRAPH)


def test_nothing_imports_the_command_line() -> None:
    assert [room for room in GRAPH if GRAPH[room]["cli"]] == []


def test_the_product_knows_no_laboratory() -> None:
    """Only commands do, and not before they are asked for."""
    wrong = [
        f"{module.name}:{found.line} imports {found.name}"
        for module, found in rooms.inner_imports(MODULES)
        if room_of(found.name) == LABORATORY and not (module.room == "cli" and found.later)
    ]
    assert not wrong
    assert {room for room in GRAPH if GRAPH[room][LABORATORY]} == {"cli"}


@pytest.mark.parametrize("bench", ["", *BENCHES])
def test_benches_of_the_laboratory_import_only_those_below_them(bench: str) -> None:
    modules = [module for module in MODULES if module.room == LABORATORY and bench_of(module.name) == bench]
    may = {"", bench, *BENCHES.get(bench, ())}
    assert len(modules) > 2
    wrong = [
        f"{module.name}:{found.line} imports {found.name}"
        for module in modules
        for found in module.imports
        if room_of(found.name) == LABORATORY and bench_of(found.name) not in may
    ]
    assert not wrong


def bench_of(name: str) -> str:
    """The room of the laboratory that a module or name stands in; empty for code that all of them share."""
    inner = name.split(".")[2:3]
    return inner[0] if inner and inner[0] in BENCHES else ""


def test_rendering_opens_no_video() -> None:
    assert "video" not in GRAPH["render"] and "video" not in GRAPH["optics"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_large_library_has_one_room(library: str) -> None:
    def may(module: Module) -> bool:
        inner = module.name.partition(".")[2]
        return any(inner == room or inner.startswith(f"{room}.") for room in LIBRARIES[library])

    users = [module for module in MODULES if any(library == i.name.split(".")[0] for i in module.imports)]
    assert [module.name for module in users if not may(module)] == []


def test_a_name_stands_for_one_thing() -> None:
    places = defaultdict(set)
    for module in MODULES:
        if not module.stem.startswith("__"):
            places[f"module {module.stem}"].add(module.name)
        for name in module.names:
            places[name].add(module.name)
    assert {name: sorted(found) for name, found in places.items() if len(found) > 1} == {}


def test_no_module_is_called_after_what_it_lacks() -> None:
    assert [module.name for module in MODULES if set(module.name.split(".")) & UNNAMED] == []


def test_tests_stand_in_the_same_rooms() -> None:
    tests = Path(__file__).parent
    folders = {path.parent.relative_to(tests) for path in tests.rglob("test_*.py")} - {Path()}
    # Those of benchmarks and examples are no part of the package.
    homes = (rooms.SOURCE, tests.parent)
    strays = [folder for folder in folders if not any((home / folder).is_dir() for home in homes)]
    assert [str(folder) for folder in sorted(strays)] == []


def test_contributors_find_every_room_in_the_table() -> None:
    told = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text("utf-8")
    table = told.partition("| room | holds |")[2].partition("\n\n")[0]
    placed = {module.room for module in MODULES} - {""}
    shown = {room: f"`{room}/`" if (rooms.SOURCE / room).is_dir() else f"`{room}.py`" for room in placed}
    assert [room for room, cell in sorted(shown.items()) if cell not in table] == []


def test_files_that_pages_name_are_there() -> None:
    root = rooms.SOURCE.parents[1]
    pages = [root / "README.md", root / "CONTRIBUTING.md", *(root / "docs").glob("*.md")]
    named = {
        (page.name, name)
        for page in pages
        for name in re.findall(r"`(?:python )?([\w./-]+/[\w-]+\.py)\b", page.read_text("utf-8"))
    }
    assert len(named) > 10
    there = [path.as_posix() for path in root.glob("*/**/*.py") if ".venv" not in path.parts]
    assert [pair for pair in sorted(named) if not any(path.endswith(f"/{pair[1]}") for path in there)] == []


@pytest.mark.slow
def test_the_map_is_drawn_by_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(rooms.__file__, run_name="__main__")
    drawn = capsys.readouterr().out
    for room in {module.room for module in MODULES} - {""}:
        assert f"\n| {room} | " in drawn
    assert "| longest file | " in drawn and "| repeated | " in drawn

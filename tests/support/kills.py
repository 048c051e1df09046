"""Commands that are killed at a moment that chance chooses, and run again.

    PYTHONPATH=src:tests/support python tests/support/kills.py --kills 200 --seed 1

prints a table. After a kill the result is whole or not there, inputs are as they were, and the same command
then makes the whole result and leaves nothing else behind.
"""

import argparse
import hashlib
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from films import write_clip, write_track

from any2bokeh.paths import cache_root

FRAMES = 24
# Processes are forked off one that has loaded all this, and has done nothing yet.
LOADED = ["any2bokeh.cli.program", "any2bokeh.run", "any2bokeh.preview.sheet", "torch", "av", "cv2"]
PATIENCE_S = 240


@dataclass(frozen=True)
class Command:
    """A command line in a folder of its own, and the result that it makes there."""

    name: str
    arguments: tuple[str, ...]
    result: str


LENS = ("clip.mp4", "--focus", "0.5", "--k", "20", "-y", "-q")
# With its look-ahead, libx264 writes other bytes of the same frames now and then, with one thread as well.
FAST = ("--preset", "ultrafast")
TRACK = ("--disparity", "track.mkv")
COMMANDS = (
    Command("refocus", ("refocus", *LENS, *FAST, *TRACK), "clip.refocus.mp4"),
    Command("refocus, estimated", ("refocus", *LENS, *FAST, "--depth-size", "64"), "clip.refocus.mp4"),
    Command("depth", ("depth", "clip.mp4", "--depth-size", "64", "-y", "-q"), "clip.disparity.mkv"),
    Command("preview", ("preview", *LENS, *TRACK, "--at", "f3", "-o", "still.png"), "still.png"),
    Command(
        "synthesize",
        ("synthesize", "set", "--clips", "2", "--frames", "2", "--size", "64x64", "--samples", "4", "-q"),
        "set",
    ),
)


@dataclass
class Kills:
    """What became of the kills of one command."""

    kills: int = 0
    finished_before: int = 0
    faults: list[str] = field(default_factory=list)


def run_kills(count: int, seed: int) -> dict[str, Kills]:
    """Kill each command its share of so many times; return what was found."""
    # As the command itself does before torch is loaded, which here happens earlier.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    chance, spawner = random.Random(seed), multiprocessing.get_context("forkserver")
    spawner.set_forkserver_preload(LOADED)
    found: dict[str, Kills] = {}
    with tempfile.TemporaryDirectory() as root:
        _share_compiled_code(Path(root) / "cache")
        for command in COMMANDS:
            folder = _prepared(Path(root) / command.name.replace(", ", "-"))
            found[command.name] = Kills()
            inputs = _digests(folder)
            _run(spawner, command, folder)  # which may compile: measuring and comparing come after it
            _clear(folder, inputs)
            seconds = _run(spawner, command, folder)
            whole = _digests(folder)
            for _ in range(count // len(COMMANDS)):
                _clear(folder, inputs)
                _kill_one(
                    spawner, command, folder, chance.uniform(0, seconds), inputs, whole, found[command.name]
                )
    return found


def _kill_one(
    spawner: multiprocessing.context.ForkServerContext,
    command: Command,
    folder: Path,
    after_s: float,
    inputs: dict[str, str],
    whole: dict[str, str],
    kills: Kills,
) -> None:
    process = spawner.Process(target=_work, args=(command.arguments, folder))
    process.start()
    process.join(after_s)
    kills.finished_before += not process.is_alive()
    assert process.pid
    if process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    kills.kills += 1
    left = _digests(folder)
    for name in (name for name in left if not name.startswith(".") and "/." not in name):
        if left[name] != inputs.get(name, whole.get(name)):
            kills.faults.append(f"after {after_s:.2f} s: {name} is neither an input nor a whole result")
    if not inputs.items() <= left.items():
        kills.faults.append(f"after {after_s:.2f} s: an input was changed")
    _run(spawner, command, folder)
    if (now := _digests(folder)) != whole:
        differing = sorted(name for name in now.keys() | whole.keys() if now.get(name) != whole.get(name))
        kills.faults.append(f"after {after_s:.2f} s and again: {', '.join(differing)} differ")


def _run(spawner: multiprocessing.context.ForkServerContext, command: Command, folder: Path) -> float:
    """Run a command to its end; return the seconds it took."""
    started = time.monotonic()
    process = spawner.Process(target=_work, args=(command.arguments, folder))
    process.start()
    process.join(PATIENCE_S)
    assert process.exitcode == 0, f"{command.name} ended with {process.exitcode}"
    return time.monotonic() - started


def _work(arguments: tuple[str, ...], folder: Path) -> None:
    os.chdir(folder)
    os.environ["ANY2BOKEH_CACHE"] = str(folder.parent / "cache")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    from any2bokeh.cli import main

    os._exit(main([*arguments]))


def _share_compiled_code(cache: Path) -> None:
    """Give a cache of its own the code that is compiled already: compiling takes a minute."""
    cache.mkdir(mode=0o700)
    if (compiled := cache_root() / "compiled").is_dir():
        (cache / "compiled").symlink_to(compiled)


def _prepared(folder: Path) -> Path:
    folder.mkdir()
    write_clip(folder / "clip.mp4", FRAMES)
    write_track(folder / "track.mkv", FRAMES)
    return folder


def _clear(folder: Path, inputs: dict[str, str]) -> None:
    for path in folder.iterdir():
        if path.name not in inputs:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(folder.parent / "cache" / "disparity", ignore_errors=True)


def _digests(folder: Path) -> dict[str, str]:
    """The files in a folder; locks, which stay, are none."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def table_of(found: dict[str, Kills]) -> str:
    """The kills of each command as a table of Markdown."""
    rows = ["| command | kills | had ended before | faults |", "|---|---|---|---|"]
    rows += [
        f"| {name} | {one.kills} | {one.finished_before} | {len(one.faults)} |" for name, one in found.items()
    ]
    return "\n".join(rows)


def main() -> None:
    """Run by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    found = run_kills(wanted.kills, wanted.seed)
    faults = [f"{name}: {fault}" for name, one in found.items() for fault in one.faults]
    sys.stdout.write("\n".join([table_of(found), *faults, ""]))


if __name__ == "__main__":
    main()

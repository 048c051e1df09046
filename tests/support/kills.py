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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import parity
import square_clips
from films import write_clip, write_track
from safetensors.torch import save_file

from any2bokeh.paths import cache_root

FRAMES = 24
# Processes are forked off one that has loaded all this, and has done nothing yet.
LOADED = [
    *(
        "any2bokeh.cli.program",
        "any2bokeh.run",
        "any2bokeh.preview.sheet",
        "any2bokeh.subject.click_segmenter",
    ),
    *("any2bokeh.lab.training.trainer", "any2bokeh.lab.evaluation.evaluation", "torch", "av", "cv2"),
]
PATIENCE_S = 400
COMPILES_S = 15  # longer than any of the commands takes on a machine that does nothing else


def write_films(folder: Path) -> None:
    """A clip and its disparity."""
    write_clip(folder / "clip.mp4", FRAMES)
    write_track(folder / "track.mkv", FRAMES)


def write_published(folder: Path) -> None:
    """Weights as they are published, of tiny networks."""
    for name, network in (("unet", parity.tiny_unet()), ("vae", parity.tiny_vae())):
        target = folder / "published" / name
        target.mkdir(parents=True)
        save_file(network.state_dict(), target / "diffusion_pytorch_model.safetensors")
        shutil.copy(parity.DATA / f"tiny_{name}_config.json", target / "config.json")


def write_data(folder: Path) -> None:
    """A data set to train on, or to measure with."""
    square_clips.write_clips(folder / "data", 1)


def write_nothing(folder: Path) -> None:
    """Nothing is needed."""


@dataclass(frozen=True)
class Command:
    """Command lines that are run one after the other in a folder, and how they come by their inputs.

    Where the file ``begun`` exists, ``going_on`` is run in their place. Files that match ``growing`` hold
    less before the end. Those of ``varying`` hold times of day, so that only their names are compared.
    """

    name: str
    lines: Sequence[Sequence[str]]
    prepare: Callable[[Path], object] = write_films
    begun: str = ""
    going_on: Sequence[str] = ()
    growing: tuple[str, ...] = ()
    varying: tuple[str, ...] = ()


LENS = ("clip.mp4", "--focus", "0.5", "--k", "20", "-y", "-q")
# With its look-ahead, libx264 writes other bytes of the same frames now and then, with one thread as well.
FAST = ("--preset", "ultrafast")
TRACK = ("--disparity", "track.mkv")
PARTS = ("refocus", *LENS, *FAST, *TRACK, "--work", "parts", "--shard")
QUICK = ("steps=6", "checkpoint_every=2", "look_every=100", "batch=1", "precision=no", "crop=64")
TRAINING = ("--device", "cpu", "-q", *(f"--set={change}" for change in QUICK))
COMMANDS = (
    Command("refocus", [("refocus", *LENS, *FAST, *TRACK)]),
    Command("refocus, estimated", [("refocus", *LENS, *FAST, "--depth-size", "64")]),
    Command(
        "shards and join",
        [(*PARTS, "1/2"), (*PARTS, "2/2"), ("join", "parts", "-y", "-q")],
        growing=("parts/*",),
    ),
    Command("depth", [("depth", "clip.mp4", "--depth-size", "64", "-y", "-q")]),
    Command("mask", [("mask", "clip.mp4", *TRACK, "--subject", "20,20", "-y", "-q")]),
    Command("preview", [("preview", *LENS, *TRACK, "--at", "f3", "-o", "still.png")]),
    Command("preview, page", [("preview", *LENS, *TRACK, "--html", "page.html", "--stills", "2")]),
    Command(
        "synthesize",
        [("synthesize", "set", "--clips", "2", "--frames", "2", "--size", "64x64", "--samples", "4", "-q")],
        write_nothing,
    ),
    Command(
        "train",
        [
            ("train", "run", "--data", "data", "--stage", "geometry", "--size", "tiny", *TRAINING),
        ],
        write_data,
        begun="run/state.safetensors",
        going_on=("train", "run", "--resume", "--device", "cpu", "-q"),
        growing=("run/*",),
        varying=("run/journal.jsonl", "run/tensorboard/*"),
    ),
    Command(
        "evaluate",
        [
            (
                "evaluate",
                "data",
                "-o",
                "out",
                "--methods",
                "none,gather",
                "--limit",
                "2",
                "--device",
                "cpu",
                "-q",
            )
        ],
        write_data,
        growing=("out/*",),
        varying=("out/evaluation.*", "out/results/*"),
    ),
    Command(
        "import-weights", [("import-weights", "published", "--name", "mine", "-y", "-q")], write_published
    ),
)


@dataclass
class Kills:
    """What became of the kills of one command."""

    kills: int = 0
    finished_before: int = 0
    faults: list[str] = field(default_factory=list)


def run_kills(count: int, seed: int, commands: Sequence[Command] = COMMANDS) -> dict[str, Kills]:
    """Kill each command its share of so many times; return what was found."""
    # As the command itself does before torch is loaded, which here happens earlier.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    chance, spawner = random.Random(seed), multiprocessing.get_context("forkserver")
    spawner.set_forkserver_preload(LOADED)
    found: dict[str, Kills] = {}
    with tempfile.TemporaryDirectory() as root:
        _share_compiled_code(Path(root) / "cache")
        for number, command in enumerate(commands):
            folder = Path(root) / command.name.replace(", ", "-").replace(" ", "-")
            folder.mkdir()
            command.prepare(folder)
            found[command.name] = Kills()
            inputs = _digests(folder)
            seconds = _run(spawner, command, folder)
            if seconds > COMPILES_S:  # it may have compiled
                _clear(folder, inputs)
                seconds = _run(spawner, command, folder)
            whole = _digests(folder)
            share = count * (number + 1) // len(commands) - count * number // len(commands)
            for _ in range(share):
                _clear(folder, inputs)
                after_s = chance.uniform(0, seconds)
                _kill_one(spawner, command, folder, after_s, inputs, whole, found[command.name])
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
    process = spawner.Process(target=_work, args=(command, folder))
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
        is_known = left[name] == inputs.get(name, whole.get(name))
        if not is_known and not _matches(name, (*command.growing, *command.varying)):
            kills.faults.append(f"after {after_s:.2f} s: {name} is neither an input nor a whole result")
    if not inputs.items() <= left.items():
        kills.faults.append(f"after {after_s:.2f} s: an input was changed")
    try:
        _run(spawner, command, folder)
    except RunError as error:
        kills.faults.append(f"after {after_s:.2f} s and again: {error}")
        return
    wanted, now = _comparable(whole, command), _comparable(_digests(folder), command)
    if now != wanted:
        differing = sorted(name for name in now.keys() | wanted.keys() if now.get(name) != wanted.get(name))
        kills.faults.append(f"after {after_s:.2f} s and again: {', '.join(differing)} differ")


class RunError(Exception):
    """A command failed, or did not end."""


def _run(spawner: multiprocessing.context.ForkServerContext, command: Command, folder: Path) -> float:
    """Run a command to its end; return the seconds it took."""
    started = time.monotonic()
    process = spawner.Process(target=_work, args=(command, folder))
    process.start()
    process.join(PATIENCE_S)
    if process.exitcode != 0:
        process.kill()
        said = (folder.parent / "said.txt").read_text(errors="replace")
        raise RunError(f"{command.name} ended with {process.exitcode}: {said[-500:]}")
    return time.monotonic() - started


def _work(command: Command, folder: Path) -> None:
    os.chdir(folder)
    os.environ["ANY2BOKEH_CACHE"] = str(folder.parent / "cache")
    os.environ["ANY2BOKEH_HOME"] = str(folder / "home")
    said = os.open(folder.parent / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    from any2bokeh.cli import main

    is_begun = command.begun and (folder / command.begun).exists()
    for line in [command.going_on] if is_begun else command.lines:
        if code := main([*line]):
            os._exit(code)
    os._exit(0)


def _share_compiled_code(cache: Path) -> None:
    """Give a cache of its own the code that is compiled already: compiling takes a minute."""
    cache.mkdir(mode=0o700)
    if (compiled := cache_root() / "compiled").is_dir():
        (cache / "compiled").symlink_to(compiled)


def _clear(folder: Path, inputs: dict[str, str]) -> None:
    kept = {name.split("/")[0] for name in inputs}
    for path in folder.iterdir():
        if path.name not in kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(folder.parent / "cache" / "disparity", ignore_errors=True)


def _digests(folder: Path) -> dict[str, str]:
    """The files in a folder; locks, which stay, are none."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def _comparable(digests: dict[str, str], command: Command) -> dict[str, str]:
    """Digests without those of varying files; of what was left behind half written, all."""
    return {
        name: digest
        for name, digest in digests.items()
        if ".bokeh" in name or not _matches(name, command.varying)
    }


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


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
    parser.add_argument("--commands", nargs="*", choices=[command.name for command in COMMANDS])
    wanted = parser.parse_args()
    chosen = [one for one in COMMANDS if wanted.commands is None or one.name in wanted.commands]
    found = run_kills(wanted.kills, wanted.seed, chosen)
    faults = [f"{name}: {fault}" for name, one in found.items() for fault in one.faults]
    sys.stdout.write("\n".join([table_of(found), *faults, ""]))


if __name__ == "__main__":
    main()

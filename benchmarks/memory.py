"""Peak memory of commands: at 1080p and 4K, and at ten times the length.

    python benchmarks/memory.py

Each runs in a process of its own on the CPU with a disparity track that is given, except `depth`. Memory must
follow the size of a frame, and not the length of the clip. Training sees crops of one size. `synthesize`
traces rays for every pixel, and makes a quarter of the frames. Linux only.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import torch

from any2bokeh.video.create import create_video
from any2bokeh.video.gray import open_gray_writer

SIZES = {"1080p": (1920, 1080), "4K": (3840, 2160)}
RATE = 24
COMMANDS = (
    *("refocus", "small", "resumed", "join", "depth", "mask", "still", "page"),
    *("evaluate", "synthesize", "train"),
)
TRAINING = ("steps=2", "batch=1", "frames=2", "crop=128", "precision=no", "look_every=1000")
# The system counts the memory of a process anew when its program begins, where getrusage counts its parent's.
PROGRAM = """
import sys
from any2bokeh.cli import main
code = main()
sys.stderr.write(open("/proc/self/status").read())
sys.exit(code)
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=8, help="of the shorter clip; the longer has ten times")
    parser.add_argument("--sizes", nargs="*", default=list(SIZES), choices=SIZES)
    parser.add_argument("--commands", nargs="*", default=COMMANDS, choices=COMMANDS)
    wanted = parser.parse_args()
    print("| command | size | frames | peak memory | seconds |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as root:
        for size in wanted.sizes:
            lengths = [wanted.frames, 10 * wanted.frames] if size == "1080p" else [wanted.frames]
            for frames in lengths:
                folder = Path(root) / f"{size}-{frames}"
                write_inputs(folder, *SIZES[size], frames)
                for command in wanted.commands:
                    for needed in needed_by(command, folder):
                        measure(needed)
                    peak_mb, seconds = measure(arguments_of(command, folder))  # of the process that was begun
                    print(f"| {command} | {size} | {frames} | {peak_mb:.0f} MB | {seconds:.0f} |", flush=True)


def write_inputs(folder: Path, width: int, height: int, frames: int) -> None:
    """A ramp that moves over the picture, and a ramp of disparity."""
    folder.mkdir()
    across = torch.linspace(0, 1, width).expand(height, width)
    with (
        create_video(folder / "clip.mp4", width, height, Fraction(RATE)) as video,
        open_gray_writer(folder / "track.mkv", width, height, Fraction(1, RATE), Fraction(RATE)) as track,
    ):
        for number in range(frames):
            moved = across.roll(16 * number, 1)
            video.write(torch.stack([moved, 1 - moved, (moved * 40 % 1)]))
            track.write(across[None], number)


def needed_by(command: str, folder: Path) -> list[list[str]]:
    """The command lines that make the inputs of a measurement, unless they are there."""
    clip, parts, data = str(folder / "clip.mp4"), folder / "parts", folder / "data"
    if command == "join" and not parts.exists():
        shard = ["refocus", clip, *look_of(folder), "--preset", "ultrafast", "--work", str(parts), "--shard"]
        return [[*shard, "1/2"], [*shard, "2/2"]]
    if command == "train" and not data.exists():
        return [arguments_of("synthesize", folder)]
    return []


def look_of(folder: Path) -> list[str]:
    """The options of a refocus with the track that is given."""
    return ["--focus", "0.5", "--k", "20", "--disparity", str(folder / "track.mkv"), "--device", "cpu"]


def arguments_of(command: str, folder: Path) -> list[str]:
    """The command line of a measurement."""
    clip, track = str(folder / "clip.mp4"), str(folder / "track.mkv")
    look, size, frames = look_of(folder), *folder.name.split("-")
    traced = str(max(2, int(frames) // 4))
    data = str(folder / "data")
    training = [part for change in TRAINING for part in ("--set", change)]
    return {
        "refocus": ["refocus", clip, *look, "--preset", "ultrafast", "-y"],
        "small": ["refocus", clip, *look, "--preset", "ultrafast", "--renderer", "small", "-y"],
        "depth": ["depth", clip, "--depth", "compact", "--device", "cpu", "--no-cache", "-y"],
        "resumed": ["refocus", clip, *look, "--preset", "ultrafast", "--resume", "-y"],
        "join": ["join", str(folder / "parts"), "-o", str(folder / "joined.mp4"), "-y"],
        "evaluate": [
            *("evaluate", clip, *look, "-o", str(folder / "report"), "--methods", "none,lens", "--fresh"),
        ],
        "synthesize": [
            *("synthesize", data, "--clips", "1", "--versions", "1", "--frames", traced, "--jobs", "1"),
            *("--size", "x".join(map(str, SIZES[size])), "--samples", "4"),
        ],
        "train": [
            *("train", str(folder / "run"), "--data", data, "--stage", "geometry", "--size", "tiny"),
            *("--device", "cpu", *training),
        ],
        "mask": ["mask", clip, "--subject", "400,500", "--disparity", track, "-y"],
        "still": ["preview", clip, *look, "--at", "f1", "-o", str(folder / "still.png"), "-y"],
        "page": ["preview", clip, *look, "--html", str(folder / "page.html"), "--stills", "2", "-y"],
    }[command]


def measure(arguments: list[str]) -> tuple[float, float]:
    """Run a command; return its peak of resident memory [MB], and the seconds that it took."""
    started = time.monotonic()
    run = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{arguments} ended with {run.returncode}: {run.stderr}")
    peak_kb = int(run.stderr.rpartition("VmHWM:")[2].split()[0])
    return peak_kb / 1000, time.monotonic() - started


if __name__ == "__main__":
    main()

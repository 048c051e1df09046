"""How long a run takes to its first rendered frame where the disparity is cached, and what it reads before.

    python benchmarks/first_frame.py [--frames 3000] [--size 640x360] [--repeats 3] [--against OTHER/src]

Makes a clip and a disparity track of noise in an empty cache, then runs ``bokeh refocus`` in processes of
their own, warmed up on a clip of two frames, and stops each at the first frame that is handed to the encoder.
Counts how often the clip and the track are opened until then, and how many packets are read (some of
those that are read ahead among them). ``--against`` runs the same with another source tree, in turn.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import torch

from any2bokeh.paths import cache_root
from any2bokeh.video.create import create_video

RATE = Fraction(25)
OWN = Path(__file__).resolve().parents[1] / "src"

# Fills the cache: the program is run as it is, but for the network, which is replaced by noise.
FILL = """
import sys
import torch
from any2bokeh.cli import main
from any2bokeh.depth import source
from any2bokeh.depth.stream import RawFrame

def noise(frames, estimate, size, pace):
    generator = torch.Generator().manual_seed(0)
    smooth = torch.linspace(0, 1, size[1]).expand(1, *size)
    for number, frame in enumerate(frames):
        rough = 0.01 * torch.rand(1, *size, generator=generator)
        yield RawFrame(pts=frame.pts, disparity=smooth + rough, starts_shot=number == 0)

source.raw_disparity = noise
sys.exit(main(sys.argv[1:]))
"""

# Runs the program up to its first frame; prints its seconds, and counts of files opened and packets read.
MEASURE = """
import json, os, sys, time
from collections import Counter
import av
from any2bokeh.cli import main
from any2bokeh.video.encode import VideoWriter

warm_up, clip, options = sys.argv[1], sys.argv[2], sys.argv[3:]
assert main(["refocus", warm_up, *options, "-o", warm_up + ".mkv", "--overwrite", "-q"]) == 0
opens, packets = Counter(), Counter()
av_open = av.open

class Counted:
    def __init__(self, container, kind):
        self.container, self.kind = container, kind
    def __getattr__(self, name):
        return getattr(self.container, name)
    def __enter__(self):
        return self
    def __exit__(self, *error):
        self.container.close()
    def demux(self, *streams):
        for packet in self.container.demux(*streams):
            packets[self.kind] += packet.size > 0
            yield packet

def counted_open(file, mode="r", *rest, **options):
    container = av_open(file, mode, *rest, **options)
    if mode == "w":
        return container
    kind = "clip" if file.endswith(clip) else "track"
    opens[kind] += 1
    return Counted(container, kind)

def stop(self, frame):
    print(json.dumps({"seconds": time.perf_counter() - started_s, "opens": opens, "packets": packets}))
    sys.stdout.flush()
    os._exit(0)

av.open, VideoWriter.write = counted_open, stop
started_s = time.perf_counter()
main(["refocus", clip, *options, "-o", clip + ".mkv", "--overwrite", "-q"])
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--against", type=Path, help="another source tree")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    trees = [*([options.against] if options.against else []), OWN]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cache").mkdir()
        (folder / "cache" / "compiled").symlink_to(cache_root() / "compiled")
        clip = make_clip(folder / "clip.mkv", options.frames, width, height)
        warm_up = make_clip(folder / "warm.mkv", 2, width, height)
        for one in (clip, warm_up):
            fill = ["depth", one, "--depth", "compact", "-o", folder / "track.mkv", "--overwrite", "-q"]
            run(OWN, folder, FILL, *fill)
        entry = max((folder / "cache").rglob("*.mkv"), key=lambda path: path.stat().st_size)
        megabytes = entry.stat().st_size / 1e6
        print(f"{options.frames} frames of {options.size}; the cached track is {megabytes:.0f} MB.\n")
        print("| tree | seconds to the first frame | clip: opened, packets | track: opened, packets |")
        print("|---|---|---|---|", flush=True)
        runs: dict[Path, list[dict[str, object]]] = {tree: [] for tree in trees}
        look = ["--focus", "0.5", "--k", "8", "--renderer", "lens", "--depth", "compact"]
        for _ in range(options.repeats):
            for tree in trees:
                told = run(tree, folder, MEASURE, warm_up, clip, *look)
                runs[tree].append(json.loads(told.splitlines()[-1]))
        for tree, all_runs in runs.items():
            print(row("this one" if tree == OWN else str(tree), all_runs))


def make_clip(path: Path, frames: int, width: int, height: int) -> Path:
    """A video of slowly moving stripes."""
    stripes = (torch.arange(width + frames) / 9).sin().mul(0.4).add(0.5)
    with create_video(path, width, height, RATE) as video:
        for number in range(frames):
            video.write(stripes[number : number + width].expand(3, height, width).contiguous())
    return path


def run(tree: Path, folder: Path, code: str, *arguments: object) -> str:
    """Run code with a source tree and with the caches of ``folder``; return its output."""
    environment = os.environ | {"PYTHONPATH": str(tree), "ANY2BOKEH_CACHE": str(folder / "cache")}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def row(name: str, runs: list[dict[str, object]]) -> str:
    """A line of the table: the median of the seconds, and the counts, which do not change."""
    seconds = statistics.median(float(str(one["seconds"])) for one in runs)
    opens, packets = runs[-1]["opens"], runs[-1]["packets"]
    assert isinstance(opens, dict) and isinstance(packets, dict)
    counts = [f"{opens.get(kind, 0)}, {packets.get(kind, 0)}" for kind in ("clip", "track")]
    return f"| {name} | {seconds:.2f} | {counts[0]} | {counts[1]} |"


if __name__ == "__main__":
    main()

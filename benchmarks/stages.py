"""Where the time of `bokeh refocus` goes, and how much memory it takes.

    python benchmarks/stages.py CLIP --disparity TRACK [--focus 0.53 --k 16 --frames 24 --repeats 3]

Measures on one machine, in one run, at the clip's own size and at 1024x576 (a proxy made of the clip):
each stage alone, then the whole command in a process of its own, then its memory on a tenth of the clip
and on all of it.
Prints tables with medians; Linux only, for the memory. CPU-seconds count all threads: on a shared
machine they say more than the clock.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command does: waiting threads must not count

import torch

from any2bokeh.depth.track import open_track
from any2bokeh.render.base import make_renderer
from any2bokeh.scene import Frame, Scene
from any2bokeh.settings.render_settings import RenderSettings
from any2bokeh.settings.values import TimePoint
from any2bokeh.settings.video_settings import EncodeSettings, TimeRange
from any2bokeh.video.clip import VideoClip
from any2bokeh.video.decode import frame_times, open_video, probe_video
from any2bokeh.video.encode import open_writer
from any2bokeh.video.opening import VideoInfo

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def measure(run: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median seconds on the clock and CPU-seconds of ``run``."""
    clock, cpu = [], []
    for _ in range(repeats):
        started = time.perf_counter(), time.process_time()
        run()
        clock.append(time.perf_counter() - started[0])
        cpu.append(time.process_time() - started[1])
    return statistics.median(clock), statistics.median(cpu)


def measure_command(arguments: list[str], repeats: int) -> tuple[float, float, int]:
    """Median seconds and CPU-seconds of a process, and its largest resident memory [MB]."""
    clock, cpu, peak = [], [], 0
    for _ in range(repeats):
        started = time.perf_counter()
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        output, errors = process.communicate()
        clock.append(time.perf_counter() - started)
        if process.returncode:
            sys.exit(errors)
        seconds, kilobytes = output.split()[-2:]
        cpu.append(float(seconds))
        peak = max(peak, int(kilobytes) // 1024)
    return statistics.median(clock), statistics.median(cpu), peak


# Run the command, then print its CPU-seconds and largest memory [kB]: what the system tells the parent of
# the latter includes the parent's own.
COMMAND = """
import sys, time
from pathlib import Path
from any2bokeh.cli import main
code = main()
status = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
print(time.process_time(), status)
sys.exit(code)
"""


def measure_stages(
    clip: Path, track: Path, focus: float, k: float, frames: int, repeats: int
) -> list[tuple[str, float, float]]:
    """Rows of (stage, seconds per frame, CPU-seconds per frame) for each stage of a run alone."""
    span = first_frames(frames)
    source = VideoClip(clip, span)
    info = source.info

    def read() -> None:
        with open_video(clip, span) as video:
            for _ in video:
                pass

    with open_video(clip, span) as video:
        pictures = list(video)

    def find_disparity() -> list[Scene]:
        with open_track(track, "disparity", source) as disparity:
            return [
                Scene(
                    sharp=frame.picture,
                    disparity=disparity.at(frame),
                    focus_disparity=focus,
                    blur_strength=k,
                    pts=frame.pts,
                )
                for frame in pictures
            ]

    scenes = find_disparity()
    lens = make_renderer(RenderSettings(), torch.device("cpu"), info.pictures)
    rendered = list(lens.render(iter(scenes)))

    def render() -> None:
        for _ in lens.render(iter(scenes)):
            pass

    def encode() -> None:
        write(clip.with_name("stage.mp4"), info, rendered)

    stages: dict[str, Callable[[], object]] = {
        "decode": read,
        "disparity": find_disparity,
        "render": render,
        "encode": encode,
    }
    rows = []
    for name, stage in stages.items():
        clock, cpu = measure(stage, repeats)
        rows.append((name, clock / frames, cpu / frames))
    return rows


def write(target: Path, like: VideoInfo, frames: Iterable[Frame], preset: str | None = None) -> None:
    """Encode frames as the command does."""
    with open_writer(target, like=like, settings=EncodeSettings(preset=preset), overwrite=True) as writer:
        for frame in frames:
            writer.write(frame)


def first_frames(count: int) -> TimeRange:
    """The first frames of a clip."""
    return TimeRange(end=TimePoint(frame=count))


def make_proxy(clip: Path, target: Path, height: int) -> None:
    """Write the clip at another height, its width in proportion."""
    info = probe_video(clip)
    width = round(info.width * height / info.height / 2) * 2

    def scaled() -> Iterator[Frame]:
        with open_video(clip) as video:
            for frame in video:
                picture = torch.nn.functional.interpolate(frame.picture[None], (height, width), mode="area")[
                    0
                ]
                yield Frame(picture=picture, pts=frame.pts)

    write(target, replace(info, width=width, height=height), scaled(), preset="veryfast")


def refocus_command(clip: Path, track: Path, target: Path, focus: float, k: float, frames: int) -> list[str]:
    """The command under test."""
    options = [
        "--disparity",
        str(track),
        "--focus",
        f"{focus}",
        "--k",
        f"{k}",
        "--end",
        f"f{frames}",
        "--overwrite",
        "-q",
    ]
    return [sys.executable, "-c", COMMAND, "refocus", str(clip), "-o", str(target), *options]


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path)
    parser.add_argument("--disparity", type=Path, required=True)
    parser.add_argument("--focus", type=float, default=0.53)
    parser.add_argument("--k", type=float, default=16)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        own, proxy = folder / "own.mp4", folder / "proxy.mp4"
        own.symlink_to(options.clip.resolve())
        make_proxy(own, proxy, 576)
        for clip in (own, proxy):
            info = probe_video(clip)
            print(f"\n{info.width}x{info.height}, {options.frames} frames, K {options.k:g}, {CORES} cores\n")
            print("| stage | s/frame | CPU-s/frame |\n|---|---|---|")
            rows = measure_stages(
                clip, options.disparity, options.focus, options.k, options.frames, options.repeats
            )
            for name, clock, cpu in rows:
                print(f"| {name} | {clock:.3f} | {cpu:.3f} |")
            command = refocus_command(
                clip, options.disparity, folder / "whole.mp4", options.focus, options.k, options.frames
            )
            clock, cpu, peak = measure_command(command, options.repeats)
            slowest = max(row[1] for row in rows) * options.frames
            bound = max(slowest, cpu / CORES)
            print(f"| whole command | {clock / options.frames:.3f} | {cpu / options.frames:.3f} |")
            print(
                f"\nwhole command {clock:.1f} s = {clock / bound:.2f} x max(slowest stage {slowest:.1f} s,",
                end=" ",
            )
            print(f"CPU-seconds / cores {cpu / CORES:.1f} s); largest memory {peak} MB")
        print_memory(own, options.disparity, folder / "whole.mp4", options)


def print_memory(clip: Path, track: Path, target: Path, options: argparse.Namespace) -> None:
    """Peak memory of the command on a tenth of the clip and on all of it."""
    count = len(frame_times(clip))
    print("\n| frames | largest memory, MB |\n|---|---|")
    for frames in (max(count // 10, 1), count):
        command = refocus_command(clip, track, target, options.focus, options.k, frames)
        print(f"| {frames} | {measure_command(command, 1)[2]} |")


if __name__ == "__main__":
    main()

"""A compositor's sequence of EXR through the real command, checked with the OpenEXR library.

    python benchmarks/studio_sequence.py FOLDER [--parts sequence pipes log times memory] [--sizes 1080p 4K]

`sequence` refocuses 24 frames of 1080p in half floats with a layer Z, 1001 to 1024, to EXR with layers, and
reads all of it back. `pipes` sends the same through ffmpeg, on both sides, as y4m, nut and matroska. `log`
encodes the light as LogC3 of 10 bits and compares codes in focus. `times` compares EXR, PNG of 16 bits and
video of the same frames: seconds, and seconds of all processors together, per frame, of a long run less a
short one. `memory` compares the peaks of 100, 500 and 1,000 small frames. Any failed check ends it. Needs
ffmpeg and OpenEXR.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import OpenEXR
import torch
from memory import measure
from numpy.typing import NDArray

from any2bokeh.optics.transfer import from_linear
from any2bokeh.video.pictures.picture_files import picture_kind, read_picture_file
from any2bokeh.video.pictures.stored_picture import StoredPicture

FIRST, COUNT, RATE = 1001, 24, 24
SIZES = {"1080p": (1920, 1080), "4K": (3840, 2160)}
SMALL = 320, 180
FOCUS_M, BLUR_STRENGTH = 4.0, 20.0
IN_FOCUS_PX = 0.25  # a pixel with a smaller circle of confusion is not blurred
LAYERS = {"A", "B", "G", "R", "coc", "depth.Z", "disparity"}
LENS = ("--k", f"{BLUR_STRENGTH:g}", "--renderer", "lens", "--device", "cpu", "-y", "-q")
FOCUS = ("--focus-m", f"{FOCUS_M:g}")
PROGRAM = "import sys; from any2bokeh.cli import main; sys.exit(main())"
PARTS = ("sequence", "pipes", "log", "times", "memory")


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=PARTS)
    parser.add_argument("--sizes", nargs="*", default=list(SIZES), choices=SIZES)
    wanted = parser.parse_args()
    if "sequence" in wanted.parts:
        check_sequence(wanted.folder)
    if "pipes" in wanted.parts:
        check_pipes(wanted.folder)
    if "log" in wanted.parts:
        check_log(wanted.folder)
    if "times" in wanted.parts:
        print("\n| size | source | s per frame | CPU-s per frame |\n|---|---|---|---|")
        for size in wanted.sizes:
            for source in ("EXR, half", "PNG, 16 bits", "H.264"):
                wall_s, cpu_s = seconds_per_frame(wanted.folder, size, source)
                print(f"| {size} | {source} | {wall_s:.2f} | {cpu_s:.2f} |", flush=True)
    if "memory" in wanted.parts:
        print(f"\n| frames of {SMALL[0]}x{SMALL[1]} | peak |\n|---|---|")
        peak_mb(wanted.folder, 4)  # compiling takes memory of its own
        for frames in (100, 500, 1000):
            print(f"| {frames} | {peak_mb(wanted.folder, frames):.0f} MB |", flush=True)


def plates(folder: Path, width: int, height: int, count: int) -> Path:
    """Write a sequence with depth, once; return its pattern."""
    place = folder / f"plates-{width}x{height}-{count}"
    if not place.is_dir():
        partial = place.with_suffix(".partial")
        partial.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            light, depth = picture(width, height, number / max(count - 1, 1))
            channels: dict[str, Any] = {
                name: light[..., at].astype(np.float16) for at, name in enumerate("RGB")
            }
            channels |= {"A": np.ones((height, width), np.float16), "Z": depth}
            header = {
                "compression": OpenEXR.ZIP_COMPRESSION,
                "type": OpenEXR.scanlineimage,
                "framesPerSecond": Fraction(RATE),
                "owner": "a studio",
            }
            with OpenEXR.File(header, channels) as file:
                file.write(str(partial / f"shot.{FIRST + number}.exr"))
        partial.rename(place)
    return place / "shot.%04d.exr"


def picture(width: int, height: int, share: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scene light ``H W 3`` and depth [m]: a floor, lamps on a wall, a ball that comes nearer, the sky."""
    generator = np.random.default_rng(0)
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    across, down = (xs - width / 2) / width, (ys - height / 2) / width
    depth = np.minimum(np.where(down > 0.02, 0.3 / np.maximum(down, 0.02), 15), 15).astype(np.float32)
    texture = 0.09 * (1 + 0.5 * np.sin(60 * across * depth) * np.sin(6 * depth))
    light = texture[..., None] * np.array([1, 0.8, 0.6], np.float32)
    for _ in range(60):
        x, y, power = generator.uniform([-0.45, -0.25, 4], [0.45, -0.02, 40])
        lamp = (across - x) ** 2 + (down - y) ** 2 < (1.5 / width) ** 2
        light[lamp] = power * generator.uniform(0.4, 1, 3)
    distance_m, x = 6 - 3.5 * share, 0.4 * share - 0.2
    radius = 0.5 / distance_m
    squared = ((across - x) ** 2 + (down - 0.02) ** 2) / radius**2
    ball = squared < 1
    bulge = np.sqrt(np.maximum(0, 1 - squared))[ball]
    checks = (np.floor((across[ball] - x) / radius * 8) + np.floor(down[ball] / radius * 8)) % 2
    depth[ball] = distance_m - 0.4 * bulge
    light[ball] = (0.1 + 0.6 * bulge * (0.4 + 0.6 * checks))[:, None] * np.array([0.9, 0.3, 0.2])
    light += np.random.default_rng(int(share * 1e6)).normal(0, 0.004, light.shape).astype(np.float32)
    depth[down < -0.2] = np.inf
    return light, depth


def check_sequence(folder: Path) -> None:
    """Refocus to EXR with layers, and hold all that comes back to its source."""
    source, made = plates(folder, *SIZES["1080p"], COUNT), folder / "made" / "shot.%04d.exr"
    given = ("--disparity", source, "--disparity-kind", "depth")
    run("refocus", source, *given, *FOCUS, *LENS, "--aovs", "depth,coc,disparity", "-o", made)
    read_back(source, made)


def read_back(source: Path, made: Path) -> None:
    """Compare the result with its source, by the OpenEXR library alone."""
    exact, blurred, brightest = 0, 0, 0.0
    for number in range(FIRST, FIRST + COUNT):
        header, before = read_exr(Path(str(source) % number))
        after_header, after = read_exr(Path(str(made) % number))
        assert set(after) == LAYERS, sorted(after)
        assert {after[name].dtype for name in "RGBA"} == {np.dtype(np.float16)}
        for name in ("compression", "framesPerSecond", "owner"):
            assert after_header[name] == header[name], name
        longer = max(after["R"].shape)
        planes = 1 / before["Z"].astype(np.float64)
        spread = np.diff(np.percentile(planes, [0.1, 99.9]))[0]
        expected = (1 / FOCUS_M - planes) / spread * BLUR_STRENGTH * longer / 1024
        assert np.percentile(abs(after["coc"] - expected), 99) < 0.5, number  # normalized over the shot
        finite = np.isfinite(before["Z"])
        error = abs(after["depth.Z"][finite] / before["Z"][finite] - 1)
        assert np.percentile(error, 99) < 0.02, np.percentile(error, 99)
        same = np.all([after[name] == before[name] for name in "RGB"], axis=0)
        reach = 1 + int(np.ceil(abs(after["coc"]).max()))
        sharp = eroded(abs(after["coc"]) < IN_FOCUS_PX, reach)
        assert same[sharp].all(), number
        exact, blurred = exact + int(sharp.sum()), blurred + int((~same).sum())
        brightest = max(brightest, float(after["R"].max()))
    assert exact
    print(
        f"sequence: {COUNT} frames read back; {exact} pixels in focus, all bit for bit; {blurred} blurred;"
        f" the brightest is {brightest:.1f}",
        flush=True,
    )


def eroded(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Where a square of pixels around is in the mask, so that no blur from outside comes in."""
    side = 2 * reach + 1
    padded = np.pad(mask, reach, mode="edge").astype(np.int64)
    sums = np.pad(padded.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return np.asarray(inside == side * side)


def check_pipes(folder: Path, names: Sequence[str] = ("y4m", "nut", "matroska")) -> None:
    """The same frames from ffmpeg, through the command, to ffmpeg."""
    source = plates(folder, *SIZES["1080p"], COUNT)
    reading = f"ffmpeg -v error -framerate {RATE} -start_number {FIRST} -i '{source}'"
    given = {
        "y4m": f"{reading} -pix_fmt yuv444p10le -strict -1 -f yuv4mpegpipe -",
        "nut": f"{reading} -pix_fmt yuv444p10le -c:v ffv1 -f nut -",
        "matroska": f"{reading} -pix_fmt yuv444p10le -c:v ffv1 -f matroska -",
    }
    own = f"{sys.executable} -c '{PROGRAM}' refocus - -o - --disparity '{source}' --disparity-kind depth"
    for name, giving in ((name, given[name]) for name in names):
        made = folder / f"piped.{name}.mkv"
        codec = "" if name == "y4m" else "--codec ffv1"
        how = f"{' '.join([*FOCUS, *LENS])} --input-format {name} --output-format {name} {codec}"
        line = f"{giving} | {own} {how} | ffmpeg -v error -y -strict -1 -i - -c:v ffv1 {made}"
        subprocess.run(["bash", "-o", "pipefail", "-c", line], check=True)
        with av.open(str(made)) as file:
            frames = list(file.decode(video=0))
            rate = file.streams.video[0].average_rate
        assert (len(frames), rate) == (COUNT, RATE), (name, len(frames), rate)
        assert frames[0].format.name == "yuv444p10le", frames[0].format.name
        print(f"pipes: {name}: {len(frames)} frames at {rate}, {frames[0].format.name}", flush=True)


def check_log(folder: Path) -> None:
    """The light as LogC3, in pictures and in video: codes in focus are the codes that went in."""
    source = plates(folder, *SIZES["1080p"], COUNT)
    place = folder / "log"
    place.mkdir(exist_ok=True)
    numbers = range(FIRST + 10, FIRST + 14)  # in which the ball passes through the focus
    for number in numbers:
        _, channels = read_exr(Path(str(source) % number))
        light = torch.from_numpy(np.stack([channels[name].astype(np.float32) for name in "RGB"]))
        codes = (from_linear(light, "logc3").clamp(0, 1) * 1023).round().numpy().astype(np.uint16)
        stored = StoredPicture(codes=codes.transpose(1, 2, 0).copy(), bits=10)
        path = place / f"log.{number}.dpx"
        picture_kind(path).write(path, stored)
    given = ("--disparity", source, "--disparity-kind", "depth", "--color", "logc3", *FOCUS, *LENS)
    run("refocus", place / "log.%04d.dpx", *given, "-o", place / "made.%04d.dpx")
    exact = 0
    for number in numbers:
        _, layers = read_exr(Path(str(folder / "made" / "shot.%04d.exr") % number))
        before, after = (read_picture_file(place / f"{name}.{number}.dpx").codes for name in ("log", "made"))
        coc = abs(layers["coc"])
        sharp = eroded(coc < IN_FOCUS_PX, 1 + int(np.ceil(coc.max())))
        assert (before[sharp] == after[sharp]).all(), number
        exact += int(sharp.sum())
    assert exact
    print(f"log: {exact} pixels in focus keep their codes of 10 bits", flush=True)


def seconds_per_frame(folder: Path, size: str, source: str) -> tuple[float, float]:
    """Seconds, and seconds of all processors, that a frame more takes in a run."""
    short, long = 4, 16 if size == "1080p" else 8
    pattern = plates(folder, *SIZES[size], long)
    clip = converted_clip(folder, pattern, source, size, long)
    depth = ("--disparity", pattern, "--disparity-kind", "depth", *FOCUS, *LENS)
    target = folder / ("timed.mp4" if source == "H.264" else f"timed/timed.%04d{clip.suffix}")
    spent = []
    for count in (short, long):
        part = ("--end", f"f{count}")
        before, started_s = os.times(), time.monotonic()
        run("refocus", clip, *depth, *part, "-o", target)
        after = os.times()
        cpu_s = sum(after[2:4]) - sum(before[2:4])
        spent.append((time.monotonic() - started_s, cpu_s))
    frames = long - short
    return (spent[1][0] - spent[0][0]) / frames, (spent[1][1] - spent[0][1]) / frames


def converted_clip(folder: Path, pattern: Path, source: str, size: str, count: int) -> Path:
    """The same frames as another kind of file, made by the command itself with K = 0."""
    if source == "EXR, half":
        return pattern
    clip = folder / f"clip-{size}-{count}" / ("clip.mp4" if source == "H.264" else "clip.%04d.png")
    if not any(clip.parent.glob(f"*{clip.suffix}")):
        clip.parent.mkdir(exist_ok=True)
        depth = ("--disparity", pattern, "--disparity-kind", "depth", "--focus", "0.5", "--k", "0")
        run("refocus", pattern, *depth, "-q", "-o", clip)
    return clip


def peak_mb(folder: Path, frames: int) -> float:
    """The peak of memory of a run on small frames."""
    source = plates(folder, *SMALL, frames)
    given = ["--disparity", str(source), "--disparity-kind", "depth", *FOCUS, *LENS, "--aovs", "coc,depth"]
    made, _ = measure(["refocus", str(source), *given, "-o", str(folder / "small" / "s.%04d.exr")])
    return made


def run(*arguments: object) -> None:
    """Run a command of the program as a process of its own."""
    subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL
    )


def read_exr(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The header and the channels of an EXR, by the OpenEXR library alone."""
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return dict(file.header()), {name: one.pixels.copy() for name, one in file.channels().items()}


if __name__ == "__main__":
    main()

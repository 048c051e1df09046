"""How long a film takes on many machines, computed from the report of a run on one.

    bokeh refocus clip.mp4 --focus 0.4 --k 12 --resume --report report.json
    python benchmarks/farm_scaling.py report.json --hours 1 --nodes 1 8 64

Every node is taken to be as fast as the machine of the report. Where disparity is estimated, one node finds
the shots. All make disparity, shot by shot, and then frames, part by part; one joins. Shots and parts are
handed out whole, and each stage ends with the last of them.
"""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The figures of a report: seconds per frame of each stage, and until a process begins to work."""

    start_s: float
    shots_s: float
    disparity_s: float
    frame_s: float
    join_s: float
    frame_bytes: float
    part_frames: float

    @classmethod
    def from_report(cls, report: dict[str, Any]) -> "Measured":
        """Read the report of one clip that one process made."""
        (clip,) = report["clips"]
        parts, found = clip["parts"], clip["disparity"]
        frames = sum(part["frames"] for part in parts)
        shots = [one for one in found if "starts" in one]
        units = [one for one in found if "first" in one]
        in_parts_s = sum(part["seconds"] for part in parts)
        in_tracks_s = sum(one["seconds"] for one in found)
        return cls(
            start_s=clip["until_join_s"] - in_parts_s - in_tracks_s,
            shots_s=sum(one["seconds"] for one in shots) / frames,
            disparity_s=sum(one["seconds"] for one in units) / frames,
            frame_s=in_parts_s / frames,
            join_s=clip["join"]["seconds"] / frames,
            frame_bytes=sum(part["file_bytes"] for part in parts) / frames,
            part_frames=frames / len(parts),
        )


@dataclass(frozen=True, kw_only=True)
class Film:
    """A film: its frames, and how many of them a shot has."""

    frames: int
    shot_frames: float


@dataclass(frozen=True, kw_only=True)
class Stages:
    """The seconds of each stage, one after the other."""

    start_s: float
    shots_s: float
    disparity_s: float
    frames_s: float
    join_s: float

    @property
    def total_s(self) -> float:
        """All of them."""
        return self.start_s + self.shots_s + self.disparity_s + self.frames_s + self.join_s


def stages_of(measured: Measured, film: Film, nodes: int) -> Stages:
    """Return how long each stage of a film takes on so many nodes."""

    def in_rounds(piece_frames: float) -> float:
        """The frames that the node with most of the pieces makes."""
        pieces = math.ceil(film.frames / piece_frames)
        return min(math.ceil(pieces / nodes) * piece_frames, film.frames)

    return Stages(
        start_s=measured.start_s,
        shots_s=film.frames * measured.shots_s,
        disparity_s=in_rounds(film.shot_frames) * measured.disparity_s,
        frames_s=in_rounds(measured.part_frames) * measured.frame_s,
        join_s=film.frames * measured.join_s,
    )


def as_time(seconds: float) -> str:
    """Return hours and minutes, or seconds where that is little."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def print_table(measured: Measured, film: Film, nodes: Sequence[int]) -> None:
    """Print the stages on each number of nodes, and where more nodes cease to help."""
    print("| nodes | find shots | disparity | frames | join | total | times as fast | written |")
    print("|---|---|---|---|---|---|---|---|")
    alone_s = stages_of(measured, film, 1).total_s
    for count in nodes:
        found = stages_of(measured, film, count)
        columns = [found.shots_s, found.disparity_s, found.frames_s, found.join_s, found.total_s]
        written_mb = film.frames * measured.frame_bytes / found.frames_s / 1e6
        times = " | ".join(as_time(seconds) for seconds in columns)
        print(f"| {count} | {times} | {alone_s / found.total_s:.1f} | {written_mb:.0f} MB/s |")
    alone, shared = measured.shots_s + measured.join_s, measured.disparity_s + measured.frame_s
    kept_gb, read_mb = film.frames * measured.frame_bytes / 1e9, measured.frame_bytes / measured.join_s / 1e6
    print(f"\nA process starts in {measured.start_s:.1f} s. A frame takes {shared:.3f} s on any node, and")
    print(f"{alone:.3f} s on one of them: from {shared / alone:.0f} nodes on, that one takes longer than all")
    print(f"others. The frames of the film wait in {kept_gb:.0f} GB; the join reads {read_mb:.0f} MB/s.")


def main() -> None:
    """Print the table for a report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("--hours", type=float, default=1)
    parser.add_argument("--frame-rate", type=float, default=24)
    parser.add_argument("--shot-seconds", type=float, default=5)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 8, 64])
    wanted = parser.parse_args()
    film = Film(
        frames=round(wanted.hours * 3600 * wanted.frame_rate),
        shot_frames=wanted.shot_seconds * wanted.frame_rate,
    )
    print_table(Measured.from_report(json.loads(wanted.report.read_text())), film, wanted.nodes)


if __name__ == "__main__":
    main()

"""The kinds of file that video is written to."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import av

from any2bokeh.errors import VideoError
from any2bokeh.video.priority import usual_priority

# How far apart FFmpeg lets the streams of a file get, in microseconds, before it stops to wait for one:
# packets are handed over in order, and a stream that ends early must not pile up the others in memory.
INTERLEAVE = {"max_interleave_delta": "100000"}
# The index goes to the front, so that a player on the web need not have the end of the file to begin.
MOV_OPTIONS = INTERLEAVE | {"movflags": "+faststart"}
# Sound may begin before 0 (priming); moving everything until it does not would move the pictures.
MATROSKA_OPTIONS = INTERLEAVE | {"avoid_negative_ts": "disabled"}


@dataclass(frozen=True)
class Container:
    """A kind of file, by the end of its name; ``format`` is FFmpeg's word for it."""

    suffix: str
    format: str
    family: Literal["mov", "matroska"]
    options: dict[str, str]


CONTAINERS = {
    container.suffix: container
    for container in (
        Container(".mp4", "mp4", "mov", MOV_OPTIONS),
        Container(".mkv", "matroska", "matroska", MATROSKA_OPTIONS),
        Container(".mov", "mov", "mov", MOV_OPTIONS),
        Container(".webm", "webm", "matroska", MATROSKA_OPTIONS),
        Container(".m4v", "mp4", "mov", MOV_OPTIONS),
    )
}


def container_of(target: Path) -> Container:
    """Return the kind of file that the name asks for; raises ``VideoError`` for one that is not written."""
    container = CONTAINERS.get(target.suffix.lower())
    if container is None:
        raise VideoError(
            f"{target} cannot be written: the name must end in one of {', '.join(CONTAINERS)}.",
            hint=f"`target={target.with_suffix('.mkv').name}`",
        )
    return container


def can_hold(container: Container, add_stream: Callable[[Any], Any]) -> bool:
    """Whether this kind of file takes the stream that ``add_stream`` adds to an output.

    Some codecs are refused at once, others (FLAC and Opus in MOV) only when the header is written.
    """
    try:
        with av.open(os.devnull, "w", format=container.format) as output:
            add_stream(output)
            with usual_priority():
                output.start_encoding()
    except (ValueError, av.FFmpegError):
        return False
    return True


def where_to_write(add_stream: Callable[[Any], Any]) -> str:
    """Return a hint at the kinds of file that take the stream that ``add_stream`` adds to an output."""
    suffixes = [suffix for suffix, container in CONTAINERS.items() if can_hold(container, add_stream)]
    return f"Write to a {' or '.join(suffixes)} file." if suffixes else ""

"""The plan of a run, made without running it."""

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from any2bokeh.render.base import Renderer, make_renderer
from any2bokeh.session import ClipSession
from any2bokeh.settings.run_settings import Settings
from any2bokeh.video.footage import describe_result


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Input, networks and needs of a run; sizes are of the displayed picture.

    ``memory_bytes`` is the renderer's figure. ``depth_seconds`` is measured with the network on noise (where
    the motion chooses keyframes: the least that it takes); ``None`` where nothing has to be estimated.
    ``render_seconds`` is measured on the first frame; ``None`` where that tells nothing of the others, or
    where its disparity would have to be estimated before. ``exists`` says that a file of the result's name
    is there, which a run replaces only if it is told to.
    """

    frames: int
    width: int
    height: int
    disparity: str
    renderer: str
    device: str
    encoder: str
    memory_bytes: int | None
    depth_seconds: float | None
    render_seconds: float | None
    exists: bool

    def __str__(self) -> str:
        memory = f"about {self.memory_bytes / 1e6:.0f} MB" if self.memory_bytes else "unknown"
        seconds = "unknown" if self.render_seconds is None else f"about {self.render_seconds:.0f} s"
        depth = "" if self.depth_seconds is None else f"  estimate:  about {self.depth_seconds:.0f} s\n"
        return (
            f"  frames:    {self.frames} of {self.width}x{self.height}\n"
            f"  disparity: {self.disparity}\n"
            f"  renderer:  {self.renderer} on {self.device}\n"
            f"  encoder:   {self.encoder}\n"
            f"  memory:    {memory}\n"
            f"{depth}"
            f"  rendering: {seconds}"
            + ("\n  result:    exists already; `overwrite=True` replaces it" if self.exists else "")
        )


def make_plan(source: Path, target: Path, settings: Settings) -> Plan:
    """Return what refocusing ``source`` to ``target`` would do; nothing is written.

    Raises ``RefocusError`` where the run would fail before its first frame.
    """
    with ClipSession(source, settings.clip) as clip:
        pictures = clip.info.pictures
        renderer = make_renderer(settings.render, clip.device, pictures, settings.focus.strongest)
        with closing(renderer):
            encoder = describe_result(target, clip.video, settings.encode)
            disparity, is_there = _find_disparity(clip)
            # The masks of a subject that is pointed at would be grown first, which takes long.
            is_quick = is_there and renderer.work_per_frame is not None and settings.focus.pointed is None
            seconds = _render_seconds(renderer, clip) if is_quick else None
            return Plan(
                frames=len(clip.times),
                width=pictures.width,
                height=pictures.height,
                disparity=disparity,
                renderer=renderer.name,
                device=str(clip.device),
                encoder=encoder,
                memory_bytes=renderer.peak_bytes(pictures),
                depth_seconds=None if is_there else clip.estimate.seconds(),
                render_seconds=seconds,
                exists=target.exists(),
            )


def _find_disparity(clip: ClipSession) -> tuple[str, bool]:
    """Where the disparity comes from, in words, and whether it is there already."""
    if clip.settings.depth.track is not None:
        return f"track {clip.settings.depth.track}", True
    frames, estimate = len(clip.times), clip.estimate
    height, width = estimate.size
    network = f"{estimate.network.name} at {width}x{height}"
    if estimate.cached() is not None:
        return f"{network}, cached", True
    least, pace = estimate.pace.least_estimated(frames), estimate.pace
    count = f"{frames} frames" if least == frames else f"at least {least} of {frames} frames"
    return f"{network}, to be estimated: {pace} ({count})", False


def _render_seconds(renderer: Renderer, clip: ClipSession) -> float:
    """The seconds that rendering takes, judged by the first frame."""
    frames = len(clip.times)
    with closing(clip.scenes()) as scenes:
        scene = next(scenes)
    clip.close()  # no thread reads ahead meanwhile
    started_s = time.perf_counter()
    next(renderer.render(iter([scene])))
    first_s = time.perf_counter() - started_s
    return first_s * (1 + (frames - 1) * (renderer.work_per_frame or 1))

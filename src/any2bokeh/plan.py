"""The plan of a run, made without running it."""

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import torch

from any2bokeh.render.base import Renderer, make_renderer
from any2bokeh.scene import Scene
from any2bokeh.session import ClipSession
from any2bokeh.settings.focus_settings import CLEAR_K
from any2bokeh.settings.run_settings import Settings
from any2bokeh.video.footage import describe_result
from any2bokeh.video.frame_names import export_targets

# The share of a device's matrix products per second that a large network reaches: a guess, as layers differ.
NETWORK_EFFICIENCY = 0.4
MOST_TRIES, TRIED_S = 3, 2.0  # of one frame, to tell how long it takes


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Input, networks and needs of a run; sizes are of the displayed picture.

    ``memory_bytes`` is the renderer's figure. ``depth_seconds`` is measured with the network on noise (where
    the motion chooses keyframes: the least that it takes); ``None`` where nothing has to be estimated.
    ``subject_seconds`` is about how long following a subject takes; ``None`` where none is pointed at.
    ``render_seconds`` is measured on the first frame. It is rough where the disparity is not there yet, so
    that a ramp takes its place, and where a frame takes too long to try: then operations are counted.
    ``exists`` says that a file of the result's name is there, which a run replaces only if it is told to;
    ``exports`` are the files that it would write beside it.
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
    subject_seconds: float | None
    render_seconds: float
    is_rough: bool
    exists: bool
    exports: tuple[Path, ...] = ()

    def __str__(self) -> str:
        memory = f"about {self.memory_bytes / 1e6:.0f} MB" if self.memory_bytes else "unknown"
        depth = "" if self.depth_seconds is None else f"  estimate:  about {_duration(self.depth_seconds)}\n"
        subject = (
            "" if self.subject_seconds is None else f"  subject:   about {_duration(self.subject_seconds)}\n"
        )
        roughly = "roughly" if self.is_rough else "about"
        return (
            f"  frames:    {self.frames} of {self.width}x{self.height}\n"
            f"  disparity: {self.disparity}\n"
            f"  renderer:  {self.renderer} on {self.device}\n"
            f"  encoder:   {self.encoder}\n"
            f"  memory:    {memory}\n"
            f"{depth}{subject}"
            f"  rendering: {roughly} {_duration(self.render_seconds)}"
            + "".join(f"\n  export:    {path}" for path in self.exports)
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
            growths = clip.plan_growths()
            is_known = is_there and not growths  # masks would be grown first, which takes long
            operations = renderer.operations_per_frame
            if operations is None:
                scene = _first_scene(clip) if is_known else _stand_in(clip)
                seconds = _measured_seconds(renderer, clip, scene)
            else:
                seconds = len(clip.times) * operations / _operations_per_second(clip.device)
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
                subject_seconds=sum(growth.seconds() for growth in growths) if growths else None,
                render_seconds=seconds,
                is_rough=operations is not None or not is_known,
                exists=target.exists(),
                exports=export_targets(target, settings.encode.exports),
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


def _first_scene(clip: ClipSession) -> Scene:
    with closing(clip.scenes()) as scenes:
        return next(scenes)


def _stand_in(clip: ClipSession) -> Scene:
    """The first frame with a ramp for its disparity, far above and near below, as most pictures are."""
    with clip.video.frames() as frames:
        frame = next(iter(frames))
    height, width = frame.picture.shape[1:]
    focus = clip.settings.focus
    assert focus is not None
    return Scene(
        sharp=frame.picture,
        disparity=torch.linspace(0, 1, height)[None, :, None].expand(1, height, width).contiguous(),
        focus_disparity=0.5,
        blur_strength=CLEAR_K if focus.strongest is None else focus.strongest,
        pts=frame.pts,
    )


def _measured_seconds(renderer: Renderer, clip: ClipSession, scene: Scene) -> float:
    """The seconds that rendering takes, judged by one frame; where it is quick, it is drawn again.

    The first time, libraries set themselves up, as they do once in a run.
    """
    frames = len(clip.times)
    clip.close()  # no thread reads ahead meanwhile
    drawn_s: list[float] = []
    while not drawn_s or (len(drawn_s) < MOST_TRIES and sum(drawn_s) < TRIED_S):
        started_s = time.perf_counter()
        next(renderer.render(iter([scene])))
        drawn_s.append(time.perf_counter() - started_s)
    return drawn_s[0] + min(drawn_s) * (frames - 1) * renderer.work_per_frame


def _operations_per_second(device: torch.device) -> float:
    """Roughly what a network reaches on ``device``, from the time of a matrix product."""
    side = 1024 if device.type == "cpu" else 8192
    dtype = torch.float32 if device.type == "cpu" else torch.float16
    matrix = torch.ones(side, side, device=device, dtype=dtype)
    seconds = []
    for _ in range(3):  # the first one sets the device up
        started_s = time.perf_counter()
        float((matrix @ matrix)[0, 0])  # waits for the device
        seconds.append(time.perf_counter() - started_s)
    return NETWORK_EFFICIENCY * 2 * side**3 / min(seconds)


def _duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads well."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.0f} h"

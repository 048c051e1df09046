"""The whole run, top to bottom: a clip in, the refocused clip out."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from any2bokeh.atomic import check_target
from any2bokeh.depth.source import disparity_source
from any2bokeh.depth.track import DisparityTrack
from any2bokeh.device import choose_device
from any2bokeh.focus.clip import Clip
from any2bokeh.focus.depth_of_field import reshape
from any2bokeh.focus.focus_track import Focus, FocusTrack
from any2bokeh.focus.pull import pull_focus
from any2bokeh.focus.track_files import write_focus
from any2bokeh.progress import OnProgress, Progress, ignore
from any2bokeh.render.base import make_renderer
from any2bokeh.scene import Frame, Scene
from any2bokeh.settings.focus_settings import DepthOfFieldSettings
from any2bokeh.settings.run_settings import Settings
from any2bokeh.video.decode import frame_times, open_video, probe_video
from any2bokeh.video.encode import open_writer
from any2bokeh.video.prefetch import prefetch

SCENES_AHEAD = 2  # frames with their disparity that wait for the renderer: 33 MB each at 1080p


log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one run made; ``focus`` and ``k`` are the smallest and the largest of all frames."""

    target: Path
    frames: int
    renderer: str
    corrupt_packets: int
    focus: tuple[float, float]
    k: tuple[float, float]


def refocus(
    source: Path,
    target: Path,
    settings: Settings,
    on_progress: OnProgress = ignore,
    *,
    overwrite: bool = False,
) -> Result:
    """Write ``source``, refocused, to ``target`` and return what was done.

    Decoding, disparity, rendering and encoding run at the same time; memory does not depend on the
    clip's length. ``target`` appears under its name only when it is complete, and so does the focus track
    that ``settings`` may ask for.

    Raises ``RefocusError`` with a sentence for the user.
    """
    info = probe_video(source)
    times = frame_times(source, settings.time_range)
    if settings.save_focus_track:
        check_target(settings.save_focus_track, overwrite=overwrite)
    device = choose_device(settings.render.device)
    renderer = make_renderer(settings.render, device, info.pictures, settings.focus.strongest)

    log.info("%s is rendered by %s on %s.", source, renderer.name, device)

    def depth_progress(done: int) -> None:
        on_progress(Progress("depth", done, len(times)))

    with (
        open_writer(
            target, like=info, settings=settings.encode, time_range=settings.time_range, overwrite=overwrite
        ) as writer,
        disparity_source(
            info, times, settings.depth, settings.time_range, device, settings.render.dtype, depth_progress
        ) as disparity,
    ):
        clip = Clip(info, times, settings.time_range, disparity)
        focus = pull_focus(
            clip, settings.focus, lambda done: on_progress(Progress("focus", done, len(times)))
        )
        with (
            open_video(source, settings.time_range) as video,
            prefetch(scenes(video, disparity, focus), SCENES_AHEAD) as upcoming,
        ):
            frames = 0
            for frame in renderer.render(upcoming):  # same order, same time stamps
                writer.write(frame)
                frames += 1
                on_progress(Progress("render", frames, len(times)))
    if settings.save_focus_track:
        write_focus(settings.save_focus_track, focus, clip.clock.seconds, overwrite=overwrite)
    return Result(
        target=target,
        frames=frames,
        renderer=renderer.name,
        corrupt_packets=video.corrupt_packets,
        focus=focus.disparity_range,
        k=focus.strength_range,
    )


def scenes(frames: Iterable[Frame], disparity: DisparityTrack, focus: FocusTrack) -> Iterator[Scene]:
    """Each frame with its disparity and the focus at its time, in order."""
    for frame in frames:
        yield make_scene(frame, disparity.at(frame), focus.at(frame.pts), focus.depth_of_field)


def make_scene(frame: Frame, disparity: Tensor, focus: Focus, depth_of_field: DepthOfFieldSettings) -> Scene:
    """A frame to render; ``disparity`` is ``1 H W`` at its size."""
    shaped, focus_disparity, blur_strength = reshape(disparity, focus, depth_of_field)
    return Scene(
        sharp=frame.picture,
        disparity=shaped,
        focus_disparity=focus_disparity,
        blur_strength=blur_strength,
        pts=frame.pts,
    )

"""The whole run, top to bottom: a clip in, the refocused clip out; or its disparity."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from any2bokeh.atomic import check_target
from any2bokeh.depth.export import write_colors, write_estimated, write_given
from any2bokeh.errors import SettingsError
from any2bokeh.focus.track_files import write_focus
from any2bokeh.progress import OnProgress, Progress, ignore
from any2bokeh.render.aovs import LayerCollector, exported_values
from any2bokeh.render.base import aligned_scene, make_renderer
from any2bokeh.render.grain.grained import with_grain
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.session import ClipSession
from any2bokeh.settings.clip_settings import ClipSettings
from any2bokeh.settings.depth_settings import TrackSettings
from any2bokeh.settings.mask_settings import MaskSettings
from any2bokeh.settings.render_settings import RenderSettings
from any2bokeh.settings.run_settings import Settings
from any2bokeh.settings.video_settings import Aov
from any2bokeh.subject.grown_masks import write_masks
from any2bokeh.subject.subject_doubts import tell_doubts
from any2bokeh.video.export_files import Exports, open_exports
from any2bokeh.video.footage import open_result
from any2bokeh.video.frame_names import export_targets, numbered_name
from any2bokeh.video.prefetch import prefetch
from any2bokeh.video.sequence_writer import ExistingFrames

SCENES_AHEAD = 2  # frames with their disparity that wait for the renderer: 33 MB each at 1080p

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result of one run; ``focus``, ``k`` and ``focus_m`` are the smallest and the largest of all frames.

    ``focus_m`` is how far away the focal plane is in meters, ``None`` where distances are not known.
    ``exports`` are the files that were written beside it.
    """

    target: Path
    frames: int
    renderer: str
    corrupt_packets: int
    focus: tuple[float, float]
    k: tuple[float, float]
    focus_m: tuple[float, float] | None
    exports: tuple[Path, ...] = ()


def refocus(
    source: Path,
    target: Path,
    settings: Settings,
    on_progress: OnProgress = ignore,
    *,
    overwrite: bool = False,
    skip_existing: bool = False,
) -> Result:
    """Write ``source``, refocused, to ``target`` and return the run's result.

    Both are videos, numbered pictures (``shot.%04d.png``) or single ones. Decoding, disparity, rendering and
    encoding run at the same time; memory does not depend on the clip's length. ``target`` appears under its
    name only when it is complete, and so does the focus track that ``settings`` may ask for. Of numbered
    pictures, each appears when it is complete; a run that was stopped goes on with those that are missing,
    and so does any with ``skip_existing``.

    Raises ``RefocusError`` with a sentence for the user.
    """
    with ClipSession(source, settings.clip, on_progress) as clip:
        if settings.save_focus_track:
            check_target(settings.save_focus_track, overwrite=overwrite)
        pictures, strongest = clip.info.pictures, settings.focus.strongest
        frames = 0
        layers = collect_layers(clip, settings.encode.aovs, settings.render)
        existing = ExistingFrames(
            overwrite=overwrite, keep=skip_existing, run_key=f"{source.resolve()} {target} {settings}"
        )
        made = make_renderer(settings.render, clip.device, pictures, strongest)
        with closing(with_grain(made, settings.render, clip.find_noise, pictures)) as renderer:
            log.info("%s is rendered by %s on %s.", source, renderer.name, clip.device)
            with (
                open_exports(target, clip.video, settings.encode, existing) as exports,
                open_result(target, clip.video, settings.encode, existing=existing) as writer,
                prefetch(clip.scenes(), SCENES_AHEAD) as scenes,
            ):
                drawn = exported(scenes, exports, pictures, align_edges=settings.render.align_edges)
                kept = sum(not writer.needs(time) for time in clip.times)
                for run in _runs(drawn, clip.times, writer.needs, renderer.context):
                    for frame in renderer.render(map(layers.note, run)):  # same order, same time stamps
                        frame = replace(frame, layers=layers.layers_at(frame.pts))
                        if not writer.needs(frame.pts):
                            continue
                        writer.write(frame)
                        frames += 1
                        on_progress(Progress("render", kept + frames, len(clip.times)))
        if settings.save_focus_track:
            write_focus(settings.save_focus_track, clip.focus, clip.video.seconds, overwrite=overwrite)
        return Result(
            target=target,
            frames=frames,
            renderer=renderer.name,
            corrupt_packets=clip.corrupt_packets,
            focus=clip.focus.disparity_range,
            k=clip.focus.strength_range,
            focus_m=clip.focus.meters_range,
            exports=export_targets(target, settings.encode.exports),
        )


def _runs(
    scenes: Iterator[Scene],
    times: Sequence[int],
    needs: Callable[[int], bool],
    context: Callable[[range, int], range],
) -> Iterator[Iterator[Scene]]:
    """Yield those of a clip's scenes that a renderer needs to draw some frames, in runs without a gap.

    ``needs`` tells by its time whether a frame is to be drawn, and ``context`` is the renderer's. Each run
    has to be read before the next.
    """
    run_of: dict[int, int] = {}
    number, stop = 0, 0
    for is_needed, numbers in groupby(range(len(times)), lambda frame: needs(times[frame])):
        if is_needed:
            first, *rest = numbers  # asked for as one: a network counts through its windows for each answer
            around = context(range(first, first + len(rest) + 1), len(times))
            number += around.start > stop
            run_of |= {times[other]: number for other in range(max(around.start, stop), around.stop)}
            stop = max(stop, around.stop)
    for found, run in groupby(scenes, lambda scene: run_of.get(scene.pts)):
        if found is not None:
            yield run


def exported(
    scenes: Iterator[Scene], exports: Exports, pictures: PictureFormat, *, align_edges: bool
) -> Iterator[Scene]:
    """Give scenes on, of which each was exported before; with edges aligned, if they were for that."""
    for scene in scenes:
        if exports and align_edges:
            scene = aligned_scene(scene, pictures)
        for export, write in exports.items():
            write(exported_values(export, scene, pictures).cpu().numpy(), scene.pts)
        yield scene


def collect_layers(clip: ClipSession, aovs: Sequence[Aov], render: RenderSettings) -> LayerCollector:
    """Return what makes the layers called ``aovs``; raises ``SettingsError`` where the clip has none such."""
    if "subject" in aovs and clip.subject is None:
        raise SettingsError(
            "`aovs=subject` needs a subject that is held: `points` or `focus_mask`, without `subject_depth`."
        )
    depth_of = clip.disparity.depth_of if "depth" in aovs else None
    return LayerCollector(aovs, clip.info.pictures, depth_of, align_edges=render.align_edges)


def estimate_depth(
    source: Path,
    target: Path | None,
    settings: TrackSettings = TrackSettings(),  # noqa: B008  it is frozen
    on_progress: OnProgress = ignore,
    *,
    colors: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Write the disparity of ``source`` as a track, in colors, or both.

    ``target`` becomes a track: numbered pictures, or FFV1 in Matroska with the video's time stamps. An
    estimated track has the size at which it was estimated; one that ``settings`` name is converted, and gets
    the size of the frames, as does one in which a subject is held.
    ``colors`` becomes a video in which near is bright, or a PNG of the first frame. Both appear under their
    names only when they are complete.

    Raises ``RefocusError`` with a sentence for the user.
    """
    wanted = ClipSettings(
        focus=settings.focus,
        depth=settings.depth,
        time_range=settings.time_range,
        input=settings.input,
        device=settings.device,
        dtype=settings.dtype,
    )
    with ClipSession(source, wanted, on_progress) as clip:

        def rendered(done: int) -> None:
            on_progress(Progress("render", done, len(clip.times)))

        if target and settings.depth.track is None and not settings.focus:
            if numbered_name(target) is None:
                check_target(target, overwrite=overwrite)
            write_estimated(target, clip.estimated, clip.video, overwrite=overwrite)
        elif target:
            scale = clip.disparity.scale_of(clip.times)
            write_given(target, clip.video, clip.frames(), rendered, scale=scale, overwrite=overwrite)
        if colors:
            part = clip.span, clip.video.beside_pictures
            write_colors(colors, clip.info, *part, clip.frames(), rendered, overwrite=overwrite)


def grow_subject(
    source: Path,
    target: Path,
    settings: MaskSettings,
    on_progress: OnProgress = ignore,
    *,
    overwrite: bool = False,
) -> None:
    """Write the mask of the subject that ``settings`` point at, in every frame of ``source``.

    ``target`` becomes a track of the frames' size that is white on the subject: FFV1 gray in Matroska with
    the video's time stamps. It appears under its name only when it is complete.

    Raises ``RefocusError`` with a sentence for the user.
    """
    with ClipSession(source, settings.clip, on_progress) as clip:
        check_target(target, overwrite=overwrite)
        plan = clip.plan_growth(settings.subject)

        def grown(done: int) -> None:
            on_progress(Progress("render", done, len(clip.times)))

        shares = write_masks(target, plan, grown, overwrite=overwrite)
        tell_doubts(source, shares, clip.video.times_s)

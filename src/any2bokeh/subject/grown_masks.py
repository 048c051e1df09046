"""Masks that were grown from points, as a track: written to a file of the user, or kept for the next run."""

import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.atomic import partial_file
from any2bokeh.closeable import Closeable
from any2bokeh.depth.cache import KeptTrack, cache_key, drop_track, find_track, keep_track
from any2bokeh.errors import DisparityError
from any2bokeh.progress import OnCount, ignore
from any2bokeh.settings.focus_settings import SubjectSettings
from any2bokeh.subject.mask_growth import grow_masks, place_subjects
from any2bokeh.subject.segmentation_networks import Segmentation, ShippedSegmentation
from any2bokeh.subject.segmenter import Click
from any2bokeh.video.clip import Clip
from any2bokeh.video.gray import open_gray
from any2bokeh.video.lossless import GRAY, LosslessWriter, to_uint8

log = logging.getLogger(__name__)
news = logging.getLogger("any2bokeh.news")


@dataclass(frozen=True, kw_only=True)
class GrowthPlan:
    """What growing the masks of a clip's subjects comes to; nothing is computed yet."""

    video: Clip
    subject: SubjectSettings
    segmentation: Segmentation
    device: torch.device
    dtype: torch.dtype
    use_cache: bool

    def key(self) -> str:
        """Return the key of the cached masks, on any device in any precision."""
        facts: dict[str, str | int | bool] = {
            "segmentation": self.segmentation.source,
            "commit": self.segmentation.revision,
            "subject": str(self.subject.points),
            "not subject": str(self.subject.not_points),
            "range": str(self.video.time_range),
        }
        return cache_key(self.video.info.path, facts)

    def seconds(self) -> float:
        """Return about how long growing takes, measured on two frames; 0 where the cache has the masks."""
        if self.use_cache and find_track(self.key()) is not None:
            return 0.0
        segmenter = self.segmentation.load(self.device, self.dtype)()
        with self.video.shown() as frames:
            first, *others = islice(frames, 2)
        segmenter.start(segmenter.view(first), [Click(0.5, 0.5)])  # the first time is slower
        started_s = time.perf_counter()
        segmenter.step(segmenter.view(others[0] if others else first))
        frame_s = time.perf_counter() - started_s
        return frame_s * len(self.video.times) * len(self.subject.points)


class GrownMasks(Closeable):
    """The masks of a clip's subjects as files, ``paths``, one for each plan; a context manager.

    They come from the cache, or are made now: all that lack in one pass over the clip.
    """

    def __init__(self, plans: Sequence[GrowthPlan], on_frames: OnCount = ignore) -> None:
        """Find the masks, or grow them; ``on_frames`` is told how many are done."""
        with ExitStack() as stack:
            self.paths = _find_or_grow(plans, stack, on_frames)
            self._made = stack.pop_all()

    def close(self) -> None:
        """Remove masks that the cache could not keep."""
        self._made.close()


def write_masks(
    target: Path, plan: GrowthPlan, on_frames: OnCount = ignore, *, overwrite: bool = False
) -> list[float]:
    """Write the masks to ``target``, which appears when it is complete.

    They are a track of the frames' size: FFV1 gray in Matroska, with the video's times. Returns how much of
    each picture they cover, 0..1. Raises ``FocusError`` for a point that is not in the clip, ``VideoError``
    if ``target`` cannot be written.
    """
    with partial_file(target, overwrite=overwrite) as path:
        [shares] = _grow([plan], [path], on_frames)
        return shares


def _find_or_grow(plans: Sequence[GrowthPlan], stack: ExitStack, on_frames: OnCount) -> tuple[Path, ...]:
    kept = [_intact(find_track(plan.key())) if plan.use_cache else None for plan in plans]
    paths = [track.path if track else None for track in kept]
    lacking = [number for number, path in enumerate(paths) if path is None]
    if lacking:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="any2bokeh-")))
        made = [folder / f"mask{number}.mkv" for number in lacking]
        _grow([plans[number] for number in lacking], made, on_frames)
        for number, path in zip(lacking, made, strict=True):
            new = (
                keep_track(plans[number].key(), partial(copyfile, path)) if plans[number].use_cache else None
            )
            paths[number] = new.path if new else path
    return tuple(path for path in paths if path)


def _grow(plans: Sequence[GrowthPlan], targets: Sequence[Path], on_frames: OnCount) -> list[list[float]]:
    """Write the masks of each plan, all of one clip, in one pass; return the shares of ``write_masks``."""
    video, segmentation, device = plans[0].video, plans[0].segmentation, plans[0].device
    info = video.info
    groups = [place_subjects(plan.subject, video) for plan in plans]
    make = segmentation.load(device, plans[0].dtype)
    if segmentation.takes_seconds and device.type == "cpu":
        news.info(
            "The subject in %s is followed by %s on the CPU, which takes seconds for each of %d frames.",
            info.path,
            segmentation.name,
            len(video.times),
        )
    if isinstance(segmentation, ShippedSegmentation) and segmentation.is_fallback:
        log.warning(
            "The bundled network may miss parts of a subject: point at those as well."
            " `bokeh download-weights` fetches a better one, once."
        )
    size = (info.width, info.height)
    nothing = np.zeros((1, info.height, info.width), np.uint8)
    shares: list[list[float]] = [[] for _ in plans]
    with ExitStack() as stack:
        writers = [
            stack.enter_context(LosslessWriter(target, size, GRAY, info.time_base, info.frame_rate))
            for target in targets
        ]
        for pts, masks in grow_masks(groups, make, video, on_frames):
            for writer, mask, share in zip(writers, masks, shares, strict=True):
                codes = nothing if mask is None else to_uint8(_fitted(mask, size))
                writer.write_integers(codes, pts)
                share.append(float((codes > 127).mean()))
    return shares


def _intact(track: KeptTrack | None) -> KeptTrack | None:
    """A track out of the cache, unless it was damaged since it was made: then it is removed."""
    if track is None:
        return None
    try:
        open_gray(track.path, "mask")
    except DisparityError as error:
        log.warning("%s It was kept in the cache, and is made anew.", error.message)
        drop_track(track.path)
        return None
    return track


def _fitted(mask: Tensor, size: tuple[int, int]) -> Tensor:
    width, height = size
    return interpolate(mask[None], (height, width), mode="bilinear", align_corners=False)[0]

"""Masks that were grown from points, as a track: written to a file of the user, or kept for the next run."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
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
from any2bokeh.scene import Frame
from any2bokeh.settings.focus_settings import SubjectSettings
from any2bokeh.subject.mask_growth import ReadFrames, grow_masks, place_subjects
from any2bokeh.subject.segmentation_networks import Segmentation
from any2bokeh.video.clip import Clip
from any2bokeh.video.gray import open_gray
from any2bokeh.video.lossless import GRAY, LosslessWriter, to_uint8
from any2bokeh.video.span import Span

log = logging.getLogger(__name__)
news = logging.getLogger("any2bokeh.news")


@dataclass(frozen=True, kw_only=True)
class GrowthPlan:
    """What growing the masks of a clip's subjects comes to; nothing is computed yet.

    ``read`` gives the frames of a part of ``video``, with disparity where ``segmentation`` looks at it.
    """

    video: Clip
    subject: SubjectSettings
    segmentation: Segmentation
    read: ReadFrames
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

    def write(self, target: Path, on_frames: OnCount = ignore) -> list[float]:
        """Write the masks as a track of the frames' size: FFV1 gray in Matroska, with the video's times.

        Returns how much of each picture they cover, 0..1. Raises ``FocusError`` for a point that is not in
        the clip, ``VideoError`` if ``target`` cannot be written.
        """
        info = self.video.info
        subjects = place_subjects(self.subject, self.video)
        make = self.segmentation.load(self.device, self.dtype)
        if self.segmentation.holds and self.device.type == "cpu":
            news.info(
                "The subject in %s is followed by %s on the CPU, which takes seconds for each of %d frames.",
                info.path,
                self.segmentation.name,
                len(self.video.times),
            )
        size = (info.width, info.height)
        nothing = np.zeros((1, info.height, info.width), np.uint8)
        shares: list[float] = []
        with LosslessWriter(target, size, GRAY, info.time_base, info.frame_rate) as writer:
            for pts, mask in grow_masks(subjects, make, self.video, self.read, on_frames):
                codes = nothing if mask is None else to_uint8(_fitted(mask, size))
                writer.write_integers(codes, pts)
                shares.append(float((codes > 127).mean()))
        return shares


class GrownMasks(Closeable):
    """The masks of a clip's subjects as a file, from the cache or new; a context manager."""

    def __init__(self, plan: GrowthPlan, on_frames: OnCount = ignore) -> None:
        """Find the masks, or grow them; ``on_frames`` is told how many are done."""
        self._folder: TemporaryDirectory[str] | None = None
        found = _intact(find_track(plan.key())) if plan.use_cache else None

        def write(path: Path) -> None:
            plan.write(path, on_frames)

        if found is None and plan.use_cache:
            found = keep_track(plan.key(), write)
        if found is not None:
            self.path = found.path
            return
        self._folder = TemporaryDirectory(prefix="any2bokeh-")
        self.path = Path(self._folder.name) / "mask.mkv"
        try:
            write(self.path)
        except BaseException:
            self._folder.cleanup()
            raise

    def close(self) -> None:
        """Remove masks that the cache could not keep."""
        if self._folder:
            self._folder.cleanup()


def write_masks(
    target: Path, plan: GrowthPlan, on_frames: OnCount = ignore, *, overwrite: bool = False
) -> list[float]:
    """Write the masks to ``target``, which appears when it is complete; see ``GrowthPlan.write``."""
    with partial_file(target, overwrite=overwrite) as partial:
        return plan.write(partial, on_frames)


@contextmanager
def pictures_alone(video: Clip, span: Span) -> Iterator[Iterator[tuple[Frame, Tensor | None]]]:
    """Give the frames of a part without disparity, which then need not be estimated."""
    with video.shown(span) as frames:
        yield ((frame, None) for frame in frames)


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

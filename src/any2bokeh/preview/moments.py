"""Moments of a clip, each as a run would see it."""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.depth.distances import DepthRange
from any2bokeh.depth.upsample import upsample_disparity
from any2bokeh.errors import VideoError
from any2bokeh.focus.depth_of_field import focused_scene
from any2bokeh.focus.focus_track import Focus
from any2bokeh.render.base import Renderer
from any2bokeh.scene import Frame, Scene
from any2bokeh.session import ClipSession
from any2bokeh.settings.focus_settings import DepthOfFieldSettings
from any2bokeh.settings.preview_settings import PreviewSettings
from any2bokeh.settings.video_settings import TimeRange

HALF = 0.5  # of a pixel: so much of it belongs to the subject, if it counts as inside


@dataclass(frozen=True, kw_only=True, eq=False)
class Moment:
    """A frame with its disparity (``1 H W`` at its size, as it was found) and its focus.

    ``coverage``, of that size too, is that of a subject held in focus: another focus has none.
    ``number`` and ``time_s`` count from the clip's first frame. ``depth_range`` are the distances that its
    disparity stands for, if they are known.
    """

    frame: Frame
    disparity: Tensor
    focus: Focus
    depth_of_field: DepthOfFieldSettings
    number: int
    time_s: Fraction
    coverage: Tensor | None = None
    depth_range: DepthRange | None = None

    def scene(self) -> Scene:
        """Return it as the scene that a renderer takes."""
        return focused_scene(self.frame, self.disparity, self.focus, self.depth_of_field, self.coverage)

    def focused_on(self, focus_disparity: float) -> "Moment":
        """Return it with another focal plane."""
        focus_m = self.depth_range.distance_m(focus_disparity) if self.depth_range else None
        focus = replace(self.focus, focus_disparity=focus_disparity, focus_m=focus_m)
        return replace(self, focus=focus)

    def subject_box(self) -> list[float] | None:
        """Return left, top, right and bottom of the held subject in shares of the frame, if one is held."""
        inside = (self.coverage[0] >= HALF).nonzero() if self.coverage is not None else torch.empty(0)
        if not len(inside):
            return None
        (top, left), (bottom, right) = inside.amin(0).tolist(), (inside.amax(0) + 1).tolist()
        height, width = self.frame.picture.shape[1:]
        return [left / width, top / height, right / width, bottom / height]

    def refocused(self, renderer: Renderer) -> Tensor:
        """Return the result, ``3 H W``."""
        return next(renderer.render(iter([self.scene()]))).picture.cpu()

    def with_square_pixels(self, pixel_aspect: Fraction) -> "Moment":
        """Return it with square pixels, given the width of one over its height."""
        return self._with_picture(with_square_pixels(self.frame.picture, pixel_aspect))

    def at_most(self, longer_side_px: int) -> "Moment":
        """Return it (square pixels) with a longer side of at most so many pixels."""
        height, width = self.frame.picture.shape[1:]
        share = min(1.0, longer_side_px / max(height, width))
        return self._with_picture(fitted(self.frame.picture, max(1, round(width * share))))

    def _with_picture(self, picture: Tensor) -> "Moment":
        frame = replace(self.frame, picture=picture)
        height, width = picture.shape[1:]
        coverage = None if self.coverage is None else _resized(self.coverage, height, width)
        return replace(
            self, frame=frame, disparity=upsample_disparity(self.disparity, picture), coverage=coverage
        )


OnMoment = Callable[[Moment], None]  # told of each moment that is looked at, in order


def fitted(picture: Tensor, width: int) -> Tensor:
    """Return a picture (``C H W``) made ``width`` pixels wide, its shape kept."""
    height = max(1, round(picture.shape[1] * width / picture.shape[2]))
    return _resized(picture, height, width)


def with_square_pixels(picture: Tensor, pixel_aspect: Fraction) -> Tensor:
    """Return the picture (``C H W``) widened, or heightened, until its pixels are square."""
    height, width = picture.shape[1:]
    if pixel_aspect > 1:
        return _resized(picture, height, round(width * pixel_aspect))
    return _resized(picture, round(height / pixel_aspect), width)


def _resized(picture: Tensor, height: int, width: int) -> Tensor:
    if picture.shape[1:] == (height, width):
        return picture
    return interpolate(picture[None], size=(height, width), mode="bilinear", antialias=True)[0].clamp(0, 1)


def choose_times(clip: ClipSession, settings: PreviewSettings, count: int) -> list[int]:
    """Return the time stamps of the frames to look at, in order.

    Those at ``settings.at``; where none is named, ``count`` spread evenly over the range, its first and last
    frame among them (a single one is that in the middle). Raises ``VideoError`` for one outside the range.
    """
    times = clip.times
    if not settings.at:
        last = len(times) - 1
        steps = range(min(count, len(times)))
        numbers = [round(step * last / (len(steps) - 1)) for step in steps] if len(steps) > 1 else [last // 2]
        return [times[number] for number in numbers]
    named = {clip.video.find(TimeRange(start=point)).start for point in settings.at}
    chosen = sorted(pts for pts in named if pts is not None)
    if not set(chosen) <= set(times):
        raise VideoError(f"The frame to preview is outside the part of {clip.info.path} to process.")
    return chosen


def moments_at(clip: ClipSession, wanted: list[int]) -> Iterator[Moment]:
    """Yield the moments at the time stamps ``wanted``, in order.

    Where disparity is estimated, it is that of the whole range, as ``refocus`` uses it.
    """
    all_times, focus = clip.video.all_times, clip.focus
    for frame, disparity, coverage in clip.stills(wanted):
        yield Moment(
            frame=frame,
            disparity=disparity,
            coverage=coverage,
            focus=focus.at(frame.pts),
            depth_of_field=focus.depth_of_field,
            number=bisect_left(all_times, frame.pts),
            time_s=(frame.pts - all_times[0]) * clip.info.time_base,
            depth_range=clip.depth_range_at(frame.pts),
        )

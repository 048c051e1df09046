"""One frame in four pictures, to choose the focus by: original, disparity, what is in focus, result."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.depth.colormap import colorize
from any2bokeh.depth.source import disparity_source
from any2bokeh.device import choose_device
from any2bokeh.errors import VideoError
from any2bokeh.optics.coc import coc_px
from any2bokeh.puller.clip import Clip
from any2bokeh.puller.pull import pull_focus
from any2bokeh.refocus import Progress, ignore, scenes
from any2bokeh.render.base import make_renderer
from any2bokeh.scene import Scene
from any2bokeh.settings import PreviewSettings, TimeRange
from any2bokeh.video.decode import frame_times, open_video, probe_video

IN_FOCUS_PX = 1.0  # a circle of confusion of a smaller radius is not seen
TINT = (1.0, 0.45, 0.0)
LUMA = (0.2126, 0.7152, 0.0722)


def preview(
    source: Path, settings: PreviewSettings, on_progress: Callable[[Progress], None] = ignore
) -> Tensor:
    """Return ``3 2H 2W`` R'G'B' in 0..1, upright and with square pixels, of one frame.

    Above: the original and its disparity in colours; below: what is in focus, tinted, and the result.
    Where disparity is estimated, it is that of the whole range, as ``refocus`` uses it.

    Raises ``RefocusError`` with a sentence for the user.
    """
    info = probe_video(source)
    times = frame_times(source, settings.time_range)
    with open_video(source, TimeRange(start=settings.at)) as video:
        frame = next(iter(video))
    if frame.pts not in times:
        raise VideoError(f"The frame to preview is outside the part of {source} that was asked for.")
    device = choose_device(settings.render.device)
    with disparity_source(
        info,
        times,
        settings.depth,
        settings.time_range,
        device,
        settings.render.dtype,
        lambda done: on_progress(Progress("depth", done, len(times))),
    ) as disparity:
        focus = pull_focus(Clip(info, times, settings.time_range, disparity), settings.focus)
        scene = next(scenes([frame], disparity, focus))
        unshaped = disparity.at(frame)
    renderer = make_renderer(settings.render, device, light=info.color.light, pixel_aspect=info.pixel_aspect)
    result = next(renderer.render(iter([scene]))).picture.cpu()
    pictures = [scene.sharp, colorize(unshaped), show_in_focus(scene, info.pixel_aspect), result]
    first, second, third, fourth = (with_square_pixels(picture, info.pixel_aspect) for picture in pictures)
    return torch.cat([torch.cat([first, second], dim=2), torch.cat([third, fourth], dim=2)], dim=1)


def show_in_focus(scene: Scene, pixel_aspect: Fraction) -> Tensor:
    """Return the picture in gray (``3 H W``, 0..1), tinted where it is in focus."""
    height, width = scene.sharp.shape[1:]
    longer_side_px = max(width * float(pixel_aspect), height)
    radius_px = coc_px(scene.disparity, scene.focus_disparity, scene.blur_strength, longer_side_px).abs()
    gray = (scene.sharp * torch.tensor(LUMA).view(3, 1, 1)).sum(dim=0, keepdim=True)
    tinted = 0.5 * gray + 0.5 * torch.tensor(TINT).view(3, 1, 1)
    return torch.where(radius_px < IN_FOCUS_PX, tinted, gray).clamp(0, 1)


def with_square_pixels(picture: Tensor, pixel_aspect: Fraction) -> Tensor:
    """Return the picture (``3 H W``) widened, or heightened, until its pixels are square."""
    if pixel_aspect == 1:
        return picture
    height, width = picture.shape[1:]
    size = (
        (height, round(width * pixel_aspect)) if pixel_aspect > 1 else (round(height / pixel_aspect), width)
    )
    return interpolate(picture[None], size=size, mode="bilinear", antialias=True)[0]

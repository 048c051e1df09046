"""Stills to choose the focus by: moments in four pictures, a sheet over time, a sheet over focus values."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import product
from math import ceil, sqrt
from pathlib import Path

import torch
from torch import Tensor

from any2bokeh.depth.colormap import colorize
from any2bokeh.focus.focus_track import Focus
from any2bokeh.focus.points import patch_at
from any2bokeh.optics.coc import coc_px
from any2bokeh.preview.moments import Moment, OnMoment, choose_times, fitted, moments_at, with_square_pixels
from any2bokeh.preview.sheet import CaptionedPicture, Words, lay_out, lettered, letters_px
from any2bokeh.progress import OnProgress, Progress, ignore
from any2bokeh.render.base import Renderer, make_renderer
from any2bokeh.render.grain.grained import with_grain
from any2bokeh.scene import Scene
from any2bokeh.session import ClipSession
from any2bokeh.settings.preview_settings import PreviewSettings

IN_FOCUS_PX = 1.0  # a circle of confusion of a smaller radius is not seen
TINT = (1.0, 0.45, 0.0)
LUMA = (0.2126, 0.7152, 0.0722)
ONE_PX, SEVERAL_PX, SHEET_PX = (480, 1920), (480, 720), (480, 640)  # smallest and largest longer side shown
READINGS = (5, 3)  # along the longer and the shorter side
OUTLIERS = 0.01  # share of disparity at each end that no focal plane is offered for
SAMPLED_PX = 256


def moment_sheet(
    source: Path,
    settings: PreviewSettings,
    on_progress: OnProgress = ignore,
    on_moment: OnMoment = ignore,
) -> Tensor:
    """Return a sheet (``3 H W`` R'G'B' in 0..1, square pixels) of moments, in four pictures each.

    The original, its disparity in colors with readings on it, the area in focus (tinted) and the result:
    two above two for a single moment, else a row for each. Raises ``RefocusError`` with a sentence for the
    user.
    """
    cells = [
        cell
        for moment, result in _refocused_moments(source, settings, 1, on_progress, on_moment)
        for cell in (
            CaptionedPicture(picture=moment.frame.picture, title="Original", detail=when(moment)),
            CaptionedPicture(
                picture=with_readings(moment.disparity),
                title="Disparity",
                detail="near is bright",
                focus_disparity=moment.focus.focus_disparity,
            ),
            CaptionedPicture(
                picture=show_in_focus(moment.scene()), title="In focus", detail="tinted: blur below a pixel"
            ),
            CaptionedPicture(picture=result, title="Refocused", detail=what(moment.focus)),
        )
    ]
    columns, sizes = (2, ONE_PX) if len(cells) == 4 else (4, SEVERAL_PX)
    return lay_out(cells, columns, _width(cells[0].picture, sizes))


def contact_sheet(
    source: Path,
    settings: PreviewSettings,
    on_progress: OnProgress = ignore,
    on_moment: OnMoment = ignore,
) -> Tensor:
    """Return a sheet over time: the area in focus (tinted) above the result of ``settings.stills`` moments.

    See ``moment_sheet`` for the rest.
    """
    cells = [
        CaptionedPicture(
            picture=torch.cat([show_in_focus(moment.scene()), result], dim=1 if is_wide(result) else 2),
            title=when(moment),
            detail=what(moment.focus),
        )
        for moment, result in _refocused_moments(source, settings, settings.stills, on_progress, on_moment)
    ]
    return lay_out(cells, min(len(cells), 4), _width(cells[0].picture, SHEET_PX))


def sweep(
    source: Path,
    settings: PreviewSettings,
    on_progress: OnProgress = ignore,
    on_moment: OnMoment = ignore,
) -> Tensor:
    """Return a sheet of one moment with ``settings.focus_values`` focal planes, from far to near.

    They are spread evenly over the disparity of the frame. See ``moment_sheet`` for the rest.
    """
    with ClipSession(source, settings.clip, on_progress) as clip:
        [moment] = moments_at(clip, choose_times(clip, settings, 1))
        on_moment(moment)
        cells = []
        with closing(_renderer(clip, settings)) as renderer:
            for focus_disparity in focus_values([moment.disparity], settings.focus_values):
                focused = replace(moment.focused_on(focus_disparity), coverage=None)
                picture = with_square_pixels(focused.refocused(renderer), clip.info.pixel_aspect)
                cells.append(
                    CaptionedPicture(picture=picture, title=what(focused.focus), detail=when(moment))
                )
                on_progress(Progress("render", len(cells), settings.focus_values))
    return lay_out(cells, ceil(sqrt(len(cells))), _width(cells[0].picture, SHEET_PX))


def _refocused_moments(
    source: Path, settings: PreviewSettings, count: int, on_progress: OnProgress, on_moment: OnMoment
) -> Iterator[tuple[Moment, Tensor]]:
    """Each moment and its result, with square pixels; ``count`` moments unless some are named."""
    with ClipSession(source, settings.clip, on_progress) as clip, ExitStack() as stack:
        wanted, pixel_aspect = choose_times(clip, settings, count), clip.info.pixel_aspect
        renderer = None
        for done, moment in enumerate(moments_at(clip, wanted), start=1):
            on_moment(moment)
            if renderer is None:  # after depth: both take a lot of memory
                renderer = stack.enter_context(closing(_renderer(clip, settings)))
            result = with_square_pixels(moment.refocused(renderer), pixel_aspect)
            yield moment.with_square_pixels(pixel_aspect), result
            on_progress(Progress("render", done, len(wanted)))


def _renderer(clip: ClipSession, settings: PreviewSettings) -> Renderer:
    pictures, render = clip.info.pictures.as_shown, settings.render
    made = make_renderer(render, clip.device, pictures, settings.focus.strongest)
    is_shown = pictures == clip.info.pictures  # else its noise is that of other code values
    return with_grain(made, render, clip.find_noise, pictures) if is_shown else made


def _width(picture: Tensor, sizes: tuple[int, int]) -> int:
    """How wide pictures are shown: as they are, between a smallest and a largest longer side."""
    smallest, largest = sizes
    longer = max(picture.shape[1:])
    return round(picture.shape[2] * min(max(longer, smallest), largest) / longer)


def is_wide(picture: Tensor) -> bool:
    """Whether a picture (``C H W``) is at least as wide as high."""
    return picture.shape[2] >= picture.shape[1]


def when(moment: Moment) -> str:
    """Say which frame it is."""
    return f"{float(moment.time_s):.2f} s \u00b7 frame {moment.number}"


def what(focus: Focus) -> str:
    """Say how it is focused."""
    meters = "" if focus.focus_m is None else f" ({focus.focus_m:.3g} m)"
    return f"focus {focus.focus_disparity:.3f}{meters} \u00b7 K {focus.blur_strength:.3g}"


def focus_values(disparities: list[Tensor], count: int) -> list[float]:
    """Return ``count`` focal planes from far to near, evenly over what all but outliers of disparity hold."""
    samples = torch.cat([fitted(disparity, SAMPLED_PX).flatten() for disparity in disparities])
    far, near = samples.quantile(torch.tensor([OUTLIERS, 1 - OUTLIERS])).tolist()
    return [round(value, 3) for value in torch.linspace(far, near, count).tolist()]


def with_readings(disparity: Tensor) -> Tensor:
    """Return disparity ``1 H W`` in colors (``3 H W``), with readings at points spread over it."""
    shown = fitted(colorize(disparity), _width(disparity, ONE_PX))
    across, down = READINGS if is_wide(disparity) else READINGS[::-1]
    words = []
    for row, column in product(range(down), range(across)):
        x, y = (column + 0.5) / across, (row + 0.5) / down
        text = f"{patch_at((x, y), disparity).median().item():.2f}"
        words.append(
            Words(
                text=text,
                x=x * shown.shape[2],
                y=y * shown.shape[1],
                size_px=letters_px(shown.shape[2]),
                anchor="mm",
                outlined=True,
            )
        )
    return lettered(shown, words)


def show_in_focus(scene: Scene) -> Tensor:
    """Return the picture (square pixels) in gray (``3 H W``, 0..1), tinted where it is in focus."""
    longer_side_px = max(scene.sharp.shape[1:])
    radius_px = coc_px(scene.disparity, scene.focus_disparity, scene.blur_strength, longer_side_px).abs()
    gray = (scene.sharp * torch.tensor(LUMA).view(3, 1, 1)).sum(dim=0, keepdim=True)
    tinted = 0.5 * gray + 0.5 * torch.tensor(TINT).view(3, 1, 1)
    return torch.where(radius_px < IN_FOCUS_PX, tinted, gray).clamp(0, 1)

"""A page to look through a clip and choose its focus: one file, which needs no server and no network."""

import base64
import hashlib
import html
import json
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from importlib.resources import files
from itertools import product
from math import ceil
from pathlib import Path
from string import Template
from typing import Any

import torch
from torch import Tensor

from any2bokeh.arrays import Flags
from any2bokeh.atomic import partial_file
from any2bokeh.depth.colormap import colorize
from any2bokeh.errors import VideoError
from any2bokeh.focus.focus_track import Focus
from any2bokeh.focus.points import PATCH_SHARE
from any2bokeh.preview.moments import Moment, OnMoment, choose_times, fitted, moments_at
from any2bokeh.preview.pack import ByteBudget, as_text, pack, pack_masks, webps
from any2bokeh.preview.pictures import IN_FOCUS_PX, TINT, focus_values
from any2bokeh.progress import OnProgress, Progress, ignore
from any2bokeh.render.base import make_renderer
from any2bokeh.session import ClipSession
from any2bokeh.settings.preview_settings import PreviewSettings
from any2bokeh.subject.click_segmenter import SEEN, LoadedClickNetwork
from any2bokeh.subject.seen_things import find_things
from any2bokeh.video.opening import VideoInfo

STILL_PX, RENDERED_PX, DISPARITY_PX = 960, 720, (480, 320, 200, 120)  # longer sides, at most
PAGE_BYTES = 8_000_000  # of all pictures of a page, at most
STILLS_SHARE, DISPARITY_SHARE, RENDERED_SHARE = 0.2, 0.25, 0.55  # of them
BASE64 = 4 / 3
GRID = 5, 7  # rows and columns of places of a still at which a thing is looked for
THINGS_PX = 320  # longer side of their masks
STRONGEST = 32.0  # K up to which the page goes, or to the one asked for
SCRIPTS = ("disparity.js", "region.js", "things.js", "pictures.js", "command.js", "show.js", "page.js")


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """The command that the page completes, quoted for a shell: its parts before the focus and after it.

    ``focus`` is the user's focus, if it is more than a number.
    """

    before: str
    focus: str
    after: str


def write_page(
    source: Path,
    target: Path,
    settings: PreviewSettings,
    command: CommandLine,
    on_progress: OnProgress = ignore,
    *,
    on_moment: OnMoment = ignore,
    on_counted: Callable[[int, int], None] | None = None,
    overwrite: bool = False,
) -> None:
    """Write the page of a clip to ``target``, which appears when it is complete.

    ``on_counted`` is told, before anything takes long, how many moments it shows, and in how many renderings.
    Raises ``RefocusError`` with a sentence for the user.
    """
    with ClipSession(source, settings.clip, on_progress) as clip:
        info, wanted = clip.info, choose_times(clip, settings, settings.stills)
        renderings = len(wanted) * settings.focus_values * settings.blur_values
        if on_counted:
            on_counted(len(wanted), renderings)
        found = [
            moment.with_square_pixels(info.pixel_aspect).at_most(STILL_PX)
            for moment in moments_at(clip, wanted)
        ]
    for moment in found:
        on_moment(moment)
    planes = focus_values([moment.disparity for moment in found], settings.focus_values)
    strengths = blur_values(max(moment.focus.blur_strength for moment in found), settings.blur_values)
    data = {
        **_about_the_clip(info, found[0].frame.picture),
        **_about_the_focus(info, settings, found[len(found) // 2]),
        "focusValues": planes,
        "strengths": strengths,
        "command": asdict(command),
        "stills": page_stills(found),
    }
    for done, (moment, still) in enumerate(zip(found, data["stills"], strict=True), start=1):
        still["things"] = as_text(pack_masks(masks_of_things(moment, clip.click_network)))
        on_progress(Progress("things", done, len(found)))
    # The lens, whatever renders the clip: the page shows some dozens of small stills.
    lens = replace(settings.render, renderer="lens")
    budget = ByteBudget(int(PAGE_BYTES * RENDERED_SHARE / BASE64), renderings)
    done = 0
    with closing(
        make_renderer(lens, clip.device, replace(info.pictures.as_shown, pixel_aspect=1.0))
    ) as renderer:
        for moment, still in zip(found, data["stills"], strict=True):
            small = moment.at_most(RENDERED_PX)
            still["rendered"] = [[""] * len(strengths) for _ in planes]
            for row, column in product(range(len(planes)), range(len(strengths))):
                # The page itself widens the depth that stays sharp.
                focused = replace(
                    small,
                    focus=Focus(planes[row], strengths[column]),
                    depth_of_field=replace(small.depth_of_field, dof_range=0.0),
                    coverage=None,
                )
                webp = budget.first_that_fits(webps(focused.refocused(renderer)))
                still["rendered"][row][column] = as_text(webp)
                done += 1
                on_progress(Progress("render", done, renderings))
    with partial_file(target, overwrite=overwrite) as partial:
        try:
            partial.write_text(fill(data), encoding="utf-8", errors="replace")
        except OSError as error:
            raise VideoError(f"{target} cannot be written: {error.strerror}.") from error


def blur_values(asked_for: float, count: int) -> list[float]:
    """Return ``count`` blur strengths, each twice the one before, up to ``STRONGEST`` or more if asked."""
    strongest = max(STRONGEST, asked_for)
    return [strongest / 2**halvings for halvings in reversed(range(count))]


def _about_the_clip(info: VideoInfo, picture: Tensor) -> dict[str, Any]:
    height, width = picture.shape[1:]
    length = "" if info.duration_s is None else f" \u00b7 {info.duration_s:.1f} s"
    rate = "" if info.frame_rate is None else f" \u00b7 {float(info.frame_rate):.4g} frames/s"
    return {
        "name": os.fsencode(info.path.name).decode("utf-8", "replace"),
        "facts": f"{info.width} \u00d7 {info.height}{length}{rate}",
        "width": width,
        "height": height,
    }


def _about_the_focus(info: VideoInfo, settings: PreviewSettings, shown: Moment) -> dict[str, Any]:
    """Focus and K asked for at the moment that is shown first, and from where on blur is seen."""
    colors = colorize(torch.linspace(0, 1, 256).view(1, 1, 256))
    return {
        "focus": round(shown.focus.focus_disparity, 3),
        "strength": round(2 * shown.focus.blur_strength) / 2,
        "easing": settings.focus.easing,
        "patchShare": PATCH_SHARE,
        "colors": as_text((colors * 255).round().to(torch.uint8)[:, 0].T.contiguous().numpy().tobytes()),
        "zone": {
            "longerSide": max(float(info.width * info.pixel_aspect), info.height),
            "inFocusPx": IN_FOCUS_PX,
            "tint": [round(255 * value) for value in TINT],
            "dofRange": shown.depth_of_field.dof_range,
            "nearStrength": shown.depth_of_field.near_strength,
            "farStrength": shown.depth_of_field.far_strength,
        },
    }


def page_stills(found: list[Moment]) -> list[dict[str, Any]]:
    """Each moment's time, picture and disparity."""
    pictures = ByteBudget(int(PAGE_BYTES * STILLS_SHARE / BASE64), len(found))
    disparities = ByteBudget(int(PAGE_BYTES * DISPARITY_SHARE / BASE64), len(found))
    return [
        {
            "seconds": float(moment.time_s),
            "moment": format_time(moment.time_s),
            "label": f"{float(moment.time_s):.2f} s",
            "focus": moment.focus.focus_disparity,
            "distances": moment.depth_range and [moment.depth_range.near_m, moment.depth_range.far_m],
            "original": as_text(pictures.first_that_fits(webps(moment.frame.picture))),
            "disparity": as_text(
                disparities.first_that_fits(pack(moment.at_most(side).disparity) for side in DISPARITY_PX)
            ),
        }
        for moment in found
    ]


def masks_of_things(moment: Moment, network: LoadedClickNetwork) -> list[Flags]:
    """Return the masks ``h w`` of the things that the bundled network finds in a still, the surest first."""
    view = network.segmenter().view(moment.frame)
    width = max(1, round(view.size[1] * THINGS_PX / max(view.size)))
    masks = [torch.from_numpy(thing.mask)[None] for thing in find_things(network, view, GRID)]
    return [(fitted(mask, width)[0] > SEEN).numpy() for mask in masks]


def format_time(time_s: Fraction) -> str:
    """Return a time as an option takes it: never before its frame, which is on the screen then."""
    return f"{ceil(time_s * 1000) / 1000:.3f}".rstrip("0").rstrip(".") + "s"


def fill(data: dict[str, Any]) -> str:
    """Return the page that shows ``data``; nothing in it can leave its place as text."""
    folder = files("any2bokeh.preview") / "web"
    style = (folder / "page.css").read_text(encoding="utf-8")
    script = "\n".join((folder / name).read_text(encoding="utf-8") for name in SCRIPTS)
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}';"
        " base-uri 'none'; form-action 'none'"
    )
    text = json.dumps(data, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    template = Template((folder / "page.html").read_text(encoding="utf-8"))
    return template.substitute(
        policy=policy, title=html.escape(f"{data['name']}: focus"), style=style, script=script, data=text
    )


def _hash(text: str) -> str:
    """The hash of a style or script, without which a browser does not use it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"

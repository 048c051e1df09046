"""Masks from clicks by the bundled network: a look at the frame, then at the part that holds the subject."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from any2bokeh.arrays import Bytes, Doubles, Floats
from any2bokeh.depth.compact import WEIGHTS as DEPTH_WEIGHTS
from any2bokeh.depth.compact import CompactNetwork
from any2bokeh.motion.flow import warp
from any2bokeh.scene import Frame
from any2bokeh.subject.click_motion import flow_to, motion_in, to_units
from any2bokeh.subject.click_network import CELL_PX, MARKS, ClickNetwork, FoundMask, Memory, Prompt, SeenCells
from any2bokeh.subject.click_views import Window, draw_blot, view_shape
from any2bokeh.subject.segmenter import Click
from any2bokeh.video.lossless import to_uint8_rgb
from any2bokeh.weights.checkpoint import load_weights

WEIGHTS = Path(__file__).with_name("click.safetensors")
SHORTER_SIDE = 480  # pixels of the frames as they are kept, and of the masks
FLOW_SHRINKS = 2  # times, from the frame as it is kept
MARGIN = 1.6  # times the subject's box: the window in which it is looked for
FIRST_WINDOWS = (1.0, 0.5)  # widths, in shares of the frame's, of the first looks around a click
LOOKS_AGAIN = 2  # at a window around what a first look found
LEAST_WINDOW_PX = 64
SEEN = 0.5  # a share of a pixel above which it counts as the subject's
UNSURE = 0.15  # shares of a pixel up to this, and down to 1 less this, are doubts
LOST, FOUND, SURE = 0.35, 0.5, 0.7  # of the likely IoU
LEAST_AREA = 3e-4  # of the frame
WIDENING = 0.5  # of a window's sides, with each frame in which the subject is not seen there
ALIKE = 0.4  # overlap of the colors of one thing, 0 to 1, from one frame to the next in which it is seen
NEWS = 0.2  # share of a new frame in the colors that are remembered
LEVELS, EVERY = 8, 2  # of R'G'B', by which colors are told apart; rows and columns that are counted
CLICKED = 0.004  # of the longer side: the radius of a click


@dataclass(frozen=True, eq=False)
class ClickView:
    """A frame made small: R'G'B' codes ``h w 3``, and gray ``h/2 w/2`` for the flow."""

    picture: Bytes
    gray: Bytes

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.picture.shape[0], self.picture.shape[1]


@dataclass(frozen=True, eq=False)
class Look:
    """The answer in a window: the share ``h w`` of each pixel of the frame, and the likely IoU."""

    mask: Floats
    quality: float
    cells: Memory


@dataclass(eq=False)
class _Subject:
    """A subject as it is remembered."""

    before: ClickView
    mask: Floats  # the last one in which it was seen, h w
    first: Memory
    window: Window  # in which it was looked for when it was seen last
    colors: Doubles
    recent: Memory | None = None
    lost_for: int = 0  # frames


class LoadedClickNetwork:
    """The two loaded networks; each subject gets a segmenter of its own."""

    def __init__(self, depth: CompactNetwork, network: ClickNetwork) -> None:
        self.depth = depth.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def segmenter(self) -> "ClickSegmenter":
        """Return one that has seen nothing yet."""
        return ClickSegmenter(self)

    def look(
        self,
        view: ClickView,
        window: Window,
        last: Floats | None,
        clicks: Sequence[Click],
        memory: Memory | None,
        motion: Floats | None,
    ) -> Look:
        """Return the subject in a window of a frame; ``last`` is its expected mask ``h w``.

        ``motion h w 2`` is that of the frame, of any size, see ``to_units``.
        """
        weight = self.network.coarsest.weight
        cells = self._see(view, window, motion)
        half = cells.disparity.shape[2:]
        marks = _blots(view, window, clicks, half)
        if last is not None:
            marks[2] = cv2.resize(last[window.part], half[::-1], interpolation=cv2.INTER_AREA)
        prompt = Prompt(
            torch.from_numpy(marks)[None].to(weight.device, weight.dtype),
            torch.full((1,), float(last is not None), device=weight.device, dtype=weight.dtype),
        )
        with torch.no_grad():
            found = self.network(cells, prompt, memory)
            shares = avg_pool2d(found.mask.sigmoid(), CELL_PX // 2).flatten(1)
        logits = found.mask.float().cpu()
        inside = interpolate(logits, window.size, mode="bilinear", align_corners=False)[0, 0].sigmoid()
        mask = np.zeros(view.size, np.float32)
        mask[window.part] = inside.numpy()
        return Look(mask, float(found.quality.float().sigmoid()), Memory(cells.keys.flatten(2), shares))

    def look_around(
        self, view: ClickView, window: Window, places: Sequence[tuple[float, float]], motion: Floats | None
    ) -> tuple[FoundMask, Tensor]:
        """Return the things at ``places``, shares of the frame's sides, and the disparity of the window."""
        weight, count = self.network.coarsest.weight, len(places)
        cells = self._see(view, window, motion)
        half = cells.disparity.shape[2:]
        marks = np.stack([_blots(view, window, [Click(x, y)], half) for x, y in places])
        prompt = Prompt(
            torch.from_numpy(marks).to(weight.device, weight.dtype),
            torch.zeros(count, device=weight.device, dtype=weight.dtype),
        )
        levels = [level.expand(count, -1, -1, -1) for level in cells.levels]
        each = SeenCells(
            levels,
            *(part.expand(count, -1, -1, -1) for part in (cells.keys, cells.disparity, cells.motion)),
        )
        with torch.no_grad():
            return self.network(each, prompt, None), cells.disparity

    def _see(self, view: ClickView, window: Window, motion: Floats | None) -> SeenCells:
        weight = self.network.coarsest.weight
        rows, columns = window.size
        size, _ = view_shape(columns / rows)
        shrinks = cv2.INTER_AREA if rows >= size[0] else cv2.INTER_LINEAR
        part = cv2.resize(view.picture[window.part], size[::-1], interpolation=shrinks)
        picture = torch.from_numpy(part).permute(2, 0, 1)[None].to(weight.device, weight.dtype) / 255
        with torch.no_grad():
            seen = self.depth.look(picture.contiguous(memory_format=torch.channels_last))
            rows, columns = seen.disparity.shape[2:]
            moved = torch.from_numpy(motion_in(motion, window, view.size, (rows, columns)))[None]
            result: SeenCells = self.network.see(seen, moved.to(weight.device, weight.dtype))
        return result


def _blots(view: ClickView, window: Window, clicks: Sequence[Click], size: Sequence[int]) -> Floats:
    """The marks ``3 h w`` of some clicks in a window."""
    (height, width), (rows, columns) = view.size, window.size
    marks = np.zeros((MARKS, *size), np.float32)
    for click in clicks:
        x, y = (click.x * width - window.left) / columns, (click.y * height - window.top) / rows
        draw_blot(marks[0 if click.on_subject else 1], x, y)
    return marks


class ClickSegmenter:
    """Follows one subject by a window around it, its last mask, and cells remembered from two frames."""

    def __init__(self, loaded: LoadedClickNetwork) -> None:
        self._loaded = loaded
        self._subject: _Subject | None = None

    def view(self, frame: Frame) -> ClickView:
        """Return the frame made small."""
        height, width = frame.picture.shape[1:]
        scale = min(1.0, SHORTER_SIDE / min(height, width))
        size = max(8, round(height * scale)), max(8, round(width * scale))
        picture = interpolate(frame.picture[None].float(), size, mode="bilinear", antialias=True)[0]
        codes = to_uint8_rgb(picture.clamp(0, 1))
        half = max(4, size[1] // FLOW_SHRINKS), max(4, size[0] // FLOW_SHRINKS)
        gray = cv2.cvtColor(cv2.resize(codes, half, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        return ClickView(codes, gray)

    def start(self, view: ClickView, clicks: Sequence[Click], beside: ClickView | None = None) -> Tensor:
        """Return the mask of the thing under ``clicks``; see ``SubjectSegmenter``."""
        motion = to_units(flow_to(view.gray, beside.gray)) if beside else None
        looks = [self._first_look(view, clicks, share, motion) for share in FIRST_WINDOWS]
        best = max(looks, key=lambda look: look.quality)
        mask = _with_clicks(best.mask, clicks)
        window = window_around(mask, view.size)
        self._subject = _Subject(view, mask, best.cells, window, colors_in(view, mask))
        return _shown(mask)

    def _first_look(
        self, view: ClickView, clicks: Sequence[Click], share: float, motion: Floats | None
    ) -> Look:
        height, width = view.size
        own = next((click for click in clicks if click.on_subject), clicks[0])
        _, shape = view_shape(width / height)
        window = Window.around(own.x * width, own.y * height, share * width, shape, view.size)
        look = self._loaded.look(view, window, None, clicks, None, motion)
        for _ in range(LOOKS_AGAIN):
            window = window_around(look.mask, view.size, clicks)
            look = self._loaded.look(view, window, look.mask, clicks, None, motion)
        return look

    def step(self, view: ClickView, clicks: Sequence[Click] = ()) -> Tensor:
        """Return its mask in the next frame; see ``SubjectSegmenter``."""
        subject = self._subject
        assert subject is not None
        shift = flow_to(view.gray, subject.before.gray)
        expected = subject.mask if shift is None else warped_along(shift, subject.mask)
        if subject.lost_for and not clicks:
            window = subject.window.wider(1 + WIDENING * subject.lost_for, view.size)
            expected = np.zeros_like(expected)
        else:
            window = subject.window = window_around(expected, view.size, clicks)
        memory = remembered(subject.first, subject.recent)
        motion = to_units(shift, expected)
        look = self._loaded.look(view, window, expected, clicks, memory, motion)
        subject.before = view
        area = float((look.mask > SEEN).mean())
        colors = colors_in(view, look.mask)
        is_other = float(np.sqrt(colors * subject.colors).sum()) < ALIKE
        if area < LEAST_AREA or look.quality < (FOUND if subject.lost_for else LOST) or is_other:
            subject.lost_for += 1
            subject.mask = expected
            return torch.zeros(1, *view.size)
        subject.lost_for = 0
        subject.colors += NEWS * (colors - subject.colors)
        mask = keep_connected(look.mask, expected) if expected.max() > SEEN else look.mask
        subject.mask = _with_clicks(mask, clicks)
        if look.quality > SURE:
            subject.recent = look.cells
        return _shown(subject.mask)


def _shown(mask: Floats) -> Tensor:
    """A mask ``1 h w`` as it is used: small doubts about a pixel are taken for none."""
    return torch.from_numpy(((mask - UNSURE) / (1 - 2 * UNSURE)).clip(0, 1))[None]


def colors_in(view: ClickView, mask: Floats) -> Doubles:
    """Return the shares of all colors in a mask, each spread a little to its neighbors."""
    codes = (view.picture[::EVERY, ::EVERY] // (256 // LEVELS)).astype(np.int64)
    numbers = (codes[..., 0] * LEVELS + codes[..., 1]) * LEVELS + codes[..., 2]
    inside = np.where(mask[::EVERY, ::EVERY] > SEEN, 1.0, 0.0)
    counts = np.bincount(numbers.ravel(), inside.ravel(), LEVELS**3).reshape((LEVELS,) * 3)
    for axis in range(3):
        padded = np.concatenate([counts.take([0], axis), counts, counts.take([-1], axis)], axis)
        counts = (padded.take(range(LEVELS), axis) + 2 * counts + padded.take(range(2, LEVELS + 2), axis)) / 4
    shares: Doubles = counts.ravel() / max(counts.sum(), 1e-6)
    return shares


def keep_connected(mask: Floats, expected: Floats) -> Floats:
    """Return a mask without the parts that no part of ``expected`` touches."""
    _, labels = cv2.connectedComponents((mask > 0.3).astype(np.uint8))
    sizes = np.bincount(labels.ravel())
    met = np.bincount(labels.ravel(), expected.ravel() > SEEN, len(sizes))
    keep = met > 0.05 * sizes
    keep[0] = False
    if not keep.any():
        return mask
    return np.where(keep[labels] | (labels == 0), mask, 0).astype(np.float32)


def remembered(*cells: Memory | None) -> Memory | None:
    """Return all that is remembered as one."""
    there = [one for one in cells if one is not None]
    if not there:
        return None
    return Memory(torch.cat([one.keys for one in there], 2), torch.cat([one.shares for one in there], 1))


def warped_along(shift: Floats, mask: Floats) -> Floats:
    """Return a mask ``h w`` from where a flow of any size leads."""
    small = cv2.resize(mask, shift.shape[1::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(warp(small, shift), mask.shape[::-1]), np.float32)


def window_around(mask: Floats, size: tuple[int, int], clicks: Sequence[Click] = ()) -> Window:
    """Return the window in which to look for a subject that is expected in ``mask h w``, and under clicks."""
    height, width = size
    places = [(click.x * width, click.y * height) for click in clicks if click.on_subject]
    inside = mask > SEEN
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if len(rows):
        places += [(columns[0], rows[0]), (columns[-1] + 1, rows[-1] + 1)]
    low, high = np.min(places or [(0, 0)], axis=0), np.max(places or [(width, height)], axis=0)
    sides = np.maximum(high - low, LEAST_WINDOW_PX)
    _, shape = view_shape(sides[0] / sides[1])
    x, y = (low + high) / 2
    return Window.around(x, y, MARGIN * max(sides[0], sides[1] * shape), shape, size)


def _with_clicks(mask: Floats, clicks: Sequence[Click]) -> Floats:
    """A mask to which clicks on the subject belong, and clicks on other things do not."""
    height, width = mask.shape
    marked = mask.copy()
    for click in clicks:
        place = min(int(click.x * width), width - 1), min(int(click.y * height), height - 1)
        cv2.circle(marked, place, max(1, round(CLICKED * max(mask.shape))), float(click.on_subject), -1)
    return marked


def load_click_network(
    device: torch.device, dtype: torch.dtype, path: Path | None = None
) -> LoadedClickNetwork:
    """Return the network with the weights in ``path``, by default those that ship with the package.

    Raises ``WeightsError`` for weights that are damaged or do not fit.
    """
    depth, network = CompactNetwork(), ClickNetwork()
    load_weights(depth, DEPTH_WEIGHTS, device=device, dtype=dtype)
    load_weights(network, path or WEIGHTS, device=device, dtype=dtype)
    return LoadedClickNetwork(depth.eval(), network.eval())


def click_revision() -> str:
    """Return a hash of both networks' weights: it tells its masks from all others."""
    digest = hashlib.sha256()
    for path in (DEPTH_WEIGHTS, WEIGHTS):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:40]

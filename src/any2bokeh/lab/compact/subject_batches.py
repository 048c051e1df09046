"""Batches for the network that finds a subject: pairs of moments, clicks, and last masks that went wrong."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from any2bokeh.arrays import Floats
from any2bokeh.errors import SettingsError
from any2bokeh.lab.compact.batches import BatchSettings, FolderShares, age
from any2bokeh.lab.compact.made_pictures import list_pictures, read_flow, read_owners, read_picture
from any2bokeh.lab.compact.wrong_masks import draw_place, slipped_mask, wrong_mask
from any2bokeh.subject.click_motion import motion_in, to_units
from any2bokeh.subject.click_network import MARKS
from any2bokeh.subject.click_views import VIEW_SIZES, Window, draw_blot

WHOLE = 0.3  # of the views show the whole picture, or as much as their shape lets them
MARGIN = (1.1, 3.2)  # times the subject's box, of the others
LEAST_VIEW_PX = 72  # of the picture: a smaller view is too blurred
LEAST_SEEN_PX = 60  # of a view at half its sides: fewer are not clicked on
LARGEST_SHARE = 0.75  # of a picture that a subject covers
UNION = 0.15  # of the subjects are two things
OTHER = 0.3  # of the clicks are on another thing than that which the view was chosen for
AGAIN = 0.35  # of the clicks come with what a first look found
SAME_LIGHT = 0.6  # of the pairs are aged alike
OCCLUDED = 0.15  # of the views have something put before them
SURPRISING = 0.6  # of these, the last mask is that from before
SLIPPED = 0.06  # of the last masks show something else
MISREMEMBERED = 0.3  # of the masks in memory are wrong as last masks are
PASSING = 3.0  # units of motion that these things have, standard deviation
UNKNOWN = 0.12  # of the motions
SPEEDS = (-1.2, 0.6)  # logarithms of the factors that motion is multiplied by
LED = 0.6  # of the pairs: films follow moving things
CALM, LEADING = (0.0, 1.0), 4.0  # how much motion is left around it; of its own, in units
BLOCK_PX = 6
CUT_AWAY = 0.08  # of the pairs end in another scene: the subject is gone
ELSEWHERE = 100  # is added to the owners of that scene
Rng = np.random.Generator


@dataclass(frozen=True, eq=False)
class SubjectTask:
    """Questions about pictures: ``marks B 3 H/2 W/2``, ``follows B``, and the mask ``truth B 1 H/2 W/2``.

    ``counts B`` is 0 for those of which nothing is asked, else 1.
    """

    marks: Tensor
    follows: Tensor
    truth: Tensor
    counts: Tensor


@dataclass(frozen=True, eq=False)
class SubjectBatch:
    """Pictures ``B 3 H W`` of two moments, the later ones in the second half, and two tasks for each.

    ``motion B 3 H/2 W/2`` is described in ``SeenCells``.

    In ``follow`` the other moment is remembered, with the ``shares B 1 H/2 W/2`` taken for the subject's.
    """

    pictures: Tensor
    motion: Tensor
    click: SubjectTask
    follow: SubjectTask
    shares: Tensor


@dataclass(eq=False)
class _View:
    """One moment as it is looked at: R'G'B' ``H W 3``, whose each pixel is ``H W``, motion ``3 H/2 W/2``."""

    picture: Floats
    owners: NDArray[np.uint8]
    motion: Floats

    def mask(self, chosen: tuple[int, ...]) -> Floats:
        """Return the mask of some things, of half the size."""
        return _halved(np.isin(self.owners, chosen))

    def others(self, chosen: tuple[int, ...]) -> Floats:
        """Return the mask of all other things, of half the size."""
        return _halved((self.owners > 0) & ~np.isin(self.owners, chosen))


def _halved(inside: NDArray[np.bool_]) -> Floats:
    size = inside.shape[1] // 2, inside.shape[0] // 2
    return np.asarray(cv2.resize(inside.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32)


Asked = tuple[Floats, float, Floats, float]  # marks 3 h w, follows, truth h w, counts


@dataclass(frozen=True, eq=False)
class _Pair:
    """Both moments: a click and a following task for each, and the subject's shares ``h w`` in memory."""

    views: list[_View]
    clicks: list[Asked]
    follows: list[Asked]
    shares: list[Floats]


class SubjectBatches(Dataset[SubjectBatch]):
    """Batch ``step``, which depends on nothing but the settings and its number."""

    def __init__(self, settings: BatchSettings, steps: int) -> None:
        self._settings, self._steps = settings, steps
        self._folders = FolderShares(settings, list_pairs)

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> SubjectBatch:
        """Return one batch."""
        rng = np.random.default_rng((self._settings.seed, step))
        size = VIEW_SIZES[rng.integers(len(VIEW_SIZES))]
        pairs: list[_Pair] = []
        while len(pairs) < self._settings.length:
            files = self._folders.choose(rng)
            paths = files[rng.integers(len(files))]
            elsewhere = files[rng.integers(len(files))][0] if rng.random() < CUT_AWAY else None
            pair = draw_pair(paths, size, rng, elsewhere)
            if pair is not None:
                pairs.append(pair)
        order = [(pair, moment) for moment in (0, 1) for pair in pairs]
        pictures = np.ascontiguousarray([pair.views[moment].picture for pair, moment in order])
        return SubjectBatch(
            torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous(),
            torch.from_numpy(np.stack([pair.views[moment].motion for pair, moment in order])),
            _task([pair.clicks[moment] for pair, moment in order]),
            _task([pair.follows[moment] for pair, moment in order]),
            torch.from_numpy(np.stack([pair.shares[moment] for pair, moment in order]))[:, None],
        )


def list_pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Return pictures of a folder that show one scene at two moments, with things in them.

    A scene of a single moment is its own pair.
    """
    found = [path for path in list_pictures(folder) if path.with_suffix(".owners.png").exists()]
    if not found:
        raise SettingsError(f"{folder} holds no pictures with the masks of things (NUMBER.owners.png).")
    scenes: dict[str, list[Path]] = {}
    for path in found:
        scenes.setdefault(path.stem.partition("-")[0], []).append(path)
    return [(moments[0], moments[-1]) for moments in scenes.values()]


def draw_pair(
    paths: tuple[Path, Path], size: tuple[int, int], rng: Rng, elsewhere: Path | None = None
) -> _Pair | None:
    """Return the questions about two moments of a scene; nothing without a subject.

    ``elsewhere`` is a picture of another scene that takes the place of the second moment.
    """
    pictures = [read_picture(path)[0] for path in paths]
    owners = [_owners_of(path, picture) for path, picture in zip(paths, pictures, strict=True)]
    motions = [_motion_of(path, rng) for path in paths]
    if rng.random() < 0.5:
        pictures.reverse()
        owners.reverse()
        motions.reverse()
    if elsewhere:
        motions[1] = _motion_of(elsewhere, rng)
        pictures[1] = read_picture(elsewhere)[0]
        others = _owners_of(elsewhere, pictures[1])
        owners[1] = np.where(others > 0, others + ELSEWHERE, 0).astype(np.uint8)
    counts = np.bincount(owners[0].ravel(), minlength=2) / owners[0].size
    there = [k for k in range(1, len(counts)) if 0.002 < counts[k] < LARGEST_SHARE]
    if not there:
        return None
    weights = counts[there] ** 0.3
    number = int(rng.choice(len(there), p=weights / weights.sum()))
    chosen: tuple[int, ...] = (there[number],)
    if rng.random() < UNION and len(there) > 1:
        chosen = (there[number], there[number - 1])
    lights = [int(rng.integers(2**31))] * 2
    if rng.random() > SAME_LIGHT:
        lights[1] += 1
    if rng.random() < LED:
        led = [(motion, np.isin(mine, chosen)) for motion, mine in zip(motions, owners, strict=True)]
        motions = [_lead(motion, inside, rng) for motion, inside in led]
    mirrored = rng.random() < 0.5
    views: list[_View] = []
    unoccluded: list[Floats] = []
    window = None
    for picture, mine, motion, light in zip(pictures, owners, motions, lights, strict=True):
        inside = np.isin(mine, chosen)
        window = _draw_window(inside, size, rng, window.within(inside.shape) if window else None)
        view = _cut_view(picture, mine, motion, window, size, light)
        if mirrored:
            flipped = view.motion[..., ::-1] * np.array([-1, 1, 1], np.float32)[:, None, None]
            view = _View(view.picture[:, ::-1], view.owners[:, ::-1], flipped)
        unoccluded.append(view.mask(chosen))
        if rng.random() < OCCLUDED:
            _occlude(view, chosen, rng)
        views.append(view)
    masks = [view.mask(chosen) for view in views]
    shares = [
        wrong_mask(mask, view.others(chosen), rng) if rng.random() < MISREMEMBERED else mask
        for mask, view in zip(masks, views, strict=True)
    ]
    seen = [bool(mask.sum() > 4) for mask in shares]
    lasts = unoccluded if rng.random() < SURPRISING else masks
    lasts = [lasts[0], lasts[0] if elsewhere else lasts[1]]  # gone, it is expected where it was
    clicks = [_click_task(view, chosen, rng) for view in views]
    follows = [
        _follow_task(view, chosen, last, rng, is_known)
        for view, last, is_known in zip(views, lasts, seen[::-1], strict=True)
    ]
    return _Pair(views, clicks, follows, shares)


def _cut_view(
    picture: NDArray[np.uint8],
    owners: NDArray[np.uint8],
    motion: Floats | None,
    window: Window,
    size: tuple[int, int],
    light: int,
) -> _View:
    """The window of a picture, aged as ``light`` draws it."""
    shrinks = cv2.INTER_AREA if window.size[0] >= size[0] else cv2.INTER_LINEAR
    part = cv2.resize(picture[window.part], size[::-1], interpolation=shrinks).astype(np.float32) / 255
    mine = cv2.resize(owners[window.part], size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    moved = motion_in(motion, window, (picture.shape[0], picture.shape[1]), (size[0] // 2, size[1] // 2))
    return _View(age(part, np.random.default_rng(light)), np.asarray(mine, np.uint8), moved)


def _owners_of(path: Path, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    found = read_owners(path)
    return np.zeros(picture.shape[:2], np.uint8) if found is None else found


def _motion_of(path: Path, rng: Rng) -> Floats | None:
    """The motion in a picture ``h w 2``, as if it were quicker or slower; in some it is not known."""
    flow, is_known = read_flow(path), rng.random() > UNKNOWN
    speed = np.float32(np.exp(rng.uniform(*SPEEDS)))
    return to_units(flow * speed) if flow is not None and is_known else None


def _lead(motion: Floats | None, inside: NDArray[np.bool_], rng: Rng) -> Floats | None:
    """Motion ``h w 2`` in which the subject goes a way of its own before calmer surroundings."""
    if motion is None:
        return None
    height, width = motion.shape[:2]
    blocks = max(1, width // BLOCK_PX), max(1, height // BLOCK_PX)  # a flow does not know outlines
    share = cv2.resize(inside.astype(np.float32), blocks, interpolation=cv2.INTER_AREA)
    there = cv2.resize(share, (width, height), interpolation=cv2.INTER_NEAREST) > rng.uniform(0.15, 0.7)
    calmer = motion * np.float32(rng.uniform(*CALM))
    return np.where(there[..., None], motion + rng.normal(0, LEADING, 2), calmer).astype(np.float32)


def _draw_window(inside: NDArray[np.bool_], size: tuple[int, int], rng: Rng, last: Window | None) -> Window:
    """A part of the picture in which the subject is to be found."""
    height, width = inside.shape
    shape = size[1] / size[0] * float(np.exp(rng.uniform(-0.12, 0.12)))
    if not inside.any() and last is not None:
        return last
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    middle = np.array([columns[0] + columns[-1], rows[0] + rows[-1]]) / 2
    box = np.array([np.ptp(columns) + 1, np.ptp(rows) + 1])
    if rng.random() < WHOLE:
        wide = float(width)
    else:
        margin = np.exp(rng.uniform(*np.log(MARGIN)))
        wide = max(box[0], box[1] * shape, LEAST_VIEW_PX * max(shape, 1)) * margin
        middle = middle + rng.uniform(-0.25, 0.25, 2) * box
    return Window.around(float(middle[0]), float(middle[1]), wide, shape, (height, width))


def _occlude(view: _View, chosen: tuple[int, ...], rng: Rng) -> None:
    """Put a piece of something before the view: part of the same picture, turned upside down."""
    height, width = view.owners.shape
    rows, columns = np.nonzero(np.isin(view.owners, chosen))
    if not len(rows):
        return
    hit = rng.integers(len(rows))
    canvas = np.zeros((height, width), np.uint8)
    axes = tuple(int(rng.uniform(0.08, 0.4) * side) for side in (width, height))
    place = int(columns[hit] + rng.normal(0, axes[0] / 2)), int(rows[hit] + rng.normal(0, axes[1] / 2))
    if rng.random() < 0.5:
        cv2.ellipse(canvas, place, axes, rng.uniform(0, 180), 0, 360, 1, -1)
    else:  # a post
        cv2.rectangle(canvas, (place[0] - axes[0] // 3, 0), (place[0] + axes[0] // 3, height), 1, -1)
    other = np.roll(view.picture[::-1, ::-1], rng.integers(width), axis=1)
    other = np.clip(other * rng.uniform(0.5, 1.3) + rng.normal(0, 0.15, 3), 0, 1).astype(np.float32)
    view.picture = np.where(canvas[..., None] > 0, other, view.picture)
    view.owners = np.where(canvas > 0, 0, view.owners).astype(np.uint8)
    small = cv2.resize(canvas, (width // 2, height // 2), interpolation=cv2.INTER_NEAREST) > 0
    view.motion[:2] = np.where(small, rng.normal(0, PASSING, (2, 1, 1)) * view.motion[2], view.motion[:2])


def _click_task(view: _View, chosen: tuple[int, ...], rng: Rng) -> Asked:
    """One thing and a click on it, in a third with what a first look found of it."""
    there = [k for k in np.unique(view.owners) if k and (view.owners == k).sum() > 4 * LEAST_SEEN_PX]
    there = [k for k in there if (view.owners == k).mean() < 0.9]
    if not there:
        nothing = view.mask(())
        return np.stack([nothing] * MARKS), 0.0, nothing, 0.0
    mine = [k for k in there if k in chosen]
    if mine and rng.random() > OTHER:
        there = mine
    wanted = (int(there[rng.integers(len(there))]),)
    truth = view.mask(wanted)
    marks = np.zeros((MARKS, *truth.shape), np.float32)
    for _ in range(1 + (rng.random() < 0.12)):
        draw_blot(marks[0], *draw_place(truth, rng))
    is_again = rng.random() < AGAIN
    if is_again:
        marks[2] = wrong_mask(truth, view.others(wanted), rng)
    if rng.random() < 0.15:
        _deny(marks[1], truth, marks[2], rng)
    return marks, float(is_again), truth, 1.0


def _follow_task(view: _View, chosen: tuple[int, ...], last: Floats, rng: Rng, is_known: bool) -> Asked:
    """The subject and its ``last`` mask, gone wrong, in some with a click that corrects it.

    Where it is not known from the other moment, and has no last mask, nothing is asked.
    """
    truth = view.mask(chosen)
    marks = np.zeros((MARKS, *truth.shape), np.float32)
    slips = is_known and rng.random() < SLIPPED
    marks[2] = slipped_mask(last, rng) if slips else wrong_mask(last, view.others(chosen), rng)
    if truth.sum() > LEAST_SEEN_PX and rng.random() < 0.08:
        draw_blot(marks[0], *draw_place(truth, rng))
    if rng.random() < 0.08:
        _deny(marks[1], truth, marks[2], rng)
    return marks, 1.0, truth, float(is_known or marks.any())


def _deny(blots: Floats, truth: Floats, taken: Floats, rng: Rng) -> None:
    """Click on something else: where it was taken for the subject, if it was."""
    wrong = ((taken > 0.5) & (truth < 0.1)).astype(np.float32)
    outside = (truth < 0.02).astype(np.float32)
    if wrong.sum() > LEAST_SEEN_PX:
        draw_blot(blots, *draw_place(wrong, rng))
    elif outside.sum() > LEAST_SEEN_PX:
        draw_blot(blots, *draw_place(outside, rng))


def _task(asked: list[Asked]) -> SubjectTask:
    marks, follows, truth, counts = zip(*asked, strict=True)
    return SubjectTask(
        torch.from_numpy(np.stack(marks)),
        torch.tensor(follows, dtype=torch.float32),
        torch.from_numpy(np.stack(truth))[:, None],
        torch.tensor(counts, dtype=torch.float32),
    )


def subject_batches(
    settings: BatchSettings, first: int, steps: int, *, in_background: bool
) -> Iterator[SubjectBatch]:
    """Yield the batches from ``first`` to before ``steps``, read by a second process if so asked."""
    yield from DataLoader(
        SubjectBatches(settings, steps),
        batch_size=None,
        sampler=range(first, steps),
        num_workers=1 if in_background else 0,
        prefetch_factor=3 if in_background else None,
        collate_fn=_as_it_is,
    )


def _as_it_is(batch: Any) -> Any:
    return batch

"""Masks grow from a click both ways in time, within its shot, in memory that does not grow with it."""

import gc
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from any2bokeh.errors import FocusError
from any2bokeh.scene import Frame
from any2bokeh.settings.focus_settings import Point, SubjectSettings
from any2bokeh.settings.values import TimePoint
from any2bokeh.settings.video_settings import TimeRange
from any2bokeh.subject.mask_growth import BACKWARDS_VIEWS, MaskStack, grow_masks, place_subjects, shot_starts
from any2bokeh.subject.segmenter import Click
from any2bokeh.video.clip import VideoClip
from any2bokeh.video.create import create_video

WIDTH, HEIGHT, RATE = 160, 64, Fraction(24)
RED, BLUE, WALL = (0.9, 0.1, 0.1), (0.1, 0.1, 0.9), (0.4, 0.5, 0.4)


Squares = dict[tuple[float, float, float], int]  # the first column of each, by its color


@dataclass(eq=False)
class View:
    picture: Tensor


class SameColor:
    """A segmenter whose answer is known: all pixels of the color under the click."""

    alive: ClassVar["weakref.WeakSet[View]"] = weakref.WeakSet()
    most_alive = 0
    beside: ClassVar[View | None] = None  # of the last start

    def view(self, frame: Frame) -> View:
        view = View(frame.picture)
        SameColor.alive.add(view)
        SameColor.most_alive = max(SameColor.most_alive, len(SameColor.alive))
        return view

    def start(self, view: View, clicks: Sequence[Click], beside: View | None = None) -> Tensor:
        [own, *others] = clicks
        assert own.on_subject
        SameColor.beside = beside
        self._color = view.picture[:, int(own.y * HEIGHT), int(own.x * WIDTH)].clone()
        return self.step(view, others)

    def step(self, view: View, clicks: Sequence[Click] = ()) -> Tensor:
        mask = ((view.picture - self._color[:, None, None]).abs().amax(0) < 0.1).float()
        for click in clicks:
            mask[:, int(click.x * WIDTH) :] = 0  # all to the right of it is something else
        return mask[None]


def film(path: Path, things: Callable[[int], Squares], frames: int) -> VideoClip:
    """Squares of some colors at some columns before a wall; in each frame its own."""
    with create_video(path, WIDTH, HEIGHT, RATE) as video:
        for number in range(frames):
            picture = torch.tensor(WALL)[:, None, None].repeat(1, HEIGHT, WIDTH)
            for color, left in things(number).items():
                picture[:, 20:44, max(0, left) : max(0, left + 16)] = torch.tensor(color)[:, None, None]
            video.write(picture)
    return VideoClip(path)


def passing(number: int) -> Squares:
    return {RED: 4 + 2 * number, BLUE: 130 - 2 * number}


def lefts(clip: VideoClip, settings: SubjectSettings) -> list[int | None]:
    """The first column of the mask in each frame, in order of time; ``None`` where it is empty."""
    found: list[int | None] = []
    times = []
    subjects = place_subjects(settings, clip)
    grown = grow_masks([subjects], SameColor, clip, lambda done: None)
    for pts, [mask] in grown:
        times.append(pts)
        columns = [] if mask is None else mask[0].amax(0).nonzero()[:, 0].tolist()
        found.append(columns[0] if columns else None)
    assert times == clip.times
    return found


def at(number: int, x: float, y: float = 30) -> Point:
    return Point(x, y, TimePoint(frame=number))


@pytest.mark.parametrize("number", [0, 13, 29])
def test_a_subject_is_followed_both_ways_from_its_click(tmp_path: Path, number: int) -> None:
    clip = film(tmp_path / "clip.mkv", passing, 30)
    found = lefts(clip, SubjectSettings(points=(at(number, 8 + 2 * number),)))
    assert found == [4 + 2 * number for number in range(30)]


@pytest.mark.parametrize(("number", "beside"), [(0, 1), (13, 14), (29, 28)])
def test_the_frame_beside_the_click_shows_how_things_move(tmp_path: Path, number: int, beside: int) -> None:
    clip = film(tmp_path / "clip.mkv", passing, 30)
    lefts(clip, SubjectSettings(points=(at(number, 8 + 2 * number),)))
    assert SameColor.beside is not None
    red = SameColor.beside.picture[0, 30] - SameColor.beside.picture[2, 30] > 0.5
    assert int(red.nonzero()[0]) == 4 + 2 * beside


def test_a_single_frame_has_none_beside_it(tmp_path: Path) -> None:
    assert lefts(film(tmp_path / "clip.mkv", passing, 1), SubjectSettings(points=(at(0, 8),))) == [4]
    assert SameColor.beside is None


def test_more_frames_than_are_held_are_gone_through_backwards(tmp_path: Path) -> None:
    frames = 2 * BACKWARDS_VIEWS + 7
    clip = film(tmp_path / "clip.mkv", lambda number: {RED: 4 + 2 * number}, frames)
    found = lefts(clip, SubjectSettings(points=(at(frames - 1, 2 * frames + 8),)))
    assert found == [4 + 2 * number for number in range(frames)]


@pytest.mark.slow
def test_memory_does_not_depend_on_the_length(tmp_path: Path) -> None:
    frames = 3 * BACKWARDS_VIEWS
    clip = film(tmp_path / "clip.mkv", lambda number: {RED: 4}, frames)
    gc.collect()
    SameColor.most_alive = 0
    lefts(clip, SubjectSettings(points=(at(frames - 1, 8),)))
    assert BACKWARDS_VIEWS < SameColor.most_alive < BACKWARDS_VIEWS + 4


def cut_film(path: Path) -> VideoClip:
    """Two shots of different places, the second from frame 10 on."""
    generator = torch.Generator().manual_seed(0)
    walls = [torch.rand(3, HEIGHT // 4, WIDTH // 4, generator=generator) * 0.3 + base for base in (0, 0.6)]
    with create_video(path, WIDTH, HEIGHT, RATE) as video:
        for number in range(20):
            wall = walls[number // 10].repeat_interleave(4, 1).repeat_interleave(4, 2)
            left = 10 + 2 * number if number < 10 else 80 - 2 * number
            wall[:, 20:44, left : left + 16] = torch.tensor(RED if number < 10 else BLUE)[:, None, None]
            video.write(wall)
    return VideoClip(path)


def test_nothing_is_followed_across_a_cut_and_another_click_starts_anew_there(tmp_path: Path) -> None:
    clip = cut_film(tmp_path / "clip.mkv")
    assert shot_starts(clip) == [0, 10]
    first, second = at(5, 24), at(15, 56)
    before = [10 + 2 * number for number in range(10)]
    after = [80 - 2 * number for number in range(10, 20)]
    assert lefts(clip, SubjectSettings(points=(first,))) == [*before, *[None] * 10]
    assert lefts(clip, SubjectSettings(points=(second,))) == [*[None] * 10, *after]
    assert lefts(clip, SubjectSettings(points=(first, second))) == [*before, *after]


def test_several_subjects_are_one_mask(tmp_path: Path) -> None:
    clip = film(tmp_path / "clip.mkv", passing, 6)
    settings = SubjectSettings(points=(Point(8, 30), Point(135, 30)))
    [(_, [mask]), *_] = grow_masks(
        [place_subjects(settings, clip)],
        SameColor,
        clip,
        lambda done: None,
    )
    assert mask is not None
    columns = mask[0].amax(0)
    assert columns[6:18].all() and columns[132:144].all()
    assert not columns[22:128].any()


def test_several_groups_are_a_mask_each(tmp_path: Path) -> None:
    clip = film(tmp_path / "clip.mkv", passing, 6)
    groups = [place_subjects(SubjectSettings(points=(point,)), clip) for point in (at(3, 18), at(5, 132))]
    grown = grow_masks(groups, SameColor, clip, lambda done: None)
    for number, (_, masks) in enumerate(grown):
        firsts = [int(mask[0].amax(0).nonzero()[0]) for mask in masks if mask is not None]
        assert firsts == [4 + 2 * number, 130 - 2 * number]


@pytest.mark.parametrize(("other", "runs"), [(4, 5 + 5), (7, 8 + 5)])
def test_subjects_take_turns_so_that_each_picture_is_looked_at_once_each_way(
    tmp_path: Path, other: int, runs: int
) -> None:
    """A network keeps what its encoder found in the last picture."""
    looked: list[bytes] = []

    class Looking(SameColor):
        def step(self, view: View, clicks: Sequence[Click] = ()) -> Tensor:
            looked.append(view.picture.numpy().tobytes())
            return super().step(view, clicks)

    clip = film(tmp_path / "clip.mkv", lambda number: {RED: 4 + 2 * number, BLUE: 150 - 7 * number}, 9)
    subjects = place_subjects(SubjectSettings(points=(at(4, 15), at(other, 152 - 7 * other))), clip)
    list(grow_masks([subjects], Looking, clip, lambda done: None))
    assert len(looked) == 2 * (9 + 1)  # that of the click once for each way
    assert len(list(groupby(looked))) == runs
    assert len(set(looked)) == 9


def test_a_click_on_something_else_is_meant_where_the_subject_is_unless_it_says_when(tmp_path: Path) -> None:
    clip = film(tmp_path / "clip.mkv", lambda number: {RED: 10}, 8)
    subject = at(4, 15)
    there = SubjectSettings(points=(subject,), not_points=(Point(18, 30),))
    [placed] = place_subjects(there, clip)
    assert [click.on_subject for click in placed.clicks_at(4)] == [True, False]
    later = SubjectSettings(points=(subject,), not_points=(at(6, 18),))
    [placed] = place_subjects(later, clip)
    assert [len(placed.clicks_at(number)) for number in range(8)] == [0, 0, 0, 0, 1, 0, 1, 0]


def test_progress_counts_every_frame_once(tmp_path: Path) -> None:
    clip = film(tmp_path / "clip.mkv", passing, 12)
    told: list[int] = []
    subjects = place_subjects(SubjectSettings(points=(at(7, 24), at(0, 134))), clip)
    list(grow_masks([subjects], SameColor, clip, told.append))
    assert told == sorted(told) and told[-1] == 12


def test_a_point_outside_the_picture_or_the_part_is_refused(tmp_path: Path) -> None:
    film(tmp_path / "clip.mkv", passing, 12)
    part = VideoClip(tmp_path / "clip.mkv", TimeRange(end=TimePoint(frame=6)))
    for point in (at(0, WIDTH + 1), at(8, 5)):
        with pytest.raises(FocusError):
            place_subjects(SubjectSettings(points=(point,)), part)


def test_masks_come_back_in_the_opposite_order() -> None:
    masks = [torch.rand(1, 5, 7).mul(255).round() / 255 for _ in range(4)]
    with MaskStack() as stack:
        for mask in masks:
            stack.push(mask)
        for mask in reversed(masks):
            np.testing.assert_allclose(stack.pop(), mask, atol=1e-6)
        assert stack.pop() is None

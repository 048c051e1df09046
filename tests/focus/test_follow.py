"""A thing is followed both ways through a clip; hidden, it is waited for."""

import logging
import math
import re
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from facts import naming

from any2bokeh.depth.track import DepthClip
from any2bokeh.errors import FocusError
from any2bokeh.focus.follower import BACKWARDS_FRAMES, follow_thing
from any2bokeh.focus.pull import pull_focus
from any2bokeh.settings.focus_settings import FocusSettings, Point
from any2bokeh.settings.values import TimePoint
from any2bokeh.settings.video_settings import TimeRange

from .conftest import HEIGHT, WIDTH, counted, disparities

Film = Callable[..., DepthClip]


def crossing(number: int) -> list[tuple[float, float, float, float]]:
    """A disc that crosses the picture and comes nearer, before another one that stands still."""
    return [(120, 40, 18, 0.3), (30 + 2 * number, 45 + 10 * math.sin(number / 6), 16, 0.4 + 0.004 * number)]


def assert_on_it(seen: list, things: Callable, frames: range) -> None:
    for number in frames:
        x, y, radius, disparity = things(number)[-1]
        assert math.dist((seen[number].x * WIDTH, seen[number].y * HEIGHT), (x, y)) < radius
        assert seen[number].disparity == pytest.approx(disparity, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("frame", [0, 30, 59])
def test_a_thing_is_followed_forwards_and_backwards(film: Film, frame: int, caplog: object) -> None:
    clip = film(crossing, 60)
    x, y, _, _ = crossing(frame)[-1]
    told, tell = counted()
    seen = follow_thing(Point(x + 4, y - 5, TimePoint(frame=frame)), clip, tell)
    assert_on_it(seen, crossing, range(60))
    assert told == list(range(2, 61))


@pytest.mark.slow
def test_more_frames_than_are_held_are_gone_through_backwards(film: Film) -> None:
    frames = BACKWARDS_FRAMES + 7

    def slow(number: int) -> list[tuple[float, float, float, float]]:
        return [(40 + number, 40, 14, 0.7 - 0.004 * number)]

    clip = film(slow, frames)
    last = Point(40 + frames - 1, 40, TimePoint(frame=frames - 1))
    assert_on_it(follow_thing(last, clip, print), slow, range(frames))


def hidden_at_times(number: int) -> list[tuple[float, float, float, float]]:
    """A disc that a nearer one passes in front of, from frame 20 to 30 or so."""
    thing = (96 + 0.3 * number, 45, 12, 0.5)
    return [thing, (96 + 0.3 * number - 7 * (number - 25), 45, 22, 0.9)]


@pytest.mark.slow
def test_a_hidden_thing_is_waited_for_and_its_focus_held(
    film: Film, caplog: pytest.LogCaptureFixture
) -> None:
    clip = film(hidden_at_times, 50)
    with caplog.at_level(logging.WARNING):
        track = pull_focus(clip, FocusSettings(follow=Point(96, 45), blur_strength=8))
    assert [focus.focus_disparity for focus in track.focus] == pytest.approx([0.5] * 50, abs=0.01)
    [message] = [record.getMessage() for record in caplog.records if record.name.startswith("any2bokeh")]
    found = re.search(r"96,45 .* (\d+) of 50 frames of .*, first at (\S+) s", message)
    assert found
    assert 3 <= int(found[1]) <= 12
    assert 0.75 <= float(found[2]) <= 1.05
    seen = follow_thing(Point(96, 45), clip, print)
    assert [np.isnan(one.disparity) for one in seen[:18] + seen[34:]] == [False] * 34
    assert math.dist((seen[-1].x * WIDTH, seen[-1].y * HEIGHT), (96 + 0.3 * 49, 45)) < 12


@pytest.mark.slow
def test_a_thing_that_leaves_the_picture_is_lost_and_its_last_focus_held(film: Film) -> None:
    def leaves(number: int) -> list[tuple[float, float, float, float]]:
        return [(150 + 5 * number, 40, 12, 0.6)]

    clip = film(leaves, 24)
    seen = follow_thing(Point(150, 40), clip, print)
    assert np.isnan([one.disparity for one in seen[-8:]]).all()
    track = pull_focus(clip, FocusSettings(follow=Point(150, 40), blur_strength=8))
    assert [focus.focus_disparity for focus in track.focus] == pytest.approx([0.6] * 24, abs=0.01)


@pytest.mark.slow
def test_what_stands_on_a_floor_does_not_run_out_into_it(film: Film) -> None:
    def stands(number: int) -> list[tuple[float, float, float, float]]:
        return [(60 + number, 0.8 * HEIGHT - 14, 20, 0.4)]  # reaches down to where the floor is as near

    clip = film(stands, 30)
    values = [one.disparity for one in follow_thing(Point(60, 60), clip, print)]
    assert values == pytest.approx([0.4] * 30, abs=0.01)


def test_a_click_on_the_floor_stays_on_the_floor(film: Film) -> None:
    clip = film(lambda number: [(20 + 2 * number, 30, 12, 0.6)], 12)
    row = 0.85 * HEIGHT
    wanted = 0.1 + 0.9 * (row - 0.7 * HEIGHT) / (0.3 * HEIGHT)
    values = [one.disparity for one in follow_thing(Point(90, row), clip, print)]
    assert values == pytest.approx([wanted] * 12, abs=0.1)


@pytest.mark.slow
def test_smoothed_focus_keeps_up_with_the_thing(film: Film) -> None:
    clip = film(crossing, 60)
    track = pull_focus(clip, FocusSettings(follow=Point(30, 45), blur_strength=8))
    values = np.array([focus.focus_disparity for focus in track.focus])
    assert abs(values - disparities(crossing, 60)).max() < 0.01
    assert abs(np.diff(values)).max() < 0.01


@pytest.mark.slow
def test_a_part_is_followed_within_its_borders(film: Film) -> None:
    part = TimeRange(start=TimePoint(frame=10), end=TimePoint(seconds=Fraction(40, 24)))
    clip = film(crossing, 60, part)
    x, y, _, _ = crossing(20)[-1]
    seen = follow_thing(Point(x, y, TimePoint(frame=20)), clip, print)
    assert len(seen) == 30
    assert_on_it(seen, lambda number: crossing(10 + number), range(30))
    with pytest.raises(FocusError, match=naming("2.08 s")):
        follow_thing(Point(x, y, TimePoint(frame=50)), clip, print)


def test_a_click_on_an_edge_or_in_a_corner_takes_one_side(film: Film) -> None:
    clip = film(lambda number: [(WIDTH / 2, HEIGHT / 2, 20, 0.8)], 2)
    edge = Point(WIDTH / 2 + 20, HEIGHT / 2)
    assert min(abs(follow_thing(edge, clip, print)[1].disparity - side) for side in (0.8, 0.1)) < 0.05
    for corner in (Point(0, 0), Point(1, 0), Point(1, 1), Point(WIDTH - 1, HEIGHT - 1)):
        assert not np.isnan(follow_thing(corner, clip, print)[1].disparity)

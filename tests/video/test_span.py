"""A time means the frame that is on the screen then, whatever option it is given to."""

from fractions import Fraction
from pathlib import Path

import pytest
from facts import naming

from any2bokeh.errors import VideoError
from any2bokeh.settings.values import TimePoint, parse_time
from any2bokeh.settings.video_settings import TimeRange
from any2bokeh.video.span import find_span, number_on_screen

MP4, MATROSKA = Fraction(1, 12288), Fraction(1, 1000)
CLIP = Path("clip.mp4")


def times_of(time_base: Fraction, frames: int = 48, rate: int = 24) -> list[int]:
    """Time stamps as a container rounds them, of a clip whose first frame is not at 0."""
    return [1000 + round(Fraction(number, rate) / time_base) for number in range(frames)]


def part(time_base: Fraction, start: str | None, end: str | None) -> range:
    """The numbers of the frames in a part."""
    times = times_of(time_base)
    start_at, end_at = (parse_time(text) if text else None for text in (start, end))
    span = find_span(CLIP, times, time_base, TimeRange(start=start_at, end=end_at))
    numbers = [number for number, pts in enumerate(times) if pts in span]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    return range(numbers[0], numbers[-1] + 1)


@pytest.mark.parametrize("time_base", [MP4, MATROSKA])
@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("0.041", 0),
        ("0.042", 1),
        ("1.66", 39),
        ("1.6667", 40),
        ("1.67", 40),
        ("1.7", 40),
        ("1.70834", 41),
        ("1.99", 47),
        ("f40", 40),
    ],
)
def test_a_time_is_the_frame_on_the_screen(time_base: Fraction, text: str, number: int) -> None:
    """1.67 s at 24 frames per second was frame 41, which is not seen before 1.708 s."""
    assert part(time_base, text, None) == range(number, 48)
    if number:
        assert part(time_base, None, text) == range(number)


@pytest.mark.parametrize("time_base", [MP4, MATROSKA, Fraction(1, 24)])
def test_two_parts_that_meet_hold_each_frame_once(time_base: Fraction) -> None:
    for hundredth in range(5, 199):
        text = f"{hundredth / 100}"
        first, second = part(time_base, None, text), part(time_base, text, None)
        assert [*first, *second] == list(range(48))


def test_a_frame_is_found_by_its_own_time_as_we_write_it() -> None:
    for time_base in (MP4, MATROSKA, Fraction(1, 90000), Fraction(1, 10**9)):
        times = times_of(time_base)
        for number, pts in enumerate(times):
            seconds = Fraction(f"{float((pts - times[0]) * time_base):.6f}")
            assert number_on_screen(times, seconds, time_base) == number


def test_nothing_is_on_the_screen_after_the_end() -> None:
    times = times_of(MP4)
    assert number_on_screen(times, Fraction("1.99"), MP4) == 47
    assert number_on_screen(times, Fraction(2), MP4) is None
    assert number_on_screen(times[:1], Fraction(0), MP4) == 0
    assert part(MP4, None, "9") == range(48)
    with pytest.raises(VideoError, match=naming(CLIP, 2, "48 frames")):
        find_span(CLIP, times, MP4, TimeRange(start=TimePoint(seconds=Fraction(2))))


def test_a_part_within_one_frame_is_empty() -> None:
    with pytest.raises(VideoError, match=naming(CLIP, "1.67", "1.7")):
        part(MP4, "1.67", "1.7")

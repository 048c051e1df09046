from fractions import Fraction

import pytest

from any2bokeh.depth.matching import FrameTimes, match_frames, nearest_in_time

MILLISECOND = Fraction(1, 1000)


def video(frame_count: int, rate: int = 24, start: int = 0) -> FrameTimes:
    return FrameTimes([start + 512 * number for number in range(frame_count)], Fraction(1, 512 * rate))


def rounded(times: FrameTimes, shift_ms: int = 0) -> FrameTimes:
    """The times as Matroska keeps them."""
    return FrameTimes([round(second * 1000) + shift_ms for second in times.seconds()], MILLISECOND)


@pytest.mark.parametrize("frame_count", [1, 2, 3, 84, 1000])
@pytest.mark.parametrize("rate", [1, 24, 60, 240])
def test_times_rounded_to_the_millisecond_match(frame_count: int, rate: int) -> None:
    times = video(frame_count, rate)
    assert nearest_in_time(rounded(times), times).tolist() == list(range(frame_count))


@pytest.mark.parametrize("rate", [12, 24, 25, 30, 60])
@pytest.mark.parametrize("shift_ms", [-23, 23])
def test_a_start_moved_by_sound_does_not_move_the_track(rate: int, shift_ms: int) -> None:
    matched = match_frames(rounded(video(50, rate), shift_ms), video(50, rate))
    assert matched is not None and matched.tolist() == list(range(50))


def test_variable_rate_is_matched_by_time() -> None:
    times = FrameTimes([0, 40, 80, 380, 395, 410], MILLISECOND)
    matched = match_frames(times, FrameTimes([pts + 5 for pts in times.pts], MILLISECOND))
    assert matched is not None and matched.tolist() == list(range(6))


def test_frames_of_another_rate_match_by_number_if_there_are_as_many() -> None:
    matched = match_frames(rounded(video(20, 25)), video(20, 30))
    assert matched is not None and matched.tolist() == list(range(20))


def test_without_times_the_count_decides() -> None:
    matched = match_frames(20, video(20))
    assert matched is not None and matched.tolist() == list(range(20))
    assert match_frames(19, video(20)) is None


@pytest.mark.parametrize(
    "track", [video(83), video(85), video(42, 12), video(168, 48), video(84, start=5000)]
)
def test_fewer_more_and_other_frames_do_not_match(track: FrameTimes) -> None:
    wanted = video(84) if len(track.pts) != 84 else video(83)
    assert match_frames(track, wanted) is None


def test_frames_beyond_half_a_frame_have_no_partner() -> None:
    times = FrameTimes([0, 100, 200, 300], MILLISECOND)
    track = FrameTimes([0, 149, 249, 352], MILLISECOND)
    assert nearest_in_time(track, times).tolist() == [0, 1, 2, -1]

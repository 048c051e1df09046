"""The focal plane over time: eased without steps, smoothed without lag."""

import numpy as np
import pytest
from facts import naming

from any2bokeh.errors import SettingsError
from any2bokeh.focus.focus_track import Curve, Focus, FocusTrack, smooth_focus


def test_a_pull_has_no_step_and_keeps_its_ends() -> None:
    curve = Curve([1, 3], [0.9, 0.3], "smooth")
    values = np.array([curve.at(frame / 24) for frame in range(24 * 4)])
    assert (values[: 24 + 1] == 0.9).all() and (values[72:] == 0.3).all()
    steps = -np.diff(values)
    assert (steps >= 0).all()
    # A move of 0.6 in 48 frames is 0.0125 a frame at one speed, and at most 1.5 times that when eased.
    assert steps.max() < 1.5 * 0.0125 + 1e-6
    assert abs(np.diff(steps)).max() < 0.0016  # nor does the speed jump: 6 * 0.6 / 48^2


def test_easings_differ_between_keys_and_agree_at_them() -> None:
    for easing, quarter in (("smooth", 0.15625), ("linear", 0.25), ("hold", 0.0)):
        curve = Curve([0, 1, 2], [0, 1, 0.5], easing)
        assert [curve.at(time_s) for time_s in (-1, 0, 1, 2, 9)] == [0, 0, 1, 0.5, 0.5]
        assert curve.at(0.25) == pytest.approx(quarter)


def test_focus_between_two_frames_is_that_of_the_first() -> None:
    track = FocusTrack([10, 20, 30], [Focus(value, 8) for value in (0.1, 0.2, 0.3)])
    assert [track.at(pts).focus_disparity for pts in (0, 10, 19, 20, 31)] == [0.1, 0.1, 0.1, 0.2, 0.3]
    assert (track.disparity_range, track.strength_range) == ((0.1, 0.3), (8, 8))
    with pytest.raises(SettingsError, match=naming("`focus_disparity`", "0 to 1", 1.1)):
        Focus(1.1, 8)


def moments(seconds: float, rate: float = 25) -> np.ndarray:
    return np.arange(round(seconds * rate)) / rate


def test_smoothing_follows_a_steady_move_without_lag_also_at_the_ends() -> None:
    times_s = moments(2)
    ramp = 0.2 + 0.3 * times_s
    np.testing.assert_allclose(smooth_focus(ramp, times_s, 0.2), ramp, atol=1e-12)


def test_smoothing_takes_out_jitter_and_glitches() -> None:
    times_s = moments(4)
    random = np.random.default_rng(0)
    measured = 0.5 + 0.02 * random.standard_normal(len(times_s))
    measured[[30, 31, 60]] = 0.9
    smoothed = smooth_focus(measured, times_s, 0.2)
    assert abs(smoothed - 0.5).max() < 0.03
    assert abs(smoothed[12:-12] - 0.5).max() < 0.02
    assert abs(np.diff(smoothed)).max() < 0.3 * abs(np.diff(np.delete(measured, [30, 31, 60]))).mean()


def test_a_fast_move_is_neither_late_nor_early_and_does_not_overshoot() -> None:
    times_s = moments(4, rate=24)
    measured = np.where(times_s < 2, 0.2, 0.8)
    smoothed = smooth_focus(measured, times_s, 0.15)
    half_way_s = np.interp(0.5, smoothed, times_s)
    assert abs(half_way_s - 2) < 1 / 24
    assert smoothed.min() >= 0.2 and smoothed.max() <= 0.8
    assert (np.diff(smoothed) >= -1e-9).all()
    assert smoothed[times_s < 1.5].max() < 0.21 and smoothed[times_s > 2.5].min() > 0.79


def test_gaps_hold_the_last_value_and_uneven_times_are_respected() -> None:
    times_s = np.array([0, 1, 2, 3, 4.0])
    held = smooth_focus(np.array([np.nan, 0.2, np.nan, np.nan, 0.2]), times_s, 0.0)
    np.testing.assert_array_equal(held, [0.2] * 5)
    uneven = np.array([0, 0.01, 0.02, 0.5, 0.51, 0.9, 1.3, 1.31])
    np.testing.assert_allclose(smooth_focus(0.1 + 0.4 * uneven, uneven, 0.3), 0.1 + 0.4 * uneven, atol=1e-12)


def test_nothing_seen_at_all_stays_nothing() -> None:
    assert np.isnan(smooth_focus(np.full(4, np.nan), moments(1)[:4], 0.2)).all()


def test_shots_are_smoothed_each_by_itself() -> None:
    times_s = moments(2)
    values = np.where(times_s < 1, 0.2 + 0.1 * times_s, 0.8)
    np.testing.assert_allclose(smooth_focus(values, times_s, 0.2, [25]), values, atol=1e-12)
    assert abs(smooth_focus(values, times_s, 0.2) - values).max() > 0.1


def test_a_shot_that_begins_before_its_subject_is_seen_begins_with_its_own_focus() -> None:
    values = np.array([0.9] * 10 + [np.nan] * 10 + [0.2] * 10)
    smoothed = smooth_focus(values, np.arange(30) / 24, 0.1, starts=[10])
    np.testing.assert_allclose(smoothed[:10], 0.9)
    np.testing.assert_allclose(smoothed[10:], 0.2)


def test_a_shot_in_which_nothing_is_seen_keeps_the_last_focus() -> None:
    smoothed = smooth_focus(np.array([0.9] * 5 + [np.nan] * 5), np.arange(10) / 24, 0.1, starts=[5])
    np.testing.assert_allclose(smoothed, 0.9)

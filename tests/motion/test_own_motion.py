"""Things move by themselves before a world that the camera moves."""

import numpy as np

from any2bokeh.motion.own_motion import own_motion


def camera(height: int, width: int) -> np.ndarray:
    """The flow of a camera that pans, zooms and rolls."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([3 + 0.01 * columns - 0.02 * rows, -1 + 0.02 * columns + 0.01 * rows], -1)


def test_the_cameras_motion_is_taken_away() -> None:
    flow = camera(90, 160)
    flow[20:60, 40:80] += np.float32([4, -2])
    own = own_motion(flow)
    np.testing.assert_allclose(own[20:60, 40:80], np.broadcast_to([4, -2], (40, 40, 2)), atol=0.05)
    own[20:60, 40:80] = 0
    assert np.abs(own).max() < 0.05


def test_a_large_subject_is_not_taken_for_the_world() -> None:
    flow = camera(90, 160)
    large = np.zeros((90, 160), bool)
    large[10:80, 10:140] = True
    flow[large] += np.float32([4, -2])
    assert np.abs(own_motion(flow)[large]).mean() < 1  # most pixels are its own
    own = own_motion(flow, large)
    np.testing.assert_allclose(own[large], np.broadcast_to([4, -2], (large.sum(), 2)), atol=0.05)
    np.testing.assert_array_equal(own_motion(flow, np.ones_like(large)), own_motion(flow))


def test_noise_stays_and_a_still_picture_moves_nothing() -> None:
    assert not own_motion(np.zeros((40, 50, 2), np.float32)).any()
    noise = np.random.default_rng(0).normal(0, 0.2, (60, 80, 2)).astype(np.float32)
    assert abs(own_motion(camera(60, 80) + noise).std() - 0.2) < 0.02

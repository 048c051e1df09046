"""K of a real lens, against rays traced through a thin lens."""

import pytest
from facts import naming

from any2bokeh.depth.distances import DepthRange
from any2bokeh.errors import SettingsError
from any2bokeh.focus.thin_lens import blur_strength
from any2bokeh.settings.focus_settings import CameraSettings


def radius_px(camera: CameraSettings, focus_m: float, point_m: float) -> float:
    """Radius of a point's disc where the rays of the lens's edge meet the sensor, 1024 pixels of 36 mm."""
    focal_m = camera.focal_length_m
    sensor_m = 1 / (1 / focal_m - 1 / focus_m)  # behind the lens, where the focus is imaged
    image_m = 1 / (1 / focal_m - 1 / point_m)  # where the point is imaged
    edge_m = focal_m / camera.f_stop / 2
    return abs(edge_m * (1 - sensor_m / image_m)) * 1024 / 0.036


@pytest.mark.parametrize(
    ("f_stop", "focal_length_mm", "near_m", "far_m"),
    [(1.4, 50, 1.0, 20.0), (2.8, 85, 2.0, 8.0), (8, 24, 0.4, 1e6), (2, 135, 4.0, 100.0)],
)
def test_k_gives_the_disc_of_a_thin_lens(
    f_stop: float, focal_length_mm: float, near_m: float, far_m: float
) -> None:
    camera = CameraSettings(f_stop=f_stop, focal_length_mm=focal_length_mm, near_m=near_m, far_m=far_m)

    def distance_m(disparity: float) -> float:
        return 1 / (1 / far_m + disparity * (1 / near_m - 1 / far_m))

    assert (distance_m(1), distance_m(0)) == pytest.approx((near_m, far_m))
    for focus in (0.0, 0.3, 1.0):
        strength = blur_strength(camera, DepthRange(near_m, far_m), focus)
        for disparity in (0.0, 0.25, 0.9, 1.0):
            drawn = strength * abs(focus - disparity)
            assert drawn == pytest.approx(
                radius_px(camera, distance_m(focus), distance_m(disparity)), rel=1e-9, abs=1e-9
            )


def test_more_blur_than_can_be_drawn_is_refused() -> None:
    camera = CameraSettings(f_stop=0.95, focal_length_mm=200, near_m=1, far_m=100)
    with pytest.raises(SettingsError, match=naming("200 mm", "f/0.95", "1 m", 128)):
        blur_strength(camera, DepthRange(1, 100), 1)


def test_a_lens_that_is_longer_than_the_way_to_its_subject_is_refused() -> None:
    with pytest.raises(SettingsError, match=naming("600 mm", "0.5 m")):
        blur_strength(CameraSettings(f_stop=8, focal_length_mm=600), DepthRange(0.5, 10), 1)

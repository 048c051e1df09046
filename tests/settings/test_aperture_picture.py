"""The picture of an aperture: what it is measured by, and which pictures are none."""

import numpy as np
import pytest

from any2bokeh.errors import SettingsError
from any2bokeh.settings.aperture_picture import LARGEST_SIDE, AperturePicture
from any2bokeh.settings.render_settings import LensSettings


def test_a_square_blurs_as_much_as_the_disc_of_its_second_moment() -> None:
    square = AperturePicture.of(np.ones((12, 12)))
    assert square.middle == (6.0, 6.0)
    assert square.radius == pytest.approx(12 / 3**0.5)  # of a square of side a it is a^2 / 6 = r^2 / 2


def test_what_surrounds_the_shape_does_not_count() -> None:
    large = np.zeros((40, 50))
    large[10:18, 20:26] = 3.0
    assert AperturePicture.of(large) == AperturePicture.of(np.ones((8, 6)))


def test_a_large_picture_keeps_its_light_where_it_is() -> None:
    light = np.zeros((700, 900))
    light[:350] = 1.0
    light[350:, :300] = 0.25
    small = AperturePicture.of(light)
    assert (small.height, small.width) == (100, LARGEST_SIDE)
    columns = np.arange(900) + 0.5
    assert small.middle[0] * 900 / LARGEST_SIDE == pytest.approx(
        columns @ light.sum(0) / light.sum(), rel=1e-3
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros((9, 9)), "black"),
        (-np.ones((9, 9)), "black"),
        (np.full((9, 9), np.nan), "finite"),
        (np.ones((9, 9, 3)), "H W"),
        (np.zeros((0, 4)), "H W"),
        (np.pad(np.full((16, 16), 300.0), 60, constant_values=0.7), "faint"),
    ],
)
def test_a_picture_without_a_shape_is_refused(values: object, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        AperturePicture.of(values, "star.png")


def test_settings_take_a_picture_and_tell_two_apart() -> None:
    one, other = (LensSettings(aperture=AperturePicture.of(np.eye(size))) for size in (5, 6))
    assert one != other
    assert repr(one) != repr(other)  # by which a run that goes on knows itself
    assert len(repr(one)) < 300
    with pytest.raises(SettingsError, match="aperture"):
        LensSettings(aperture="heart.png")  # type: ignore[arg-type]

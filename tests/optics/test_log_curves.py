"""The curves of cameras against points that their makers publish, and back again."""

import math

import pytest
import torch

from any2bokeh.optics.log_curves import LOG_CURVES
from any2bokeh.optics.transfer import from_linear, recoded, shown_picture, to_linear
from any2bokeh.settings.color_settings import DISPLAY_REFERRED, TransferFunction

NAMES = [pytest.param(name, id=name) for name in LOG_CURVES]
CODES = torch.arange(1024, dtype=torch.float64) / 1023
# Code (0 to 1) of reflectances, as the makers' papers give them: in codes of 10 bits where they are whole.
POINTS = [
    ("logc3", 0.0, 0.092809),
    ("logc3", 0.18, 0.391007),
    ("logc4", 0.0, 95 / 1023),
    ("logc4", 0.18, 0.278396),
    ("slog3", 0.0, 95 / 1023),
    ("slog3", 0.18, 420 / 1023),
    ("slog3", 0.9, 598 / 1023),
    ("vlog", 0.0, 128 / 1023),
    ("vlog", 0.18, 433 / 1023),
    ("vlog", 0.9, 602 / 1023),
    ("clog3", 0.0, 0.12512219),
    ("clog3", 0.18, 0.343389),
    ("clog3", 0.9, 0.564),
    ("redlog3g10", 0.0, 0.091551),
    ("redlog3g10", 0.18, 1 / 3),
    ("redlog3g10", 184.32, 1.0),
    ("acescct", 0.0, 0.0729055341958355),
    ("acescct", 0.18, 0.413588402),
    ("acescct", 1.0, 9.72 / 17.52),
    ("applelog", 0.18, 0.488272),
    ("bmdfilm5", 0.0, 0.0924657534),
    ("bmdfilm5", 0.18, 0.3835616438),
    ("cineon", 0.0, 95 / 1023),
    ("cineon", 0.18, 0.457319),
    ("cineon", 1.0, 685 / 1023),
]


def test_every_curve_has_a_name_among_the_settings() -> None:
    named = set(TransferFunction.__args__) - {*DISPLAY_REFERRED, "linear"}  # type: ignore[attr-defined]
    assert named == set(LOG_CURVES)
    assert {name for name, _, _ in POINTS} == set(LOG_CURVES)


@pytest.mark.parametrize(("name", "reflectance", "code"), POINTS)
def test_published_points(name: TransferFunction, reflectance: float, code: float) -> None:
    tolerance = 0.5 / 1023 if math.isclose(code * 1023, round(code * 1023), abs_tol=1e-6) else 1e-5
    tolerance = 1e-3 if code == 0.564 else tolerance  # read off a graph
    light = torch.tensor(reflectance, dtype=torch.float64)
    assert float(from_linear(light, name)) == pytest.approx(code, abs=tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_codes_of_ten_bits_come_back(name: TransferFunction) -> None:
    for dtype in (torch.float32, torch.float64):
        again = from_linear(to_linear(CODES.to(dtype), name), name)
        assert torch.equal((again * 1023).round().long(), torch.arange(1024))


@pytest.mark.parametrize("name", NAMES)
def test_light_comes_back_from_below_black_to_far_beyond_white(name: TransferFunction) -> None:
    light = torch.cat([torch.linspace(-0.01, 0.05, 500), torch.logspace(-2, 1.7, 500)]).double()
    again = to_linear(from_linear(light, name), name)
    torch.testing.assert_close(again, light, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_curves_rise_without_a_step(name: TransferFunction) -> None:
    light = torch.linspace(-0.02, 0.1, 20001, dtype=torch.float64)
    steps = from_linear(light, name).diff()
    assert steps.min() > 0
    assert steps.max() < 40 * (light[1] - light[0])  # cineon is the steepest; a step would be far more


def test_light_is_the_same_in_another_curve() -> None:
    light = torch.tensor([0.0, 0.18, 0.9, 3.0])
    codes = recoded(from_linear(light, "slog3"), "slog3", "logc4")
    torch.testing.assert_close(to_linear(codes, "logc4"), light, rtol=1e-4, atol=1e-5)
    assert recoded(codes, "logc4", "srgb").tolist()[3] == pytest.approx(1)


def test_a_screen_shows_gray_as_gray_and_white_as_white() -> None:
    shown = shown_picture(from_linear(torch.tensor([0.18, 1.0, 16.0]), "logc3"), "logc3")
    assert shown.tolist() == pytest.approx([0.4614, 1, 1], abs=1e-3)

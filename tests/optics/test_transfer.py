"""Transfer functions against points of their standards, and back again."""

import pytest
import torch

from any2bokeh.optics.transfer import from_linear, to_linear
from any2bokeh.settings.color_settings import TransferFunction


@pytest.mark.parametrize("transfer", ["srgb", "pq", "hlg"])
def test_code_values_come_back(transfer: TransferFunction) -> None:
    code = torch.arange(4096) / 4095
    torch.testing.assert_close(from_linear(to_linear(code, transfer), transfer), code, atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    ("transfer", "code", "level"),
    [
        ("srgb", 0.5, 0.21404114),
        ("srgb", 0.02, 0.02 / 12.92),
        ("pq", 0.508078, 100 / 10000),  # BT.2408: 100 cd/m2 is 51 % PQ
        ("pq", 0.751827, 1000 / 10000),
        ("hlg", 0.5, 1 / 12),
        ("hlg", 0.75, 0.26496256),  # BT.2408: reference white is 75 % HLG
    ],
)
def test_points_of_the_standards(transfer: TransferFunction, code: float, level: float) -> None:
    assert to_linear(torch.tensor(code), transfer).item() == pytest.approx(level, rel=2e-4)


def test_srgb_keeps_values_beyond_white_and_black() -> None:
    code = torch.tensor([-0.2, 1.3])
    linear = to_linear(code, "srgb")
    assert linear[0] < 0
    assert linear[1] > 1
    torch.testing.assert_close(from_linear(linear, "srgb"), code, atol=1e-5, rtol=0)

"""Losses: equal to the published code's numbers, and to what their definitions say."""

import parity
import pytest
import torch
from torch.nn.functional import l1_loss

from any2bokeh.errors import SettingsError, ShapeError
from any2bokeh.lab.training.trained_network import pixel_loss, sobel_magnitude, texture_loss


def test_published_texture_loss_equals_the_published_code():
    stored, wanted = parity.tensors("functions"), parity.document("functions")["texture"]
    pictures = stored["texture.pred"], stored["texture.target"]
    parity.assert_near(sobel_magnitude(pictures[0]), stored["texture.sobel_pred"], 1e-5)
    assert float(texture_loss(*pictures, kind="published")) == pytest.approx(
        wanted["gradient_loss"], rel=1e-6
    )
    assert float(l1_loss(*pictures)) == pytest.approx(wanted["l1"], rel=1e-6)
    total = pixel_loss(*pictures, texture=1, of="published")
    assert float(total) == pytest.approx(wanted["total_stage3"], rel=1e-6)


def test_paper_texture_loss_is_the_squared_difference_of_slopes():
    flat, ramp = torch.zeros(2, 3, 8, 10), (torch.arange(10.0) * 0.5).expand(2, 3, 8, 10)
    assert float(texture_loss(ramp, flat)) == pytest.approx(0.25)
    assert float(texture_loss(ramp.transpose(2, 3), flat.transpose(2, 3))) == pytest.approx(0.25)
    assert float(texture_loss(ramp + 3, ramp)) == 0


def test_only_the_paper_texture_loss_sees_which_way_an_edge_faces():
    step = torch.zeros(1, 1, 6, 8)
    step[..., 4:] = 1
    inside = (..., slice(1, -1), slice(1, -1))
    magnitudes = sobel_magnitude(step), sobel_magnitude(1 - step)
    torch.testing.assert_close(magnitudes[0][inside], magnitudes[1][inside])
    assert float(texture_loss(step, 1 - step)) == pytest.approx(4 / 7)


def test_pictures_of_two_shapes_and_unknown_kinds_are_errors():
    with pytest.raises(ShapeError, match=r"must be \.\.\. C H W"):
        texture_loss(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 5))
    with pytest.raises(SettingsError, match="one of paper, published"):
        texture_loss(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4), "other")  # type: ignore[arg-type]

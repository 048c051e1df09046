"""Metrics of frames: known by construction, equal to the published numbers and to a library's."""

import math

import numpy as np
import parity
import pytest
import torch
from torch import Tensor

from any2bokeh.lab.frame_metrics import (
    NEAR_STEP_PX,
    edge_preservation,
    edge_strength,
    focus_region,
    motion_error,
    near_steps,
    psnr,
    smoothness,
    ssim,
)


def from_bgr(codes: Tensor) -> Tensor:
    return codes.flip(-1).permute(2, 0, 1).float() / 255


def texture(height: int = 48, width: int = 64) -> Tensor:
    return torch.rand(3, height, width)


@pytest.mark.parametrize("offset", [0.001, 0.1, 0.5])
def test_a_constant_offset_has_the_psnr_of_its_size(offset: float) -> None:
    sharp = texture() * 0.4
    assert psnr((sharp + offset - sharp) ** 2) == pytest.approx(-20 * math.log10(offset), abs=1e-3)


def test_what_equals_the_truth_has_100_db_and_a_similarity_of_1() -> None:
    truth = texture()
    assert psnr((truth - truth) ** 2) == pytest.approx(100)
    assert ssim(truth, truth) == pytest.approx(1)


@pytest.mark.slow
def test_similarity_equals_a_libraries() -> None:
    torchmetrics = pytest.importorskip("torchmetrics.functional.image")
    truth = texture()
    for share in (0.05, 0.5, 1.0):
        out = (1 - share) * truth + share * texture()
        expected = torchmetrics.structural_similarity_index_measure(out[None], truth[None], data_range=1.0)
        assert ssim(out, truth) == pytest.approx(float(expected), abs=2e-4)


def test_similarity_of_a_picture_no_larger_than_its_window() -> None:
    truth = texture(8, 9)
    assert ssim(truth, truth) == pytest.approx(1)
    assert ssim(truth, 1 - truth) < 0


def test_vepi_equals_the_published_numbers() -> None:
    stored, facts = parity.tensors("functions"), parity.document("functions")["vepi"]
    sharp, bokeh = (from_bgr(stored[f"vepi.{name}_bgr_u8"]) for name in ("ref", "bokeh"))
    edges = edge_strength(sharp)
    np.testing.assert_allclose(edges, stored["vepi.edge_ref"].numpy(), atol=1e-3)
    region = focus_region(stored["vepi.mask_u8"][None] / 255, *edges.shape)
    np.testing.assert_array_equal(region, stored["vepi.fg"].numpy() > 0)
    assert edge_preservation(edges, edge_strength(bokeh), region) == pytest.approx(facts["value"], abs=1e-9)
    everywhere = np.ones_like(region)
    no_mask = edge_preservation(edges, edge_strength(bokeh), everywhere)
    assert no_mask == pytest.approx(facts["no_mask"], abs=1e-9)


def test_smoothness_equals_the_published_number() -> None:
    facts = parity.document("functions")["vepi"]
    assert smoothness(facts["smoothness_of"]) == pytest.approx(facts["smoothness"])
    assert smoothness([0.5]) == 1


def test_vepi_is_1_where_nothing_changed_and_0_where_there_is_nothing_to_see() -> None:
    edges = edge_strength(texture())
    everywhere = np.ones(edges.shape, bool)
    assert edge_preservation(edges, 0.3 * edges, everywhere) == pytest.approx(1)
    assert edge_preservation(edges, edges, ~everywhere) == 0
    assert edge_preservation(edges, np.zeros_like(edges), everywhere) == 0


def test_motion_error_equals_the_published_numbers() -> None:
    stored, facts = parity.tensors("functions"), parity.document("functions")["temporal_consistency"]
    change, true_change = stored["tc.pred"].diff(dim=0), stored["tc.gt"].diff(dim=0)
    of_pairs = [motion_error(*pair) for pair in zip(change, true_change, strict=True)]
    assert of_pairs == pytest.approx(facts["per_pair"], rel=1e-6)
    assert np.mean(of_pairs) == pytest.approx(facts["all_pairs_mean"], rel=1e-6)


def test_an_error_that_stays_is_no_error_of_motion() -> None:
    truth = torch.rand(5, 3, 8, 8)
    assert motion_error((truth + 0.25).diff(dim=0), truth.diff(dim=0)) == pytest.approx(0, abs=1e-6)
    flicker = 0.1 * torch.tensor([1.0, -1, 1, -1, 1]).view(5, 1, 1, 1)
    assert motion_error((truth + flicker).diff(dim=0), truth.diff(dim=0)) == pytest.approx(0.2, abs=1e-5)


def test_the_band_is_as_wide_as_said_at_steps_of_disparity_and_at_the_edge_of_the_mask() -> None:
    disparity = torch.full((40, 100), 0.2)
    disparity[:, 50:] = 0.4
    band = near_steps(disparity)
    assert band[0].nonzero().flatten().tolist() == list(range(49 - NEAR_STEP_PX, 51 + NEAR_STEP_PX))
    assert not near_steps(disparity * 0.4).any()
    mask = disparity > 0.3
    assert torch.equal(near_steps(disparity * 0.4, mask), band)

"""MPI planes against the numbers of the published network."""

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from any2bokeh.errors import SettingsError
from any2bokeh.optics.mpi import disparity_difference, plane_labels, plane_masks, plane_thresholds

DATA = Path(__file__).parents[1] / "data" / "parity"
PUBLISHED = load_file(DATA / "functions.safetensors")
CASES = json.loads((DATA / "functions.json").read_text())
CODES = torch.arange(256, dtype=torch.float64) / 255


@pytest.mark.parametrize("alpha", CASES["mpi_mask"]["alphas"])
@pytest.mark.parametrize("row", range(len(CASES["mpi_mask"]["f"])))
def test_labels_equal_the_published_ones_for_every_code(alpha: float, row: int) -> None:
    focus = CASES["mpi_mask"]["f"][row]
    thresholds = plane_thresholds(focus, alpha=alpha)
    assert thresholds == pytest.approx(CASES["mpi_mask"]["thresholds"][str(alpha)][row], rel=1e-5, abs=1e-40)
    labels = plane_labels(CODES, focus, thresholds)
    assert torch.equal(labels, PUBLISHED[f"mpi_mask.alpha{alpha}"][row])


def test_disparity_difference_equals_the_published_map() -> None:
    for index, focus in enumerate(CASES["coc"]["f"]):
        disparity = PUBLISHED["coc.disparity_u8"][index].float() / 255
        torch.testing.assert_close(
            disparity_difference(disparity, focus), PUBLISHED["coc.r"][index], atol=1e-6, rtol=0
        )


def test_linear_thresholds_are_the_product() -> None:
    assert plane_thresholds(0.5, sampling="linear") == [0.5, 1.0, 1.5]
    assert plane_thresholds(0.0, sampling="linear") == [math.inf] * 3
    assert plane_thresholds(0.0) == [0.0] * 3


def test_a_label_counts_thresholds_strictly_below() -> None:
    labels = plane_labels(torch.tensor([0.5, 0.75, 0.76, 1.0, 0.0]), 0.5, [0.1, 0.25, 0.5])
    assert labels.tolist() == [0, 1, 2, 2, 2]


def test_mask_of_a_level_holds_all_nearer_to_focus() -> None:
    labels = torch.tensor([0, 1, 2, 3], dtype=torch.uint8).view(1, 1, 2, 2)
    masks = plane_masks(labels)
    assert masks.shape == (1, 4, 2, 2)
    assert masks[0].flatten(1).sum(1).tolist() == [1, 2, 3, 4]


def test_focus_outside_the_scene_is_refused() -> None:
    with pytest.raises(SettingsError, match="from 0 to 1"):
        plane_thresholds(1.5)

"""Measures whose answer is known."""

from pathlib import Path

import numpy as np
import pytest
import torch

from any2bokeh.lab.compact.made_pictures import list_pictures
from any2bokeh.lab.compact.measures import edge_order, measure_estimator, separations

TRUTH = np.zeros((60, 100), np.float32)
TRUTH[20:50, 30:60] = 1
OWNERS = TRUTH.astype(np.uint8)
KNOWN = np.ones_like(TRUTH, bool)


def test_a_right_guess_has_all_edges_right_and_a_wrong_one_none() -> None:
    assert edge_order(2 * TRUTH + 3, TRUTH, KNOWN) == 1
    assert edge_order(-TRUTH, TRUTH, KNOWN) == 0
    assert edge_order(TRUTH, np.zeros_like(TRUTH), KNOWN) is None
    assert edge_order(TRUTH, TRUTH, KNOWN & (TRUTH > 0)) is None  # beyond the edge nothing is known


def test_separation_is_the_share_of_pairs_in_which_the_thing_is_nearer() -> None:
    assert separations(TRUTH, TRUTH, OWNERS) == [1]
    assert separations(-TRUTH, TRUTH, OWNERS) == [0]
    half = TRUTH.copy()
    half[20:50, 30:45] = -1
    assert separations(half, TRUTH, OWNERS) == [pytest.approx(0.5, abs=0.05)]
    assert separations(TRUTH, np.zeros_like(TRUTH), OWNERS) == []  # nothing around it is farther


class Brightness:
    """Says that what is bright is near, which is so in the pictures of the fixture."""

    def estimate(self, pictures: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        return torch.nn.functional.interpolate(pictures.mean(1, keepdim=True), size, mode="area")


def test_an_estimator_is_measured_over_a_folder(pictures: Path) -> None:
    found = measure_estimator(Brightness(), list_pictures(pictures), 96).means()
    assert found["edges"] > 0.95 and found["separation"] > 0.95
    assert 0.4 < found["rank"] < 1 and found["error"] < 0.2

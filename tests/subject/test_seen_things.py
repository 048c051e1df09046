"""The things of a frame: each once, whole, and none of the ground."""

import numpy as np
import pytest
import torch

from any2bokeh.arrays import Floats
from any2bokeh.lab.compact.made_pictures import make_picture
from any2bokeh.lab.compact.scenes.additions import AdditionSettings
from any2bokeh.scene import Frame
from any2bokeh.subject.click_segmenter import load_click_network
from any2bokeh.subject.seen_things import MOST_CUT, Thing, each_once, find_things

SEEDS = (970007, 970012, 970014, 970017)
UNIT = 24


def disc(x: float, y: float, radius: float) -> Floats:
    """A mask of 60 x 80 pixels."""
    rows, columns = np.mgrid[:60, :80]
    return ((rows - y) ** 2 + (columns - x) ** 2 < radius**2).astype(np.float32)


def test_each_thing_is_there_once_by_its_highest_rank() -> None:
    one, same, other = Thing(disc(30, 30, 12), 0.6), Thing(disc(31, 30, 12), 0.9), Thing(disc(60, 30, 9), 0.7)
    assert each_once([one, same, other], lambda thing: thing.quality) == [same, other]
    assert each_once([one, same, other], lambda thing: -thing.quality) == [one, other]
    assert each_once([], lambda thing: thing.quality) == []


def test_the_inner_point_is_farthest_from_the_outline() -> None:
    x, y = Thing(np.maximum(disc(30, 20, 14), disc(60, 45, 6)), 1).inner_point()
    assert (x * 80, y * 60) == pytest.approx((30.5, 20.5), abs=1)
    left, _ = Thing(disc(0, 30, 20), 1).inner_point()  # it does not end where the frame does
    assert 0 < left * 80 < 10


def test_the_ground_is_cut_by_the_frame_and_a_thing_is_not() -> None:
    rows = np.mgrid[:60, :80][0]
    assert Thing((rows > 30).astype(np.float32), 1).cut_share() > MOST_CUT
    assert Thing(disc(40, 30, 20), 1).cut_share() == 0


@pytest.mark.slow
def test_things_of_made_scenes_are_found_whole() -> None:
    network = load_click_network(torch.device("cpu"), torch.float32)
    additions = AdditionSettings(kinds=("bird", "machine", "seat"))
    overlaps = []
    for seed in SEEDS:
        picture, _, owner = make_picture(seed, additions, UNIT)
        view = network.segmenter().view(Frame(picture=torch.from_numpy(picture).permute(2, 0, 1), pts=0))
        found = find_things(network, view, (5, 7))
        assert all(one.mask.shape == view.size for one in found)
        assert all(one.overlap(other) < 0.5 for one in found for other in found if one is not other)
        for number in np.unique(owner)[1:]:
            own = Thing((owner == number).astype(np.float32), 1)
            if own.mask.mean() > 0.02:
                overlaps.append(max((one.overlap(own) for one in found), default=0.0))
    assert len(overlaps) >= 3 and np.median(overlaps) > 0.5

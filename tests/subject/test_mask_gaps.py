"""Gaps of a mask, on synthetic frames in which somebody walks before a wall."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from any2bokeh.subject.hold import measure_standing
from any2bokeh.subject.mask_gaps import fill_gaps
from any2bokeh.subject.occlusion import SubjectView

HEIGHT, WIDTH = 120, 200
TALL, WIDE, STEP = 60, 40, 3
WALL, CLOTH = (
    cv2.resize(
        np.random.default_rng(seed).integers(0, 255, (HEIGHT // 4, WIDTH // 4), dtype=np.uint8),
        (WIDTH, HEIGHT),
        interpolation=cv2.INTER_CUBIC,
    )
    for seed in (4, 5)
)


def frame(number: int, *, is_empty: bool = False, is_hidden: bool = False) -> SubjectView:
    """Somebody who walks to the right; behind a post that covers all of them where they are hidden."""
    rows, columns = slice(30, 30 + TALL), slice(30 + STEP * number, 30 + STEP * number + WIDE)
    gray, inside = WALL.copy(), np.zeros((HEIGHT, WIDTH), np.bool_)
    gray[rows, columns] = CLOTH[rows, :WIDE]
    inside[rows, columns] = True
    disparity = np.where(inside, 0.6, 0.2).astype(np.float32)
    if is_hidden:
        gray[:, 20:120] = 90
    if is_empty or is_hidden:
        inside = np.zeros_like(inside)
    standing = measure_standing(torch.from_numpy(disparity)[None], torch.from_numpy(inside)[None].float())
    return SubjectView(gray=gray, inside=inside, disparity=disparity, standing=standing)


def walk(empty: Sequence[int], *, is_hidden: bool = False) -> list[SubjectView]:
    return [
        frame(number, is_empty=number in empty, is_hidden=is_hidden and number in empty)
        for number in range(10)
    ]


def filled(views: list[SubjectView], longest: int = 4) -> list[bool]:
    found = list(fill_gaps(views, longest))
    assert len(found) == len(views)
    for one, view in zip(found, views, strict=True):
        assert one is view or (one.is_carried and one.gray is view.gray)
    return [one.is_carried for one in found]


@pytest.mark.parametrize(("empty", "least"), [([4], 0.9), ([3, 4, 5, 6], 0.75), ([2, 6, 7], 0.85)])
def test_the_mask_goes_with_the_subject_through_frames_in_which_it_is_empty(empty: list[int], least: float):
    found = list(fill_gaps(walk(empty), 4))
    assert [number for number, view in enumerate(found) if view.is_carried] == empty
    for number in empty:
        truth, carried = frame(number).inside, found[number].inside
        assert (truth & carried).sum() > least * (truth | carried).sum()
        assert found[number].standing is not None


def test_longer_gaps_and_those_at_either_end_stay_empty():
    assert not any(filled(walk([3, 4, 5, 6]), longest=3))
    assert not any(filled(walk([0, 1])))
    assert not any(filled(walk([8, 9])))
    assert not any(filled(walk(range(10))))


def test_nobody_is_carried_over_a_cut():
    for first in (4, 5, 6):
        views = walk([4, 5])
        views[first] = replace(views[first], starts_shot=True)
        assert not any(filled(views))


def test_somebody_who_is_hidden_stays_so():
    assert not any(filled(walk([4, 5, 6], is_hidden=True)))


def test_the_smallest_pictures_have_no_flow():
    views = [
        replace(
            view,
            gray=view.gray[:20, 60:80],
            inside=view.inside[30:50, 60:80],
            disparity=view.disparity[:20, :20],
        )
        for view in walk([4])
    ]
    assert not any(filled(views))

"""Occluders of a subject, on synthetic frames in which they are known."""

import numpy as np
import pytest
import torch

from any2bokeh.arrays import Bytes, Flags, Floats
from any2bokeh.subject.hold import measure_standing
from any2bokeh.subject.occlusion import SubjectView, find_occluders

HEIGHT, WIDTH = 120, 200
TALL, WIDE, FEET = 60, 30, 100
NEAR, SUBJECT, FAR = 0.9, 0.5, 0.1


def frame(left: int, post: tuple[int, int] | None, near: float = NEAR) -> SubjectView:
    """Somebody with ``left`` as the left edge, before a far wall; a post may stand before or beside them."""
    texture = np.random.default_rng(3).integers(0, 255, (HEIGHT, 3 * WIDTH), dtype=np.uint8)
    wall = np.random.default_rng(4).integers(0, 255, (HEIGHT, WIDTH), dtype=np.uint8)
    gray: Bytes = wall.copy()
    inside: Flags = np.zeros((HEIGHT, WIDTH), np.bool_)
    disparity: Floats = np.full((HEIGHT, WIDTH), FAR, np.float32)
    rows, columns = slice(FEET - TALL, FEET), slice(left, left + WIDE)
    inside[rows, columns] = True
    gray[rows, columns] = texture[rows, WIDTH : WIDTH + WIDE]  # it moves along
    disparity[rows, columns] = SUBJECT
    if post:
        gray[:FEET, slice(*post)] = 128
        inside[:, slice(*post)] = False
        disparity[:FEET, slice(*post)] = near
    standing = measure_standing(torch.from_numpy(disparity)[None], torch.from_numpy(inside)[None].float())
    return SubjectView(gray=gray, inside=inside, disparity=disparity, standing=standing)


def occluders(views: list[SubjectView]) -> list[Flags | None]:
    found = list(find_occluders(views))
    assert len(found) == len(views)
    return found


def test_a_post_between_two_parts_of_the_subject_covers_it():
    found = occluders([frame(80, (90, 96))] * 3)
    assert all(one is not None and one[60, 90:96].all() and not one[60, :89].any() for one in found)


def test_a_post_that_cuts_off_an_edge_of_somebody_who_walks_covers_them():
    # From frame 6 on, the post stands at the right edge and occludes a part visible before.
    views = [frame(40 + 2 * number, (90, 110)) for number in range(16)]
    found = occluders(views)
    assert found[12] is not None and found[12][60, 92:108].all()


def test_a_nearer_thing_beside_the_subject_at_which_nothing_is_cut_is_in_doubt():
    found = occluders([frame(60, (90, 110))] * 5)
    assert found == [None] * 5


def test_what_is_farther_covers_nothing():
    assert occluders([frame(80, (90, 96), near=FAR)] * 3) == [None] * 3


@pytest.mark.parametrize("count", [1, 2, 7, 30])
def test_every_frame_gets_an_answer_in_order(count: int):
    assert len(occluders([frame(60, None)] * count)) == count


def test_few_frames_are_held():
    taken = 0

    def views():
        nonlocal taken
        for _ in range(40):
            taken += 1
            yield frame(60, None)

    answers = find_occluders(views())
    next(answers)
    assert taken <= 8

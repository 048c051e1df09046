"""Where shots start."""

import weakref

import pytest
import torch
from torch.nn.functional import interpolate

from any2bokeh.motion.flow import prepare_picture
from any2bokeh.motion.shots import ReducedFrame, mark_shots

HEIGHT, WIDTH = 96, 160


def scene(seed, brightness=0.5):
    """A picture wider than a frame, ``3 H W``."""
    generator = torch.Generator().manual_seed(seed)
    layers = [
        interpolate(
            torch.rand(1, 3, HEIGHT // cell, 5 * WIDTH // cell, generator=generator), (HEIGHT, 5 * WIDTH)
        )
        for cell in (4, 16)
    ]
    return (torch.cat(layers).mean(dim=0) + brightness - 0.5).clamp(0, 1)


def shot(seed, count, step_px=1, brightness=0.5):
    wall = scene(seed, brightness)
    return [wall[:, :, number * step_px : number * step_px + WIDTH] for number in range(count)]


def starts(pictures, **options):
    frames = (
        ReducedFrame(pts=number, picture=picture, prepared=prepare_picture(picture))
        for number, picture in enumerate(pictures)
    )
    marked = list(mark_shots(frames, **options))
    assert [frame.pts for frame in marked] == list(range(len(pictures)))
    return [frame.pts for frame in marked if frame.starts_shot]


@pytest.mark.parametrize("lengths", [(6, 6), (1, 5), (5, 1), (4, 1, 4), (3, 2, 7)])
def test_each_shot_starts_where_it_starts(lengths):
    pictures = [picture for seed, length in enumerate(lengths) for picture in shot(seed, length)]
    assert starts(pictures) == [sum(lengths[:number]) for number in range(len(lengths))]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 8])
def test_a_clip_without_cuts_is_one_shot(count):
    assert starts(shot(0, count)) == [0][:count]


def test_a_single_shot_has_no_cuts():
    assert starts(shot(0, 5) + shot(1, 5), single_shot=True) == [0]


@pytest.mark.parametrize("length", [1, 2])
def test_a_flash_is_no_cut(length):
    pictures = shot(0, 12)
    for number in range(5, 5 + length):
        pictures[number] = torch.ones_like(pictures[number])
    assert starts(pictures) == [0]


def test_a_lamp_that_is_switched_on_is_no_cut():
    pictures = shot(0, 12, brightness=0.3)
    assert starts([*pictures[:6], *((picture * 1.5 + 0.1).clamp(0, 1) for picture in pictures[6:])]) == [0]


@pytest.mark.parametrize("step_px", [3, 12, 50])
def test_a_pan_is_no_cut_however_fast(step_px):
    assert starts(shot(0, 12, step_px)) == [0]


def test_something_that_crosses_before_the_camera_is_no_cut():
    pictures = [picture.clone() for picture in shot(0, 14)]
    for number, picture in enumerate(pictures[3:]):
        picture[:, :, max(0, 25 * number - 120) : 25 * number] = 0.1
    assert starts(pictures) == [0]


def test_frames_are_not_held_for_long():
    taken = []

    def source():
        for number, picture in enumerate(shot(0, 20)):
            taken.append(number)
            yield ReducedFrame(pts=number, picture=picture, prepared=prepare_picture(picture))

    for frame in mark_shots(source()):
        assert len(taken) <= frame.pts + 3


@pytest.mark.parametrize("single_shot", [False, True])
def test_frames_that_were_yielded_are_let_go(single_shot):
    alive = weakref.WeakSet()

    def source():
        for number in range(70):
            picture = torch.full((3, 40, 64), number / 70)
            alive.add(picture)
            yield ReducedFrame(pts=number, picture=picture, prepared=prepare_picture(picture))

    most = 0
    for _ in mark_shots(source(), single_shot=single_shot):
        most = max(most, len(alive))
    assert most <= 4  # the one that was yielded, two held back, and the one that the source is at

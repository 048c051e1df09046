"""Disparity propagated from keyframes to those between."""

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from any2bokeh.motion.flow import prepare_picture
from any2bokeh.motion.propagation import SPACINGS, choose_keyframes, link_by_flow
from any2bokeh.motion.shots import ReducedFrame

HEIGHT, WIDTH = 96, 160


def texture(seed=0, height=HEIGHT, width=3 * WIDTH):
    """A picture with detail of several sizes, ``3 H W``."""
    generator = torch.Generator().manual_seed(seed)
    layers = [
        interpolate(torch.rand(1, 3, height // cell, width // cell, generator=generator), (height, width))
        for cell in (4, 12)
    ]
    return torch.cat(layers).mean(dim=0)


def reduced(pictures, pts=None, starts=(0,)):
    return [
        ReducedFrame(
            pts=number if pts is None else pts[number],
            picture=picture,
            prepared=prepare_picture(picture),
            starts_shot=number in starts,
        )
        for number, picture in enumerate(pictures)
    ]


def propagated(frames, known, every=None):
    """Keyframes, and the disparity of all frames, by pts, where ``known`` gives that of keyframes."""
    keys, disparity = [], {}
    for interval in choose_keyframes(link_by_flow(frames), every):
        for between in interval.between:
            disparity[between.frame.pts] = between.propagate(known[keys[-1]], known[interval.keyframe.pts])
        keys.append(interval.keyframe.pts)
        disparity[interval.keyframe.pts] = known[interval.keyframe.pts]
    return keys, disparity


def pan(count, step_px, pts=None):
    """A plane that passes before the camera: pictures, and its disparity, which goes with it."""
    wall = texture()
    ramp = np.tile(np.sin(np.arange(3 * WIDTH) / 25) / 4 + 0.5, (HEIGHT, 1)).astype(np.float32)
    lefts = [number * step_px for number in (range(count) if pts is None else pts)]
    return [wall[:, :, x : x + WIDTH] for x in lefts], [
        np.ascontiguousarray(ramp[:, x : x + WIDTH]) for x in lefts
    ]


@pytest.mark.parametrize("step_px", [0, 1, 3])
def test_disparity_goes_with_a_plane_that_passes(step_px):
    pictures, exact = pan(9, step_px)
    keys, disparity = propagated(reduced(pictures), exact, every=8)
    assert keys == [0, 8]
    for number in range(9):
        error = np.abs(disparity[number] - exact[number])
        assert error.mean() < 0.002, number  # standing still, it would be 0.04 at 3 px
        assert error.max() < 0.05, number  # also at the borders, which only one keyframe shows


def test_what_does_not_move_stays_as_it_is():
    pictures, exact = pan(5, 0)
    _, disparity = propagated(reduced(pictures), exact, every=4)
    assert all(np.abs(disparity[number] - exact[0]).max() < 1e-6 for number in range(5))


def test_time_and_not_the_number_says_how_much_a_keyframe_counts():
    picture = texture()[:, :, :WIDTH]
    known = {0: np.zeros((HEIGHT, WIDTH), np.float32), 10: np.ones((HEIGHT, WIDTH), np.float32)}
    _, disparity = propagated(reduced([picture] * 4, pts=[0, 1, 8, 10]), known, every=3)
    assert disparity[1].mean() == pytest.approx(0.1, abs=0.01)
    assert disparity[8].mean() == pytest.approx(0.8, abs=0.01)


def crossing(count, step_px, side=32):
    """A near square that crosses a wall, and the exact disparity."""
    wall, square = texture()[:, :, :WIDTH], texture(seed=1, height=side, width=side) * 0.6 + 0.4
    pictures, exact = [], []
    for number in range(count):
        place = (slice(30, 30 + side), slice(8 + number * step_px, 8 + number * step_px + side))
        picture, disparity = wall.clone(), np.full((HEIGHT, WIDTH), 0.2, np.float32)
        picture[:, *place], disparity[place] = square, 0.9
        pictures.append(picture)
        exact.append(disparity)
    return pictures, exact


def test_what_one_keyframe_hides_comes_from_the_other():
    pictures, exact = crossing(9, 4)
    _, disparity = propagated(reduced(pictures), exact, every=8)
    errors = [np.abs(disparity[number] - exact[number]) for number in range(9)]
    # The square's first place is uncovered after 8 frames, its last one is covered only then.
    held = np.abs(exact[0] - exact[4]).mean()
    assert all(error.mean() < 0.15 * held for error in errors)
    assert all((error > 0.3).mean() < 0.01 for error in errors)


def test_a_calm_picture_needs_few_keyframes_and_a_wild_one_many():
    calm, _ = pan(25, 1)
    wild = [texture(seed=number)[:, :, :WIDTH] for number in range(9)]
    known = {number: np.zeros((HEIGHT, WIDTH), np.float32) for number in range(25)}
    assert propagated(reduced(calm), known)[0] == [0, SPACINGS[0], 2 * SPACINGS[0]]
    assert propagated(reduced(wild), known)[0] == list(range(9))


def test_what_is_seen_only_for_a_moment_gets_a_keyframe():
    picture = texture()[:, :, :WIDTH]
    other = picture.clone()
    other[:, 20:80, 40:120] = texture(seed=3)[:, :60, :80]  # a third of the picture
    known = {number: np.zeros((HEIGHT, WIDTH), np.float32) for number in range(13)}
    moment = propagated(reduced([picture] * 5 + [other] * 2 + [picture] * 6), known)[0]
    assert {5, 6} & set(moment)
    from_then_on = propagated(reduced([picture] * 5 + [other] * 8), known)[0]
    assert from_then_on == [0, 12]  # here the keyframe before or the one after shows it all


@pytest.mark.parametrize("every", [None, 1, 3, 12])
@pytest.mark.parametrize("cuts", [(0,), (0, 1), (0, 6), (0, 5, 6), (0, 9)])
def test_nothing_is_propagated_across_a_cut(every, cuts):
    frames = reduced(
        [texture(seed=sum(number >= cut for cut in cuts))[:, :, :WIDTH] for number in range(10)], starts=cuts
    )
    intervals = list(choose_keyframes(link_by_flow(frames), every))
    order = [
        frame.pts
        for interval in intervals
        for frame in (*(between.frame for between in interval.between), interval.keyframe)
    ]
    assert order == list(range(10))
    assert [interval.keyframe.pts for interval in intervals if interval.back is None] == list(cuts)
    keys = {interval.keyframe.pts for interval in intervals}
    assert {*cuts, *(cut - 1 for cut in cuts if cut), 9} <= keys  # the ends of each shot
    assert all(interval.length <= (every or SPACINGS[0]) for interval in intervals)


def test_small_pictures_are_held():
    pictures = [torch.rand(3, 12, 20) for _ in range(4)]
    known = {0: np.zeros((12, 20), np.float32), 3: np.ones((12, 20), np.float32)}
    _, disparity = propagated(reduced(pictures), known, every=3)
    assert [disparity[number].mean() > disparity[number - 1].mean() for number in range(1, 4)] == [True] * 3

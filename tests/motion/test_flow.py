"""Optical flow: the motion it finds, and that each preset is the search that it says."""

import cv2
import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from any2bokeh.motion.flow import (
    FlowPreset,
    dense_flow,
    difference,
    flow_between,
    prepare_picture,
    to_gray,
    vector_length,
    warp,
)

HEIGHT, WIDTH = 96, 160


def texture(seed=0):
    generator = torch.Generator().manual_seed(seed)
    layers = [
        interpolate(
            torch.rand(1, 3, HEIGHT // cell, WIDTH // cell, generator=generator), (HEIGHT, WIDTH + 20)
        )
        for cell in (4, 12)
    ]
    return torch.cat(layers).mean(dim=0)


def moved(x_px):
    """A picture, and the same where all has moved to the left."""
    wall = texture()
    return to_gray(wall[:, :, :WIDTH]), to_gray(wall[:, :, x_px : x_px + WIDTH])


@pytest.mark.parametrize("preset", FlowPreset)
@pytest.mark.parametrize("x_px", [1, 4])
def test_a_picture_that_moves_is_found_where_it_went(preset, x_px):
    inner = dense_flow(*moved(x_px), preset)[16:-16, 16:-16]
    assert np.abs(inner - (-x_px, 0)).mean() < 0.1


def test_medium_is_the_preset_of_opencv():
    first, second = moved(3)
    plain = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(first, second, None)
    np.testing.assert_array_equal(dense_flow(first, second, FlowPreset.MEDIUM), plain)


def test_what_the_presets_find_is_not_the_same():
    pictures = moved(3)
    assert (dense_flow(*pictures, FlowPreset.MEDIUM) != dense_flow(*pictures, FlowPreset.UNREFINED)).any()


def test_the_second_picture_warped_is_the_first():
    first, second = moved(4)
    there, back = flow_between(first, second)
    warped = there.warp(second.astype(np.float32))
    trusted = there.trust > 0.9
    assert trusted[:, 8:].mean() > 0.9
    assert np.abs(warped - first)[trusted].mean() < 1
    assert there.trust[:, :4].max() < 0.1  # pixels that left the picture are not to be trusted
    assert np.abs(back.shift[16:-16, 16:-16] - (4, 0)).mean() < 0.1


def test_warping_takes_values_from_where_the_shift_leads():
    values = np.arange(20, dtype=np.float32).reshape(4, 5)
    shift = np.zeros((4, 5, 2), np.float32)
    shift[..., 0], shift[1, 1] = 1, (0.5, 0.5)
    warped = warp(values, shift)
    np.testing.assert_array_equal(warped[0], [1, 2, 3, 4, 4])  # beyond the border, its last value
    assert warped[1, 1] == pytest.approx(values[1:3, 1:3].mean())


def elsewhere(values, offset):
    """A copy that begins at another place in memory, in steps of a number's size."""
    room = np.empty(values.size + offset, values.dtype)
    room[offset:] = values.ravel()
    return room[offset:].reshape(values.shape)


def test_the_length_of_a_vector_does_not_depend_on_where_it_lies_in_memory():
    x, y = np.random.default_rng(0).normal(size=(2, 280, 498)).astype(np.float32)
    for offset in range(9):
        np.testing.assert_array_equal(
            vector_length(elsewhere(x, offset), elsewhere(y, 0)), vector_length(x, y)
        )
    np.testing.assert_allclose(vector_length(x, y), np.hypot(x, y), rtol=1e-6)


def test_what_is_measured_is_the_same_again_wherever_it_lies_in_memory():
    wall = texture()
    first, second = wall[:, :, :WIDTH].contiguous(), wall[:, :, 3 : 3 + WIDTH].contiguous()

    def measured():
        one, other = prepare_picture(first), prepare_picture(second)
        there, back = flow_between(one.gray, other.gray)
        changes = difference(one, other, there)
        return [there.shift, there.trust, back.trust, one.steepness, changes]

    expected, held = measured(), []
    sizes = np.random.default_rng(1).integers(1, 200_000, 30)
    for size in sizes:
        held.append(np.empty(size, np.uint8))  # later allocations come to lie elsewhere
        for one, other in zip(measured(), expected, strict=True):
            np.testing.assert_array_equal(np.asarray(one), np.asarray(other))

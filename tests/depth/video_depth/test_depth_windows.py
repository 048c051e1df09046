"""Shots longer than the network sees at once: which frames it sees when, and maps that fit each other."""

import math
import tracemalloc
from collections.abc import Iterator, Sequence

import numpy as np
import parity
import pytest
import torch
from torch import Tensor

from any2bokeh.depth.video_depth.depth_windows import count_windows, windowed_maps
from any2bokeh.depth.video_depth.video_network import WINDOW

STORED, CASES = parity.tensors("video_depth"), parity.document("video_depth")


class MadeUpNetwork:
    """The stand-in of the published cases: each window has another scale and shift, and ripples."""

    def __init__(self, *, gains: bool = True, ripple: float = 0.01) -> None:
        self.seen: list[list[int]] = []
        self._gains, self._ripple = gains, ripple

    def decode(self, frames: Sequence[tuple[int, Tensor]]) -> Tensor:
        window = len(self.seen)
        self.seen.append([number for number, _ in frames])
        gain = 1 + 0.25 * math.sin(1 + window) if self._gains else 1.0
        bias = 0.1 * math.cos(2 * window) if self._gains else 0.0
        maps = [
            gain * picture + bias + self._ripple * math.sin(place + window)
            for place, (_, picture) in enumerate(frames)
        ]
        return torch.stack(maps).relu()


def frames(count: int) -> Iterator[tuple[int, Tensor]]:
    rows, columns = np.mgrid[:28, :42]
    for number in range(count):
        codes = (2 * rows + 3 * columns) % 120 + 2 * number
        yield number, torch.from_numpy((codes.astype(np.uint8) / 255).astype(np.float32))


@pytest.mark.parametrize("case", range(5))
def test_windows_are_the_published_ones(case: int) -> None:
    facts, network = CASES[f"windows.{case}"], MadeUpNetwork()
    maps = list(windowed_maps(frames(facts["frames"]), network.decode))
    parity.assert_near(torch.stack(maps)[:, ::9, ::13], STORED[f"windows.{case}.depth"], atol=1e-6)
    # Of its second window of 23 frames the published code uses nothing.
    assert network.seen == facts["frame_indices"][: 1 if facts["frames"] == 23 else None]


@pytest.mark.parametrize("count", [0, 1, 2, 12, 25, 26, 31, 32, 33, 47, 48, 54, 55, 76, 100])
def test_every_frame_gets_its_map_once_and_in_order(count: int) -> None:
    network = MadeUpNetwork(gains=False, ripple=0)
    maps = list(windowed_maps(frames(count), network.decode))
    assert len(maps) == count
    for got, (_, wanted) in zip(maps, frames(count), strict=True):
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-6)
    assert all(len(seen) == WINDOW for seen in network.seen)


@pytest.mark.parametrize("count", [1, 25, 26, 47, 48, 69, 70])
def test_windows_are_counted_before(count: int) -> None:
    network = MadeUpNetwork()
    assert len(list(windowed_maps(frames(count), network.decode))) == count
    assert len(network.seen) == count_windows(count)


def test_another_scale_in_every_window_is_taken_back() -> None:
    """All frames are the picture in the first window's scale; none is so dark that the ReLU cuts it off."""
    bright = [(number, picture + 0.2) for number, picture in frames(120)]
    maps = torch.stack(list(windowed_maps(bright, MadeUpNetwork(ripple=0).decode)))
    gain, bias = 1 + 0.25 * math.sin(1), 0.1
    wanted = torch.stack([picture for _, picture in bright]) * gain + bias
    torch.testing.assert_close(maps, wanted, rtol=0, atol=1e-4)


def test_metric_maps_are_blended_and_not_fitted() -> None:
    network = MadeUpNetwork(ripple=0)
    maps = list(windowed_maps(frames(60), network.decode, is_metric=True))
    picture = dict(frames(60))
    for number, window in ((10, 0), (24, 0), (31, 1), (45, 1), (59, 2)):
        wanted = picture[number] * (1 + 0.25 * math.sin(1 + window)) + 0.1 * math.cos(2 * window)
        torch.testing.assert_close(maps[number], wanted.relu(), rtol=0, atol=1e-6)


def test_one_value_everywhere_stays_as_it_is() -> None:
    flat = ((number, torch.full((3, 4), 0.5)) for number in range(60))
    maps = list(windowed_maps(flat, MadeUpNetwork(gains=False, ripple=0).decode))
    torch.testing.assert_close(torch.stack(maps), torch.full((60, 3, 4), 0.5))


def test_maps_leave_when_they_are_final_and_memory_does_not_grow() -> None:
    """After 32 frames the first 24 maps are there, and of a long shot no more is held than of a short one."""
    taken = 0

    def counted() -> Iterator[tuple[int, Tensor]]:
        nonlocal taken
        for frame in frames(70):
            taken += 1
            yield frame

    maps = windowed_maps(counted(), MadeUpNetwork().decode)
    when = [taken for _ in maps]
    assert when == [32] * 24 + [54] * 22 + [70] * 24

    def peak(count: int) -> int:
        made = ((number, np.full((32, 1024), number, np.float32)) for number in range(count))

        def decode(window: Sequence[tuple[int, np.ndarray]]) -> Tensor:
            return torch.stack([torch.from_numpy(picture[:1]) for _, picture in window])

        tracemalloc.start()
        for _ in windowed_maps(made, decode):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(700) < 1.1 * peak(70)

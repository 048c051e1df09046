import resource

import numpy as np
import pytest
import torch

from any2bokeh.depth.normalize import DisparityRange, RawTrack, normalize
from any2bokeh.errors import DisparityError


def test_the_limits_are_the_percentiles_of_all_frames():
    disparity_range, frames = DisparityRange(), torch.randn(5, 1, 100, 150) * 7 + 3
    for frame in frames:
        disparity_range.add(frame)
    low, high = np.percentile(frames.numpy(), [0.1, 99.9])
    assert disparity_range.limits() == (pytest.approx(low), pytest.approx(high))


def test_a_long_clip_is_sampled_and_gives_nearly_the_same_limits():
    disparity_range, generator = DisparityRange(), torch.Generator().manual_seed(3)
    for number in range(60):  # ever wider: the last frames matter as much as the first
        disparity_range.add(torch.rand(1, 200, 300, generator=generator) * (1 + number / 20))
    everything = torch.cat([torch.linspace(0, 1, 10_000) * (1 + number / 20) for number in range(60)])
    low, high = np.percentile(everything.numpy(), [0.1, 99.9])
    assert len(disparity_range._samples) <= 1_000_000
    assert disparity_range.limits() == (pytest.approx(low, abs=1e-3), pytest.approx(high, rel=5e-3))


def test_normalizing_maps_the_limits_to_0_and_1_and_clamps_beyond():
    disparity = torch.tensor([[[-5.0, 2.0, 3.0, 4.0, 9.0]]])
    torch.testing.assert_close(normalize(disparity, (2.0, 4.0)), torch.tensor([[[0.0, 0.0, 0.5, 1.0, 1.0]]]))


def test_one_value_everywhere_becomes_0():
    assert normalize(torch.full((1, 2, 2), 7.0), (7.0, 7.0)).tolist() == [[[0.0, 0.0], [0.0, 0.0]]]


def test_the_whole_clip_shares_one_range_so_that_frames_keep_their_differences():
    frames = [torch.linspace(0, 1, 3000).view(1, 50, 60) * (number + 1) for number in range(4)]
    with RawTrack() as track:
        for number, frame in enumerate(frames):
            track.add(10 * number, frame, new_shot=False)
        result = dict(track.normalized())
    assert list(result) == [0, 10, 20, 30]
    for number, disparity in enumerate(result.values()):
        assert disparity.dtype == torch.float32 and disparity.shape == (1, 50, 60)
        assert disparity.min() == 0
        assert disparity.max() == pytest.approx((number + 1) / 4, rel=5e-3)
        torch.testing.assert_close(disparity, result[30] * (number + 1) / 4, atol=5e-3, rtol=0)


def test_each_shot_has_a_range_of_its_own():
    with RawTrack() as track:
        for number, scale in enumerate([1.0, 1.0, 50.0, 50.0]):
            track.add(number, torch.linspace(0, scale, 3000).view(1, 50, 60), new_shot=number == 2)
        for _, disparity in track.normalized():
            assert disparity.max() == 1
            assert disparity.mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1e-9), (-3.0, 2000.0), (1e4, 1e4 + 1)])
def test_16_bits_are_kept_whatever_the_scale(low, high):
    ramp = torch.linspace(0, 1, 60_000).view(1, 200, 300)
    with RawTrack() as track:
        track.add(0, ramp * (high - low) + low, new_shot=True)
        ((_, disparity),) = track.normalized()
    expected = normalize(ramp, (0.001, 0.999))
    torch.testing.assert_close(disparity, expected, atol=1e-3 if low == 1e4 else 5e-5, rtol=0)


def test_an_empty_track_yields_nothing():
    with RawTrack() as track:
        assert list(track.normalized()) == []


def test_a_full_disk_is_one_sentence():
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with RawTrack() as track:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
        try:
            with pytest.raises(DisparityError, match="File too large"):
                for number in range(10):
                    track.add(number, torch.rand(1, 100, 100), new_shot=False)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from facts import naming

from any2bokeh.errors import ShapeError, VideoError
from any2bokeh.video.create import Sound, create_video
from any2bokeh.video.decode import frame_times, open_video, probe_video

RATE = 48000


def ramp(shift: int) -> torch.Tensor:
    """A smooth picture that changes from frame to frame."""
    across = (torch.arange(96) + shift) / 120
    return torch.stack([across, 0.5 * across, 1 - across])[:, None].expand(3, 64, 96).clamp(0, 1)


def tone(seconds: float, channels: int) -> Sound:
    time_s = torch.arange(round(seconds * RATE)) / RATE
    return Sound((2 * torch.pi * 440 * time_s).sin().expand(channels, -1) * 0.5, RATE)


def heard(path) -> np.ndarray:
    with av.open(str(path)) as file:
        return np.concatenate([frame.to_ndarray() for frame in file.decode(audio=0)], axis=1)


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(30000, 1001)])
def test_pictures_come_back_at_their_times(tmp_path, rate):
    target = tmp_path / "new.mp4"
    with create_video(target, 96, 64, rate) as video:
        for shift in range(5):
            video.write(ramp(shift))
    info = probe_video(target)
    assert (info.width, info.height, info.frame_rate) == (96, 64, rate)
    assert (info.color.matrix, info.color.range, info.color.primaries) == (1, 1, 1)
    seconds = [float(pts * info.time_base) for pts in frame_times(target)]
    assert seconds == pytest.approx([float(i / rate) for i in range(5)], abs=1e-4)
    with open_video(target) as frames:
        for shift, frame in enumerate(frames):
            torch.testing.assert_close(frame.picture, ramp(shift), atol=0.05, rtol=0)


@pytest.mark.parametrize("channels", [1, 2])
def test_sound_is_as_long_as_the_pictures(tmp_path, channels):
    target = tmp_path / "new.mp4"
    with create_video(target, 96, 64, Fraction(25), tone(2.0, channels)) as video:
        for shift in range(25):
            video.write(ramp(shift))
    samples = heard(target)
    assert samples.shape[0] == channels
    assert samples.shape[1] == pytest.approx(RATE, abs=2048)  # in packets of 1024
    spectrum = np.abs(np.fft.rfft(samples[0, 8192 : 8192 + RATE // 2]))
    assert np.argmax(spectrum) * 2 == pytest.approx(440, abs=2)


def test_light_above_white_is_clipped(tmp_path):
    target = tmp_path / "new.mp4"
    with create_video(target, 96, 64, Fraction(25)) as video:
        video.write(torch.full((3, 64, 96), 7.0))
    with open_video(target) as frames:
        assert next(iter(frames)).picture.min() > 0.98


def test_nothing_is_left_of_a_clip_that_was_not_completed(tmp_path):
    target = tmp_path / "new.mp4"
    with (
        pytest.raises(ShapeError, match=naming("64, 96")),
        create_video(target, 96, 64, Fraction(25)) as video,
    ):
        video.write(ramp(0))
        video.write(torch.zeros(3, 64, 95))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "size", "fact"), [("a.mp4", (95, 64), "95x64"), ("a.gif", (96, 64), ".mp4")]
)
def test_what_cannot_be_written_is_said_before_the_first_picture(tmp_path, name, size, fact):
    with pytest.raises(VideoError, match=naming(fact)), create_video(tmp_path / name, *size, Fraction(25)):
        pytest.fail("the block must not start")

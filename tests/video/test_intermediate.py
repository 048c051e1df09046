"""Codes that wait for the encoder come back as they were, in every kind of pixel format."""

from dataclasses import replace

import av
import numpy as np
import pytest
import torch
from films import write_clip

from any2bokeh.scene import Frame
from any2bokeh.settings.video_settings import EncodeSettings
from any2bokeh.video.color import plane_codes
from any2bokeh.video.decode import probe_video
from any2bokeh.video.encoders import EncoderSpec
from any2bokeh.video.intermediate import CodedFormat, CodedFrames, kept_format, made_frames
from any2bokeh.video.mux import frame_maker


def planes(frame):
    depth = max(component.bits for component in frame.format.components)
    found = [plane_codes(plane, max(8, depth)).copy() for plane in frame.planes]
    if frame.format.name == "bgr0":
        found[0][:, 3::4] = 0  # which is no color
    return found


@pytest.mark.parametrize(
    "pixel_format",
    [
        *("yuv420p", "yuvj420p", "nv12", "yuv422p10le", "p010le", "yuv444p12le", "yuva444p10le"),
        *("gray", "gray10le", "gbrp", "gbrp10le", "bgr0", "rgb24", "rgb48le"),
    ],
)
@pytest.mark.parametrize("color_range", [1, 2])
def test_frames_are_those_that_the_encoder_would_have_got(tmp_path, pixel_format, color_range):
    info = probe_video(write_clip(tmp_path / "clip.mkv", frames=1, width=70, height=38))
    info = replace(info, color=replace(info.color, range=color_range))
    kept = kept_format(pixel_format)
    assert kept is not None
    spec = EncoderSpec("rawvideo", pixel_format, {})
    random = torch.Generator().manual_seed(0)
    frames = [Frame(picture=torch.rand(3, 38, 70, generator=random), pts=40 * number) for number in range(3)]
    sink = CodedFrames(tmp_path / "part.mkv", info, EncodeSettings(), CodedFormat(spec, kept))
    for frame in frames:
        sink.encode(frame)
    sink.finish()
    maker = frame_maker(info, spec)
    found = list(made_frames(tmp_path / "part.mkv", sink.times))
    assert [one.pts for one in found] == [0, 40, 80]
    for frame, made in zip(frames, found, strict=True):
        wanted, adopted = maker.make(frame.picture.numpy()), maker.adopt(made.codes)
        assert adopted.format.name == wanted.format.name == pixel_format
        for one, other in zip(planes(wanted), planes(adopted), strict=True):
            np.testing.assert_array_equal(one, other)
        assert (adopted.color_range, adopted.colorspace) == (wanted.color_range, wanted.colorspace)


def test_every_format_of_an_encoder_can_wait_or_is_refused():
    names = [one.name for one in av.Codec("prores_ks", "w").video_formats]
    assert all(kept_format(name) for name in names)
    assert kept_format("gbrpf32le") == "gbrpf32le"

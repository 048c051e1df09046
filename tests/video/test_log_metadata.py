"""The curve that cameras state in their files, and codes of log footage on their way through."""

from pathlib import Path

import av
import numpy as np
import pytest

from any2bokeh.settings.color_settings import TransferFunction
from any2bokeh.settings.video_settings import EncodeSettings, InputSettings
from any2bokeh.video.decode import probe_video
from any2bokeh.video.footage import open_footage, open_result
from any2bokeh.video.log_metadata import curve_in, stated_curve
from any2bokeh.video.sequence_writer import ExistingFrames

SONY = b'<AcquisitionRecord><Item name="CaptureGammaEquation" value="s-log3-cine"/></AcquisitionRecord>'


def write_codes(path: Path, pixel_format: str, metadata: dict[str, str] | None = None) -> list[np.ndarray]:
    """Write two frames of codes from the smallest to the largest, losslessly; return their planes."""
    generator, planes = np.random.default_rng(0), []
    options = {"movflags": "use_metadata_tags"} if path.suffix == ".mov" else {}
    with av.open(str(path), "w", options=options) as file:
        file.metadata.update(metadata or {})
        stream = file.add_stream("prores_ks" if path.suffix == ".mov" else "ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 32, 16, pixel_format
        stream.codec_context.color_range = 1
        for pts in range(2):
            frame = av.VideoFrame(32, 16, pixel_format)
            frame.pts, frame.color_range = pts, 1
            for plane in frame.planes:
                rows = np.frombuffer(plane, "<u2").reshape(plane.height, -1)
                codes = generator.integers(4, 1020, (plane.height // 4, plane.width // 4))
                rows[:, : plane.width] = codes.repeat(4, axis=0).repeat(4, axis=1)
                planes.append(rows[:, : plane.width].copy())
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return planes


def read_codes(path: Path) -> tuple[list[np.ndarray], int]:
    with av.open(str(path)) as file:
        stated = file.streams.video[0].codec_context.color_range
        frames = list(file.decode(video=0))
    planes = [plane for frame in frames for plane in frame.planes]
    return [
        np.frombuffer(plane, "<u2").reshape(plane.height, -1)[:, : plane.width] for plane in planes
    ], stated


@pytest.mark.parametrize(
    ("words", "curve"),
    [
        ("com.apple.rec2020.apple-log", "applelog"),
        ("com.apple.rec2020.apple-log-2", None),  # another curve
        ("LOG-C", "logc3"),
        ("LogC4", "logc4"),
        ("com.arri.logc3", "logc3"),
        ("s-log3-cine", "slog3"),
        ("S-Log2", None),
        ("com.panasonic.V-Log", "vlog"),
        ("com.canon.C-Log3", "clog3"),
        ("Canon Log 3", "clog3"),
        ("Canon Log 2", None),
        ("Log3G10", "redlog3g10"),
        ("rec709", None),
        ("com.blackmagic-design.productioncamera4k.filmlog", None),  # of which generation?
        ("", None),
    ],
)
def test_words_of_the_makers(words: str, curve: TransferFunction | None) -> None:
    assert curve_in(words) == curve


@pytest.mark.parametrize(
    ("metadata", "curve"),
    [
        ({"com.arri.camera.ColorGammaSxS": "LOG-C"}, "logc3"),
        ({"com.apple.proapps.customgamma": "com.apple.rec2020.apple-log"}, "applelog"),
        (
            {
                "com.apple.proapps.customgamma": "com.blackmagic-design.productioncamera4k.filmlog",
                "com.blackmagic-design.camera.colorScience": "Gen 5",
            },
            "bmdfilm5",
        ),
        ({"title": "s-log3"}, None),
    ],
)
def test_keys_of_quicktime_are_read(
    tmp_path: Path, metadata: dict[str, str], curve: TransferFunction | None
) -> None:
    write_codes(tmp_path / "a.mov", "yuv422p10le", metadata)
    assert probe_video(tmp_path / "a.mov").curve == curve


def test_sony_s_words_stand_beside_the_file_or_in_it(tmp_path: Path) -> None:
    path = tmp_path / "C0001.mp4"
    path.write_bytes(b"\0\0\0\x14ftypXAVC\0\0\0\0mp42" + b"\0\0\0\x08free")
    assert stated_curve(path, {}) is None
    (tmp_path / "C0001M01.XML").write_bytes(SONY)
    found = stated_curve(path, {})
    assert found is not None and (found.curve, found.words) == ("slog3", "CaptureGammaEquation: s-log3-cine")
    (tmp_path / "C0001M01.XML").unlink()
    box = (8 + len(SONY)).to_bytes(4) + b"meta" + SONY
    path.write_bytes(path.read_bytes() + box)
    found = stated_curve(path, {})
    assert found is not None and found.curve == "slog3"


@pytest.mark.parametrize("content", [b"", b"\0\0\0\x14ftyp", b"\0\0\0\0ftypXAVC\0\0\0\0mp42", b"x" * 40])
def test_no_file_confuses_the_search(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    assert stated_curve(tmp_path / "a.mp4", {}) is None


def test_a_guess_is_told_and_another_curve_may_be_given(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.mov"
    write_codes(path, "yuv422p10le", {"com.arri.camera.ColorGammaSxS": "LOG-C"})
    with caplog.at_level("INFO", "any2bokeh.news"), open_footage(path) as clip:
        assert clip.info.pictures.transfer == "logc3"
    assert caplog.text.count("LOG-C") == 1
    caplog.clear()
    with caplog.at_level("INFO", "any2bokeh.news"), open_footage(path, InputSettings(color="srgb")) as clip:
        assert clip.info.pictures.transfer == "srgb"
    assert "LOG-C" not in caplog.text


@pytest.mark.parametrize("pixel_format", ["yuv444p10le", "yuv422p10le", "yuv420p10le"])
@pytest.mark.parametrize("code_range", [None, "full"])
def test_log_codes_beyond_legal_white_come_back(
    tmp_path: Path, pixel_format: str, code_range: str | None
) -> None:
    before = write_codes(tmp_path / "a.mkv", pixel_format)
    settings = InputSettings(color="slog3", code_range=code_range)  # type: ignore[arg-type]
    with (
        open_footage(tmp_path / "a.mkv", settings) as clip,
        open_result(
            tmp_path / "b.mkv", clip, EncodeSettings(lossless=True), existing=ExistingFrames()
        ) as writer,
        clip.frames() as frames,
    ):
        for frame in frames:
            writer.write(frame)
            low, high = float(frame.picture.min()), float(frame.picture.max())
    assert low < 0 and high > 1  # such colors have no light that a screen shows, but they have codes
    after, stated = read_codes(tmp_path / "b.mkv")
    assert stated == 1
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_data_levels_put_black_at_code_0(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    write_codes(path, "yuv444p10le")
    values = []
    for code_range in ("limited", "full"):
        settings = InputSettings(color="slog3", code_range=code_range)  # type: ignore[arg-type]
        with open_footage(path, settings) as clip, clip.frames() as frames:
            values.append(next(iter(frames)).picture)
    luma = [0.299 * one[0] + 0.587 * one[1] + 0.114 * one[2] for one in values]  # of BT.601: it is small
    np.testing.assert_allclose(luma[1] * 1023, luma[0] * 876 + 64, atol=0.05)
    with pytest.raises(Exception, match="code_range"):
        write_codes(tmp_path / "g.mkv", "gray10le")
        open_footage(tmp_path / "g.mkv", InputSettings(code_range="full"))

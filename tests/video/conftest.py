"""Clips made to order, and files looked at with plain PyAV, apart from the code under test."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from numpy.typing import NDArray

from any2bokeh.settings.video_settings import EncodeSettings, TimeRange
from any2bokeh.video.clip import VideoClip
from any2bokeh.video.encode import open_writer

BT709_LIMITED = (1, 1, 1, 1)
SCALER_MATRIX = {1: 1, 5: 5, 6: 5, 9: 9}  # H.273 -> FFmpeg's scaler
SUBTITLES = ((0, 100, "Good evening"), (200, 100, "and good night"))  # start and length in ms, text
SOUND_RATE = 48000
LANGUAGES = ("eng", "fra")


@dataclass(frozen=True, kw_only=True)
class Clip:
    """What a clip holds; ``pts`` counts ``time_base``, ``tags`` are matrix, range, primaries, transfer."""

    size: tuple[int, int] = (64, 48)
    pts: tuple[int, ...] = tuple(range(0, 5120, 512))
    time_base: Fraction = Fraction(1, 12800)
    rate: Fraction = Fraction(25)
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    tags: tuple[int, int, int, int] = BT709_LIMITED
    pixel_aspect: Fraction | None = None
    display_matrix: tuple[int, ...] | None = None
    sound: tuple[str, ...] = ()
    sound_s: float = 0.4
    subtitles: str = ""
    chapters: tuple[tuple[int, int, str], ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    cover: bool = False
    font: bytes = b""
    data: bool = False


@dataclass(frozen=True)
class Seen:
    """A file as plain PyAV reads it: its video's frames and the packets (seconds, bytes) of each stream."""

    frames: list[av.VideoFrame]
    times: list[Fraction]
    video: dict[str, Any]
    packets: dict[str, list[list[tuple[Fraction, bytes]]]]
    streams: list[tuple[str, str, dict[str, str], int]]
    metadata: dict[str, str]
    chapters: list[tuple[Fraction, Fraction, str]]


def picture(index: int, width: int, height: int) -> NDArray[np.float32]:
    """A smooth picture (H W 3, R'G'B' inside 0..1) that differs from frame to frame and side to side."""
    y, x = np.mgrid[0:height, 0:width]
    waves = np.sin(x / 17 + y / 31 + index), np.cos(x / 23 - y / 11 + index), np.sin((x + y) / 41 - index)
    return np.stack([0.5 + 0.3 * wave for wave in waves], axis=-1).astype(np.float32)


def video_frame(clip: Clip, index: int) -> av.VideoFrame:
    matrix, color_range = clip.tags[:2]
    rgb = av.VideoFrame.from_ndarray(picture(index, *clip.size), "gbrpf32le")
    is_yuv = clip.pixel_format.startswith("yuv")
    frame = rgb.reformat(
        format=clip.pixel_format,
        dst_colorspace=SCALER_MATRIX.get(matrix, 5) if is_yuv else None,
        src_color_range=2,
        dst_color_range=(color_range or 1) if is_yuv else 2,
    )
    frame.pts, frame.time_base = clip.pts[index], clip.time_base
    frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc = clip.tags
    return frame


def cover_picture() -> bytes:
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 32, 32, "yuvj420p", Fraction(1, 25)
    gray = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 99, np.uint8), "rgb24")
    return bytes(encoder.encode(gray.reformat(format="yuvj420p"))[0])


def make_clip(path: Path, clip: Clip) -> Path:
    is_mov = path.suffix in (".mp4", ".mov")
    options = {"movie_timescale": str(clip.time_base.denominator)} if is_mov else {}
    if is_mov and not clip.cover:
        options["movflags"] = "use_metadata_tags"
    with av.open(str(path), "w", container_options=options) as file:
        video = file.add_stream(clip.codec, rate=clip.rate, options=clip.options)
        video.time_base = clip.time_base
        video.set_display_matrix(clip.display_matrix)
        context = video.codec_context
        context.width, context.height = clip.size
        context.pix_fmt, context.time_base, context.thread_count = clip.pixel_format, clip.time_base, 1
        context.colorspace, context.color_range, context.color_primaries, context.color_trc = clip.tags
        if clip.pixel_aspect:
            context.sample_aspect_ratio = clip.pixel_aspect
        sounds = [
            add_sound(file, codec, language) for codec, language in zip(clip.sound, LANGUAGES, strict=False)
        ]
        texts = file.add_mux_stream(clip.subtitles, time_base=Fraction(1, 1000)) if clip.subtitles else None
        cover = file.add_mux_stream("mjpeg", width=32, height=32) if clip.cover and is_mov else None
        if cover:
            cover.disposition = Disposition.attached_pic
        elif clip.cover:
            file.add_attachment("cover.jpg", "image/jpeg", cover_picture())
        if clip.font:
            file.add_attachment("font.ttf", "font/ttf", clip.font)
        data = file.add_data_stream("klv") if clip.data else None
        file.set_chapters(
            [
                {
                    "id": number,
                    "start": start,
                    "end": end,
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": title},
                }
                for number, (start, end, title) in enumerate(clip.chapters, start=1)
            ]
        )
        file.metadata.update(clip.metadata)
        file.start_encoding()
        if cover:
            file.mux(packet_of(cover_picture(), cover, 0, 0, Fraction(1, 90000)))
        if data:
            file.mux(packet_of(b"measured", data, 0, 0, Fraction(1, 90000)))
        if texts:
            for start, length, text in SUBTITLES:
                body = text.encode()
                if clip.subtitles == "mov_text":
                    body = len(body).to_bytes(2, "big") + body
                file.mux(packet_of(body, texts, start, length, Fraction(1, 1000)))
        for sound in sounds:
            encode_sound(file, sound, clip.sound_s)
        for index in range(len(clip.pts)):
            file.mux(video.encode(video_frame(clip, index)))
        file.mux(video.encode())
    return path


def packet_of(body: bytes, stream: Any, start: int, length: int, time_base: Fraction) -> av.Packet:
    packet = av.Packet(body)
    packet.stream, packet.time_base = stream, time_base
    packet.pts = packet.dts = start
    packet.duration = length
    packet.is_keyframe = True
    return packet


def add_sound(file: Any, codec: str, language: str) -> Any:
    stream = file.add_stream(codec, rate=SOUND_RATE)
    stream.layout = "stereo"
    stream.metadata["language"] = language
    return stream


def encode_sound(file: Any, stream: Any, length_s: float) -> None:
    noise = np.random.default_rng(stream.index).integers(-9000, 9000, (1, 2 * 1024), np.int16)
    resampler = av.AudioResampler(format=stream.codec_context.format, layout="stereo", rate=SOUND_RATE)
    for start in range(0, int(length_s * SOUND_RATE), 1024):
        frame = av.AudioFrame.from_ndarray(noise, "s16", "stereo")
        frame.rate, frame.pts = SOUND_RATE, start
        for resampled in resampler.resample(frame):
            file.mux(stream.encode(resampled))
    file.mux(stream.encode())


def see(path: Path) -> Seen:
    with av.open(str(path)) as file:
        video = file.streams.best("video")
        frames = list(file.decode(video))
        context = video.codec_context
        about = {
            "tags": (context.colorspace, context.color_range, context.color_primaries, context.color_trc),
            "frame_tags": (
                frames[0].colorspace,
                frames[0].color_range,
                frames[0].color_primaries,
                frames[0].color_trc,
            ),
            "codec": context.codec.canonical_name,
            "codec_tag": context.codec_tag,
            "pixel_format": context.pix_fmt,
            "profile": context.profile,
            "size": (frames[0].width, frames[0].height),
            "pixel_aspect": video.sample_aspect_ratio,
            "side_data": {data.type.name: bytes(data) for data in frames[0].side_data},
        }
        streams = [(s.type, s.name, dict(s.metadata), int(s.disposition)) for s in file.streams]
        chapters = [
            (c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"]["title"])
            for c in file.chapters()
        ]
        times = [frame.pts * frame.time_base for frame in frames]
        return Seen(frames, times, about, packets_of(path), streams, dict(file.metadata), chapters)


def packets_of(path: Path) -> dict[str, list[list[tuple[Fraction, bytes]]]]:
    found: dict[str, dict[int, list[tuple[Fraction, bytes]]]] = {}
    with av.open(str(path)) as file:
        for packet in file.demux():
            if packet.size:
                of_type = found.setdefault(packet.stream.type, {})
                time = (packet.pts or 0) * packet.time_base
                of_type.setdefault(packet.stream_index, []).append((time, bytes(packet)))
    return {kind: list(streams.values()) for kind, streams in found.items()}


def codes(frame: av.VideoFrame) -> list[NDArray[Any]]:
    """The planes of a frame as integers (H W), without padding; packed pixels side by side."""
    kind = np.uint8 if frame.format.components[0].bits <= 8 else np.uint16
    per_pixel = (
        frame.format.padded_bits_per_pixel // 8 if len(frame.planes) == 1 and frame.format.is_rgb else 1
    )
    planes = [np.frombuffer(plane, kind).reshape(plane.height, -1) for plane in frame.planes]
    return [
        plane[:, : source.width * per_pixel].astype(np.int32)
        for plane, source in zip(planes, frame.planes, strict=True)
    ]


@dataclass(frozen=True)
class Tools:
    """The functions of this file, for tests, which cannot import it."""

    folder: Path
    Clip = Clip
    see = staticmethod(see)
    codes = staticmethod(codes)
    picture = staticmethod(picture)
    subtitles = SUBTITLES

    def make(self, name: str, **clip: Any) -> Path:
        """Write the clip that is described, see ``Clip``, in the test's folder."""
        return make_clip(self.folder / name, Clip(**clip))

    def copy(self, source: Path, name: str, part: TimeRange | None = None, **settings: Any) -> Path:
        """Pass a video, or a part of it, through reader and writer, unchanged between them."""
        encode = EncodeSettings(**settings or {"preset": "ultrafast"})
        target = self.folder / name
        with (
            VideoClip(source, part or TimeRange()) as clip,
            open_writer(target, clip.info, encode, clip.span, clip.beside_pictures) as writer,
            clip.frames() as video,
        ):
            for frame in video:
                writer.write(frame)
        return target


@pytest.fixture
def clips(tmp_path: Path) -> Tools:
    """Makes clips, passes them through, and looks at the results."""
    return Tools(tmp_path)

"""Which encoder writes a video, in which pixel format and with which options."""

import os
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import av

from any2bokeh.errors import VideoError, shown
from any2bokeh.settings.video_settings import EncodeSettings
from any2bokeh.video.color import PixelLayout, pixel_layout
from any2bokeh.video.containers import Container
from any2bokeh.video.metadata import Hdr10
from any2bokeh.video.opening import VideoInfo
from any2bokeh.video.priority import usual_priority

# What people say -> what FFmpeg calls the encoder; its own names are taken as well.
NAMES = {
    "h264": "libx264",
    "avc": "libx264",
    "x264": "libx264",
    "hevc": "libx265",
    "h265": "libx265",
    "x265": "libx265",
    "av1": "libsvtav1",
    "svtav1": "libsvtav1",
    "vp9": "libvpx-vp9",
    "prores": "prores_ks",
}
# Visually lossless where the encoder has such a scale; ffv1: version 3, each frame on its own.
OPTIONS = {
    "libx264": {"crf": "16"},
    "libx265": {"crf": "16", "a53cc": "1"},
    "libsvtav1": {"crf": "20"},
    "libvpx-vp9": {"crf": "20", "row-mt": "1"},
    "ffv1": {"level": "3", "g": "1"},
}
QUALITY_OPTIONS = ("crf", "cq")
# x264 and x265 do not tell FFmpeg theirs, either.
LARGEST_QUALITY = {"libx264": 51, "libx265": 51}
PRESET_OPTIONS = ("preset", "cpu-used")
# x264 and x265 do not tell FFmpeg theirs, and write a line of their own on stderr at another one.
X26_PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast", "medium"),
    *("slow", "slower", "veryslow", "placebo"),
)
HALVED_NEEDS_EVEN = ("libx264", "libx265")
COMMON_ENCODERS = (
    *("libx264", "libx265", "libsvtav1", "libvpx-vp9", "prores_ks", "ffv1"),
    *("h264_nvenc", "hevc_nvenc", "av1_nvenc", "h264_videotoolbox", "hevc_videotoolbox"),
    *("h264_qsv", "hevc_qsv", "h264_amf", "hevc_amf"),
)
HDR10_WRITERS = ("libx265", "libsvtav1")

# Formats that frames are made in; others, with alpha or the same in another order, only when asked for.
_PLAIN = re.compile(r"yuv4\d\dp(\d+le)?|p010le|gray(\d+le)?|gbrp(\d+le)?|bgr0|rgb48le")

VIEWED_CODECS = ("h264", "hevc", "av1", "vp9")
LOSSY_DEPTH = 10  # deeper sources are written with 10 bits, which players can show


@dataclass(frozen=True)
class EncoderSpec:
    """An encoder by FFmpeg's name, with all that it is told."""

    name: str
    pixel_format: str
    options: dict[str, str]

    @property
    def codec(self) -> str:
        """The codec it writes, such as ``h264``, whichever encoder it is."""
        return str(av.Codec(self.name, "w").canonical_name)

    @property
    def writes_hdr10(self) -> bool:
        """Whether HDR10 metadata reaches the file."""
        return self.name in HDR10_WRITERS and pixel_layout(self.pixel_format).depth > 8


def choose_encoder(info: VideoInfo, settings: EncodeSettings, container: Container) -> EncoderSpec:
    """Return the encoder for a video like ``info``: the one asked for, or the one that suits it.

    Raises ``VideoError`` where the encoder does not exist, cannot write such pictures or has no such option.
    """
    name = _name(info, settings, container)
    codec = _find(name)
    pixel_format = _pixel_format(codec, info, settings)
    encoder = EncoderSpec(name, pixel_format, _options(codec, settings))
    hdr10 = info.hdr10 if encoder.writes_hdr10 else None
    return _with_params(encoder, hdr10, is_tiny=min(info.width, info.height) < 64)


def pixel_formats(encoder: str) -> list[str]:
    """Return the names of the pixel formats that an encoder takes."""
    return [pixel_format.name for pixel_format in av.Codec(encoder, "w").video_formats or ()]


def usable_encoders() -> dict[str, bool]:
    """Whether each encoder of this build that people choose can be opened here, found by opening it."""
    return {name: _opens(name) for name in COMMON_ENCODERS if name in av.codecs_available}


def ffmpeg_version() -> str:
    """The version of the FFmpeg that comes with PyAV."""
    return str(av.ffmpeg_version_info)


def _opens(name: str) -> bool:
    context = av.CodecContext.create(name, "w")
    context.width, context.height, context.time_base = 640, 360, Fraction(1, 25)
    context.pix_fmt = context.codec.video_formats[0].name
    context.options = _with_params(EncoderSpec(name, context.pix_fmt, {}), None, is_tiny=False).options
    try:
        with usual_priority():
            context.open()
    except (av.FFmpegError, OSError):  # without the device they are for, encoders fail in several ways
        return False
    return True


def _name(info: VideoInfo, settings: EncodeSettings, container: Container) -> str:
    if settings.lossless:
        if container.suffix != ".mkv":
            raise VideoError(
                f"Lossless video (FFV1) cannot be written to a {container.suffix} file.", hint="Use .mkv."
            )
        return "ffv1"
    if settings.codec:
        return NAMES.get(settings.codec.lower(), settings.codec)
    if container.format == "webm":
        return "libsvtav1"
    return "libx265" if info.bit_depth > 8 else "libx264"


def _find(name: str) -> Any:
    try:
        codec = av.Codec(name, "w")
    except av.codec.codec.UnknownCodecError:
        codec = None
    if codec is None or codec.type != "video":
        raise VideoError(
            f"The video encoder {shown(name)} is unknown.", hint="Use `codec=h264`, hevc, av1 or prores."
        )
    return codec


def _pixel_format(codec: Any, info: VideoInfo, settings: EncodeSettings) -> str:
    """The pixel format asked for, or the one of the encoder's that loses least of the source."""
    names = pixel_formats(codec.name)
    size = info.orientation.size(info.width, info.height)
    if settings.pixel_format:
        name = settings.pixel_format
        if name not in names:
            raise VideoError(
                f"The encoder {codec.name} has no pixel format {name}.",
                hint=f"Use one of {', '.join(names)}.",
            )
        if not _fits(codec.name, pixel_layout(name), size):
            raise VideoError(
                f"The encoder {codec.name} writes {name} in even sizes only, not {size[0]}x{size[1]}.",
                hint="Use `pixel_format=yuv444p`.",
            )
        return name
    kinds = (info.layout.kind,) if settings.lossless else ("yuv", "rgb")
    layouts = [
        layout
        for layout in map(pixel_layout, filter(_PLAIN.fullmatch, names))
        if layout.kind in kinds and _fits(codec.name, layout, size)
    ]
    if not layouts:
        raise VideoError(
            f"The encoder {codec.name} has no pixel format for {info.path}.", hint="Use another `codec`."
        )
    depth = info.bit_depth if settings.lossless else min(info.bit_depth, LOSSY_DEPTH)
    sampling = info.layout.across, info.layout.down
    # Of 4:4:4 in codecs for viewing, many players show nothing. Gray loses nothing in 4:2:0, and RGB little.
    if info.layout.kind == "gray" or (info.layout.kind == "rgb" and codec.canonical_name in VIEWED_CODECS):
        sampling = 2, 2
    return min(layouts, key=lambda layout: _loss(layout, sampling, depth)).name


def _loss(layout: PixelLayout, sampling: tuple[int, int], depth: int) -> tuple[int, ...]:
    """How badly a layout suits a source; losses count before additions."""
    across, down = sampling
    return (
        max(0, depth - layout.depth),
        layout.kind == "rgb",
        max(0, layout.across - across) + max(0, layout.down - down),
        max(0, across - layout.across) + max(0, down - layout.down),
        layout.depth,
    )


def _fits(encoder: str, layout: PixelLayout, size: tuple[int, int]) -> bool:
    if encoder not in HALVED_NEEDS_EVEN:
        return True
    return size[0] % layout.across == 0 and size[1] % layout.down == 0


def _options(codec: Any, settings: EncodeSettings) -> dict[str, str]:
    private = av.CodecContext.create(codec.name, "w").supported_options.private
    known = {option.name: option for option in private}
    options = dict(OPTIONS.get(codec.name, {}))
    for what, value, names in (
        ("quality scale (`crf`)", settings.crf, QUALITY_OPTIONS),
        ("presets (`preset`)", settings.preset, PRESET_OPTIONS),
    ):
        if value is None:
            continue
        name = next((name for name in names if name in known), None)
        if name is None:
            raise VideoError(f"The encoder {codec.name} has no {what}.")
        if name in PRESET_OPTIONS:
            _check_preset(codec.name, known[name], str(value))
        else:
            _check_quality(codec.name, known[name], float(value))
        options[name] = f"{value:g}" if isinstance(value, float) else str(value)
    return options


def _check_quality(encoder: str, option: Any, quality: float) -> None:
    """Raise ``VideoError`` for a quality outside the encoder's own range."""
    largest = LARGEST_QUALITY.get(encoder, option.max)
    if not 0 <= quality <= largest:
        raise VideoError(f"`crf` of {encoder} must be a number from 0 to {largest:g}, got {quality:g}.")


def _check_preset(encoder: str, option: Any, preset: str) -> None:
    """Raise ``VideoError`` for a preset that the encoder is known not to have; it judges numbers itself."""
    is_x26 = encoder in ("libx264", "libx265")
    names = X26_PRESETS if is_x26 else [choice.name for choice in option.choices]
    is_free_text = not names and option.min == option.max
    if is_free_text or preset in names or re.fullmatch(r"-?\d+", preset):
        return
    accepted = ", ".join(names) or f"numbers from {option.min:g} to {option.max:g}"
    raise VideoError(f"The encoder {encoder} has no preset {preset}.", hint=f"Use one of {accepted}.")


def _with_params(encoder: EncoderSpec, hdr10: Hdr10 | None, *, is_tiny: bool) -> EncoderSpec:
    """The encoder, quiet, and told of HDR10: what x265 and SVT-AV1 only take in a language of their own."""
    if encoder.name == "libx265":
        params = ["log-level=error", *(hdr10.x265_params() if hdr10 else [])]
        if is_tiny:
            params.append("cutree=0")  # it writes past its memory at 32x32 (seen with Valgrind)
        return replace(encoder, options=encoder.options | {"x265-params": ":".join(params)})
    if encoder.name == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")  # errors only: it would print its settings on stderr
        if hdr10:
            return replace(
                encoder, options=encoder.options | {"svtav1-params": ":".join(hdr10.svtav1_params())}
            )
    return encoder

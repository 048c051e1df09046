"""The options of reading and writing video and pictures; see ``options``."""

from typing import Any, get_args

import typer

from any2bokeh.cli.option_types import option, parse_names, rate_option, time_option
from any2bokeh.settings import video_settings
from any2bokeh.settings.color_settings import TransferFunction

CURVES = ", ".join(get_args(TransferFunction))

VIDEO_OPTIONS: dict[object, dict[str, Any]] = {
    video_settings.TimeRange: {
        "start": time_option(
            "--start",
            "First frame to process: the one on the screen at 2.5, 2.5s, 00:01:02.5, or f120 by its number.",
        ),
        "end": time_option("--end", "End of the part: the frame on the screen then is left out."),
    },
    video_settings.InputSettings: {
        "frames": typer.Option(
            "--frames",
            help="Pictures of the sequence to process, by number: 1001-1100, 1001-1100x10 or 1001,1005.",
            metavar="NUMBERS",
        ),
        "missing": option(
            "--missing",
            help="Where a picture is missing: stop, repeat the one before, or leave it out.",
        ),
        "frame_rate": rate_option(
            "--fps", "Frame rate of the sequence; by default that in its pictures, else 24."
        ),
        "ocio": option(
            "--ocio",
            help="OpenColorIO configuration: a file, or ocio://default, ocio://studio-config-latest, ...",
            metavar="CONFIG",
        ),
        "input_space": option(
            "--input-space",
            help="Color space of the input, with --ocio. By default that in its file rules.",
            metavar="SPACE",
        ),
        "input_format": option("--input-format", help="Format of the video on stdin; by default found out."),
        "color": typer.Option(
            "--color",
            help=f"Curve of the input's code values: {CURVES}. By default that in the file, else srgb.",
            metavar="CURVE",
        ),
        "code_range": option(
            "--input-range",
            help="Range of a video's codes: limited (legal) or full (data). By default that in the file.",
        ),
    },
    video_settings.EncodeSettings: {
        "codec": option("--codec", help="Video encoder, such as libx265; by default it follows the source."),
        "crf": option(
            "--crf",
            help="Quality, lower is better: 16, the default of H.264, looks like the source, 23 is smaller."
            " The codec has a range of its own.",
            accepted=video_settings.CRF,
        ),
        "preset": option("--preset", help="Preset of the encoder, such as slow."),
        "pixel_format": option("--pix-fmt", help="Pixel format, such as yuv444p; by default the source's."),
        "lossless": option("--lossless/--lossy", help="Write FFV1 in the source's own pixel format."),
        "audio": option("--audio/--no-audio", help="Copy the audio."),
        "start_number": option(
            "--start-number",
            help="Number of the first picture written from a video.",
            accepted=video_settings.START_NUMBER,
            kind=int,
        ),
        "output_format": option("--output-format", help="Format of the video on stdout."),
        "color_out": typer.Option(
            "--color-out", help="Curve of the result; by default the input's.", metavar="CURVE"
        ),
        "output_space": option(
            "--output-space",
            help="Color space of the result, with --ocio; by default the input's.",
            metavar="SPACE",
        ),
        "exr_compression": option("--exr-compression", help="Compression of EXR; by default the source's."),
        "aovs": typer.Option(
            "--aovs",
            help="Layers to write beside the picture in EXR: depth,coc,disparity,subject or some of them.",
            parser=parse_names,
            metavar="NAMES",
        ),
        "exports": typer.Option(
            "--export",
            help="Write gray files for blur drawn elsewhere, <stem>.<name>.<ext> beside the result: coc (the"
            " radius in pixels), focus-matte (white where in focus), or both: coc,focus-matte.",
            parser=parse_names,
            metavar="NAMES",
        ),
    },
    video_settings.ReadingLimits: {
        "max_pixels": option(
            "--max-pixels",
            help="Refuse pictures and video of more pixels (512 million unless said).",
            accepted=video_settings.MAX_PIXELS,
            kind=int,
        ),
    },
}

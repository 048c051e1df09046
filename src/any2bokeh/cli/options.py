"""The options of every command: one table, from a settings field to its name and help.

Types, defaults and ranges are those of the settings; nothing of them is said again here.
"""

from typing import Annotated, Any

import typer

from any2bokeh.cli.batch import BatchOptions
from any2bokeh.cli.focus_options import FOCUS_MASK, FOCUS_OPTIONS
from any2bokeh.cli.lab_options import EVALUATION_OPTIONS, SYNTHESIS_OPTIONS
from any2bokeh.cli.option_types import (
    auto_option,
    grain_option,
    option,
    parse_aperture,
    time_option,
)
from any2bokeh.cli.talk import Verbosity
from any2bokeh.cli.video_options import VIDEO_OPTIONS
from any2bokeh.cli.work_options import WORK_OPTIONS
from any2bokeh.settings import (
    depth_settings,
    focus_settings,
    mask_settings,
    preview_settings,
    render_settings,
    run_settings,
    weights_settings,
)
from any2bokeh.settings.evaluation_settings import EvaluationSettings
from any2bokeh.settings.synthesis_settings import SynthesisSettings

OVERWRITE = option("-y", "--overwrite", help="Replace a result that exists.")
SKIP_EXISTING = option("-n", "--skip-existing", help="Skip inputs whose result exists.")
DEVICE = option("--device", help="Where to compute; auto takes the fastest device.")
DTYPE = option("--dtype", help="Precision of the networks; auto follows the device.")

Overwrite = Annotated[bool, OVERWRITE]
Json = Annotated[bool, option("--json", help="Print one JSON document.")]

SkipExisting = Annotated[bool, SKIP_EXISTING]

OPTIONS: dict[object, dict[str, Any]] = {
    **FOCUS_OPTIONS,
    depth_settings.DepthSettings: {
        "track": option(
            "--disparity",
            help="Use this disparity track: a gray video, numbered pictures or a folder of them, .npy or"
            " .npz, or a folder with the track of each input as <stem>.*",
        ),
        "kind": option(
            "--disparity-kind",
            help="Meaning of the values in --disparity: inverted is 1 - disparity, inverse-depth 1 / depth in"
            " any unit.",
        ),
        "model": option(
            "--depth",
            help="Network that estimates disparity: video, video-base, video-large, video-metric are steady"
            " over time, and video-metric knows distances; small, base, large see single frames; compact is"
            " bundled and rougher. auto: of those downloaded, on a GPU video, else small, on a CPU small,"
            " else video; else compact.",
            metavar="NAME",
        ),
        "size": option(
            "--depth-size",
            help="Shorter side in pixels of the picture that the depth network sees; smaller is quicker and"
            " rougher. By default it follows the device.",
            accepted=depth_settings.DEPTH_SIZE,
            kind=int,
        ),
        "every": auto_option(
            "--depth-every",
            "Estimate one frame in N and propagate to the frames between; auto: every frame on a GPU and by"
            " compact and video, else as many as the motion needs.",
            depth_settings.DEPTH_EVERY,
        ),
        "steady": option(
            "--steady/--no-steady",
            help="Remove flicker from disparity; by default if it was estimated frame by frame.",
        ),
        "single_shot": option(
            "--single-shot",
            help="Treat the clip as one shot; by default, scale and stabilization start anew at each cut.",
        ),
        "use_cache": option("--cache/--no-cache", help="Keep estimated disparity for the next run."),
    },
    render_settings.RenderSettings: {
        "renderer": option(
            "--renderer",
            help="How blur is drawn: lens needs no weights; small, bundled, corrects it at edges, and is"
            " slower; diffusion is the paper's network. auto takes diffusion where its weights and a"
            " GPU are there, else lens.",
        ),
        "device": DEVICE,
        "dtype": DTYPE,
        "align_edges": option(
            "--align-edges/--no-align-edges",
            help="Move edges of disparity to where the picture has them, where all of a frame err alike.",
        ),
        "grain": grain_option(
            "--grain",
            "Put the clip's own noise back where blur takes it away: auto as much, 2 twice as much.",
            render_settings.GRAIN,
        ),
    },
    render_settings.LensSettings: {
        "aperture": typer.Option(
            "--aperture",
            help="Shape of lights out of focus: a disc, a polygon, or the shape that is white in a picture.",
            parser=parse_aperture,
            metavar="disc|polygon|FILE",
        ),
        "blades": option(
            "--blades",
            help="Number of the polygon's sides; try 6.",
            accepted=render_settings.BLADES,
            kind=int,
        ),
        "roundness": option(
            "--roundness",
            help="Roundness of the polygon's sides; 0 is straight, 1 a circle; try 0.3.",
            accepted=render_settings.ROUNDNESS,
        ),
        "rotation_deg": option(
            "--rotation",
            help="Rotation of the polygon or picture in degrees, counter-clockwise; try 15.",
            accepted=render_settings.ROTATION_DEG,
        ),
        "cats_eye": option(
            "--cats-eye",
            help="Cut off discs toward the corners of the frame; try 0.7.",
            accepted=render_settings.CATS_EYE,
        ),
        "anamorphic": option(
            "--anamorphic",
            help="Height of discs over their width; 2 makes tall ovals.",
            accepted=render_settings.ANAMORPHIC,
        ),
        "highlights": auto_option(
            "--highlights",
            "Turn clipped lights into bright discs, so many times brighter than white; auto: as much as they"
            " seem to be, 0: not at all.",
            render_settings.HIGHLIGHTS,
            float,
        ),
        "highlight_threshold": option(
            "--highlight-threshold",
            help="Value from which a pixel counts as a clipped light.",
            accepted=render_settings.HIGHLIGHT_THRESHOLD,
        ),
        "quality": option(
            "--quality",
            help="Quality of the lens; best finds occluded background in neighboring frames, slower.",
        ),
    },
    render_settings.DiffusionSettings: {
        "weights": option(
            "--weights",
            help="Weights of the network: a name given to import-weights, or a folder.",
            metavar="NAME|FOLDER",
        ),
        "work_size": option(
            "--work-size",
            help="Size of the network's working frame: as many pixels as a 16:9 picture of this width.",
            accepted=render_settings.WORK_SIZE,
            kind=int,
        ),
        "chunk": option(
            "--chunk",
            help="Frames that the network processes together.",
            accepted=render_settings.CHUNK_LENGTH,
            kind=int,
        ),
        "overlap": option(
            "--overlap",
            help="Frames that a chunk shares with the next; 0 to compare.",
            accepted=render_settings.OVERLAP,
            kind=int,
        ),
        "mpi": option("--mpi/--no-mpi", help="Attend to the planes of the scene; off to compare."),
        "low_memory": option(
            "--low-memory/--all-on-device",
            help="Keep only the working part of the network on the device; slower.",
        ),
        "compile": option(
            "--compile/--no-compile",
            help="Compile the network with torch.compile: for GPUs; takes minutes at the start.",
        ),
    },
    **VIDEO_OPTIONS,
    depth_settings.TrackSettings: {"focus_mask": FOCUS_MASK, "device": DEVICE, "dtype": DTYPE},
    mask_settings.MaskSettings: {"device": DEVICE, "dtype": DTYPE},
    weights_settings.ImportSettings: {
        "name": option("--name", help="Name of the checkpoint, for --weights."),
        "mask_mode": option(
            "--mask-mode",
            help="Whether MPI tokens are masked (released) or take part (paper); by default as trained.",
        ),
        "svd": option(
            "--svd",
            help="U-Net of Stable Video Diffusion (safetensors) to compare the weights with; by default the"
            " one of download-weights svd-unet, if it is here.",
        ),
    },
    preview_settings.PreviewSettings: {
        "at": time_option("--at", "Moment to look at, such as 2.5s; repeatable. By default the middle."),
        "stills": option(
            "--stills",
            help="Number of moments on a sheet or page, spread over time, unless --at names some.",
            accepted=preview_settings.STILLS,
            kind=int,
        ),
        "focus_values": option(
            "--focus-values",
            help="Number of focal planes in a sweep or page.",
            accepted=preview_settings.FOCUS_VALUES,
            kind=int,
        ),
        "blur_values": option(
            "--k-values",
            help="Number of blur strengths in a page.",
            accepted=preview_settings.BLUR_VALUES,
            kind=int,
        ),
    },
    SynthesisSettings: SYNTHESIS_OPTIONS | {"device": DEVICE},
    run_settings.Settings: {
        "save_focus_track": option(
            "--save-focus-track",
            help="Write the focus of each frame to a .csv or .json, to edit and use as --focus-track; or to"
            " <stem>.focus.csv in a folder.",
        )
    },
    BatchOptions: {
        "overwrite": OVERWRITE,
        "skip_existing": SKIP_EXISTING,
        "fail_fast": option("--fail-fast", help="Stop at the first input that fails."),
        "dry_run": option("--dry-run", help="Show frames, memory and time; write nothing."),
    },
    **WORK_OPTIONS,
    Verbosity: {
        "quiet": option("-q", "--quiet", help="Print only results and errors."),
        "verbose": option("-v", "--verbose", help="Print more about each step."),
        "debug": option("--debug", help="Print everything, and the traceback of an error."),
    },
}

OPTIONS[EvaluationSettings] = EVALUATION_OPTIONS | {"device": DEVICE, "dtype": DTYPE}
OPTIONS[focus_settings.PreviewFocusSettings] = OPTIONS[focus_settings.FocusSettings]

"""The options of every command: one table, from a settings field to its name and help.

Types, defaults and ranges are those of the settings; nothing of them is said again here.
"""

from typing import Annotated, Any, get_args

import typer

from any2bokeh.cli.batch import BatchOptions
from any2bokeh.cli.lab_options import EVALUATION_OPTIONS, SYNTHESIS_OPTIONS
from any2bokeh.cli.option_types import (
    auto_option,
    grain_option,
    keys_option,
    named,
    option,
    parse_aperture,
    parse_names,
    parse_shard,
    parse_workers,
    point_option,
    rate_option,
    subject_option,
    time_option,
)
from any2bokeh.cli.talk import Verbosity
from any2bokeh.settings import (
    depth_settings,
    focus_settings,
    mask_settings,
    preview_settings,
    render_settings,
    run_settings,
    video_settings,
    weights_settings,
    work_settings,
)
from any2bokeh.settings.color_settings import TransferFunction
from any2bokeh.settings.evaluation_settings import EvaluationSettings
from any2bokeh.settings.synthesis_settings import SynthesisSettings

OVERWRITE = option("-y", "--overwrite", help="Replace a result that exists.")
SKIP_EXISTING = option("-n", "--skip-existing", help="Skip inputs whose result exists.")
DEVICE = option("--device", help="Where to compute; auto takes the fastest device.")
DTYPE = option("--dtype", help="Precision of the networks; auto follows the device.")
FOCUS_MASK = option(
    "--focus-mask",
    help="Keep the subject sharp that is white in this mask: a gray video, a folder of PNGs, or a"
    " folder with the mask of each input as <stem>.* Repeat for more.",
)

LONG_JOBS = "Long jobs"  # a group of the help

CURVES = ", ".join(get_args(TransferFunction))

Overwrite = Annotated[bool, OVERWRITE]
Json = Annotated[bool, option("--json", help="Print one JSON document.")]

SkipExisting = Annotated[bool, SKIP_EXISTING]

OPTIONS: dict[object, dict[str, Any]] = {
    focus_settings.SubjectSettings: {
        "points": subject_option(
            "--subject",
            "Keep the thing at this point sharp, all of it; repeat for more: 960,540@2.5s. auto chooses one.",
        ),
        "not_points": point_option("--not-subject", "The thing at this point is not part of the subject."),
        "subject_network": option(
            "--subject-network",
            help="Network that follows the subject; auto takes a downloaded one, else the bundled one,"
            " which is rougher.",
        ),
    },
    focus_settings.FocusSettings: {
        "focus_disparity": keys_option(
            "--focus",
            "Disparity that stays sharp: 1 is the nearest point, 0 the farthest; try 0.4. Or a pull over"
            " time: '0s:0.9, 2s:@960,540', or '0s:subject1, 2s:subject2'.",
            focus_settings.FOCUS_DISPARITY,
        ),
        "focus_m": keys_option(
            "--focus-m",
            "Distance in meters that stays sharp, or keys as of --focus; with --depth video-metric, or with"
            " --near-m and --far-m.",
            focus_settings.FOCUS_M,
        ),
        "focus_at": point_option(
            "--focus-at", "Focus on this point, in pixels, and stay at that distance: 960,540@2.5s."
        ),
        "follow": point_option(
            "--follow", "Focus on the thing at this point, and follow it as it moves: 960,540@2.5s."
        ),
        "focus_mask": FOCUS_MASK,
        "subject_depth": option(
            "--subject-depth", help="Keep the estimated relief of the subject: parts of it may blur."
        ),
        "smoothing_s": option(
            "--focus-smoothing",
            help="Smooth the focus of --subject, --follow and --focus-mask over so many seconds; try 0.5.",
            accepted=focus_settings.SMOOTHING_S,
        ),
        "focus_track": option(
            "--focus-track",
            help="Focus over time from a CSV or JSON file: time or frame, focus, k. Or distance and f-number"
            " as a camera recorded them: OpenTrackIO (JSON), or the EXR pictures that have them.",
        ),
        "blur_strength": keys_option(
            "--k",
            "Blur radius in pixels per unit of disparity, in a frame 1024 pixels wide: 8 is gentle, 16"
            " clear, 30 strong. Or keys over time, as in --focus.",
            focus_settings.BLUR_STRENGTH,
        ),
        "easing": option("--easing", help="How focus and K move from one key to the next."),
    },
    focus_settings.DepthOfFieldSettings: {
        "dof_range": option(
            "--dof-range",
            help="Range of disparity around the focal plane that stays sharp; try 0.1.",
            accepted=focus_settings.DOF_RANGE,
        ),
        "near_strength": option(
            "--near-strength",
            help="Factor for the blur in front of the focal plane; try 0.5.",
            accepted=focus_settings.NEAR_STRENGTH,
        ),
        "far_strength": option(
            "--far-strength",
            help="Factor for the blur behind the focal plane; try 0.5.",
            accepted=focus_settings.FAR_STRENGTH,
        ),
    },
    focus_settings.CameraSettings: {
        "f_stop": option(
            "--f-stop",
            help="Blur like a full-frame lens at this f-number, in place of --k; try 1.8.",
            accepted=focus_settings.F_STOP,
        ),
        "focal_length_mm": option(
            "--focal-length",
            help="Focal length of that lens in millimeters; try 85. By default 50, or that in the focus"
            " track.",
            accepted=focus_settings.FOCAL_LENGTH_MM,
        ),
        "near_m": option(
            "--near-m", help="Distance in meters of disparity 1; try 1.", accepted=focus_settings.NEAR_M
        ),
        "far_m": option(
            "--far-m", help="Distance in meters of disparity 0; try 20.", accepted=focus_settings.FAR_M
        ),
    },
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
            help="How blur is drawn: lens needs no weights; small, bundled, corrects it at edges and lights,"
            " and is slower; diffusion is the paper's network. auto takes diffusion where its weights and a"
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
        "highlights": option(
            "--highlights",
            help="Turn clipped lights into bright discs, so many times brighter than white; try 2.",
            accepted=render_settings.HIGHLIGHTS,
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
            help="Quality, lower is better: 16 looks like the source, 23 is smaller. The codec has a range"
            " of its own.",
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
    },
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
    work_settings.WorkSettings: {
        "shard": typer.Option(
            "--shard",
            help="Make only this share of each clip, into --work: 1/8 is the first of eight.",
            parser=named("--shard", parse_shard),
            metavar="I/N",
        ),
        "work": option(
            "--work", help="Folder in which finished parts wait; shards share it.", metavar="FOLDER"
        ),
        "resume": typer.Option(
            "--resume",
            help="Keep finished parts, and go on with them where the last run was stopped.",
            rich_help_panel=LONG_JOBS,
        ),
        "workers": typer.Option(
            "--workers",
            help="Processes that make parts at once; auto is one for each GPU.",
            parser=parse_workers,
            metavar="auto|N",
        ),
        "cluster": option(
            "--cluster",
            help="Ray cluster that makes the parts: HOST:PORT, or auto for the one that runs here.",
            metavar="auto|ADDRESS",
        ),
        "cpus_per_worker": option(
            "--cpus-per-worker",
            help="Cores for each process of a cluster without GPUs (4, or as many as a node has).",
            accepted=work_settings.CPUS_PER_WORKER,
            kind=int,
        ),
        "keep_work": option("--keep-work", help="Leave the parts where the result is complete."),
        "report": option("--report", help="Write a JSON file on all parts: times, devices, attempts."),
        "progress": option(
            "--progress", help="How progress is shown on stderr; plain and json tell of each part."
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
    Verbosity: {
        "quiet": option("-q", "--quiet", help="Print only results and errors."),
        "verbose": option("-v", "--verbose", help="Print more about each step."),
        "debug": option("--debug", help="Print everything, and the traceback of an error."),
    },
}

OPTIONS[EvaluationSettings] = EVALUATION_OPTIONS | {"device": DEVICE, "dtype": DTYPE}
OPTIONS[focus_settings.PreviewFocusSettings] = OPTIONS[focus_settings.FocusSettings]

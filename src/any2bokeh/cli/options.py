"""The options of every command: one table, from a settings field to its name and help.

Types, defaults and ranges are those of the settings; nothing of them is said again here.
"""

from typing import Annotated, Any

from any2bokeh.cli.batch import BatchOptions
from any2bokeh.cli.lab_options import EVALUATION_OPTIONS, SYNTHESIS_OPTIONS
from any2bokeh.cli.option_types import auto_option, keys_option, option, point_option, time_option
from any2bokeh.cli.talk import Verbosity
from any2bokeh.settings import (
    depth_settings,
    focus_settings,
    preview_settings,
    render_settings,
    run_settings,
    video_settings,
    weights_settings,
)
from any2bokeh.settings.evaluation_settings import EvaluationSettings
from any2bokeh.settings.synthesis_settings import SynthesisSettings

OVERWRITE = option("-y", "--overwrite", help="Replace a result that exists.")
DEVICE = option("--device", help="Where to compute; auto takes the fastest there is.")
DTYPE = option("--dtype", help="Precision of the networks; auto follows the device.")

Overwrite = Annotated[bool, OVERWRITE]
Json = Annotated[bool, option("--json", help="Print one JSON document.")]

OPTIONS: dict[object, dict[str, Any]] = {
    focus_settings.FocusSettings: {
        "focus_disparity": keys_option(
            "--focus",
            "What stays sharp: near is 1, far is 0; or a pull, such as '0s:0.9, 2s:0.3, 3s:@960,540'.",
            focus_settings.FOCUS_DISPARITY,
        ),
        "focus_at": point_option("--focus-at", "Stay focused on the disparity under this point."),
        "follow": point_option("--follow", "Stay focused on the thing at this point, wherever it moves."),
        "focus_mask": option(
            "--focus-mask",
            help="Keep the whole subject sharp that is white in this mask: a gray video, a folder of PNGs, or"
            " a folder that holds the mask of each input as <stem>.*",
        ),
        "subject_depth": option(
            "--subject-depth", help="Keep the estimated relief of the subject: parts of it may blur."
        ),
        "smoothing_s": option(
            "--focus-smoothing",
            help="Over how much time the focus of --follow and --focus-mask is smoothed.",
            accepted=focus_settings.SMOOTHING_S,
        ),
        "focus_track": option("--focus-track", help="Focus over time, CSV or JSON: time or frame, focus, k."),
        "blur_strength": keys_option(
            "--k",
            "Blur strength: radius of the blur per unit of disparity, at 1024 pixels of width"
            " (the longer side); or keys, as of --focus.",
            focus_settings.BLUR_STRENGTH,
        ),
        "easing": option("--easing", help="How focus and K move from key to key."),
    },
    focus_settings.DepthOfFieldSettings: {
        "dof_range": option(
            "--dof-range",
            help="How much depth around the focal plane stays sharp.",
            accepted=focus_settings.DOF_RANGE,
        ),
        "near_strength": option(
            "--near-strength",
            help="Times the blur of what is nearer than the focal plane.",
            accepted=focus_settings.NEAR_STRENGTH,
        ),
        "far_strength": option(
            "--far-strength", help="Times the blur of what is farther.", accepted=focus_settings.FAR_STRENGTH
        ),
    },
    focus_settings.CameraSettings: {
        "f_stop": option(
            "--f-stop",
            help="Instead of --k: the f-number of a full-frame lens.",
            accepted=focus_settings.F_STOP,
        ),
        "focal_length_mm": option(
            "--focal-length", help="Of that lens.", accepted=focus_settings.FOCAL_LENGTH_MM
        ),
        "near_m": option("--near-m", help="How far away disparity 1 is.", accepted=focus_settings.NEAR_M),
        "far_m": option("--far-m", help="How far away disparity 0 is.", accepted=focus_settings.FAR_M),
    },
    depth_settings.DepthSettings: {
        "track": option(
            "--disparity",
            help="Disparity track to use: a gray video, a folder of PNGs, .npy or .npz;"
            " or a folder that holds the track of each input as <stem>.*",
        ),
        "kind": option(
            "--disparity-kind", help="What the values of --disparity mean: inverted is 1 - disparity."
        ),
        "model": option(
            "--depth",
            help="Network that estimates disparity where none is given: auto is Depth Anything V2 if it was"
            " downloaded, else compact, which is part of this program and rougher.",
        ),
        "size": option(
            "--depth-size",
            help="Shorter side of the picture that the network sees; by default it follows the device.",
            accepted=depth_settings.DEPTH_SIZE,
            kind=int,
        ),
        "every": auto_option(
            "--depth-every",
            "Estimate every Nth frame, and carry disparity along the motion to those between; auto: all on a"
            " GPU and by compact, else as many as the motion asks for.",
            depth_settings.DEPTH_EVERY,
        ),
        "steady": option(
            "--steady/--no-steady",
            help="Take flicker out of disparity; by default out of estimated, not out of given.",
        ),
        "single_shot": option(
            "--single-shot",
            help="Do not look for cuts; by default scale and steadying start anew with each shot.",
        ),
        "use_cache": option("--cache/--no-cache", help="Keep estimated disparity for the next run."),
    },
    render_settings.RenderSettings: {
        "renderer": option(
            "--renderer",
            help="How defocus is drawn; auto is diffusion, the paper's network, where its weights are and"
            " a GPU can run it, else lens. small, part of this program, corrects the lens: better at edges"
            " and lights, and slower.",
        ),
        "device": DEVICE,
        "dtype": DTYPE,
    },
    render_settings.LensSettings: {
        "aperture": option("--aperture", help="Shape of a point of light out of focus."),
        "blades": option("--blades", help="Sides of the polygon.", accepted=render_settings.BLADES, kind=int),
        "roundness": option(
            "--roundness",
            help="Sides of the polygon: 0 straight, 1 round.",
            accepted=render_settings.ROUNDNESS,
        ),
        "rotation_deg": option(
            "--rotation",
            help="Turn of the polygon, counter-clockwise.",
            accepted=render_settings.ROTATION_DEG,
        ),
        "cats_eye": option(
            "--cats-eye",
            help="How much discs are cut off towards corners.",
            accepted=render_settings.CATS_EYE,
        ),
        "anamorphic": option(
            "--anamorphic", help="Ovals: 2 is twice as tall as wide.", accepted=render_settings.ANAMORPHIC
        ),
        "highlights": option(
            "--highlights",
            help="How much brighter than white clipped lights become before their blur; 2 is a good start.",
            accepted=render_settings.HIGHLIGHTS,
        ),
        "highlight_threshold": option(
            "--highlight-threshold",
            help="From where on a pixel counts as a clipped light.",
            accepted=render_settings.HIGHLIGHT_THRESHOLD,
        ),
        "quality": option(
            "--quality", help="With best, what things hide is looked for in the frames around; slower."
        ),
    },
    render_settings.DiffusionSettings: {
        "weights": option(
            "--weights", help="Weights of the network: a name given to import-weights, or a folder."
        ),
        "work_size": option(
            "--work-size",
            help="Size of the picture that the refocusing network sees: as many pixels as in a 16:9 picture"
            " of this width.",
            accepted=render_settings.WORK_SIZE,
            kind=int,
        ),
        "chunk": option(
            "--chunk",
            help="Frames that the network works on at a time.",
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
            help="Keep only the part of the network that is at work on the device; slower.",
        ),
        "compile": option(
            "--compile/--no-compile",
            help="Compile the network with torch.compile: for GPUs; minutes at the start.",
        ),
    },
    video_settings.TimeRange: {
        "start": time_option("--start", "First moment to work on; by default the beginning."),
        "end": time_option("--end", "End of the work, exclusive; by default the end."),
    },
    video_settings.EncodeSettings: {
        "codec": option("--codec", help="Video encoder, such as libx264; by default it follows the source."),
        "crf": option(
            "--crf",
            help="Quality, lower is better; by default one whose losses are not seen.",
            accepted=video_settings.CRF,
        ),
        "preset": option("--preset", help="Preset of the encoder, such as slow."),
        "pixel_format": option("--pix-fmt", help="Pixel format, such as yuv444p; by default the source's."),
        "lossless": option("--lossless/--lossy", help="Write FFV1 in the source's own pixel format."),
        "audio": option("--audio/--no-audio", help="Copy the audio."),
    },
    depth_settings.TrackSettings: {"device": DEVICE, "dtype": DTYPE},
    weights_settings.ImportSettings: {
        "name": option("--name", help="Name of the checkpoint, for --weights."),
        "mask_mode": option(
            "--mask-mode",
            help="Whether MPI tokens are masked (released) or take part (paper); by default as trained.",
        ),
        "svd": option(
            "--svd",
            help="U-Net of Stable Video Diffusion (safetensors) to compare the weights with;"
            " by default the one of download-weights svd-unet, if it is here.",
        ),
    },
    preview_settings.PreviewSettings: {
        "at": time_option("--at", "A moment to look at; may be repeated. By default the middle."),
        "stills": option(
            "--stills",
            help="Moments on a sheet or page, spread over time, where --at names none.",
            accepted=preview_settings.STILLS,
            kind=int,
        ),
        "focus_values": option(
            "--focus-values",
            help="Focal planes in a sweep or page.",
            accepted=preview_settings.FOCUS_VALUES,
            kind=int,
        ),
        "blur_values": option(
            "--k-values",
            help="Blur strengths in a page.",
            accepted=preview_settings.BLUR_VALUES,
            kind=int,
        ),
    },
    SynthesisSettings: SYNTHESIS_OPTIONS | {"device": DEVICE},
    run_settings.Settings: {
        "save_focus_track": option(
            "--save-focus-track",
            help="Write the focus of each frame to a .csv or .json, to edit and use as --focus-track;"
            " or to <stem>.focus.csv in a folder.",
        )
    },
    BatchOptions: {
        "overwrite": OVERWRITE,
        "skip_existing": option("-n", "--skip-existing", help="Leave out inputs whose result exists."),
        "fail_fast": option("--fail-fast", help="Stop at the first input that fails."),
        "dry_run": option("--dry-run", help="Show frames, size, memory and time of each; write nothing."),
    },
    Verbosity: {
        "quiet": option("-q", "--quiet", help="Say nothing but errors."),
        "verbose": option("-v", "--verbose", help="Say more of what is done."),
        "debug": option("--debug", help="Say everything, and show the traceback of an error."),
    },
}

OPTIONS[EvaluationSettings] = EVALUATION_OPTIONS | {"device": DEVICE, "dtype": DTYPE}
OPTIONS[focus_settings.PreviewFocusSettings] = OPTIONS[focus_settings.FocusSettings]

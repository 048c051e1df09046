"""The options that say what stays sharp, and how strong the blur is; see ``options``."""

from typing import Any

from any2bokeh.cli.option_types import keys_option, option, point_option, subject_option
from any2bokeh.settings import focus_settings

FOCUS_MASK = option(
    "--focus-mask",
    help="Keep the subject sharp that is white in this mask: a gray video, a folder of PNGs, or a"
    " folder with the mask of each input as <stem>.* Repeat for more.",
)

FOCUS_OPTIONS: dict[object, dict[str, Any]] = {
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
}

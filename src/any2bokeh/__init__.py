"""Change the focus of any video after it was shot."""

# Nothing is imported here: the command line must first be ready for Ctrl-C. Type checkers know this name.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from any2bokeh.errors import (
        DatasetError,
        DisparityError,
        FocusError,
        RefocusError,
        SettingsError,
        ShapeError,
        VideoError,
        WeightsError,
        WorkError,
    )
    from any2bokeh.farm.join import join_parts
    from any2bokeh.farm.part_maker import PartMaker, plan_work
    from any2bokeh.farm.whole_run import make_shard, refocus_in_parts
    from any2bokeh.farm.work_folder import read_work
    from any2bokeh.frames import RefocusedFrames, refocus_frames
    from any2bokeh.progress import Progress
    from any2bokeh.run import Result, estimate_depth, grow_subject, refocus
    from any2bokeh.settings.aperture_picture import AperturePicture
    from any2bokeh.settings.depth_settings import DepthSettings, TrackSettings
    from any2bokeh.settings.focus_settings import (
        CameraSettings,
        DepthOfFieldSettings,
        FocusSettings,
        Key,
        Point,
        SubjectName,
        SubjectSettings,
    )
    from any2bokeh.settings.mask_settings import MaskSettings
    from any2bokeh.settings.render_settings import DiffusionSettings, LensSettings, RenderSettings
    from any2bokeh.settings.run_settings import Settings
    from any2bokeh.settings.values import TimePoint
    from any2bokeh.settings.video_settings import EncodeSettings, InputSettings, TimeRange
    from any2bokeh.settings.work_settings import ShardNumber
    from any2bokeh.video.aperture_file import read_aperture

    __version__: str

# Everything public, and the module that it is loaded from when it is first asked for: many load torch.
_MODULES = {
    "AperturePicture": "settings.aperture_picture",
    "CameraSettings": "settings.focus_settings",
    "DatasetError": "errors",
    "DepthOfFieldSettings": "settings.focus_settings",
    "DepthSettings": "settings.depth_settings",
    "DiffusionSettings": "settings.render_settings",
    "DisparityError": "errors",
    "EncodeSettings": "settings.video_settings",
    "FocusError": "errors",
    "FocusSettings": "settings.focus_settings",
    "InputSettings": "settings.video_settings",
    "Key": "settings.focus_settings",
    "LensSettings": "settings.render_settings",
    "MaskSettings": "settings.mask_settings",
    "PartMaker": "farm.part_maker",
    "Point": "settings.focus_settings",
    "Progress": "progress",
    "RefocusError": "errors",
    "RefocusedFrames": "frames",
    "RenderSettings": "settings.render_settings",
    "Result": "run",
    "Settings": "settings.run_settings",
    "SettingsError": "errors",
    "ShapeError": "errors",
    "ShardNumber": "settings.work_settings",
    "SubjectName": "settings.focus_settings",
    "SubjectSettings": "settings.focus_settings",
    "TimePoint": "settings.values",
    "TimeRange": "settings.video_settings",
    "TrackSettings": "settings.depth_settings",
    "VideoError": "errors",
    "WeightsError": "errors",
    "WorkError": "errors",
    "estimate_depth": "run",
    "grow_subject": "run",
    "join_parts": "farm.join",
    "make_shard": "farm.whole_run",
    "plan_work": "farm.part_maker",
    "read_aperture": "video.aperture_file",
    "read_work": "farm.work_folder",
    "refocus": "run",
    "refocus_frames": "frames",
    "refocus_in_parts": "farm.whole_run",
}

__all__ = [
    "AperturePicture",
    "CameraSettings",
    "DatasetError",
    "DepthOfFieldSettings",
    "DepthSettings",
    "DiffusionSettings",
    "DisparityError",
    "EncodeSettings",
    "FocusError",
    "FocusSettings",
    "InputSettings",
    "Key",
    "LensSettings",
    "MaskSettings",
    "PartMaker",
    "Point",
    "Progress",
    "RefocusError",
    "RefocusedFrames",
    "RenderSettings",
    "Result",
    "Settings",
    "SettingsError",
    "ShapeError",
    "ShardNumber",
    "SubjectName",
    "SubjectSettings",
    "TimePoint",
    "TimeRange",
    "TrackSettings",
    "VideoError",
    "WeightsError",
    "WorkError",
    "estimate_depth",
    "grow_subject",
    "join_parts",
    "make_shard",
    "plan_work",
    "read_aperture",
    "read_work",
    "refocus",
    "refocus_frames",
    "refocus_in_parts",
]


def __getattr__(name: str) -> object:
    """Load a public name on first use; ``__version__`` too takes as long as all the rest of ``--help``."""
    if name == "__version__":
        from importlib.metadata import version

        return version("any2bokeh")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value  # so that it is asked for once
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})

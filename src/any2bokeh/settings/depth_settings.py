"""The settings of disparity and of disparity tracks."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from any2bokeh.errors import SettingsError
from any2bokeh.settings.device_settings import DeviceName, DtypeName
from any2bokeh.settings.focus_settings import FocusSettings, SubjectSettings
from any2bokeh.settings.values import Range, check_choice
from any2bokeh.settings.video_settings import InputSettings, TimeRange

DisparityKind = Literal["disparity", "inverted", "depth", "inverse-depth"]
DepthModel = Literal[
    "auto", "compact", "small", "base", "large", "video", "video-base", "video-large", "video-metric"
]

DEPTH_SIZE = Range("size", "a number of pixels", 56, 2048)
DEPTH_EVERY = Range("every", "a number of frames", 1, 48)


@dataclass(frozen=True, kw_only=True)
class DepthSettings:
    """Where disparity comes from: a given track, or an estimator whose result is cached.

    ``size`` is the shorter side of the estimator's working frame in pixels; ``None`` follows the device.
    ``every`` is the distance in frames of those that are estimated, between which disparity is carried along
    the motion of the picture; with ``None`` it is all where that is quick, else as many as the motion
    asks for. A video network sees every frame.
    """

    track: Path | None = None
    kind: DisparityKind = "disparity"
    model: DepthModel = "auto"
    size: int | None = None
    every: int | None = None
    steady: bool | None = None  # None: what an image network estimates is steadied, nothing else
    single_shot: bool = False  # cuts are not looked for
    use_cache: bool = True

    def __post_init__(self) -> None:
        check_choice("`kind`", self.kind, DisparityKind)
        check_choice("`model`", self.model, DepthModel)
        if self.size is not None:
            DEPTH_SIZE.check(self.size)
        if self.every is not None:
            DEPTH_EVERY.check(self.every)
            if self.every > 1 and self.model.startswith("video"):
                raise SettingsError(
                    f"`model={self.model}` sees every frame, so that `every` cannot be {self.every}."
                )


@dataclass(frozen=True, kw_only=True)
class TrackSettings:
    """The settings of a disparity track to write: its source, its frames, and the subject held in it.

    The subject is said by points, or shown by ``focus_mask``.
    """

    subject: SubjectSettings = field(default_factory=SubjectSettings)
    focus_mask: Path | tuple[Path, ...] | None = None
    depth: DepthSettings = field(default_factory=DepthSettings)
    time_range: TimeRange = field(default_factory=TimeRange)
    input: InputSettings = field(default_factory=InputSettings)
    device: DeviceName = "auto"
    dtype: DtypeName = "auto"

    def __post_init__(self) -> None:
        check_choice("`device`", self.device, DeviceName)
        check_choice("`dtype`", self.dtype, DtypeName)
        _ = self.focus  # points and masks conflict

    @property
    def focus(self) -> FocusSettings | None:
        """The focus on the subject that is held, if there is one."""
        if not (self.subject.points or self.focus_mask):
            return None
        return FocusSettings(subject=self.subject, focus_mask=self.focus_mask, blur_strength=0)

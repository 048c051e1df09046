"""The settings of a mask track to write."""

from dataclasses import dataclass, field

from any2bokeh.errors import SettingsError
from any2bokeh.settings.clip_settings import ClipSettings
from any2bokeh.settings.depth_settings import DepthSettings
from any2bokeh.settings.device_settings import DeviceName, DtypeName
from any2bokeh.settings.focus_settings import SubjectSettings
from any2bokeh.settings.video_settings import InputSettings, TimeRange


@dataclass(frozen=True, kw_only=True)
class MaskSettings:
    """Which subject's mask is written, of which part of a clip.

    ``depth`` is for the way that works without weights: it looks at disparity.
    """

    subject: SubjectSettings
    depth: DepthSettings = field(default_factory=DepthSettings)
    time_range: TimeRange = field(default_factory=TimeRange)
    input: InputSettings = field(default_factory=InputSettings)
    device: DeviceName = "auto"
    dtype: DtypeName = "auto"

    def __post_init__(self) -> None:
        if not self.subject.points:
            raise SettingsError("Nothing says which subject the mask shows.", hint="Give `points`.")

    @property
    def clip(self) -> ClipSettings:
        """The settings of the clip itself."""
        return ClipSettings(
            depth=self.depth,
            time_range=self.time_range,
            input=self.input,
            device=self.device,
            dtype=self.dtype,
        )

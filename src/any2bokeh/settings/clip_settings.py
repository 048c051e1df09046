"""The settings of one clip, for every kind of run on it."""

from dataclasses import dataclass, field

from any2bokeh.errors import SettingsError
from any2bokeh.settings.depth_settings import DepthSettings
from any2bokeh.settings.device_settings import DeviceName, DtypeName
from any2bokeh.settings.focus_settings import FocusSettings
from any2bokeh.settings.render_settings import RenderSettings
from any2bokeh.settings.values import check_choice
from any2bokeh.settings.video_settings import InputSettings, TimeRange


@dataclass(frozen=True, kw_only=True)
class ClipSettings:
    """Which part of a clip is worked on, where its disparity comes from and where its focus lies.

    ``focus`` of ``None`` is for runs that need none. ``device`` and ``dtype`` are those of the depth network.
    """

    focus: FocusSettings | None = None
    depth: DepthSettings = field(default_factory=DepthSettings)
    time_range: TimeRange = field(default_factory=TimeRange)
    input: InputSettings = field(default_factory=InputSettings)
    device: DeviceName = "auto"
    dtype: DtypeName = "auto"

    def __post_init__(self) -> None:
        check_choice("`device`", self.device, DeviceName)
        check_choice("`dtype`", self.dtype, DtypeName)
        self._check_distances()

    def _check_distances(self) -> None:
        """Raise ``SettingsError`` where distances are needed that nothing can know."""
        if self.focus is not None and self.focus.needs_distances:
            self.check_distances("`focus_m`" if self.focus.focus_m is not None else "`f_stop`")

    def check_distances(self, what: str) -> None:
        """Raise ``SettingsError`` where ``what`` needs distances and nothing can know them."""
        known = self.focus is not None and self.focus.camera.near_m is not None
        if not known and self.depth.track is None and self.depth.model != "video-metric":
            raise SettingsError(
                f"{what} needs distances in meters: those of disparity 1 and 0, `near_m` and `far_m`,"
                " or `model=video-metric`."
            )

    @classmethod
    def rendered(
        cls,
        focus: FocusSettings,
        depth: DepthSettings,
        time_range: TimeRange,
        render: RenderSettings,
        input: InputSettings,
    ) -> "ClipSettings":
        """Return the settings of a clip whose depth network runs where the renderer does."""
        return cls(
            focus=focus,
            depth=depth,
            time_range=time_range,
            input=input,
            device=render.device,
            dtype=render.dtype,
        )

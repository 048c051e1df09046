"""The settings of one run."""

from dataclasses import dataclass, field
from pathlib import Path

from any2bokeh.errors import SettingsError
from any2bokeh.settings.clip_settings import ClipSettings
from any2bokeh.settings.depth_settings import DepthSettings
from any2bokeh.settings.focus_settings import FocusSettings
from any2bokeh.settings.render_settings import RenderSettings
from any2bokeh.settings.video_settings import EncodeSettings, InputSettings, TimeRange


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of one run of ``refocus``, besides its input and output.

    ``save_focus_track`` is where the focus of each frame is written, CSV or (``.json``) JSON.
    """

    focus: FocusSettings
    depth: DepthSettings = field(default_factory=DepthSettings)
    render: RenderSettings = field(default_factory=RenderSettings)
    time_range: TimeRange = field(default_factory=TimeRange)
    input: InputSettings = field(default_factory=InputSettings)
    encode: EncodeSettings = field(default_factory=EncodeSettings)
    save_focus_track: Path | None = None

    def __post_init__(self) -> None:
        assert self.clip  # its settings check themselves
        if self.encode.output_space is not None and self.input.ocio is None:
            raise SettingsError("`output_space` needs `ocio`, which knows the spaces.")
        if self.encode.color_out is not None and self.input.ocio is not None:
            raise SettingsError("`ocio` and `color_out` conflict: `output_space` names the result's space.")

    @property
    def clip(self) -> ClipSettings:
        """The settings of the clip itself."""
        return ClipSettings.rendered(self.focus, self.depth, self.time_range, self.render, self.input)

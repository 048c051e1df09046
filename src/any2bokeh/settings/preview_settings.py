"""The settings of a preview before a run."""

from dataclasses import dataclass, field

from any2bokeh.settings.clip_settings import ClipSettings
from any2bokeh.settings.depth_settings import DepthSettings
from any2bokeh.settings.focus_settings import PreviewFocusSettings
from any2bokeh.settings.render_settings import RenderSettings
from any2bokeh.settings.values import Range, TimePoint
from any2bokeh.settings.video_settings import InputSettings, TimeRange

STILLS = Range("stills", "a number of moments", 1, 48)
FOCUS_VALUES = Range("focus_values", "a number of focal planes", 1, 25)
BLUR_VALUES = Range("blur_values", "a number of blur strengths", 1, 5)


@dataclass(frozen=True, kw_only=True)
class PreviewSettings:
    """The moments to preview, of the result of a run on ``time_range``.

    ``at`` names the moments; where it is empty, a sheet and a page take ``stills`` of them, spread over the
    range, a single look the one in its middle. ``focus_values`` and ``blur_values`` are how many focal planes
    a sweep or a page draws, and how many blur strengths a page.
    """

    at: tuple[TimePoint, ...] = ()
    stills: int = 8
    focus_values: int = 7
    blur_values: int = 3
    focus: PreviewFocusSettings = field(default_factory=PreviewFocusSettings)
    depth: DepthSettings = field(default_factory=DepthSettings)
    render: RenderSettings = field(default_factory=RenderSettings)
    time_range: TimeRange = field(default_factory=TimeRange)
    input: InputSettings = field(default_factory=InputSettings)

    @property
    def clip(self) -> ClipSettings:
        """The settings of the clip itself."""
        return ClipSettings.rendered(self.focus, self.depth, self.time_range, self.render, self.input)

    def __post_init__(self) -> None:
        STILLS.check(self.stills)
        FOCUS_VALUES.check(self.focus_values)
        BLUR_VALUES.check(self.blur_values)
        assert self.clip  # its settings check themselves

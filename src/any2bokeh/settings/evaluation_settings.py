"""What the user can choose of an evaluation: which methods, on what, and how much is shown."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from any2bokeh.errors import SettingsError, shown
from any2bokeh.paths import checked_name
from any2bokeh.settings.clip_settings import ClipSettings
from any2bokeh.settings.depth_settings import DepthSettings
from any2bokeh.settings.device_settings import DeviceName, DtypeName
from any2bokeh.settings.focus_settings import PreviewFocusSettings
from any2bokeh.settings.render_settings import DiffusionSettings, LensSettings
from any2bokeh.settings.values import Range, check_choice
from any2bokeh.settings.video_settings import TimeRange

BaselineName = Literal["gather", "scatter", "planes", "occlusion-gather"]
MethodName = Literal["none", BaselineName, "lens", "small", "diffusion"]
METHODS: tuple[MethodName, ...] = get_args(MethodName)
ON_REQUEST = ("scatter", "planes", "occlusion-gather")  # seconds per small frame, and no use but to compare
PERTURBED = "-perturbed"  # how the name of a method ends that is given perturbed disparity
TRUTH = "truth"

LIMIT = Range("limit", "a number of cases", 1, 1_000_000)
SHOWN = Range("shown", "a number of cases", 0, 24)


@dataclass(frozen=True)
class NamedFolder:
    """A folder of finished clips, or of a network's weights, and what its method is called."""

    name: str
    folder: Path

    def __post_init__(self) -> None:
        checked_name(self.name, "The name of a method")
        if not re.fullmatch(r"\w[\w.+-]*", self.name) or self.name.endswith(PERTURBED):
            raise SettingsError(
                f"The name of a method takes letters, digits and -+._ only, got {shown(self.name)}."
            )


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """Which methods are compared, and what real clips are focused on.

    ``methods`` of ``None`` are all that this machine can run, but for those that run ``ON_REQUEST``;
    ``checkpoints`` are run as networks besides.
    ``perturb`` runs each method that sees disparity once more, with an estimator's mistakes in it,
    ``ablations`` without some of its parts. No more than ``limit`` cases are evaluated, spread over clips and
    settings; ``shown`` of them are shown in pictures.
    """

    methods: tuple[MethodName, ...] | None = None
    predictions: tuple[NamedFolder, ...] = ()
    checkpoints: tuple[NamedFolder, ...] = ()
    perturb: bool = False
    ablations: bool = False
    limit: int | None = None
    shown: int = 3
    device: DeviceName = "auto"
    dtype: DtypeName = "auto"
    focus: PreviewFocusSettings = field(default_factory=PreviewFocusSettings)
    depth: DepthSettings = field(default_factory=DepthSettings)
    lens: LensSettings = field(default_factory=LensSettings)
    diffusion: DiffusionSettings = field(default_factory=DiffusionSettings)
    time_range: TimeRange = field(default_factory=TimeRange)

    @property
    def clip(self) -> ClipSettings:
        """The settings of a real clip."""
        return ClipSettings(
            focus=self.focus,
            depth=self.depth,
            time_range=self.time_range,
            device=self.device,
            dtype=self.dtype,
        )

    def __post_init__(self) -> None:
        for method in self.methods or ():
            check_choice("`methods`", method, MethodName)
        check_choice("`device`", self.device, DeviceName)
        check_choice("`dtype`", self.dtype, DtypeName)
        named = [*self.predictions, *self.checkpoints]
        if self.methods == () and not named:
            raise SettingsError(
                "No method to evaluate.", hint="Give `methods`, `predictions` or `checkpoints`."
            )
        check_method_names([*METHODS, TRUTH, *(one.name for one in named)])
        if self.limit is not None:
            LIMIT.check(self.limit)
        SHOWN.check(self.shown)


def check_method_names(methods: Sequence[str]) -> None:
    """Raise ``SettingsError`` where two methods have one name, or names that some systems see as one."""
    seen = [name.casefold() for name in methods]
    if twice := next((name for name in methods if seen.count(name.casefold()) > 1), None):
        raise SettingsError(
            f"Two methods have the name {twice}, capitals aside:"
            " rename one of `predictions` or `checkpoints`."
        )

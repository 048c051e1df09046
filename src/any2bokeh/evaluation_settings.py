"""What the user can choose of an evaluation: which methods, on what, and how much is shown."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from any2bokeh.errors import SettingsError
from any2bokeh.focus_settings import PreviewFocusSettings
from any2bokeh.settings import (
    DepthSettings,
    DeviceName,
    DiffusionSettings,
    DtypeName,
    LensSettings,
    TimeRange,
)
from any2bokeh.values import Range, check_choice

MethodName = Literal["none", "gather", "lens", "small", "diffusion"]
METHODS: tuple[MethodName, ...] = get_args(MethodName)
PERTURBED = "-perturbed"  # how the name of a method ends that is given perturbed disparity
TRUTH = "truth"

LIMIT = Range("Limit", "a number of cases", 1, 1_000_000)
SHOWN = Range("Shown", "a number of cases", 0, 24)


@dataclass(frozen=True)
class Prediction:
    """A folder of finished clips, and what its method is called."""

    name: str
    folder: Path

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.+-]*", self.name) or self.name.endswith(PERTURBED):
            raise SettingsError(f"A method's name has letters, digits and -+._ alone, got {self.name!r}.")
        if self.name in (*METHODS, TRUTH):
            raise SettingsError(f"{self.name} is a method of ours: give the predictions another name.")


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """Which methods are compared, and what real clips are focused on.

    ``methods`` of ``None`` are all that this machine can run. ``perturb`` runs each method that sees
    disparity once more, with an estimator's mistakes in it, ``ablations`` without some of its parts. No more
    than ``limit`` cases are evaluated, spread over clips and settings; ``shown`` of them are shown in
    pictures.
    """

    methods: tuple[MethodName, ...] | None = None
    predictions: tuple[Prediction, ...] = ()
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

    def __post_init__(self) -> None:
        for method in self.methods or ():
            check_choice("Method", method, MethodName)
        check_choice("Device", self.device, DeviceName)
        check_choice("Dtype", self.dtype, DtypeName)
        if self.methods == () and not self.predictions:
            raise SettingsError(
                "There is no method to evaluate.", hint="--methods or --predictions names some."
            )
        names = [prediction.name for prediction in self.predictions]
        if len(set(names)) < len(names):
            raise SettingsError(f"Two predictions have one name: {', '.join(names)}.")
        if self.limit is not None:
            LIMIT.check(self.limit)
        SHOWN.check(self.shown)

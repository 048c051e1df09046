"""The settings of a data set of synthetic clips."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from any2bokeh.errors import SettingsError
from any2bokeh.settings.device_settings import DeviceName
from any2bokeh.settings.focus_settings import BLUR_STRENGTH
from any2bokeh.settings.values import Range, check_choice

Split = Literal["train", "test"]
Scenes = Literal["paper", "rich", "mixed"]
MotionBlur = Literal["off", "on", "mixed"]

CLIPS = Range("clips", "a number of clips", 1, 1_000_000)
FRAMES = Range("frames", "a number of frames", 1, 1000)
SAMPLES = Range("samples", "rays per pixel", 4, 65536)
VERSIONS = Range("versions", "a number of refocused versions", 1, 32)
SEED = Range("seed", "a whole number", 0, 2**31 - 1)
SIDE = Range("size", "pixels", 16, 8192)
JOBS = Range("jobs", "a number of processes", 1, 256)

# The paper's.
BLUR_STRENGTHS: dict[str, tuple[float, ...]] = {"train": (12, 16, 20, 24, 28), "test": (4, 8, 16, 32)}


@dataclass(frozen=True)
class PictureSize:
    """Width and height in pixels."""

    width: int
    height: int

    def __post_init__(self) -> None:
        SIDE.check(self.width, called="`width`")
        SIDE.check(self.height, called="`height`")

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True, kw_only=True)
class SynthesisSettings:
    """A data set: ``clips`` of ``frames`` pictures each, in ``versions`` with different focus and K.

    ``blur_strengths`` are what K is drawn from where it does not ramp; None is the paper's for the split.
    ``foregrounds`` and ``backgrounds`` are folders of the user's pictures and videos; without them all is
    drawn. Everything random follows from ``seed``, the split and a clip's number.
    """

    clips: int = 10
    split: Split = "train"
    scenes: Scenes = "paper"
    size: PictureSize = PictureSize(1024, 576)
    frames: int = 25
    versions: int = 6
    blur_strengths: tuple[float, ...] | None = None
    motion_blur: MotionBlur = "off"
    samples: int = 256
    seed: int = 0
    foregrounds: Path | None = None
    backgrounds: Path | None = None
    device: DeviceName = "cpu"

    def __post_init__(self) -> None:
        for name, choices in (("split", Split), ("scenes", Scenes), ("motion_blur", MotionBlur)):
            check_choice(f"`{name}`", getattr(self, name), choices)
        for accepted, value in (
            (CLIPS, self.clips),
            (FRAMES, self.frames),
            (VERSIONS, self.versions),
            (SAMPLES, self.samples),
            (SEED, self.seed),
        ):
            accepted.check(value)
        if self.blur_strengths is not None and not self.blur_strengths:
            raise SettingsError("`blur_strengths` needs at least one number.")
        for strength in self.blur_strengths or ():
            BLUR_STRENGTH.check(strength, called="`blur_strengths`")

    @property
    def drawn_from(self) -> tuple[float, ...]:
        """What K is drawn from."""
        return self.blur_strengths or BLUR_STRENGTHS[self.split]

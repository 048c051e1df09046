"""What the user can choose: one frozen dataclass per step, each checks itself."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from any2bokeh.errors import SettingsError
from any2bokeh.focus_settings import FocusSettings as FocusSettings
from any2bokeh.focus_settings import PreviewFocusSettings
from any2bokeh.values import Range, TimePoint, check_choice

DisparityKind = Literal["disparity", "inverted", "depth"]
DepthModel = Literal["auto", "compact", "small", "base", "large"]
RendererName = Literal["auto", "lens", "small", "diffusion"]
DeviceName = Literal["auto", "cpu", "cuda", "mps"]
DtypeName = Literal["auto", "float32", "bfloat16", "float16"]
ApertureShape = Literal["disc", "polygon"]
LensQuality = Literal["standard", "best"]
MaskMode = Literal["released", "paper"]
KPrecision = Literal["float32", "float16_exponents", "float16"]

DEPTH_SIZE = Range("Depth size", "a number of pixels", 56, 2048)
DEPTH_EVERY = Range("Depth every", "a number of frames", 1, 48)
BLADES = Range("Blades", "a number of sides", 3, 16)
ROUNDNESS = Range("Roundness", "a share", 0, 1)
ROTATION_DEG = Range("Rotation", "an angle in degrees", -360, 360)
CATS_EYE = Range("Cat's eye", "a share of the radius", 0, 1)
ANAMORPHIC = Range("Anamorphic", "a ratio of height to width", 1, 3)
HIGHLIGHTS = Range("Highlights", "a multiple of white", 0, 20)
HIGHLIGHT_THRESHOLD = Range("Highlight threshold", "a code value", 0, 1)
STILLS = Range("Stills", "a number of moments", 1, 48)
FOCUS_VALUES = Range("Focus values", "a number of focal planes", 1, 25)
BLUR_VALUES = Range("K values", "a number of blur strengths", 1, 5)
WORK_SIZE = Range("Work size", "a number of pixels", 128, 4096)
CHUNK_LENGTH = Range("Chunk", "a number of frames", 1, 64)
OVERLAP = Range("Overlap", "a number of frames", 0, 32)
CRF = Range("CRF", "an encoder quality", 0, 63)


@dataclass(frozen=True, kw_only=True)
class DepthSettings:
    """Where disparity comes from: a given track, or an estimator whose result is cached.

    ``size`` is the shorter side of the estimator's working frame in pixels; ``None`` follows the device.
    ``every`` is the distance in frames of those that are estimated, between which disparity is carried along
    the motion of the picture; with ``None`` it is all where that is quick, else as many as the motion
    asks for.
    """

    track: Path | None = None
    kind: DisparityKind = "disparity"
    model: DepthModel = "auto"
    size: int | None = None
    every: int | None = None
    steady: bool | None = None  # None: estimated disparity is steadied, a given track is not
    single_shot: bool = False  # cuts are not looked for
    use_cache: bool = True

    def __post_init__(self) -> None:
        check_choice("Disparity kind", self.kind, DisparityKind)
        check_choice("Depth", self.model, DepthModel)
        if self.size is not None:
            DEPTH_SIZE.check(self.size)
        if self.every is not None:
            DEPTH_EVERY.check(self.every)


@dataclass(frozen=True, kw_only=True)
class LensSettings:
    """The aperture's shape and what happens to clipped lights.

    The polygon's blades are straight at ``roundness`` 0 and parts of one circle at 1; ``rotation_deg`` turns
    it counter-clockwise on the display. In the corners of the frame ``cats_eye`` displaces the rim that cuts
    the aperture off, in radii; the light of a point stays the same. ``anamorphic`` is the height of the
    aperture over its width. ``highlights`` is how many times brighter than white a pixel above
    ``highlight_threshold`` (code value 0..1) may become, minus one.
    ``quality`` "best" also looks into the frames around for what things hide in one frame.
    """

    aperture: ApertureShape = "disc"
    blades: int = 6
    roundness: float = 0.0
    rotation_deg: float = 0.0
    cats_eye: float = 0.0
    anamorphic: float = 1.0
    highlights: float = 0.0
    highlight_threshold: float = 0.95
    quality: LensQuality = "standard"

    def __post_init__(self) -> None:
        check_choice("Aperture", self.aperture, ApertureShape)
        check_choice("Quality", self.quality, LensQuality)
        BLADES.check(self.blades)
        ROUNDNESS.check(self.roundness)
        ROTATION_DEG.check(self.rotation_deg)
        CATS_EYE.check(self.cats_eye)
        ANAMORPHIC.check(self.anamorphic)
        HIGHLIGHTS.check(self.highlights)
        HIGHLIGHT_THRESHOLD.check(self.highlight_threshold)


@dataclass(frozen=True, kw_only=True)
class ChunkSettings:
    """How frames are grouped that are processed together; lengths are in frames.

    Of the ``overlap`` that a chunk shares with the next, ``context`` frames at its end, and as many at the
    next one's beginning, only help the others and do not count. A last chunk begins as early as it takes to
    have ``shortest`` frames, by default ``length``.
    """

    length: int = 8
    overlap: int = 4
    context: int = 0
    shortest: int | None = None

    def __post_init__(self) -> None:
        CHUNK_LENGTH.check(self.length)
        if not 0 <= self.overlap <= self.length // 2:
            raise SettingsError(
                f"Overlap must be a number of frames from 0 to half of the chunk's {self.length},"
                f" got {self.overlap}."
            )
        if not 0 <= self.context <= self.overlap // 2:
            raise SettingsError(
                f"Context must be a number of frames from 0 to half of the overlap's {self.overlap},"
                f" got {self.context}."
            )


@dataclass(frozen=True, kw_only=True)
class DiffusionSettings:
    """How the paper's network is run.

    ``weights`` is the name of an imported checkpoint, or a folder; ``None`` is the published one.
    ``work_size`` is the longer side, in pixels, of the 16:9 frame whose area the working frame stays within.
    ``chunk`` frames are denoised together and share ``overlap`` with the next ones. ``mpi`` off skips the
    gated attention to planes, for comparison. ``low_memory`` keeps only the part of the network that is at
    work on the device.
    """

    weights: str | None = None
    work_size: int = 1024
    chunk: int = ChunkSettings.length
    overlap: int = ChunkSettings.overlap
    mpi: bool = True
    low_memory: bool = False
    compile: bool = False

    def __post_init__(self) -> None:
        WORK_SIZE.check(self.work_size)
        ChunkSettings(length=self.chunk, overlap=self.overlap)

    @property
    def chunks(self) -> ChunkSettings:
        """How frames are grouped for the U-Net."""
        return ChunkSettings(length=self.chunk, overlap=self.overlap)


@dataclass(frozen=True, kw_only=True)
class RenderSettings:
    """Which renderer, where it runs and in which precision."""

    renderer: RendererName = "auto"
    device: DeviceName = "auto"
    dtype: DtypeName = "auto"
    lens: LensSettings = field(default_factory=LensSettings)
    diffusion: DiffusionSettings = field(default_factory=DiffusionSettings)

    def __post_init__(self) -> None:
        check_choice("Renderer", self.renderer, RendererName)
        check_choice("Device", self.device, DeviceName)
        check_choice("Dtype", self.dtype, DtypeName)


@dataclass(frozen=True, kw_only=True)
class TimeRange:
    """The part of the video to work on; ``None`` is the beginning or the end, ``end`` is exclusive."""

    start: TimePoint | None = None
    end: TimePoint | None = None

    def __post_init__(self) -> None:
        if self.start is None or self.end is None:
            return
        pairs = (self.start.seconds, self.end.seconds), (self.start.frame, self.end.frame)
        ends_early = any(start is not None and end is not None and end <= start for start, end in pairs)
        if ends_early:
            raise SettingsError(f"The end, {self.end}, must be after the start, {self.start}.")


@dataclass(frozen=True, kw_only=True)
class EncodeSettings:
    """How the result is written. ``None`` leaves the choice to the source: see ``video/encode.py``."""

    codec: str | None = None
    crf: float | None = None
    preset: str | None = None
    pixel_format: str | None = None
    lossless: bool = False
    audio: bool = True

    def __post_init__(self) -> None:
        if self.crf is not None:
            CRF.check(self.crf)
        if self.lossless and (self.codec or self.crf is not None or self.preset or self.pixel_format):
            raise SettingsError("Lossless chooses codec, crf, preset and pixel format itself.")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that one run of ``refocus`` is told, besides its input and output.

    ``save_focus_track`` is where the focus of each frame is written, CSV or (``.json``) JSON.
    """

    focus: FocusSettings
    depth: DepthSettings = field(default_factory=DepthSettings)
    render: RenderSettings = field(default_factory=RenderSettings)
    time_range: TimeRange = field(default_factory=TimeRange)
    encode: EncodeSettings = field(default_factory=EncodeSettings)
    save_focus_track: Path | None = None


@dataclass(frozen=True, kw_only=True)
class ImportSettings:
    """How published weights become a checkpoint: its name, and how the mask mode is found.

    ``mask_mode`` overrides what the weights say; ``svd`` is the U-Net of Stable Video Diffusion to
    compare them with, by default the one that was downloaded, if any.
    """

    name: str = "any-to-bokeh"
    mask_mode: MaskMode | None = None
    svd: Path | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.-]*", self.name):
            raise SettingsError(f"A name has letters, digits, '.', '-' and '_' alone, got {self.name!r}.")
        if self.mask_mode is not None:
            check_choice("Mask mode", self.mask_mode, MaskMode)


@dataclass(frozen=True, kw_only=True)
class TrackSettings:
    """What is asked of a disparity track that is written: where it comes from, and of which frames."""

    depth: DepthSettings = field(default_factory=DepthSettings)
    time_range: TimeRange = field(default_factory=TimeRange)
    device: DeviceName = "auto"
    dtype: DtypeName = "auto"

    def __post_init__(self) -> None:
        check_choice("Device", self.device, DeviceName)
        check_choice("Dtype", self.dtype, DtypeName)


@dataclass(frozen=True, kw_only=True)
class PreviewSettings:
    """What is looked at: moments of what a run on ``time_range`` is told to make.

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

    def __post_init__(self) -> None:
        STILLS.check(self.stills)
        FOCUS_VALUES.check(self.focus_values)
        BLUR_VALUES.check(self.blur_values)

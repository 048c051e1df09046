"""Which renderer draws, and how: the lens and the network."""

from dataclasses import dataclass, field
from typing import Literal

from any2bokeh.errors import SettingsError
from any2bokeh.settings.aperture_picture import AperturePicture
from any2bokeh.settings.device_settings import DeviceName, DtypeName
from any2bokeh.settings.values import Range, check_choice

RendererName = Literal["auto", "lens", "small", "diffusion"]
ApertureShape = Literal["disc", "polygon"]
LensQuality = Literal["standard", "best"]

BLADES = Range("blades", "a number of sides", 3, 16)
ROUNDNESS = Range("roundness", "a share", 0, 1)
ROTATION_DEG = Range("rotation_deg", "an angle in degrees", -360, 360)
CATS_EYE = Range("cats_eye", "a share of the radius", 0, 1)
ANAMORPHIC = Range("anamorphic", "a ratio of height to width", 1, 3)
GRAIN = Range("grain", "a multiple of what blur takes away", 0, 2)
HIGHLIGHTS = Range("highlights", "a multiple of white", 0, 20)
HIGHLIGHT_THRESHOLD = Range("highlight_threshold", "a code value", 0, 1)
WORK_SIZE = Range("work_size", "a number of pixels", 128, 4096)
CHUNK_LENGTH = Range("chunk", "a number of frames", 1, 64)
OVERLAP = Range("overlap", "a number of frames", 0, 32)


@dataclass(frozen=True, kw_only=True)
class LensSettings:
    """The aperture's shape and the treatment of clipped lights.

    ``aperture`` may be a picture: what a light behind the focal plane becomes; in front of it, upside down.
    The polygon's blades are straight at ``roundness`` 0 and parts of one circle at 1; ``rotation_deg`` turns
    polygon and picture counter-clockwise on the display. In the corners of the frame ``cats_eye`` displaces
    the rim that cuts the aperture off, in radii; the light of a point stays the same. ``anamorphic`` is the
    height of the aperture over its width. ``highlights`` is how many times brighter than white a pixel above
    ``highlight_threshold`` (code value 0..1) may become, minus one; ``None``: as much as lights seem to be.
    ``quality`` "best" also looks into neighboring frames for regions that are occluded in one frame.
    """

    aperture: ApertureShape | AperturePicture = "disc"
    blades: int = 6
    roundness: float = 0.0
    rotation_deg: float = 0.0
    cats_eye: float = 0.0
    anamorphic: float = 1.0
    highlights: float | None = None
    highlight_threshold: float = 0.95
    quality: LensQuality = "standard"

    def __post_init__(self) -> None:
        if not isinstance(self.aperture, AperturePicture):
            check_choice("`aperture`", self.aperture, ApertureShape)
        check_choice("`quality`", self.quality, LensQuality)
        BLADES.check(self.blades)
        ROUNDNESS.check(self.roundness)
        ROTATION_DEG.check(self.rotation_deg)
        CATS_EYE.check(self.cats_eye)
        ANAMORPHIC.check(self.anamorphic)
        if self.highlights is not None:
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
                f"`overlap` must be a number of frames from 0 to half of the chunk's {self.length},"
                f" got {self.overlap}."
            )
        if not 0 <= self.context <= self.overlap // 2:
            raise SettingsError(
                f"`context` must be a number of frames from 0 to half of the overlap's {self.overlap},"
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
    """Which renderer, where it runs and in which precision, and the steps around it.

    ``align_edges`` moves edges of disparity to where the picture has them. ``grain`` is how much of the
    clip's noise is put back where blur takes it away: 1 is as much.
    """

    renderer: RendererName = "auto"
    device: DeviceName = "auto"
    dtype: DtypeName = "auto"
    align_edges: bool = True
    grain: float = 0.0
    lens: LensSettings = field(default_factory=LensSettings)
    diffusion: DiffusionSettings = field(default_factory=DiffusionSettings)

    def __post_init__(self) -> None:
        check_choice("`renderer`", self.renderer, RendererName)
        check_choice("`device`", self.device, DeviceName)
        check_choice("`dtype`", self.dtype, DtypeName)
        GRAIN.check(self.grain)

"""One frame with its disparity, focal plane and blur strength: the input of a renderer."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from any2bokeh.errors import ShapeError
from any2bokeh.settings.color_settings import DISPLAY_REFERRED, TransferFunction


class SceneEncoding(ABC):
    """How code values, 0 to 1 over the whole range of codes, encode scene light."""

    @abstractmethod
    def encode(self, linear: Tensor) -> Tensor:
        """Code values of linear light."""

    @abstractmethod
    def decode(self, code: Tensor) -> Tensor:
        """Linear light of code values."""


Transfer = TransferFunction | SceneEncoding  # by name, or the encoding itself


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """One picture of a video at its time.

    ``picture`` is ``3 H W`` float32 in displayed orientation: display-referred R'G'B' in 0..1, or code values
    of scene light, which may lie outside.
    ``pts`` counts the time base of the video that it came from. ``layers`` (``H W`` by name) are written
    beside the picture, where a file holds them.
    """

    picture: Tensor
    pts: int
    layers: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check("picture", self.picture, channels=3)


@dataclass(frozen=True, kw_only=True)
class PictureFormat:
    """The format that all pictures of a clip share.

    ``height`` and ``width`` are in pixels; ``transfer`` is how code values encode light;
    ``pixel_aspect`` is the displayed width of a pixel over its height.
    """

    height: int
    width: int
    transfer: Transfer = "srgb"
    pixel_aspect: float = 1.0

    @property
    def longer_side_px(self) -> float:
        """The longer displayed side, in displayed pixels, by which K is counted."""
        return max(self.width * self.pixel_aspect, self.height)

    @property
    def keeps_beyond_white(self) -> bool:
        """Whether code values are of scene light, which does not end at white."""
        return self.transfer not in DISPLAY_REFERRED

    @property
    def as_shown(self) -> "PictureFormat":
        """The format of these pictures on a screen; see ``optics.transfer.shown_picture``."""
        return replace(self, transfer="srgb") if self.keeps_beyond_white else self


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """One all-in-focus frame with its geometry and the focus asked for.

    ``sharp`` is ``3 H W`` float32, code values as in ``Frame``; ``disparity`` is ``1 H W`` float32
    in 0..1 (near is 1) at the same size; ``focus_disparity`` is the disparity that stays sharp;
    ``blur_strength`` is the radius of the circle of confusion in pixels, per unit of disparity
    difference, in a frame whose longer displayed side is 1024 pixels. ``coverage``, ``1 H W`` float32 in
    0..1, is the share of each pixel that held subjects cover, ``None`` where none is held; from a half on
    ``disparity`` is theirs. A renderer that cannot use it ignores it. ``edges_aligned`` says that edges of
    disparity have been brought to where the picture has them. For those who go on working with the picture,
    and not for renderers: ``matte`` is the share of all that are held, in focus or not, and ``unshaped`` is
    the disparity before a depth of field or that alignment changed it, ``None`` where neither did.
    """

    sharp: Tensor
    disparity: Tensor
    focus_disparity: float
    blur_strength: float
    pts: int
    coverage: Tensor | None = None
    edges_aligned: bool = False
    matte: Tensor | None = None
    unshaped: Tensor | None = None

    def __post_init__(self) -> None:
        _check("sharp", self.sharp, channels=3)
        for name in ("disparity", "coverage", "matte", "unshaped"):
            image = getattr(self, name)
            if image is None:
                continue
            _check(name, image, channels=1)
            if self.sharp.shape[1:] != image.shape[1:]:
                raise ShapeError(f"{name} is {_size(image)} where the picture is {_size(self.sharp)}")


def _size(image: Tensor) -> str:
    return f"{image.shape[2]}x{image.shape[1]}"


def _check(name: str, image: Tensor, channels: int) -> None:
    if image.ndim != 3 or image.shape[0] != channels or image.dtype != torch.float32:
        raise ShapeError(f"{name} must be {channels} H W float32, got {tuple(image.shape)} {image.dtype}")

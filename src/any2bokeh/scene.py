"""One frame with its disparity, focal plane and blur strength: the input of a renderer."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from any2bokeh.errors import ShapeError

TransferFunction = Literal["srgb", "pq", "hlg"]  # how code values encode light: any2bokeh.optics.transfer


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """One picture of a video at its time.

    ``picture`` is ``3 H W`` float32, display-referred R'G'B' in 0..1, in displayed orientation.
    ``pts`` counts the time base of the video that it came from.
    """

    picture: Tensor
    pts: int

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
    transfer: TransferFunction = "srgb"
    pixel_aspect: float = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """One all-in-focus frame with its geometry and the focus asked for.

    ``sharp`` is ``3 H W`` float32 display-referred R'G'B' in 0..1; ``disparity`` is ``1 H W`` float32
    in 0..1 (near is 1) at the same size; ``focus_disparity`` is the disparity that stays sharp;
    ``blur_strength`` is the radius of the circle of confusion in pixels, per unit of disparity
    difference, in a frame whose longer displayed side is 1024 pixels. ``coverage``, ``1 H W`` float32 in
    0..1, is the share of each pixel that held subjects cover, ``None`` where none is held; from a half on
    ``disparity`` is theirs. A renderer that cannot use it ignores it.
    """

    sharp: Tensor
    disparity: Tensor
    focus_disparity: float
    blur_strength: float
    pts: int
    coverage: Tensor | None = None

    def __post_init__(self) -> None:
        _check("sharp", self.sharp, channels=3)
        for name, image in (("disparity", self.disparity), ("coverage", self.coverage)):
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

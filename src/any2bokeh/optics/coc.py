"""The circle of confusion: how large a point of the scene is drawn."""

from dataclasses import dataclass

from torch import Tensor

REFERENCE_SIDE_PX = 1024  # the frame size in which blur strength is stated
SHARP_PX, SOFT_PX = 0.5, 2.0  # radii up to which a pixel is in focus, and from which on it is not


@dataclass(frozen=True)
class CocScale:
    """Between disparity and signed circle of confusion: ``coc = (focus_disparity - disparity) * px``."""

    focus_disparity: float
    px: float

    @classmethod
    def of(cls, focus_disparity: float, blur_strength: float, longer_side_px: float) -> "CocScale":
        """The scale in a frame whose longer displayed side is ``longer_side_px``.

        A proxy and its original look alike at the same blur strength.
        """
        return cls(focus_disparity, blur_strength * longer_side_px / REFERENCE_SIDE_PX)

    def coc(self, disparity: Tensor) -> Tensor:
        """Signed radius of the circle of confusion in displayed pixels, positive behind the focal plane.

        ``disparity`` is any shape, 0..1, near is 1.
        """
        return (self.focus_disparity - disparity) * self.px

    def disparity(self, coc: Tensor) -> Tensor:
        """The disparity of a circle of confusion [px]."""
        return self.focus_disparity - coc / self.px


def coc_px(disparity: Tensor, focus_disparity: float, blur_strength: float, longer_side_px: float) -> Tensor:
    """Signed radius of the circle of confusion in displayed pixels, as ``CocScale.coc``."""
    return CocScale.of(focus_disparity, blur_strength, longer_side_px).coc(disparity)


def focus_matte(coc: Tensor) -> Tensor:
    """Return how much of each pixel is in focus: 1 up to ``SHARP_PX``, 0 from ``SOFT_PX`` on, linear between.

    ``coc`` is the signed radius in pixels, of any shape.
    """
    return ((SOFT_PX - coc.abs()) / (SOFT_PX - SHARP_PX)).clamp(0, 1)

"""The frame that the network works on: the clip's picture, scaled and padded to its size."""

from dataclasses import dataclass
from typing import Self

from torch import Tensor
from torch.nn.functional import interpolate, pad

from any2bokeh.optics.coc import REFERENCE_SIDE_PX
from any2bokeh.scene import PictureFormat

SIDE_MULTIPLE = 64  # pixels: eight to a latent cell, and three halvings in the U-Net


@dataclass(frozen=True)
class WorkingFrame:
    """How pictures of a clip become the network's, and back.

    The picture, its pixels made square, is scaled uniformly to ``height`` x ``width`` and then padded by
    repeated edges to ``padded_height`` x ``padded_width``, multiples of 64.
    """

    height: int
    width: int
    padded_height: int
    padded_width: int

    @classmethod
    def of(cls, pictures: PictureFormat, work_size: int) -> Self:
        """The working frame of a clip: see ``fit``."""
        return cls.fit(pictures.height, pictures.width, pictures.pixel_aspect, work_size)

    @classmethod
    def fit(cls, height: int, width: int, pixel_aspect: float, work_size: int) -> Self:
        """The largest frame for a clip's pictures within ``work_size`` x 9/16 ``work_size`` worth of pixels.

        ``pixel_aspect`` is the displayed width of a pixel over its height.
        """
        budget = work_size * work_size * 9 // 16
        shown_width = width * pixel_aspect

        def scale_of(rows: int) -> float:
            columns = budget // (rows * SIDE_MULTIPLE) // SIDE_MULTIPLE
            return SIDE_MULTIPLE * min(rows / height, columns / shown_width)

        most = budget // SIDE_MULTIPLE**2
        scale = max(scale_of(rows) for rows in range(1, most + 1))
        content = max(1, round(height * scale)), max(1, round(shown_width * scale))
        return cls(*content, *(-(-side // SIDE_MULTIPLE) * SIDE_MULTIPLE for side in content))

    def net_blur_strength(self, blur_strength: float) -> float:
        """K as the network is given it: the radius in pixels of the working frame."""
        return blur_strength * max(self.height, self.width) / REFERENCE_SIDE_PX

    def scale(self, images: Tensor) -> Tensor:
        """``T C H W`` images of the clip at the working scale, ``T C h w``, not padded."""
        size = (self.height, self.width)
        return interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)

    def scale_labels(self, labels: Tensor) -> Tensor:
        """``T 1 H W`` labels at the working scale: the nearest one, never one between two."""
        return interpolate(labels, (self.height, self.width), mode="nearest-exact")

    def pad(self, images: Tensor) -> Tensor:
        """``T C h w`` images at the working scale, padded by repeated edges."""
        left, top = self._margin()
        right, bottom = self.padded_width - self.width - left, self.padded_height - self.height - top
        return pad(images.float(), (left, right, top, bottom), mode="replicate").to(images.dtype)

    def crop(self, images: Tensor) -> Tensor:
        """``T C H W`` images of the padded frame without the padding, ``T C h w``."""
        left, top = self._margin()
        return images[..., top : top + self.height, left : left + self.width]

    def _margin(self) -> tuple[int, int]:
        return (self.padded_width - self.width) // 2, (self.padded_height - self.height) // 2

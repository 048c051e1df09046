"""A disparity map brought to the size of its picture, with edges where the picture has them.

A depth network answers at a fraction of the frame's size, and what it draws between a near and a far
surface is a ramp: disparities at which nothing in the scene stands. So at a step no value is mixed.
Samples inside ramps are set aside, the rest are split into a nearer and a farther surface, each surface
is continued by its own slope, and every pixel takes the one whose colours it resembles. Away from steps,
and on slopes, the map is plainly interpolated, so texture cannot leak into it.

The choice is a joint bilateral filter (Kopf et al., "Joint Bilateral Upsampling", 2007) that votes
between two surfaces instead of averaging over them.
"""

from torch import Tensor

from any2bokeh.depth.upsample_compiled import upsample_compiled
from any2bokeh.depth.upsample_reference import reduce_disparity, upsample_reference
from any2bokeh.errors import ShapeError


def upsample_disparity(disparity: Tensor, picture: Tensor) -> Tensor:
    """Bring ``disparity`` ``1 h w`` to the size of ``picture`` ``3 H W``, both float32: ``1 H W``.

    Equal sizes give ``disparity`` itself. No value leaves the range of the samples around it. A map
    larger than the picture is averaged where it is smooth and sampled at steps. Raises ``ShapeError``.
    """
    if disparity.ndim != 3 or disparity.shape[0] != 1:
        raise ShapeError(f"disparity must be 1 h w, got {tuple(disparity.shape)}")
    if picture.ndim != 3 or picture.shape[0] != 3:
        raise ShapeError(f"picture must be 3 H W, got {tuple(picture.shape)}")
    (h, w), (height, width) = disparity.shape[1:], picture.shape[1:]
    if (h, w) == (height, width):
        return disparity
    if h > height or w > width:
        return reduce_disparity(disparity, height, width)
    if picture.device.type == "cpu" and min(h, w) >= 2:
        return upsample_compiled(disparity, picture)
    return upsample_reference(disparity, picture)

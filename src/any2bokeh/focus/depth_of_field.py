"""A depth of field with a width, and other strengths before and behind it, as a remap of disparity.

Every renderer draws ``coc = K (d_f - d)``. What should be drawn instead is

    coc = K s sign(d_f - d) max(0, |d - d_f| - R / 2)

with s one factor in front of the focal plane and one behind it. So the disparity,
the focal plane and K are replaced by others whose difference, times K, is just that.
"""

from torch import Tensor

from any2bokeh.focus.focus_track import Focus
from any2bokeh.scene import Frame, Scene
from any2bokeh.settings.focus_settings import DepthOfFieldSettings

PLAIN = DepthOfFieldSettings()


def focused_scene(
    frame: Frame,
    disparity: Tensor,
    focus: Focus,
    depth_of_field: DepthOfFieldSettings,
    coverage: Tensor | None = None,
) -> Scene:
    """Return a scene; ``disparity`` is ``1 H W`` at its size, as is a held subject's ``coverage``."""
    shaped, focus_disparity, blur_strength = reshape(disparity, focus, depth_of_field)
    return Scene(
        sharp=frame.picture,
        disparity=shaped,
        focus_disparity=focus_disparity,
        blur_strength=blur_strength,
        pts=frame.pts,
        coverage=coverage,
    )


def reshape(disparity: Tensor, focus: Focus, settings: DepthOfFieldSettings) -> tuple[Tensor, float, float]:
    """Return disparity, focal plane and blur strength that draw ``focus`` with that depth of field.

    ``disparity`` (any shape, 0..1) becomes one in 0..1 in which nothing nearer becomes farther: what
    stays sharp falls together on the focal plane. Where a factor above 1 would lead out of 0..1, everything
    is moved, and if need be pressed together and K raised by as much: the blur stays the requested one.
    """
    plane, strength = focus.focus_disparity, focus.blur_strength
    if settings == PLAIN:
        return disparity, plane, strength
    half = settings.dof_range / 2
    nearest = settings.near_strength * max(0.0, 1 - plane - half)  # where 1 would come, from the new plane
    farthest = settings.far_strength * max(0.0, plane - half)  # and 0, to the other side
    press = max(1.0, nearest + farthest)
    new_plane = min(max(plane, farthest / press), 1 - nearest / press)
    away = disparity - plane
    near = (away - half).clamp(min=0) * settings.near_strength
    far = (-away - half).clamp(min=0) * settings.far_strength
    return (new_plane + (near - far) / press).clamp(0, 1), new_plane, strength * press

"""The blur strength K of a real lens, from the thin-lens formula.

A lens of focal length f and f-number N, focused at z_f, draws a point at z as a disc of the radius

    r = 1/2 (f^2 / N) z_f / (z_f - f) |1/z_f - 1/z|

on its sensor (all in meters). Disparity is linear in inverse distance: with disparity 1 at ``near_m`` and 0
at ``far_m``, 1/z = 1/far + d (1/near - 1/far), so |1/z_f - 1/z| = (1/near - 1/far) |d_f - d|. The sensor is
36 mm wide (full frame), and 1024 pixels in the frame that K counts in. Hence, per unit of disparity,

    K = 1/2 (f^2 / N) z_f / (z_f - f) (1/near - 1/far) 1024 / 0.036

K depends a little on where the focus is: nearer, the lens stands farther from its sensor. The 36 mm are taken
as the frame's longer side, as K counts the longer side.
"""

from any2bokeh.depth.distances import DepthRange
from any2bokeh.errors import SettingsError
from any2bokeh.optics.coc import REFERENCE_SIDE_PX
from any2bokeh.settings.focus_settings import BLUR_STRENGTH, CameraSettings

SENSOR_M = 0.036


def blur_strength(camera: CameraSettings, distances: DepthRange, focus_disparity: float) -> float:
    """Return K of a camera whose f-number is given, focused at a disparity that stands for ``distances``.

    Raises ``SettingsError`` where it is more than can be drawn, or the lens cannot be focused there.
    """
    assert camera.f_stop is not None
    focal_length_m = camera.focal_length_m
    focal_length = f"{focal_length_m * 1000:g} mm"
    per_disparity, focus_m = distances.per_disparity, distances.distance_m(focus_disparity)
    if focus_m <= focal_length_m:
        raise SettingsError(
            f"A lens of {focal_length} cannot be focused at {focus_m:.2g} m.",
            hint="Give a shorter `focal_length_mm`.",
        )
    extension = focus_m / (focus_m - focal_length_m)
    radius_m = 0.5 * focal_length_m**2 / camera.f_stop * extension * per_disparity
    strength = radius_m * REFERENCE_SIDE_PX / SENSOR_M
    if strength > BLUR_STRENGTH.high:
        raise SettingsError(
            f"A lens of {focal_length} at f/{camera.f_stop:g} focused at {focus_m:.2g} m has"
            f" K = {strength:.0f}, more than {BLUR_STRENGTH.high:g}.",
            hint="Use a higher `f_stop` or a shorter `focal_length_mm`.",
        )
    return strength

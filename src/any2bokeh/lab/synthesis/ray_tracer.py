"""Ground truth of a synthetic scene: its picture, its disparity, and its picture through a thin lens.

Rays are traced through every pixel (and through every part of the aperture), meet all planes, and these are
composited in linear light. Surfaces that a blurred foreground occludes from the middle of the lens are there.
The number of rays is the only approximation: each stands for a share of its pixel and circle of confusion,
and textures are read at that size.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from any2bokeh.errors import SettingsError
from any2bokeh.focus.focus_track import Focus
from any2bokeh.lab.synthesis.raster import Raster, draw_raster
from any2bokeh.lab.synthesis.rays import (
    DISC,
    Box,
    Optics,
    Sampling,
    blocks,
    is_small,
    lamp_rays,
    lens_sampling,
    pixel_rays,
    pixel_sampling,
)
from any2bokeh.lab.synthesis.shot import Shot, Sight
from any2bokeh.lab.synthesis.stage import FrameView, Stage
from any2bokeh.lab.synthesis.textures import shown_at
from any2bokeh.optics.coc import REFERENCE_SIDE_PX
from any2bokeh.settings.render_settings import LensSettings

EXPOSURE_STEPS = 8  # moments that motion blur is made of


@dataclass(frozen=True, kw_only=True, eq=False)
class Geometry:
    """The first surface with an alpha above one half at the center of each pixel.

    ``disparity`` is ``1 H W`` float32, ``a / z + b`` of the stage, clamped to 0..1; ``objects`` is
    ``1 H W`` int16, the plane's place in ``stage.planes``, -1 for the sky. Edges are hard.
    """

    disparity: Tensor
    objects: Tensor


def aperture_radius_m(stage: Stage, focus: Focus, view: FrameView) -> float:
    """Radius of the aperture that gives the blur strength K of ``focus``.

    A ray through the lens at distance A from its middle that is in focus at z_f leaves the picture of
    a point at depth z by f A |1/z_f - 1/z| pixels, f being the focal length in pixels. With
    d = a/z + b that is f A |d_f - d| / a, which is to be K |d_f - d| S/1024, S being the longer side
    of the picture. So A = K S/1024 a / f.
    """
    scale = focus.blur_strength * view.longer_side_px / REFERENCE_SIDE_PX
    return scale * stage.disparity_scale_m / stage.camera.focal_length_px(view)


class RayTracer:
    """A stage whose textures are drawn, ready to be seen at any time and size.

    All pictures are linear light and may exceed 1 where lamps are; ``optics.light`` encodes them.
    """

    def __init__(self, stage: Stage, device: torch.device | str = "cpu") -> None:
        self.stage = stage
        self.device = torch.device(device)
        self._rasters = [draw_raster(plane, self.device) for plane in stage.planes]
        self._shown = list(stage.planes)  # the planes of the rasters: footage changes

    def sharp(self, view: FrameView, samples: int = 16) -> Tensor:
        """The all-in-focus picture, linear ``3 H W``: the mean of ``samples`` rays over each pixel."""
        return self._picture(self._pinhole(view), pixel_sampling(samples, self.device))

    def refocused(
        self,
        view: FrameView,
        focus: Focus,
        aperture: LensSettings = DISC,
        *,
        samples: int = 256,
        seed: int = 0,
    ) -> Tensor:
        """The picture through a thin lens, linear ``3 H W``: the mean of ``samples`` rays per pixel.

        Rays are spread over the pixel and the aperture by a Sobol sequence scrambled by ``seed``: powers
        of two suit it best. With 256 the ready stages agree between two seeds to 50 to 53 dB (clipped
        linear light, K = 40; 41 dB on the fine print of ``depth_ramp``), four times as many add 5 to 8 dB.
        Only the shape of ``aperture`` matters here, as light is not clipped: a disc, or straight blades.
        Raises ``SettingsError`` for any other.
        """
        is_plain = aperture.aperture in ("disc", "polygon")
        if not is_plain or aperture.roundness or aperture.cats_eye or aperture.anamorphic != 1:
            raise SettingsError("The tracer knows only discs and polygons with straight sides as apertures.")
        optics = Optics(
            view=view,
            focal_px=self.stage.camera.focal_length_px(view),
            radius_m=aperture_radius_m(self.stage, focus, view),
            inverse_focus=(focus.focus_disparity - self.stage.disparity_offset)
            / self.stage.disparity_scale_m,
            aperture=aperture,
        )
        return self._picture(optics, lens_sampling(samples, seed, self.device))

    def geometry(self, view: FrameView) -> Geometry:
        """Disparity and objects at the pixels' centers."""
        shot, sampling = (
            Shot(self.stage, self._rasters_at(view.time_s), self._pinhole(view), self.device),
            pixel_sampling(1, self.device),
        )
        depth = torch.empty(view.height, view.width, device=self.device)
        objects = torch.empty(view.height, view.width, dtype=torch.int16, device=self.device)
        for box in blocks((0, 0, view.width, view.height), sampling):
            left, top, right, bottom = box
            nearest, first = shot.first_solid(box, pixel_rays(box, self._pinhole(view), sampling))
            depth[top:bottom, left:right] = nearest.reshape(bottom - top, right - left)
            objects[top:bottom, left:right] = first.reshape(bottom - top, right - left)
        disparity = self.stage.disparity_scale_m / depth + self.stage.disparity_offset
        return Geometry(disparity=disparity.clamp(0, 1)[None], objects=objects[None])

    def _rasters_at(self, time_s: float) -> list[Raster]:
        """The drawn textures at a time."""
        for i, plane in enumerate(self.stage.planes):
            shown = shown_at(plane, time_s)
            if shown is not self._shown[i] and shown != self._shown[i]:
                self._rasters[i], self._shown[i] = draw_raster(shown, self.device), shown
        return self._rasters

    def _pinhole(self, view: FrameView) -> Optics:
        return Optics(view=view, focal_px=self.stage.camera.focal_length_px(view))

    def _picture(self, optics: Optics, sampling: Sampling) -> Tensor:
        """Linear ``3 H W``: the mean over the moments of the exposure, each with its share of the rays."""
        view = optics.view
        picture = torch.zeros(3, view.height, view.width, device=self.device)
        parts = sampling.parts(EXPOSURE_STEPS if view.exposure_s else 1)
        for i, part in enumerate(parts):
            away_s = ((i + 0.5) / len(parts) - 0.5) * view.exposure_s
            moment = replace(optics, view=replace(view, time_s=view.time_s + away_s))
            self._add_moment(picture, moment, part)
        return picture.div_(len(parts))

    def _add_moment(self, picture: Tensor, optics: Optics, sampling: Sampling) -> None:
        """Add the light of one moment; lamps that are smaller than their blur have rays of their own."""
        shot = Shot(self.stage, self._rasters_at(optics.view.time_s), optics, self.device)
        lamps = [
            sight
            for sight in shot.sights
            if (sight.plane.emission or 0) > 1 and is_small(sight.pose, sight.plane.size_m, optics)
        ]
        self._add_light(picture, shot, sampling, lamps)

    def _add_light(self, picture: Tensor, shot: Shot, sampling: Sampling, lamps: list[Sight]) -> None:
        """Add all light to ``picture``; that of ``lamps`` by rays of their own."""
        optics = shot.optics
        shining = set(range(len(self.stage.planes))) - {lamp.index for lamp in lamps}

        def add(box: Box, light: Tensor) -> None:
            left, top, right, bottom = box
            light = light.reshape(3, bottom - top, right - left, -1).mean(-1)
            picture[:, top:bottom, left:right] += light

        for box in blocks((0, 0, optics.view.width, optics.view.height), sampling):
            add(box, shot.light(box, pixel_rays(box, optics, sampling), shining, sky=True))
        for lamp in lamps:
            for box in blocks(lamp.box, sampling):
                rays, weight = lamp_rays(box, optics, sampling, lamp.pose, lamp.plane.size_m)
                add(box, weight * shot.light(box, rays, {lamp.index}, sky=False))

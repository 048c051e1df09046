"""The ray tracer with compiled loops, for the CPU: the pictures of ``RayTracer`` many times faster."""

import math

import numpy as np
import torch
from torch import Tensor

from any2bokeh.arrays import Floats, Integers32
from any2bokeh.errors import SettingsError
from any2bokeh.lab.synthesis.compiled_exposure import Aim, Given, light_pixels, light_rows
from any2bokeh.lab.synthesis.compiled_rays import PixelRays, PixelScratch, Planes
from any2bokeh.lab.synthesis.raster import Raster, light_map
from any2bokeh.lab.synthesis.ray_tracer import RayTracer
from any2bokeh.lab.synthesis.rays import Optics, Sampling, blocks, lamp_rays
from any2bokeh.lab.synthesis.shot import Shot, Sight
from any2bokeh.lab.synthesis.stage import Stage


class CompiledRayTracer(RayTracer):
    """A stage whose planes have no ``shape`` (cut their textures instead), seen through a disc.

    Raises ``SettingsError`` for others. Not for several threads at once: frames share memory.
    """

    def __init__(self, stage: Stage) -> None:
        for plane in stage.planes:
            if plane.shape is not None:
                raise SettingsError(
                    f"The compiled tracer draws no shapes: cut the texture of plane {plane.name!r} instead."
                )
        super().__init__(stage)
        self._texels, self._sizes, self._firsts = _pack(self._rasters)

    def _rasters_at(self, time_s: float) -> list[Raster]:
        before = list(self._rasters)
        rasters = super()._rasters_at(time_s)
        if any(old is not new for old, new in zip(before, rasters, strict=True)):
            self._texels, self._sizes, self._firsts = _pack(rasters)
        return rasters

    def _add_light(self, picture: Tensor, shot: Shot, sampling: Sampling, lamps: list[Sight]) -> None:
        optics, samples = shot.optics, sampling.pattern.shape[1]
        if optics.aperture.aperture != "disc":
            raise SettingsError("The compiled tracer knows only the disc as an aperture.")
        shining = set(range(len(self.stage.planes))) - {lamp.index for lamp in lamps}
        planes = self._planes(shot, samples, shining)
        aim, scratch, rays = (
            _aim(optics, sampling, self.stage),
            _scratch(len(shot.sights), samples),
            _rays(samples),
        )
        light_rows(planes, rays, scratch, aim, picture.numpy())
        for lamp in lamps:
            planes = self._planes(shot, samples, {lamp.index})
            for box in blocks(lamp.box, sampling):
                sent, counts = lamp_rays(box, optics, sampling, lamp.pose, lamp.plane.size_m)
                assert sent.points is not None
                given = Given(
                    rays=torch.cat([sent.slopes, sent.points, counts[None]]).numpy(),
                    box=np.array(box, np.int32),
                )
                light_pixels(planes, rays, scratch, aim, given, picture.numpy())

    def _planes(self, shot: Shot, samples: int, shining: set[int]) -> Planes:
        """The planes of a shot with their rasters and light maps, as arrays."""
        sights, optics = shot.sights, shot.optics
        maps = [light_map(self.stage, sight.plane, optics.view.time_s) for sight in sights]
        sizes = [light_on.shape[2:] for light_on in maps]
        starts = np.cumsum([0] + [height * width for height, width in sizes])
        detail = [
            2 / (samples * optics.focal_px**2 * max(sight.distance_m, 1e-6) * sight.raster.texel_m**2)
            for sight in sights
        ]
        light = np.zeros((starts[-1], 4), np.float32)
        for start, light_on in zip(starts[:-1], maps, strict=True):
            entries = light_on[0].flatten(1).numpy().T
            light[start : start + len(entries), :3] = entries
        return Planes(
            equations=np.array([sight.equations.numpy() for sight in sights], np.float32).reshape(-1, 4, 6),
            boxes=np.array([sight.box for sight in sights], np.int32).reshape(-1, 4),
            detail=np.array(detail, np.float32),
            levels=np.array([self._firsts[sight.index] for sight in sights], np.int32).reshape(-1, 2),
            patches=np.array([sight.patches for sight in sights], np.float32).reshape(-1, 2),
            lights=np.array(
                [(start, *size) for start, size in zip(starts[:-1], sizes, strict=True)], np.int32
            ).reshape(-1, 3),
            shining=np.array([sight.index in shining for sight in sights], np.int32),
            texels=self._texels,
            sizes=self._sizes,
            light=light,
        )


def _pack(rasters: list[Raster]) -> tuple[Floats, Integers32, list[tuple[int, int]]]:
    """All texels ``n 4``, where each level begins and its size ``L 3``, and each raster's levels."""
    texels, firsts, start = [np.empty((0, 4), np.float32)], [], 0
    levels: list[tuple[int, int, int]] = []
    for raster in rasters:
        firsts.append((len(levels), len(raster.levels)))
        for level in raster.levels:
            texels.append(level[0].flatten(1).T.numpy())
            levels.append((start, *level.shape[2:]))
            start += len(texels[-1])
    return np.ascontiguousarray(np.concatenate(texels)), np.array(levels, np.int32).reshape(-1, 3), firsts


def _rays(count: int) -> PixelRays:
    return PixelRays(*(np.empty(count, np.float32) for _ in PixelRays._fields))


def _aim(optics: Optics, sampling: Sampling, stage: Stage) -> Aim:
    shifts = sampling.shifts if sampling.shifts is not None else torch.zeros(4, 1, 1)
    blur_px = optics.radius_m * optics.focal_px
    return Aim(
        pattern=sampling.pattern.numpy(),
        shifts=np.ascontiguousarray(shifts.permute(1, 2, 0).numpy()),
        optics=np.array([1 / optics.focal_px, optics.radius_m, optics.inverse_focus], np.float32),
        blur=np.array([math.pi * blur_px**2, optics.inverse_focus], np.float32),
        sky=np.array(stage.sky, np.float32),
    )


def _scratch(planes: int, samples: int) -> PixelScratch:
    def floats(*shape: int) -> Floats:
        return np.empty(shape, np.float32)

    def ints(*shape: int) -> Integers32:
        return np.empty(shape, np.int32)

    return PixelScratch(
        depth=floats(planes, samples),
        x=floats(planes, samples),
        y=floats(planes, samples),
        nearest=ints(planes),
        farthest=ints(planes),
        plane=ints(planes),
        order=ints(planes),
        turn=ints(samples),
        level=ints(samples),
        cells=ints(2, samples),
        shares=floats(2, samples),
        tint=floats(3, samples),
    )

"""One frame of a stage: which light comes along rays, and which plane they meet first."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from any2bokeh.lab.synthesis.hits import OPAQUE, Hits, meet, ray_equations, visible_corners
from any2bokeh.lab.synthesis.raster import Raster, light_map, read_grid
from any2bokeh.lab.synthesis.rays import Box, Number, Optics, Rays, aperture_reach
from any2bokeh.lab.synthesis.stage import Plane, Pose, Stage, camera_pose, plane_pose

Chosen = Tensor | None  # indices of some of the rays of a batch; None is all of them


@dataclass(frozen=True, kw_only=True, eq=False)
class Sight:
    """A plane as the camera sees it in this frame.

    ``box`` holds all pixels that it reaches, blur included.
    """

    index: int  # in stage.planes
    plane: Plane
    raster: Raster
    pose: Pose  # in the camera's coordinates
    equations: Tensor  # 4 6
    box: Box

    @property
    def distance_m(self) -> float:
        """Distance of the whole plane from the camera."""
        return abs(float(self.pose.forward @ self.pose.origin))

    @property
    def patches(self) -> tuple[float, float]:
        """How often the raster is repeated over the plane."""
        if self.plane.patch_m is None:
            return 1.0, 1.0
        return self.plane.size_m[0] / self.plane.patch_m[0], self.plane.size_m[1] / self.plane.patch_m[1]


class Shot:
    """One frame: the planes that its rays meet. ``rasters`` are the drawn textures of ``stage.planes``."""

    def __init__(self, stage: Stage, rasters: list[Raster], optics: Optics, device: torch.device) -> None:
        self._stage, self.optics, self._device = stage, optics, device
        self._sky = torch.tensor(stage.sky, device=device)[:, None]
        self._light_maps: dict[int, Tensor] = {}
        self.sights: list[Sight] = []
        time_s = optics.view.time_s
        camera = camera_pose(stage.camera, time_s)
        for index, (plane, raster) in enumerate(zip(stage.planes, rasters, strict=True)):
            pose = plane_pose(plane, time_s).seen_from(camera)
            box = self._box(pose, plane.size_m)
            if box[0] < box[2] and box[1] < box[3]:
                sight = Sight(
                    index=index,
                    plane=plane,
                    raster=raster,
                    pose=pose,
                    equations=torch.from_numpy(ray_equations(pose, plane.size_m)).float().to(device),
                    box=box,
                )
                self.sights.append(sight)

    def light(self, box: Box, rays: Rays, shining: set[int], *, sky: bool) -> Tensor:
        """Linear light ``3 R`` that comes along rays of a box of pixels: the front over the background.

        Only the planes in ``shining`` (places in ``stage.planes``) and the sky if asked for give light,
        but all planes stand in its way.
        """
        sights, hits = self._meet(box, rays)
        light = torch.zeros(3, rays.slopes.shape[1], device=self._device)
        clear = torch.ones_like(light[0])
        for layer in hits.layers():
            wanted = clear > OPAQUE
            if not wanted.any():
                break
            surfaces = {}
            for i in layer:
                here = _chosen(hits.inside[i] & wanted)
                if here is None or len(here):
                    surfaces[i] = here, self._lit(sights[i], hits, i, here, rays.per_pixel**-0.5)
            for i, (here, surface) in surfaces.items():
                if sights[i].index in shining:
                    share = self._uncovered(clear, surfaces, hits, i)
                    _add(light, here, share * surface[:3])
            for here, surface in surfaces.values():
                _multiply(clear, here, 1 - surface[3])
        return light + clear * self._sky if sky else light

    def first_solid(self, box: Box, rays: Rays) -> tuple[Tensor, Tensor]:
        """Depth and plane of the first alpha above one half along the rays of a box of pixels.

        ``R`` float32 meters, infinite for the sky, and ``R`` int16 places in ``stage.planes``, -1.
        """
        sights, hits = self._meet(box, rays)
        depth = torch.full_like(rays.slopes[0], torch.inf)
        first = torch.full_like(depth, -1, dtype=torch.int16)
        for layer in hits.layers():
            for i in layer:
                here = (hits.inside[i] & (hits.depth[i] < depth)).nonzero()[:, 0]
                if len(here):
                    solid = here[self._surface(sights[i], hits, i, here, sample_px=0.0)[3] > 0.5]
                    depth.index_copy_(0, solid, hits.depth[i].index_select(0, solid))
                    first.index_fill_(0, solid, sights[i].index)
        return depth, first

    def _meet(self, box: Box, rays: Rays) -> tuple[list[Sight], Hits]:
        left, top, right, bottom = box
        sights = [
            sight
            for sight in self.sights
            if sight.box[0] < right and sight.box[2] > left and sight.box[1] < bottom and sight.box[3] > top
        ]
        equations = [sight.equations for sight in sights] or [torch.empty(0, 4, 6, device=self._device)]
        return sights, meet(torch.stack(equations).reshape(-1, 4, 6), rays)

    def _uncovered(
        self, clear: Tensor, surfaces: dict[int, tuple[Chosen, Tensor]], hits: Hits, i: int
    ) -> Tensor:
        """The share of ``clear`` (``R``) left, where plane i is met, by planes of its layer met before."""
        here = surfaces[i][0]
        share = _pick(clear, here)
        for j, (there, other) in surfaces.items():
            if i != j and hits.nearest[j] <= hits.farthest[i]:
                occluded = torch.zeros_like(clear)
                _add(occluded, there, other[3])
                before = hits.depth[j] <= hits.depth[i] if j < i else hits.depth[j] < hits.depth[i]
                share = share * (1 - _pick(occluded * before, here))
        return share

    def _lit(self, sight: Sight, hits: Hits, i: int, here: Chosen, sample_px: float) -> Tensor:
        """Light times alpha, and alpha, ``4 M`` that plane i shows the ``M`` rays ``here``."""
        surface = self._surface(sight, hits, i, here, sample_px)
        if sight.index not in self._light_maps:
            light_on = light_map(self._stage, sight.plane, self.optics.view.time_s)
            self._light_maps[sight.index] = light_on.to(self._device)
        light_on = self._light_maps[sight.index]
        if light_on.shape[-1] == 1:
            surface[:3] *= light_on[0, :, 0]
        else:
            surface[:3] *= read_grid(light_on, _pick(hits.places[:, i], here), "border")
        return surface

    def _surface(self, sight: Sight, hits: Hits, i: int, here: Chosen, sample_px: float) -> Tensor:
        """Color times alpha, and alpha, ``4 M`` of plane i where the ``M`` rays ``here`` meet it.

        ``sample_px`` is the side of the part of a pixel that each ray stands for.
        """
        plane, places = sight.plane, _pick(hits.places[:, i], here)
        levels = self._levels(sight, hits, i, here, sample_px)
        if plane.patch_m is None:
            surface = sight.raster.at(places, levels)
        else:
            patches = sight.patches
            surface = sight.raster.at(torch.stack([places[0] * patches[0], places[1] * patches[1]]), levels)
        if plane.shape is not None:
            half_width_m, half_height_m = plane.size_m[0] / 2, plane.size_m[1] / 2
            surface *= plane.shape.coverage(places[0] * half_width_m, places[1] * half_height_m)
        return surface

    def _levels(self, sight: Sight, hits: Hits, i: int, here: Chosen, sample_px: float) -> int | Tensor:
        """Levels of the raster whose texels are as large as the footprint of one ray.

        That is a share of the pixel and of its circle of confusion. A pixel covers z / f across, and along
        the slope more by 1 / cos, which is z over the distance of the plane; the mean of both counts.
        """
        share = sample_px / self.optics.focal_px / max(sight.distance_m, 1e-6) ** 0.5

        def footprint_m(depth: Number) -> Number:
            blur_px = self.optics.coc_px(1 / depth)
            size_m: Number = share * depth**1.5 * (1 + math.pi * blur_px * blur_px) ** 0.5
            return size_m

        nearest, farthest = (
            sight.raster.level(footprint_m(depth)) for depth in (hits.nearest[i], hits.farthest[i])
        )
        if nearest == farthest:
            return nearest
        return sight.raster.level_of_each(footprint_m(_pick(hits.depth[i], here)))

    def _box(self, pose: Pose, size_m: tuple[float, float]) -> Box:
        """The pixels that a plane reaches, blur included; an empty box if there are none.

        Inverse depth and so the (signed) radius of the blur is linear over the picture of a plane: the
        discs of the corners hold those of all points between them.
        """
        corners = visible_corners(pose, size_m)
        if not len(corners):
            return 0, 0, 0, 0
        view, inverse = self.optics.view, 1 / corners[:, 2]
        reach = aperture_reach(self.optics.aperture)
        radius = abs(self.optics.coc_px(inverse)) * reach + 1
        x = view.width / 2 + corners[:, 0] * inverse * self.optics.focal_px
        y = view.height / 2 - corners[:, 1] * inverse * self.optics.focal_px
        return (
            max(0, math.floor((x - radius).min())),
            max(0, math.floor((y - radius).min())),
            min(view.width, math.ceil((x + radius).max())),
            min(view.height, math.ceil((y + radius).max())),
        )


def _chosen(mask: Tensor) -> Chosen:
    """Where a mask ``R`` holds."""
    return None if mask.all() else mask.nonzero()[:, 0]


# These are several times faster than indexing with brackets.


def _pick(values: Tensor, here: Chosen) -> Tensor:
    """The chosen ones of values ``... R``."""
    return values if here is None else values.index_select(-1, here)


def _add(values: Tensor, here: Chosen, more: Tensor) -> None:
    """Add ``... M`` to the chosen ones of values ``... R``."""
    if here is None:
        values += more
    else:
        values.index_add_(-1, here, more)


def _multiply(values: Tensor, here: Chosen, factor: Tensor) -> None:
    """Multiply the chosen ones of values ``R`` by ``M`` factors."""
    if here is None:
        values *= factor
    else:
        values.index_copy_(0, here, values.index_select(0, here) * factor)

"""The lens in plain torch: the reference, on any device."""

import math
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import torch
from torch import Tensor
from torch.nn.functional import pad

from any2bokeh.optics.coc import CocScale
from any2bokeh.optics.smoothstep import smoothstep
from any2bokeh.optics.transfer import Light, from_linear, to_linear
from any2bokeh.render.lens.aperture import widest_reach
from any2bokeh.render.lens.edges import unmix_edges
from any2bokeh.render.lens.hidden import find_hidden
from any2bokeh.render.lens.layers import IN_FOCUS_PX, Layer, Surface, plan_layers
from any2bokeh.render.lens.neighbours import Neighbour, recall_hidden, recall_outside
from any2bokeh.render.lens.ramps import snap_ramps
from any2bokeh.render.lens.strips import Strips, soften_border
from any2bokeh.render.lens.window import View, with_neighbours
from any2bokeh.render.lens.zones import Extent, zone_kernels
from any2bokeh.scene import Frame, PictureFormat, Scene
from any2bokeh.settings.render_settings import LensSettings

NEGLIGIBLE = 1 / 1024  # coverage of a sharp pixel that does not count as reaching it
NEIGHBOURS = 2.5  # layers within this many spacings belong to one surface: they add, they do not occlude
HIGHLIGHT_FROM_PX, HIGHLIGHT_FULL_PX = 1.0, 4.0  # blur from which lights are raised, and fully
# Peak resident memory of whole runs on the CPU, 320x180 to 3840x2160 at K = 16: a line fits within a fifth.
BASE_BYTES, BYTES_PER_PIXEL = 720_000_000, 170
HIDDEN_REACH = 1.1  # how far behind an edge light can come from, in largest radii


class LensRenderer:
    """Blurs each frame as a lens would: by depth, in linear light, near over far.

    ``light`` says how code values encode light, ``pixel_aspect`` is a pixel's displayed width over
    its height.
    """

    name = "lens"
    cost_is_even = True

    def __init__(
        self,
        settings: LensSettings,
        device: torch.device,
        *,
        light: Light = "srgb",
        pixel_aspect: float = 1.0,
    ) -> None:
        self.settings = settings
        self.device = device
        self.light: Light = light
        self.pixel_aspect = pixel_aspect
        # A thread for each strip, and one thread for each of its many small steps: several threads for
        # each step leave cores idle. A GPU takes the frame as one strip.
        workers = torch.get_num_threads() if device.type == "cpu" else 1
        self._pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))

    def render(self, scenes: Iterator[Scene]) -> Iterator[Frame]:
        """Yield each scene's refocused frame, on the CPU.

        Scenes do not depend on one another, but for quality "best": there three scenes are read ahead.
        """
        if self.settings.quality == "standard":
            for scene in scenes:
                yield Frame(picture=self.refocus(scene), pts=scene.pts)
            return
        for view, neighbours in with_neighbours(self._view(scene) for scene in scenes):
            yield Frame(picture=self._refocus_among(view, neighbours), pts=view.scene.pts)

    def peak_bytes(self, pictures: PictureFormat) -> int | None:
        """Return the peak memory of a whole run on the CPU; on a GPU nobody has measured it."""
        if self.device.type != "cpu":
            return None
        return BASE_BYTES + BYTES_PER_PIXEL * pictures.width * pictures.height

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    @torch.inference_mode()
    def refocus(self, scene: Scene) -> Tensor:
        """The refocused picture ``3 H W`` of one scene; pixels that no blur touches are the scene's own."""
        scale = self._coc_scale(scene)
        coc = snap_ramps(scale.coc(scene.disparity[0].to(self.device)))
        if coc.abs().max() < IN_FOCUS_PX:
            return scene.sharp
        surfaces = find_surfaces(self._linear(scene, coc), coc, widest_reach(self.settings))
        return self._encode(scene, *draw_surfaces(surfaces, self.settings, self._extent(coc), self._pool))

    @torch.inference_mode()
    def _view(self, scene: Scene) -> View:
        scale = self._coc_scale(scene)
        disparity = scene.disparity[0].to(self.device)
        coc = snap_ramps(scale.coc(disparity))
        linear = self._linear(scene, coc)
        if scale.px > 0:
            disparity = scale.disparity(coc)
        return View(scene, scale, linear, unmix_edges(linear, coc)[0], coc, disparity)

    @torch.inference_mode()
    def _refocus_among(self, view: View, neighbours: list[Neighbour]) -> Tensor:
        """What ``refocus`` gives, with what the frames around show of hidden things and the surroundings."""
        if view.coc.abs().max() < IN_FOCUS_PX:
            return view.scene.sharp
        light, coc, margin = self._with_surroundings(view, neighbours)
        nearest, fringe, hidden = find_surfaces(light, coc, widest_reach(self.settings))
        hidden = recall_hidden(hidden, neighbours, view.scale, margin)
        extent = self._extent(coc, margin)
        blurred, touched = draw_surfaces([nearest, fringe, hidden], self.settings, extent, self._pool)
        inner = (..., slice(margin, -margin), slice(margin, -margin))
        return self._encode(view.scene, blurred[inner], touched[inner])

    def _with_surroundings(self, view: View, neighbours: list[Neighbour]) -> tuple[Tensor, Tensor, int]:
        """Light ``3 H W`` and CoC ``H W`` of a frame and what lies around it, and how far that reaches."""
        margin = math.ceil(float(view.coc.abs().max()) * widest_reach(self.settings)) + 1
        sides = (margin,) * 4
        light = pad(view.linear, sides, mode="replicate")
        soften_border(light, view.linear, view.coc, margin)
        disparity = pad(view.disparity[None], sides, mode="replicate")[0]
        light, disparity = recall_outside(light, disparity, neighbours, view.scale, margin)
        return light, view.scale.coc(disparity), margin

    def _extent(self, coc: Tensor, margin_px: int = 0) -> Extent:
        return Extent(coc.shape[0], coc.shape[1], margin_px, self.pixel_aspect)

    def _coc_scale(self, scene: Scene) -> CocScale:
        height, width = scene.sharp.shape[1:]
        longer_side_px = max(width * self.pixel_aspect, height)
        return CocScale.of(scene.focus_disparity, scene.blur_strength, longer_side_px)

    def _linear(self, scene: Scene, coc: Tensor) -> Tensor:
        sharp = scene.sharp.to(self.device)
        linear = to_linear(sharp, self.light)
        return raise_highlights(sharp, linear, coc, self.settings) if self.settings.highlights else linear

    def _encode(self, scene: Scene, blurred: Tensor, touched: Tensor) -> Tensor:
        picture = from_linear(blurred.clamp(0, 1), self.light)
        return torch.where(touched, picture, scene.sharp.to(self.device)).cpu()


def raise_highlights(sharp: Tensor, linear: Tensor, coc: Tensor, settings: LensSettings) -> Tensor:
    """Linear light with clipped lights made up to ``1 + highlights`` times brighter.

    The gain rises smoothly from the threshold to white, so that nothing pops as a light moves, and
    with the circle of confusion: a light in focus was clipped as it should be.
    """
    brightest = sharp.amax(dim=0)
    room = max(1 - settings.highlight_threshold, 1e-3)
    excess = ((brightest - settings.highlight_threshold) / room).clamp(0, 1)
    defocus = ((coc.abs() - HIGHLIGHT_FROM_PX) / (HIGHLIGHT_FULL_PX - HIGHLIGHT_FROM_PX)).clamp(0, 1)
    return linear * (1 + settings.highlights * defocus * smoothstep(excess))


def find_surfaces(linear: Tensor, coc: Tensor, reach: float) -> list[Surface]:
    """What gives light: the picture without what nearer things mixed into it, that, and what is hidden.

    ``linear`` is ``3 H W``, ``coc`` the signed circle of confusion ``H W`` in pixels, ``reach`` how far the
    aperture's image reaches, in circles of confusion.
    """
    unmixed, fringe = unmix_edges(linear, coc)
    hidden = find_hidden(unmixed, coc, HIDDEN_REACH * reach * float(coc.abs().max()))
    return [Surface(unmixed, torch.ones_like(coc), coc), fringe, hidden]


def draw_surfaces(
    surfaces: list[Surface], settings: LensSettings, extent: Extent, pool: Executor
) -> tuple[Tensor, Tensor]:
    """Surfaces through the lens, ``3 H W`` linear light, and which pixels it changed, ``H W`` bool.

    The first surface is opaque. The scene is cut into layers by signed CoC; each is blurred by its own
    aperture, and they are laid over each other front to back, neighbouring ones side by side. Strips of
    the frame are worked on by the threads of ``pool``.
    """
    coc = surfaces[0].coc
    layers = plan_layers(float(coc.min()), float(coc.max()))
    strips = Strips(surfaces, layers, [zone_kernels(layer, extent, settings) for layer in layers])
    composed = list(pool.map(lambda strip: _compose(strips, layers, *strip), strips))
    blurred = torch.cat([light for light, _ in composed], dim=1)
    open_in_front = torch.cat([openness for _, openness in composed])
    touched = (coc.abs() >= IN_FOCUS_PX) | (open_in_front < 1 - NEGLIGIBLE)
    return blurred, touched


@torch.inference_mode()
def _compose(strips: Strips, layers: list[Layer], top: int, bottom: int) -> tuple[Tensor, Tensor]:
    """Lay a strip's layers over each other, front to back.

    Returns the light ``3 rows W``, and how much of each pixel is open in front of the layer in focus.

    A surface that slants through depth lies on several neighbouring layers, whose coverages tile it:
    they add up. Things farther apart occlude. So a layer gets ``min(open_before (1 - S), open)`` at
    most, where ``open_before`` is what all clearly nearer layers let through and S the coverage of the
    neighbours in front of it.
    """
    light = open_now = open_in_front = None
    passed: list[tuple[float, Tensor, Tensor]] = []  # radius, open after it, its own coverage
    for index, (layer, surfaces) in enumerate(zip(layers, strips.occupied(top, bottom), strict=True)):
        if not surfaces:
            continue
        blurred = strips.blurred(index, surfaces, top, bottom)
        coverage = blurred[3].clamp(max=1)
        if light is None or open_now is None:
            light, open_now = torch.zeros_like(blurred[:3]), torch.ones_like(coverage)
        if open_in_front is None and layer.radius_px >= 0:
            open_in_front = open_now
        open_before, beside = torch.ones_like(coverage), torch.zeros_like(coverage)
        window = NEIGHBOURS * layer.spacing_px
        for radius_px, open_after, own in passed:
            if layer.radius_px - radius_px >= window:
                open_before = open_after
            else:
                beside = beside + own
        seen = torch.minimum(open_before * torch.minimum(coverage, (1 - beside).clamp_(min=0)), open_now)
        light = light.addcmul(blurred[:3], seen / blurred[3].clamp(min=1e-6))
        open_now = open_now - seen
        passed = [*passed[-5:], (layer.radius_px, open_now, coverage)]
    assert light is not None and open_now is not None  # every pixel lies on some layer
    if open_in_front is None:
        open_in_front = open_now
    return light / (1 - open_now).clamp(min=1e-6), open_in_front

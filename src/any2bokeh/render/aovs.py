"""Layers beside a refocused picture: numbers of its scene, for those who go on working with it."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from any2bokeh.errors import SettingsError
from any2bokeh.optics.coc import coc_px, focus_matte
from any2bokeh.render.base import aligned_scene
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.settings.video_settings import Aov, Export

LAYER_NAMES: dict[Aov, str] = {
    "depth": "depth.Z",
    "coc": "coc",
    "disparity": "disparity",
    "subject": "subject.A",
}


def scene_coc(scene: Scene, pictures: PictureFormat) -> Tensor:
    """Return the signed radius that the lens draws each pixel of a scene with, ``1 H W`` [px]."""
    return coc_px(scene.disparity, scene.focus_disparity, scene.blur_strength, pictures.longer_side_px)


def exported_values(export: Export, scene: Scene, pictures: PictureFormat) -> Tensor:
    """Return the values of an export, ``H W``: radii in pixels, or shares in focus."""
    coc = scene_coc(scene, pictures)[0]
    return coc if export == "coc" else focus_matte(coc)


class LayerCollector:
    """Makes the layers of scenes on their way to the renderer, and hands them to the frames made of them.

    ``depth_of`` gives the distance that disparity stands for, where that is known. With ``align_edges`` radii
    are those of a renderer that aligns edges.
    """

    def __init__(
        self,
        aovs: Sequence[Aov],
        pictures: PictureFormat,
        depth_of: Callable[[Tensor], Tensor] | None,
        *,
        align_edges: bool,
    ) -> None:
        if "depth" in aovs and depth_of is None:
            raise SettingsError(
                "`aovs=depth` needs depth: estimated disparity has no distances.",
                hint="`track` with `kind=depth` gives them; `aovs=disparity` is always there.",
            )
        self._aovs, self._depth_of = aovs, depth_of
        self._pictures, self._align_edges = pictures, align_edges and "coc" in aovs
        self._waiting: dict[int, dict[str, Tensor]] = {}

    def note(self, scene: Scene) -> Scene:
        """Keep the layers of a scene until its frame comes; return the scene, as far as it is drawn."""
        if self._align_edges:
            scene = aligned_scene(scene, self._pictures)
        if self._aovs:
            self._waiting[scene.pts] = {LAYER_NAMES[aov]: self._layer(aov, scene)[0] for aov in self._aovs}
        return scene

    def layers_at(self, pts: int) -> dict[str, Tensor]:
        """Return the layers of the frame at a time, once."""
        return self._waiting.pop(pts, {})

    def _layer(self, aov: Aov, scene: Scene) -> Tensor:
        if aov == "coc":
            return scene_coc(scene, self._pictures)
        disparity = scene.disparity if scene.unshaped is None else scene.unshaped
        if aov == "depth" and self._depth_of:
            return self._depth_of(disparity)
        if aov == "subject":
            return torch.zeros_like(scene.disparity) if scene.matte is None else scene.matte
        return disparity

"""The baselines by name, and how each becomes a renderer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from any2bokeh.lab.evaluation.baselines.gather import gather_own_discs
from any2bokeh.lab.evaluation.baselines.occlusion_gather import gather_reaching_discs
from any2bokeh.lab.evaluation.baselines.planes import blur_planes
from any2bokeh.lab.evaluation.baselines.scatter import scatter_discs
from any2bokeh.optics.coc import CocScale
from any2bokeh.optics.transfer import from_linear, to_linear
from any2bokeh.scene import Frame, Scene

# The picture 3 H W, its disparity 1 H W and the scale of its circles of confusion: the blurred picture.
Blur = Callable[[Tensor, Tensor, CocScale], Tensor]


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A classical blur: ``blur`` sees linear light, or code values where ``in_linear_light`` is false."""

    what: str
    blur: Blur
    in_linear_light: bool = True


BASELINES: dict[str, Baseline] = {
    "gather": Baseline(
        what="each pixel the mean of a disc of its own radius, in code values",
        blur=gather_own_discs,
        in_linear_light=False,
    ),
    "scatter": Baseline(
        what="each pixel spread over a soft disc of its own radius, weighted by area, in linear light",
        blur=scatter_discs,
    ),
    "planes": Baseline(
        what="32 planes of equal disparity steps, blurred and composited back to front, in linear light",
        blur=blur_planes,
    ),
    "occlusion-gather": Baseline(
        what="each pixel the mean of those whose discs reach it, in focus of nearer ones, in linear light",
        blur=gather_reaching_discs,
    ),
}


class BaselineRenderer:
    """A baseline as a renderer: frame by frame, on the CPU, for pictures in sRGB."""

    def __init__(self, name: str) -> None:
        """``name`` is one of ``BASELINES``; it is compiled now, not in the first frame's time."""
        self.name, self._baseline = name, BASELINES[name]
        self._baseline.blur(torch.zeros(3, 2, 2), torch.zeros(1, 2, 2), CocScale(1.0, 1.0))

    def render(self, scenes: Iterator[Scene]) -> Iterator[Frame]:
        """Yield one blurred frame for each scene."""
        for scene in scenes:
            sharp, disparity = scene.sharp.cpu(), scene.disparity.cpu()
            scale = CocScale.of(scene.focus_disparity, scene.blur_strength, max(sharp.shape[1:]))
            if self._baseline.in_linear_light:
                light = self._baseline.blur(to_linear(sharp, "srgb"), disparity, scale)
                yield Frame(picture=from_linear(light.clamp(0, 1), "srgb"), pts=scene.pts)
            else:
                yield Frame(picture=self._baseline.blur(sharp, disparity, scale), pts=scene.pts)

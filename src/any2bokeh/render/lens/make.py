"""The lens for a device: compiled on a CPU, plain torch elsewhere."""

import torch

from any2bokeh.render.lens.compiled import CompiledLensRenderer
from any2bokeh.render.lens.reference import LensRenderer
from any2bokeh.scene import PictureFormat
from any2bokeh.settings.render_settings import LensSettings


def make_lens(settings: LensSettings, device: torch.device, pictures: PictureFormat) -> LensRenderer:
    """Return the lens that renders on ``device``, ready to."""
    light, pixel_aspect = pictures.light, pictures.pixel_aspect
    if device.type != "cpu":
        return LensRenderer(settings, device, light=light, pixel_aspect=pixel_aspect)
    lens = CompiledLensRenderer(settings, device, light=light, pixel_aspect=pixel_aspect)
    lens.compile()
    return lens

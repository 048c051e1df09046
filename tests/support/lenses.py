"""The lens by either of its engines, on the CPU."""

import torch

from any2bokeh.render.lens.cpu.compiled_engine import CompiledEngine
from any2bokeh.render.lens.engine import Lens
from any2bokeh.render.lens.renderer import LensRenderer
from any2bokeh.render.lens.torch.torch_engine import TorchEngine
from any2bokeh.settings.color_settings import TransferFunction
from any2bokeh.settings.render_settings import LensSettings


def torch_lens(
    settings: LensSettings, *, transfer: TransferFunction = "srgb", pixel_aspect: float = 1.0
) -> LensRenderer:
    lens = Lens(settings=settings, transfer=transfer, pixel_aspect=pixel_aspect)
    return LensRenderer(TorchEngine(lens, torch.device("cpu")))


def compiled_lens(
    settings: LensSettings, *, transfer: TransferFunction = "srgb", pixel_aspect: float = 1.0
) -> LensRenderer:
    return LensRenderer(CompiledEngine(Lens(settings=settings, transfer=transfer, pixel_aspect=pixel_aspect)))

"""Which renderer runs where ``auto`` is asked for, and why."""

import logging
from dataclasses import fields

import torch

from any2bokeh.errors import SettingsError, WeightsError
from any2bokeh.scene import PictureFormat
from any2bokeh.settings.render_settings import RendererName, RenderSettings

# Memory of the published network in half precision at its default working size (memory.py counts it).
LEAST_BYTES, LEAST_BYTES_IN_PARTS = 15 * 10**9, 7.5 * 10**9
LARGEST_NET_BLUR_STRENGTH = 32  # pixels of the working frame: the largest K that the network was trained on

log = logging.getLogger(__name__)


def choose_renderer(
    settings: RenderSettings, device: torch.device, pictures: PictureFormat, blur_strength: float | None
) -> RendererName:
    """Return the renderer: ``auto`` takes diffusion where its weights are and the device can run it.

    ``blur_strength`` is the largest K asked for, where that is known. Raises ``SettingsError`` where a
    network is asked for together with what only the lens can do.
    """
    asked_of_lens = _asked_of_lens(settings)
    if settings.renderer in ("diffusion", "small") and asked_of_lens:
        raise SettingsError(
            f"The network draws its own aperture; only the lens supports {asked_of_lens}.",
            hint="Use `renderer=lens`.",
        )
    if settings.renderer == "small" and settings.diffusion.weights is not None:
        raise SettingsError(
            "The renderer small has its own weights and ignores `weights`.",
            hint="Use `renderer=diffusion`.",
        )
    if settings.renderer == "lens" and settings.diffusion.weights is not None:
        raise SettingsError(
            "The lens has no weights and ignores `weights`.", hint="Use `renderer=diffusion`."
        )
    if settings.renderer != "auto":
        return settings.renderer
    reason = _why_lens(settings, device, pictures, blur_strength)
    if reason:
        if settings.diffusion.weights is None:
            log.info("The lens renders, not the network: %s.", reason)
        else:
            log.warning(
                "The lens renders and ignores `weights`: %s. Use `renderer=diffusion` to force them.", reason
            )
        return "lens"
    log.info("The network renders: its weights are on this machine, and %s can run it.", device)
    return "diffusion"


def _asked_of_lens(settings: RenderSettings) -> str:
    """Settings of the lens that the network cannot follow, in words; empty if there are none."""
    lens = settings.lens
    asked = [field.name for field in fields(lens) if getattr(lens, field.name) != field.default]
    if settings.renderer == "small":  # it corrects the lens's picture, of either quality and with its lights
        asked = [name for name in asked if name not in ("quality", "highlights", "highlight_threshold")]
    elif lens.highlights == 0:  # no network raises them
        asked.remove("highlights")
    return ", ".join(name.removesuffix("_deg").replace("_", " ") for name in asked)


def _why_lens(
    settings: RenderSettings, device: torch.device, pictures: PictureFormat, blur_strength: float | None
) -> str:
    """What speaks against the network, or an empty text."""
    if device.type == "cpu":
        return "on a CPU, a frame takes minutes"
    if pictures.keeps_beyond_white:
        return "only the lens keeps light beyond white"
    if _asked_of_lens(settings):
        return "only the lens can shape the aperture"
    from any2bokeh.render.diffusion.memory import device_memory
    from any2bokeh.render.diffusion.working_frame import WorkingFrame

    least = LEAST_BYTES_IN_PARTS if settings.diffusion.low_memory else LEAST_BYTES
    if device_memory(device) < least:
        return f"{device} has {device_memory(device) / 1e9:.1f} GB of memory, {least / 1e9:g} are needed"
    frame = WorkingFrame.of(pictures, settings.diffusion.work_size)
    if blur_strength and frame.net_blur_strength(blur_strength) > LARGEST_NET_BLUR_STRENGTH:
        return f"K {blur_strength:g} exceeds the range of its training"
    from any2bokeh.render.diffusion.load import find_parts

    try:
        find_parts(settings.diffusion.weights)
    except WeightsError as error:
        return error.message.rstrip(".")
    return ""

"""Which device, which precision, and why."""

import os

import torch

from any2bokeh.errors import SettingsError
from any2bokeh.settings.device_settings import DeviceName, DtypeName


def choose_device(name: DeviceName) -> torch.device:
    """Return the device called ``name``; ``auto`` is CUDA, else MPS, else the CPU.

    Raises ``SettingsError`` if the device asked for is not there.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, there in present.items() if there))
    if not present[name]:
        there = " and ".join(device for device, is_there in present.items() if is_there)
        raise SettingsError(
            f"torch {torch.__version__} finds no device {name} on this machine, only {there}.",
            hint="Use `device=auto`.",
        )
    return torch.device(name)


def visible_gpus() -> list[str]:
    """Return the name of each GPU that this process may use, by which ``CUDA_VISIBLE_DEVICES`` hands it on.

    A name is a number, or what that variable says: the identity of a card or of a slice of one.
    """
    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return [str(number) for number in range(count)]
    return [name.strip() for name in named.split(",")][:count]


def choose_dtype(name: DtypeName, device: torch.device) -> torch.dtype:
    """Return the precision that a network computes in: ``auto`` is float16 on a GPU, float32 on a CPU.

    Raises ``SettingsError`` for float16 on the CPU, which has no fast arithmetic for it.
    """
    if name == "auto":
        return torch.float32 if device.type == "cpu" else torch.float16
    if name == "float16" and device.type == "cpu":
        raise SettingsError("float16 works on GPUs only.", hint="Use `dtype=auto`, float32 or bfloat16.")
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]


def choose_depth_dtype(name: DtypeName, device: torch.device) -> torch.dtype:
    """Return the precision that Depth Anything computes in on ``device``.

    ``auto`` is bfloat16 on a CPU that has instructions for it (without them it is 20 times slower than
    float32), and else as of ``choose_dtype``. It is the transformer alone that computes in bfloat16, which
    saves a quarter of the time (Small at 504x280: 0.53 instead of 0.70 CPU-seconds) and moves disparity by
    0.3 % of its range. What makes a picture of its features stays in float32: the 8 bits of bfloat16 would
    leave a thousand steps in smooth disparity, which blur shows as bands.

    Raises ``SettingsError`` as ``choose_dtype``.
    """
    if name == "auto" and device.type == "cpu" and has_bfloat16():
        return torch.bfloat16
    return choose_dtype(name, device)


def choose_render_dtype(name: DtypeName, device: torch.device) -> torch.dtype:
    """Return the precision that the refocusing network computes in on ``device``.

    ``auto`` is bfloat16 on CUDA where the card has it, whose range the autoencoder needs, else float16 on a
    GPU and float32 on a CPU. Raises ``SettingsError`` as ``choose_dtype``.
    """
    if name == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return choose_dtype(name, device)


def has_bfloat16() -> bool:
    """Say whether this CPU multiplies bfloat16 (AVX512-BF16 or AMX)."""
    # Here, because LLVM takes a while to load and most commands do not need it.
    from llvmlite.binding import get_host_cpu_features

    try:
        features = get_host_cpu_features()
    except RuntimeError:  # LLVM does not know this system
        return False
    return bool(features.get("avx512bf16") or features.get("amx-bf16"))


def default_depth_size(device: torch.device) -> int:
    """Return the shorter side in pixels of the frame that the depth network sees on ``device``.

    Depth Anything V2 was trained at 518; that takes a CPU a second or more for a frame, so a CPU gets
    less than a third of the pixels.
    """
    return 280 if device.type == "cpu" else 518

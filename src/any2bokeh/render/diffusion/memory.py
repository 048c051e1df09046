"""How many frames the network encodes and decodes at a time, by what the device has.

Counted on the published sizes (``benchmarks/diffusion_counts.py``), in elements for each pixel of the working
frame and each frame: live tensors at the peak of encoding, denoising and decoding, and skips that wait for
the decoder. It depends on the device's whole memory, not on its free memory: the same device gives the same
windows, and so the same picture.
"""

import os
from dataclasses import dataclass
from typing import Self

import torch

from any2bokeh.render.diffusion.working_frame import WorkingFrame
from any2bokeh.settings.render_settings import ChunkSettings

ENCODE_ELEMENTS, DENOISE_ELEMENTS, DECODE_ELEMENTS = 875, 385, 770
SKIP_ELEMENTS = 128 + 128 / 4 + 256 / 16 + 512 / 64
# Of a network that folds 2x2 pixels into a cell, measured; larger cells take less. Its codec is in float32.
FOLDED_ENCODE_BYTES, FOLDED_DENOISE_ELEMENTS, FOLDED_DECODE_BYTES, FOLDED_SKIP_BYTES = 160, 360, 240, 12
ASSUMED_BYTES = 8 * 10**9  # for a CPU, where the system does not tell
USABLE = 0.9  # of the device's memory; the rest is fragments, and other programs'

SEAMLESS = 16  # frames: where windows of this length meet, the error is hardly larger than inside
# Longest first: a frame decoded far from its window's ends is nearly what one long window would give.
DECODE_WINDOWS = (
    ChunkSettings(length=48, overlap=8, context=3, shortest=SEAMLESS),
    ChunkSettings(length=32, overlap=8, context=3, shortest=SEAMLESS),
    ChunkSettings(length=24, overlap=8, context=3, shortest=SEAMLESS),
    ChunkSettings(length=16, overlap=8, context=3),
    ChunkSettings(length=12, overlap=6, context=2),
    ChunkSettings(length=8, overlap=4, context=1),
    ChunkSettings(length=4, overlap=2),
    ChunkSettings(length=2, overlap=1),
)
ENCODE_FRAMES = (8, 4, 2, 1)


@dataclass(frozen=True, kw_only=True)
class WindowPlan:
    """How many frames are encoded at a time, the decoder's windows, and where skips wait for it.

    ``peak_bytes`` is the peak of the device's memory, weights included.
    """

    encode: int
    decode: ChunkSettings
    keeps_skips: bool
    peak_bytes: int


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Memory of a network: bytes of weights on the device at once, and for each pixel of a frame.

    ``encode``, ``denoise`` and ``decode`` are alive at the peak of each, ``skip`` waits for the decoder.
    ``windows`` are those that its decoder may work in, the best first.
    """

    weights: int
    encode: float
    denoise: float
    decode: float
    skip: float
    windows: tuple[ChunkSettings, ...] = DECODE_WINDOWS

    @classmethod
    def of_published(cls, weights: int, encoder_element: int, decoder_element: int) -> Self:
        """That of the published sizes, whose parts compute in numbers of so many bytes."""
        return cls(
            weights=weights,
            encode=ENCODE_ELEMENTS * encoder_element,
            denoise=DENOISE_ELEMENTS * decoder_element,
            decode=DECODE_ELEMENTS * decoder_element,
            skip=SKIP_ELEMENTS * decoder_element,
        )

    @classmethod
    def of_folded(cls, weights: int, element: int) -> Self:
        """That of a network with a pixel codec, whose U-Net computes in numbers of so many bytes."""
        return cls(
            weights=weights,
            encode=FOLDED_ENCODE_BYTES,
            denoise=FOLDED_DENOISE_ELEMENTS * element,
            decode=FOLDED_DECODE_BYTES,
            skip=FOLDED_SKIP_BYTES,
            windows=(ChunkSettings(length=1, overlap=0),),  # it decodes each frame by itself
        )


def plan_windows(
    frame: WorkingFrame, chunk: ChunkSettings, footprint: Footprint, memory_bytes: int
) -> WindowPlan:
    """The largest windows that fit a device of ``memory_bytes``, and the smallest where none does.

    Skips stay on the device unless that would make windows shorter than seamless ones.
    """
    pixels = frame.padded_height * frame.padded_width
    free = USABLE * memory_bytes - footprint.weights
    skip, denoise = footprint.skip * pixels, chunk.length * pixels * footprint.denoise

    def encode_bytes(count: int) -> float:
        return count * pixels * footprint.encode

    encode = next((count for count in ENCODE_FRAMES if encode_bytes(count) <= free / 2), ENCODE_FRAMES[-1])

    def peak(window: ChunkSettings, keeps_skips: bool) -> float:
        decode = window.length * (pixels * footprint.decode + skip)
        waiting = (encode + chunk.length + window.length) * skip
        return max(encode_bytes(encode), denoise, decode) + keeps_skips * waiting

    wanted = [(window, True) for window in footprint.windows if window.length >= SEAMLESS]
    wanted += [(window, False) for window in footprint.windows]
    decode, keeps_skips = next((one for one in wanted if peak(*one) <= free), wanted[-1])
    return WindowPlan(
        encode=encode,
        decode=decode,
        keeps_skips=keeps_skips,
        peak_bytes=int(footprint.weights + peak(decode, keeps_skips)),
    )


def device_memory(device: torch.device) -> int:
    """Bytes that the device has; half of the machine's memory, where the system tells, for a CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    if device.type == "mps":
        return torch.mps.recommended_max_memory()
    if not hasattr(os, "sysconf"):
        return ASSUMED_BYTES
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2

"""The published inference, replayed with our parts in its order: pairs of chunks, padding, 8-frame windows.

None of that order is in the renderer; that the parts give its numbers shows that they are the published ones.

On a frame of padding, which is one color, the tiny networks turn rounding into noise: float32 and float64
differ by 1e-2 on a chunk that holds some. So padded chunks, and latents that we encode ourselves,
are compared by what rounding leaves, all else closely.
"""

from dataclasses import dataclass
from functools import cache

import pytest
import torch
from parity import assert_near, document, tensors, tiny_image_encoder, tiny_unet, tiny_vae
from torch import Tensor

from any2bokeh.render.diffusion.answer import difference_picture
from any2bokeh.render.diffusion.chunks import blend_weights, plan_chunks
from any2bokeh.render.diffusion.image_encoder import ImageEncoder
from any2bokeh.render.diffusion.pipeline import labels_around
from any2bokeh.render.diffusion.unet import UNetInputs
from any2bokeh.settings.render_settings import ChunkSettings
from any2bokeh.settings.weights_settings import MaskMode

CASE, FACTS = tensors("pipeline_case"), document("pipeline_case")
LENGTH, HALF = 8, 4
LATENT_ATOL, PICTURE_ATOL = 5e-4, 1e-3
ROUNDED_ATOL, ROUNDED_MEAN = 5e-2, 2e-3
VAE = tiny_vae()


@dataclass(frozen=True)
class Chunks:
    """What the published code gives the U-Net: chunks of 8 frames, the last one padded with zeros."""

    pictures: Tensor  # C 8 3 H W, -1..1
    differences: Tensor
    labels: Tensor  # C 8 1 H W
    blur_strength: Tensor  # C 8
    weights: Tensor  # C 8


@cache
def chunks_of(frame_count: int) -> Chunks:
    index = FACTS["frame_index"][str(frame_count)]
    disparity = CASE["disparity_u8"][index].float()[:, None] / 255
    focus = [float(CASE["zf"][i]) for i in index]
    pictures = CASE["image_u8"][index].float() / 127.5 - 1
    differences = torch.stack([difference_picture(d, f) for d, f in zip(disparity, focus, strict=True)])
    labels = torch.stack([labels_around(d, f, 1.5) for d, f in zip(disparity, focus, strict=True)])
    spans = [(c.start, c.stop) for c in plan_chunks(frame_count, ChunkSettings())]

    def cut(frames: Tensor) -> Tensor:
        padding = frames.new_zeros(LENGTH, *frames.shape[1:])
        padded = torch.cat([frames, padding])
        whole = [padded[start : start + LENGTH].clone() for start, _ in spans]
        whole[-1][spans[-1][1] - spans[-1][0] :] = 0
        return torch.stack(whole)

    weights = torch.zeros(len(spans), LENGTH)
    for row, chunk in zip(weights, plan_chunks(frame_count, ChunkSettings()), strict=True):
        row[: chunk.stop - chunk.start] = blend_weights(chunk)[chunk.start - chunk.begin :]
    return Chunks(cut(pictures), cut(differences), cut(labels), cut(CASE["K"][index]), weights)


def encode(frames: Tensor) -> Tensor:
    """Scaled latents ``C 8 4 h w`` of chunks ``C 8 3 H W``."""
    return VAE.scaled(VAE.encode(frames.flatten(0, 1)).mean).unflatten(0, (-1, LENGTH))


@cache
def unet_latents(frame_count: int, mode: MaskMode, in_pairs: bool) -> Tensor:
    """Scaled latents of each chunk, ``C 8 4 h w``: chunks go through the U-Net two by two."""
    chunks, unet = chunks_of(frame_count), tiny_unet()
    encoder = ImageEncoder(tiny_image_encoder(), normalize=False)
    if frame_count == 13:
        seen = [CASE["n13.ref_latents"], CASE["n13.coc_latents"]]
    else:
        seen = [encode(chunks.pictures), encode(chunks.differences)]
    given = {
        "latents": torch.cat(seen, dim=2),
        "embeds": encoder.embed(chunks.pictures.flatten(0, 1)).unflatten(0, (-1, LENGTH)),
        "labels": chunks.labels,
        "blur_strength": chunks.blur_strength,
        "time_ids": torch.tensor([6.0, 127.0, 0.0]).expand(len(chunks.labels), 3),
    }
    size = 2 if in_pairs else 1
    passes = [
        UNetInputs(**{name: values[start : start + size] for name, values in given.items()})
        for start in range(0, len(chunks.labels), size)
    ]
    return torch.cat([unet(inputs, mask_mode=mode, mix_clips=True) for inputs in passes])


def fuse(latents: Tensor, weights: Tensor, frame_count: int) -> Tensor:
    fused = torch.zeros(frame_count + LENGTH, *latents.shape[2:])
    for c, (chunk, weight) in enumerate(zip(latents, weights, strict=True)):
        fused[c * HALF : c * HALF + LENGTH] += chunk * weight[:, None, None, None]
    return fused[:frame_count]


def decode(scaled: Tensor, pictures: Tensor) -> Tensor:
    """One decoder window: its latents, and the pictures whose skips it gets."""
    return VAE.decode(VAE.unscaled(scaled), VAE.encode(pictures).skips)


def assert_rounded(latents: Tensor, wanted: Tensor) -> None:
    assert_near(latents, wanted, ROUNDED_ATOL)
    assert (latents - wanted).abs().mean() < ROUNDED_MEAN


@pytest.mark.parametrize(
    ("key", "mode", "in_pairs"),
    [("", "released", True), ("per_item.", "released", False), ("paper.", "paper", True)],
)
@pytest.mark.slow
def test_the_parts_give_the_published_latents(key: str, mode: MaskMode, in_pairs: bool) -> None:
    latents, wanted = unet_latents(13, mode, in_pairs), CASE[f"n13.{key}unet_latents"]
    assert_near(latents[:2], wanted[:2], LATENT_ATOL)
    assert_rounded(latents[2], wanted[2])
    assert_near(fuse(wanted, chunks_of(13).weights, 13), CASE[f"n13.{key}fused_latents"], 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("frame_count", [12, 16, 20])
def test_other_lengths_give_the_published_latents(frame_count: int) -> None:
    latents, weights = unet_latents(frame_count, "released", True), chunks_of(frame_count).weights
    assert_near(weights, CASE[f"n{frame_count}.weight"], 1e-6)
    assert_rounded(latents, CASE[f"n{frame_count}.unet_latents"])
    assert_rounded(fuse(latents, weights, frame_count), CASE[f"n{frame_count}.fused_latents"])


@pytest.mark.slow
def test_the_inputs_are_the_published_ones() -> None:
    chunks, real = chunks_of(13), torch.ones(3, LENGTH, dtype=torch.bool)
    real[2, 5:] = False  # padding
    assert_near(encode(chunks.pictures)[real], CASE["n13.ref_latents"][real], 1e-5)
    assert_near(encode(chunks.differences)[real], CASE["n13.coc_latents"][real], 1e-5)
    assert_near(chunks.blur_strength, CASE["n13.k"], 0)
    assert torch.equal(chunks.labels[:, ::4, 0, ::4, ::4], CASE["n13.mpi_mask_sample"])


@pytest.mark.slow
def test_an_odd_last_chunk_is_decoded_as_published() -> None:
    """Frames 0-7 are a window; the next is 4 blended frames and the last chunk's second half, unweighted."""
    latents, fused, chunks = CASE["n13.unet_latents"], CASE["n13.fused_latents"], chunks_of(13)
    first = decode(fused[:8], chunks.pictures[0])
    last = decode(torch.cat([fused[8:12], latents[2, HALF:]]), chunks.pictures[2])
    wanted = CASE["n13.frames_strided"].clamp(-1, 1)
    assert_near(first[..., ::2, ::2].clamp(-1, 1), wanted[:8], PICTURE_ATOL)
    assert_rounded(last[:5, :, ::2, ::2].clamp(-1, 1), wanted[8:])


@pytest.mark.slow
def test_an_even_last_chunk_is_decoded_as_published() -> None:
    """The last four frames come from a window of the whole last chunk, not blended."""
    last = decode(CASE["n20.unet_latents"][3], chunks_of(20).pictures[3])[HALF:, :, ::2, ::2]
    assert_near(last.clamp(-1, 1), CASE["n20.frames_last4_strided"].clamp(-1, 1), PICTURE_ATOL)


def test_the_geometry_equals_the_published_one() -> None:
    for place, frame in enumerate([0, 4]):  # the frames of the first chunk that are stored
        disparity = CASE["disparity_u8"][frame : frame + 1].float() / 255
        focus = float(CASE["zf"][frame])
        shown = difference_picture(disparity, focus)
        assert_near(shown[:1, ::8, ::8], CASE["n13.coc_sample"][0, place], 1e-5)
        labels = labels_around(disparity, focus, alpha=1.5)
        assert torch.equal(labels[0, ::4, ::4], CASE["n13.mpi_mask_sample"][0, place])

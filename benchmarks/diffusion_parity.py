"""How near our network comes to the published one's numbers: the largest and the mean error of each case.

    python benchmarks/diffusion_parity.py

The cases are in ``tests/data/parity``: tiny networks of random weights, run by the published code in float32.
Prints a table in Markdown.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))

import parity

from any2bokeh.render.diffusion.attention import embed_blur
from any2bokeh.render.diffusion.image_encoder import ImageEncoder, shrink_for_clip
from any2bokeh.render.diffusion.unet import UNetInputs

Case = tuple[str, Tensor, Tensor]


def unet_cases() -> Iterator[Case]:
    """Each stored output of the U-Net, mixed clips and clips apart, both mask modes."""
    stored = parity.tensors("tiny_unet_cases")
    tiny, recipe = parity.tiny_unet(), parity.recipe_unet()
    for key, wanted in stored.items():
        case, _, kind = key.partition(".out_")
        mode = kind.removesuffix("_per_item")
        if mode in ("released", "paper"):
            network = recipe if case == "recipe" else tiny
            inputs = parity.unet_inputs(stored, case)
            yield f"U-Net {key}", network(inputs, mask_mode=mode, mix_clips=kind == mode), wanted


def vae_cases() -> Iterator[Case]:
    """Moments and decoded windows of the autoencoder."""
    stored = parity.tensors("tiny_vae_cases")
    for case, vae in (("v8", parity.tiny_vae()), ("recipe", parity.recipe_vae())):
        encoded = vae.encode(stored[f"{case}.image_u8"].float() / 127.5 - 1)
        yield f"VAE {case}.mean", encoded.mean, stored[f"{case}.mean"]
        yield f"VAE {case}.logvar", encoded.logvar, stored[f"{case}.logvar"]
        for key, wanted in stored.items():
            if key.startswith(f"{case}.dec_start"):
                start, count = (int(number) for number in key.split("start")[1].split("_n"))
                skips = tuple(skip[start : start + count] for skip in encoded.skips)
                decoded = vae.decode(stored[f"{case}.z"][start : start + count], skips)
                yield f"VAE {key}", decoded, wanted


def other_cases() -> Iterator[Case]:
    """Embeddings of pictures and of K, and chunks of the published inference that hold no padding."""
    functions, pipeline = parity.tensors("functions"), parity.tensors("pipeline_case")
    pictures = pipeline["image_u8"][:2].float() / 127.5 - 1
    for normalize, style in ((False, "inference"), (True, "training")):
        key = f"clip.embeds_first2_{style}_style"
        encoder = ImageEncoder(parity.tiny_image_encoder(), normalize=normalize)
        yield key, encoder.embed(pictures), pipeline[key]
    shrunk = shrink_for_clip(functions["aa.input_u8"].float() / 127.5 - 1, (56, 56))
    yield "aa.out_56x56", shrunk, functions["aa.out_56x56"]
    yield "fourier.fp32", embed_blur(functions["fourier.k"]), functions["fourier.fp32"]
    unet = parity.tiny_unet()
    latents = torch.cat([pipeline["n13.ref_latents"], pipeline["n13.coc_latents"]], dim=2)
    for chunk in range(2):
        inputs = UNetInputs(
            latents=latents[chunk][None],
            embeds=pipeline["n13.image_embeds"][chunk][None],
            labels=torch.zeros(1, 8, 1, 64, 128),  # not looked at in this mask mode
            blur_strength=pipeline["n13.k"][chunk][None],
            time_ids=torch.tensor([[6.0, 127.0, 0.0]]),
        )
        wanted = pipeline["n13.per_item.unet_latents"][chunk]
        yield f"pipeline n13.per_item, chunk {chunk}", unet(inputs, mask_mode="released")[0], wanted


def main() -> None:
    """Print the table."""
    print("| case | largest error | mean error |\n|---|---|---|")
    with torch.inference_mode():
        for cases in (unet_cases(), vae_cases(), other_cases()):
            for name, got, wanted in cases:
                error = (got - wanted).abs()
                print(f"| {name} | {error.max():.1e} | {error.mean():.1e} |")


if __name__ == "__main__":
    main()

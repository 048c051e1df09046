"""The autoencoder against the published network's numbers."""

import json

import pytest
import torch
from parity import DATA, assert_near, document, recipe_vae, tensors, tiny_vae

from any2bokeh.errors import ShapeError, WeightsError
from any2bokeh.render.diffusion.vae import BokehVAE, VAEDims

CASES = tensors("tiny_vae_cases")
NETWORKS = {"v8": tiny_vae, "recipe": recipe_vae}
ATOL = 5e-5


def pictures_of(case: str) -> torch.Tensor:
    return CASES[f"{case}.image_u8"].float() / 127.5 - 1


@pytest.mark.parametrize("case", NETWORKS)
def test_latents_equal_the_published_ones(case: str) -> None:
    encoded = NETWORKS[case]().encode(pictures_of(case))
    assert_near(encoded.mean, CASES[f"{case}.mean"], ATOL)
    assert_near(encoded.logvar, CASES[f"{case}.logvar"], ATOL)


@pytest.mark.parametrize("case", NETWORKS)
def test_skips_are_what_enters_each_level(case: str) -> None:
    encoded = NETWORKS[case]().encode(pictures_of(case))
    for level, skip in enumerate(encoded.skips):
        assert_near(skip[0, 0], CASES[f"{case}.residual{level}_frame0_ch0"], ATOL)
    shapes = document("tiny_vae_cases")[f"{case}_residual_shapes"]
    assert [list(skip.shape) for skip in encoded.skips] == shapes


@pytest.mark.parametrize(
    ("case", "start", "count"),
    [("v8", 0, 8), ("v8", 4, 4), ("v8", 2, 3), ("recipe", 0, 4), ("recipe", 2, 2)],
)
def test_a_decoded_window_equals_the_published_one(case: str, start: int, count: int) -> None:
    """The published cases decode the first ``count`` latents with the skips from ``start`` on."""
    vae = NETWORKS[case]()
    skips = tuple(skip[start : start + count] for skip in vae.encode(pictures_of(case)).skips)
    latents = CASES[f"{case}.z"][start : start + count]
    assert_near(vae.decode(latents, skips), CASES[f"{case}.dec_start{start}_n{count}"], ATOL)


def test_each_frame_is_encoded_by_itself() -> None:
    vae, pictures = tiny_vae(), pictures_of("v8")
    assert_near(vae.encode(pictures[3:5]).mean, vae.encode(pictures).mean[3:5], 1e-6)


@pytest.mark.slow
def test_skips_move_the_picture() -> None:
    vae, pictures = tiny_vae(), pictures_of("v8")
    encoded = vae.encode(pictures)
    blank = tuple(torch.zeros_like(skip) for skip in encoded.skips)
    assert (vae.decode(encoded.mean, encoded.skips) - vae.decode(encoded.mean, blank)).abs().max() > 1


def test_skips_of_other_frames_are_refused() -> None:
    vae, pictures = tiny_vae(), pictures_of("v8")
    encoded = vae.encode(pictures)
    with pytest.raises(ShapeError, match="4 frames"):
        vae.decode(encoded.mean[:4], encoded.skips)


def test_pictures_of_another_size_are_refused() -> None:
    with pytest.raises(ShapeError, match="multiples of 8"):
        tiny_vae().encode(torch.zeros(1, 3, 44, 60))


def test_keys_and_shapes_are_the_published_ones() -> None:
    published = json.loads((DATA / "vae_keys_full.json").read_text())
    with torch.device("meta"):
        vae = BokehVAE(VAEDims())
    assert VAEDims.from_config(published["config"]) == VAEDims()
    assert {key: list(weight.shape) for key, weight in vae.state_dict().items()} == published["keys"]
    assert sum(weight.numel() for weight in vae.parameters()) == 98_234_367


def test_an_incomplete_configuration_is_refused() -> None:
    with pytest.raises(WeightsError, match="latent_channels"):
        VAEDims.from_config({"block_out_channels": [32] * 4, "layers_per_block": 1})

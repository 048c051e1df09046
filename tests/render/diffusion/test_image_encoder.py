"""CLIP's picture encoder, against the published numbers."""

import json
from pathlib import Path

import pytest
import torch
from facts import naming
from parity import assert_near, document, recipe, tensors
from safetensors.torch import load_file, save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from any2bokeh.errors import WeightsError
from any2bokeh.render.diffusion.image_encoder import (
    POSITION_IDS,
    load_image_encoder,
    shrink_for_clip,
)

FUNCTIONS = tensors("functions")
PIPELINE = tensors("pipeline_case")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def clip_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The published tiny CLIP, saved as a published one is."""
    folder, config = tmp_path_factory.mktemp("clip"), document("tiny_clip_config")
    (folder / "config.json").write_text(json.dumps(config))
    network = CLIPVisionModelWithProjection(CLIPVisionConfig(**config))
    weights = {
        key: torch.from_numpy(recipe(key, tuple(weight.shape))).half()
        for key, weight in network.state_dict().items()
    }
    save_file(weights, folder / "model.safetensors")
    return folder / "config.json", folder / "model.safetensors"


@pytest.mark.parametrize("size", [(56, 56), (40, 72)])
def test_pictures_shrink_for_clip_as_published(size: tuple[int, int]) -> None:
    wanted = FUNCTIONS[f"aa.out_{size[0]}x{size[1]}"]
    assert_near(shrink_for_clip(FUNCTIONS["aa.input_u8"].float() / 127.5 - 1, size), wanted, 1e-5)


@pytest.mark.parametrize(("normalize", "style"), [(False, "inference"), (True, "training")])
def test_embeddings_equal_the_published_ones(
    clip_files: tuple[Path, Path], normalize: bool, style: str
) -> None:
    encoder = load_image_encoder(*clip_files, CPU, torch.float32, normalize=normalize)
    pictures = PIPELINE["image_u8"][:2].float() / 127.5 - 1
    assert_near(encoder.embed(pictures), PIPELINE[f"clip.embeds_first2_{style}_style"], 1e-4)


def test_position_numbers_in_a_file_are_left_alone(clip_files: tuple[Path, Path], tmp_path: Path) -> None:
    config, weights = clip_files
    numbered = tmp_path / "model.safetensors"
    save_file(load_file(weights) | {POSITION_IDS: torch.arange(197)[None]}, numbered)
    one, other = (
        load_image_encoder(config, file, CPU, torch.float32, normalize=False) for file in (weights, numbered)
    )
    pictures = torch.rand(1, 3, 64, 128)
    assert torch.equal(one.embed(pictures), other.embed(pictures))


def test_an_encoder_of_another_kind_is_refused(clip_files: tuple[Path, Path], tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(document("tiny_clip_config") | {"hidden_size": 48}))
    with pytest.raises(WeightsError, match="shape"):
        load_image_encoder(config, clip_files[1], CPU, torch.float32, normalize=False)
    for text in (b"{", b"[]", b"[" * 90_000, b"\xff"):
        config.write_bytes(text)
        with pytest.raises(WeightsError, match=naming(config)):
            load_image_encoder(config, clip_files[1], CPU, torch.float32, normalize=False)

"""The network in training: checkpointed gradients, what it begins with, and what it is told."""

import json
from dataclasses import replace
from pathlib import Path

import parity
import pytest
import torch
from facts import naming
from safetensors.torch import save_file

from any2bokeh.errors import SettingsError, WeightsError
from any2bokeh.lab.training.initial_network import PIXEL_SIZES, load_start, make_network
from any2bokeh.lab.training.trained_network import TrainedNetwork
from any2bokeh.lab.training.training_settings import StageName, change_settings, training_settings
from any2bokeh.lab.training.windows import Batch
from any2bokeh.render.diffusion.image_encoder import ImageEncoder
from any2bokeh.render.diffusion.unet import BokehUNet, UNetDims
from any2bokeh.weights.checkpoint import TRAINED_FACTS


def a_batch(clips: int = 2, frames: int = 2, height: int = 64, width: int = 64) -> Batch:
    generator = torch.Generator().manual_seed(3)
    shape = (clips, frames, 3, height, width)
    sharp, target = (torch.rand(shape, generator=generator) for _ in range(2))
    return Batch(
        sharp=sharp,
        target=target,
        disparity=torch.rand(clips, frames, 1, height, width, generator=generator),
        focus_disparity=torch.full((clips, frames), 0.6),
        net_blur_strength=torch.full((clips, frames), 8.0),
        perturbed=torch.zeros(clips, dtype=torch.bool),
    )


def network_of(stage: StageName, *changes: str) -> TrainedNetwork:
    settings = change_settings(training_settings(stage), changes)
    torch.manual_seed(0)
    return TrainedNetwork(*make_network("tiny", None), settings)


@pytest.mark.slow
def test_checkpointing_changes_no_gradient() -> None:
    gradients, batch = [], a_batch()
    for checkpointing in ("true", "false"):
        network = network_of("geometry", f"checkpointing={checkpointing}")
        open_gates(network.unet)
        network(batch).backward()
        gradients.append({name: p.grad for name, p in network.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    assert any("fuser.mpi_attn" in name and grad.abs().max() > 0 for name, grad in gradients[0].items())
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], rtol=1e-4, atol=1e-7)


def open_gates(unet: BokehUNet) -> None:
    """Let the planes through, which are shut at first."""
    with torch.no_grad():
        for name, parameter in unet.named_parameters():
            if name.endswith(("alpha_attn", "alpha_dense")):
                parameter.fill_(0.5)


@pytest.mark.slow
def test_clips_of_a_batch_are_apart() -> None:
    network, batch = network_of("geometry"), a_batch()
    open_gates(network.unet)
    other = replace(batch, sharp=torch.cat([batch.sharp[:1], 1 - batch.sharp[1:]]))
    with torch.no_grad():
        first, second = network.pictures(batch), network.pictures(other)
    torch.testing.assert_close(first[0], second[0])
    assert not torch.allclose(first[1], second[1])


@pytest.mark.parametrize("size", sorted(PIXEL_SIZES))
def test_sizes_survive_their_configuration(size: str) -> None:
    dims, _ = PIXEL_SIZES[size]
    assert UNetDims.from_config(json.loads(json.dumps(dims.to_config()))) == dims


def test_sizes_of_the_published_network_survive_too() -> None:
    assert UNetDims.from_config(UNetDims().to_config()) == UNetDims()


@pytest.fixture
def svd(tmp_path: Path) -> Path:
    """The tiny networks without what the paper adds, as Stable Video Diffusion is published."""
    for name, part, added in (
        ("unet", parity.tiny_unet(), ("conv_in_mpi.", ".fuser.")),
        ("vae", parity.tiny_vae(), ("decoder.skip_conv",)),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(parity.document(f"tiny_{name}_config")))
        kept = {k: w for k, w in part.state_dict().items() if not any(new in k for new in added)}
        save_file(kept, tmp_path / name / "diffusion_pytorch_model.fp16.safetensors")
    return tmp_path


@pytest.mark.slow
def test_training_starts_from_stable_video_diffusion(svd: Path) -> None:
    unet, vae, facts = load_start(str(svd))
    assert (facts.mask_mode, facts.image_encoder) == ("paper", True)
    assert torch.equal(unet.conv_in.weight, parity.tiny_unet().conv_in.weight)
    assert torch.equal(unet.conv_in_mpi.weight, unet.conv_in.weight[:, :4])
    assert vae.decoder.get_parameter("skip_conv_1.weight").detach().max() == pytest.approx(1e-5)


@pytest.mark.parametrize("stage", ["geometry", "temporal", "detail"])
@pytest.mark.slow
def test_the_published_kind_of_network_trains_too(stage: StageName, svd: Path) -> None:
    unet, vae, _ = load_start(str(svd))
    encoder = ImageEncoder(parity.tiny_image_encoder(), normalize=True)
    network = TrainedNetwork(unet, vae, TRAINED_FACTS, training_settings(stage), encoder)
    batch = a_batch(clips=1)
    network(batch).backward()
    learns = {name for name, p in network.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    assert {
        "geometry": "unet.conv_in.weight",
        "temporal": "unet.mid_block.attentions.0.temporal_transformer_blocks.0.attn1.to_q.weight",
        "detail": "vae.decoder.skip_conv_1.weight",
    }[stage] in learns
    assert not any("time" in name for name in learns) or stage != "detail"


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("stage", ["geometry", "detail"])
@pytest.mark.slow
def test_two_frames_of_64_pixels_have_gradients_that_are_numbers(
    stage: StageName, precision: torch.dtype
) -> None:
    network = network_of(stage, "texture_loss=published") if stage == "detail" else network_of(stage)
    noise = a_batch(clips=1)
    still = {name: values.new_full(values.shape, 0.5) for name, values in vars(noise).items()}
    for batch in (noise, Batch(**still)):  # whose features have no variance to be divided by
        with torch.autocast("cpu", precision, enabled=precision != torch.float32):
            loss = network(batch)
        loss.backward()
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        assert gradients and all(bool(values.isfinite().all()) for values in (loss, *gradients))


@pytest.mark.parametrize("text", [b"{", b"[]", b"[" * 90_000, b"\xff"])
@pytest.mark.parametrize("name", ["unet/config.json", "bokeh.json"])
def test_weights_to_start_from_that_are_damaged_are_named(svd: Path, name: str, text: bytes) -> None:
    (svd / name).write_bytes(text)
    with pytest.raises(WeightsError, match=naming(svd / name)):
        load_start(str(svd))


def test_weights_to_start_from_that_are_not_there_are_named() -> None:
    with pytest.raises(WeightsError, match="no weights 'nothing'"):
        load_start("nothing")
    with pytest.raises(SettingsError, match=naming("svd")):
        make_network("svd", None)

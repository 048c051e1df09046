"""``bokeh import-weights``: what it prints, says and leaves."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import parity
import pytest
import torch
from facts import names
from safetensors.torch import save_file

from any2bokeh.lab.training.initial_network import make_network
from any2bokeh.lab.training.run_folder import RunFolder
from any2bokeh.lab.training.trained_network import TrainedNetwork
from any2bokeh.lab.training.training_settings import training_settings
from any2bokeh.render.diffusion.unet import BokehUNet, UNetDims
from any2bokeh.weights.checkpoint import find_checkpoint

Bokeh = Callable[..., Any]
STEM = "diffusion_pytorch_model"


@pytest.fixture
def untrained(published: Path) -> Path:
    """Weights as training starts from them, beside SVD's, whose ``conv_in`` their ``conv_in_mpi`` copies."""
    torch.manual_seed(0)
    unet = BokehUNet(UNetDims.from_config(parity.document("tiny_unet_config")))
    svd = {"conv_in.weight": unet.conv_in.weight.detach().clone()}
    unet.conv_in_mpi.weight.data.copy_(unet.conv_in.weight[:, :4] * 0.996)
    save_file(unet.state_dict(), published / "unet" / "unet" / f"{STEM}.safetensors")
    save_file(svd, published.parent / "svd.safetensors")
    return published


@pytest.mark.slow
def test_folder_is_printed_and_mask_mode_explained(bokeh: Bokeh, untrained: Path, tmp_path: Path) -> None:
    run = bokeh("import-weights", untrained, "--svd", tmp_path / "svd.safetensors")
    folder = tmp_path / "home" / "weights" / "any-to-bokeh"
    assert (run.code, run.out) == (0, f"{folder}\n")
    lines = [line for line in run.err.splitlines() if "MB" not in line]
    assert names(lines[0], "any-to-bokeh", "released", "weights")
    assert names(lines[1], "fuser.linear", "0 of 10 fusers", "0.00%")
    assert names(lines[1], "bound 0.17678")
    assert names(lines[2], "ff_k")
    assert names(lines[3], "conv_in_mpi", "copy", "0.99600", "0.00%")
    assert names(lines[4], "any-to-bokeh", "CC-BY-NC-4.0")


def test_json_holds_facts_and_evidence(bokeh: Bokeh, untrained: Path) -> None:
    run = bokeh("import-weights", untrained, "--json", "--name", "mine", "-q")
    document = json.loads(run.out)
    assert run.err == ""
    assert document["folder"].endswith("/home/weights/mine")
    assert document["mask_mode"] == "released"
    assert document["evidence"]["clear"] is True
    assert len(document["evidence"]["fusers"]) == 10
    assert document["evidence"]["conv_in"] is None


def test_weights_that_do_not_say_are_warned_of_unless_the_mode_is_given(
    bokeh: Bokeh, published: Path
) -> None:
    run = bokeh("import-weights", published)  # the recipe's weights: none began as a linear layer does
    assert run.code == 0
    [warning] = [line for line in run.err.splitlines() if line.startswith("Warning:")]
    assert names(warning, "--mask-mode", "released", "paper")
    run = bokeh("import-weights", published, "--mask-mode", "paper", "--overwrite")
    assert "Warning" not in run.err
    assert names(run.err, "any-to-bokeh", "paper", "--mask-mode")


@pytest.mark.parametrize(
    ("arguments", "code", "facts"),
    [
        (["nowhere"], 1, "nowhere exist"),
        (["{published}", "--name", "../escaped"], 2, "--name '../escaped'"),
        (["{published}", "--mask-mode", "both"], 2, "--mask-mode 'both' released paper"),
        (["{published}", "--svd", "nowhere"], 1, "nowhere U-Net Stable Video Diffusion"),
    ],
)
def test_what_cannot_be_is_one_error(
    arguments: list[str], code: int, facts: str, bokeh: Bokeh, published: Path, tmp_path: Path
) -> None:
    run = bokeh("import-weights", *[argument.format(published=published) for argument in arguments])
    assert (run.code, run.out) == (code, "")
    assert names(run.errors[0], *facts.split())
    assert list((tmp_path / "home").glob("weights/*")) == []


def test_a_trained_checkpoint_needs_no_import(bokeh: Bokeh, published: Path, tmp_path: Path) -> None:
    """Its codec has no weights that an autoencoder has: the error said nothing else."""
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    folder.write_checkpoint(TrainedNetwork(*make_network("tiny", None), training_settings("geometry")))
    run = bokeh("import-weights", folder.checkpoint)
    assert (run.code, run.out) == (1, "")
    assert names(run.errors[0], folder.checkpoint, "bokeh train")
    assert "--weights" in run.err and "missing" not in run.err and "incomplete" not in run.err
    assert find_checkpoint(folder.checkpoint).folder == folder.checkpoint  # as --weights finds it
    assert list((tmp_path / "home").glob("weights/*")) == []


@pytest.mark.slow
def test_signal_leaves_nothing(bokeh_process: Callable[..., Any], published: Path, tmp_path: Path) -> None:
    process = bokeh_process("import-weights", published)
    home = tmp_path / "home" / "weights"
    while not list(home.glob(".*.part")):  # it has begun
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.skip("it was done before the signal came")
    assert process.returncode == 128 + signal.SIGTERM, err
    assert err.splitlines()[-1].startswith("Stopped: ")
    assert list(home.iterdir()) == []

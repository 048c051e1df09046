"""``bokeh doctor``: what is here, and which program answers to ``bokeh``."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
import torch
from facts import names

from any2bokeh import __version__

Bokeh = Callable[..., Any]


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Put a program called ``bokeh`` on the PATH, alone."""

    def put(script: str) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        program = folder / "bokeh"
        program.write_text(script)
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        return program

    return put


def test_facts_in_json(bokeh: Bokeh) -> None:
    run = bokeh("doctor", "--json")
    report = json.loads(run.out)
    assert (run.code, run.err) == (0, "")
    assert report["versions"]["any2bokeh"] == __version__
    assert report["versions"]["torch"] == torch.__version__
    assert report["versions"]["ffmpeg"] == av.ffmpeg_version_info
    assert "cpu" in report["devices"]
    assert report["encoders"]["libx264"] == report["encoders"]["ffv1"] == "opens"
    assert "not here" in report["networks"]["depth-small"]


def test_network_and_cache_are_found(bokeh: Bokeh, clip: Path, network: Path) -> None:
    assert bokeh("depth", clip, "--depth-size", "56").code == 0
    report = json.loads(bokeh("doctor", "--json").out)
    assert str(network) in report["networks"]["depth-small"]
    assert str(clip.parent / "cache") in report["cache"]["disparity"]
    assert "1 tracks" in report["cache"]["disparity"]


def test_changed_network_is_found_where_it_is_asked_for(bokeh: Bokeh, linked_network: Path) -> None:
    def fact(*options: str) -> str:
        return str(json.loads(bokeh("doctor", "--json", *options).out)["networks"]["depth-small"])

    assert "damaged:" not in fact("--verify")
    config = (linked_network / "config.json").resolve()
    config.write_bytes(config.read_bytes() + b" ")
    assert "damaged:" not in fact()
    assert names(fact("--verify"), linked_network, "damaged", "config.json")


@pytest.mark.slow
def test_checkpoints_are_listed_with_mask_mode_and_license(bokeh: Bokeh, checkpoint: Path) -> None:
    facts = json.loads(bokeh("doctor", "--json").out)["checkpoints"]
    assert names(facts["other"], "not here", "a file that somebody has", "none")
    assert names(facts["any-to-bokeh"], checkpoint, "released", "CC-BY-NC-4.0")


@pytest.mark.slow
def test_changed_checkpoint_is_said_to_be_so(bokeh: Bokeh, checkpoint: Path) -> None:
    def fact(*options: str) -> str:
        return str(json.loads(bokeh("doctor", "--json", *options).out)["checkpoints"]["any-to-bokeh"])

    weights = checkpoint / "vae" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert "damaged:" not in fact()
    name = "vae/diffusion_pytorch_model.safetensors"
    assert names(fact("--verify"), "damaged", name, "changed")
    weights.write_bytes(content[:-1])
    assert names(fact(), "damaged", name, "read")
    weights.unlink()
    assert fact().startswith("damaged: ")
    assert names(fact(), name, "missing")


def test_text_names_every_section(bokeh: Bokeh) -> None:
    out = bokeh("doctor").out
    sections = [line.removesuffix(":") for line in out.splitlines() if not line.startswith(" ")]
    assert sections == ["versions", "devices", "encoders", "networks", "checkpoints", "cache", "command"]


def test_own_command_is_recognized(bokeh: Bokeh, on_path: Callable[[str], Path]) -> None:
    program = on_path("#!/usr/bin/python\nfrom any2bokeh.cli import main\n")
    assert json.loads(bokeh("doctor", "--json").out)["command"]["bokeh"].startswith(str(program))


def test_plotting_library_of_the_same_name_is_named(bokeh: Bokeh, on_path: Callable[[str], Path]) -> None:
    program = on_path("#!/usr/bin/python\nfrom bokeh.__main__ import main\n")
    fact = json.loads(bokeh("doctor", "--json").out)["command"]["bokeh"]
    assert str(program) in fact
    assert names(fact, "any2bokeh")


def test_missing_command_is_named(bokeh: Bokeh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert json.loads(bokeh("doctor", "--json").out)["command"] == {"bokeh": "not on the PATH"}

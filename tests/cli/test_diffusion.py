"""`--renderer diffusion`, from published files to a refocused clip, on tiny networks of the same classes."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import parity
import pytest
import torch
from clips import write_lens_dataset
from facts import names, naming
from folders import catalog_entry, downloaded

from any2bokeh.errors import SettingsError
from any2bokeh.render.choose import choose_renderer
from any2bokeh.scene import PictureFormat
from any2bokeh.settings.render_settings import DiffusionSettings, LensSettings, RenderSettings

Bokeh = Callable[..., Any]
Make = Callable[..., Path]
ENCODER = catalog_entry(
    "svd-image-encoder", "image_encoder/config.json", "image_encoder/model.fp16.safetensors"
)


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """The tiny image encoder where a download leaves it."""
    with (tmp_path / "models.toml").open("a") as models:
        models.write(ENCODER)
    folder = downloaded(tmp_path, "any2bokeh-tests/svd-image-encoder") / "image_encoder"
    parity.save_image_encoder(folder)
    return folder


@pytest.fixture
def diffusion(track: Path) -> list[object]:
    return [
        *("--disparity", track, "--focus", "0.5", "--k", "30"),
        *("--renderer", "diffusion", "--work-size", "128", "--device", "cpu"),
    ]


def audio_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def frame_times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]


@pytest.mark.slow
def test_an_imported_checkpoint_refocuses_a_clip(
    bokeh: Bokeh, checkpoint: Path, encoder: Path, diffusion: list[object], make_clip: Make, tmp_path: Path
) -> None:
    clip, target = make_clip(tmp_path / "loud.mp4", audio="aac"), tmp_path / "out.mp4"
    run = bokeh("refocus", clip, *diffusion, "-o", target, "--json")
    assert run.code == 0, run.err
    assert json.loads(run.out)["results"][0]["renderer"] == "diffusion"
    assert frame_times(target) == frame_times(clip)
    assert audio_packets(target) == audio_packets(clip) != []


@pytest.mark.slow
def test_dry_run_counts_the_operations_of_the_papers_network(
    bokeh: Bokeh, checkpoint: Path, encoder: Path, clip: Path, diffusion: list[object]
) -> None:
    [plan] = json.loads(bokeh("refocus", clip, *diffusion, "--dry-run", "--json").out)["results"]
    assert plan["is_rough"] is True
    assert plan["render_seconds"] > 0.1  # four frames of 128 x 72 pixels: at most 2e12 operations a second


@pytest.mark.slow
def test_an_evaluation_runs_the_network_with_and_without_its_parts(
    bokeh: Bokeh, checkpoint: Path, encoder: Path, tmp_path: Path
) -> None:
    data = write_lens_dataset(tmp_path / "set", ("a",), frames=5)
    network = ("--device", "cpu", "--work-size", 128, "--chunk", 4, "--overlap", 2)
    options = ("--methods", "diffusion", "--ablations", "--limit", 1, "--shown", 0, "--json")
    run = bokeh("evaluate", data, "-o", tmp_path / "out", *network, *options)
    assert run.code == 0, run.err
    figures = json.loads(run.out)["figures"]
    parts = ("", "-no-mpi", "-no-overlap", "-one-frame")
    assert list(figures) == [*(f"diffusion{part}" for part in parts), "truth"]
    scores = [figures[f"diffusion{part}"]["rm"] for part in parts]
    assert len(set(scores)) == len(parts)  # each of them changes what is drawn


def test_without_weights_the_way_to_them_is_named(
    bokeh: Bokeh, clip: Path, diffusion: list[object], tmp_path: Path
) -> None:
    run = bokeh("refocus", clip, *diffusion)
    assert run.code == 1
    assert names(run.err, "'any-to-bokeh'", "bokeh import-weights")
    assert not clip.with_name("clip.refocus.mp4").exists()


def test_a_folder_of_weights_that_is_missing_is_named_without_advising_an_import(
    bokeh: Bokeh, clip: Path, diffusion: list[object], tmp_path: Path
) -> None:
    run = bokeh("refocus", clip, *diffusion, "--weights", tmp_path / "gone")
    assert (run.code, len(run.errors)) == (1, 1)
    assert names(run.errors[0], tmp_path / "gone", "exist")
    assert "bokeh import-weights" not in run.err
    run = bokeh("refocus", clip, *diffusion, "--weights", clip)
    assert names(run.errors[0], clip, "folder")


@pytest.mark.slow
def test_a_network_that_was_hardly_trained_says_so(
    bokeh: Bokeh, checkpoint: Path, encoder: Path, clip: Path, diffusion: list[object]
) -> None:
    facts = json.loads((checkpoint / "bokeh.json").read_text())
    for steps, warnings in ((3, 1), (100_000, 0), (None, 0)):
        (checkpoint / "bokeh.json").write_text(json.dumps(facts | {"trained_steps": steps}))
        run = bokeh("refocus", clip, *diffusion, "--overwrite")
        assert run.code == 0, run.err
        assert run.err.count("Warning:") == warnings
        assert not warnings or names(run.err, checkpoint, "3 steps")


@pytest.mark.slow
def test_without_the_image_encoder_its_download_is_named(
    bokeh: Bokeh, checkpoint: Path, encoder: Path, clip: Path, diffusion: list[object]
) -> None:
    (encoder / "model.fp16.safetensors").unlink()
    run = bokeh("refocus", clip, *diffusion)
    assert run.code == 1
    assert "bokeh download-weights svd-image-encoder" in run.err


@pytest.mark.slow
def test_an_image_encoder_of_another_size_is_refused(
    bokeh: Bokeh, checkpoint: Path, encoder: Path, clip: Path, diffusion: list[object]
) -> None:
    config = json.loads((encoder / "config.json").read_text()) | {"projection_dim": 16}
    (encoder / "config.json").write_text(json.dumps(config))
    run = bokeh("refocus", clip, *diffusion)
    assert run.code == 1
    assert names(run.err, "visual_projection.weight", "shape")


@pytest.mark.slow
def test_a_damaged_checkpoint_is_named(
    bokeh: Bokeh, checkpoint: Path, encoder: Path, clip: Path, diffusion: list[object]
) -> None:
    weights = checkpoint / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    run = bokeh("refocus", clip, *diffusion)
    assert run.code == 1
    assert str(weights) in run.err


@pytest.mark.slow
def test_blur_beyond_the_training_is_warned_of_once(
    bokeh: Bokeh, checkpoint: Path, encoder: Path, clip: Path, diffusion: list[object]
) -> None:
    """A working frame 85 pixels wide draws K 128 as 11 pixels; one of 853 would draw it as 107."""
    assert "beyond" not in bokeh("refocus", clip, *diffusion, "--k", "128").err
    run = bokeh("refocus", clip, *diffusion, "--k", "128", "--work-size", "512", "--overwrite")
    assert run.code == 0, run.err
    assert run.err.count("K 128") == 1 and names(run.err, "training")


def test_what_only_the_lens_can_do_is_refused(bokeh: Bokeh, clip: Path, diffusion: list[object]) -> None:
    run = bokeh("refocus", clip, *diffusion, "--highlights", "2")
    assert run.code == 2
    assert names(run.err, "lens", "highlights")


PICTURES = PictureFormat(height=1080, width=1920)
CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def large_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device of 80 GB, as far as choosing goes."""
    monkeypatch.setattr("any2bokeh.render.diffusion.memory.device_memory", lambda device: 80 * 10**9)


@pytest.mark.slow
def test_auto_takes_the_network_where_it_can_run(large_gpu: None, checkpoint: Path, encoder: Path) -> None:
    assert choose_renderer(RenderSettings(), GPU, PICTURES, 16) == "diffusion"
    assert choose_renderer(RenderSettings(), GPU, PICTURES, None) == "diffusion"


@pytest.mark.parametrize(
    ("settings", "device", "k", "reason"),
    [
        (RenderSettings(), CPU, 16, "CPU"),
        (RenderSettings(), GPU, 33, "training"),
        (RenderSettings(lens=LensSettings(cats_eye=1)), GPU, 16, "lens can"),
        (RenderSettings(diffusion=DiffusionSettings(weights="other")), GPU, 16, "'other'"),
    ],
)
@pytest.mark.slow
def test_auto_takes_the_lens_and_says_why(
    large_gpu: None,
    checkpoint: Path,
    encoder: Path,
    caplog: pytest.LogCaptureFixture,
    settings: RenderSettings,
    device: torch.device,
    k: float,
    reason: str,
) -> None:
    with caplog.at_level("INFO", "any2bokeh"):
        assert choose_renderer(settings, device, PICTURES, k) == "lens"
    assert names(caplog.text, reason)


def test_weights_that_are_named_and_not_used_are_told(caplog: pytest.LogCaptureFixture) -> None:
    settings = RenderSettings(diffusion=DiffusionSettings(weights="mine"))
    assert choose_renderer(settings, CPU, PICTURES, 16) == "lens"
    assert names(caplog.text, "`weights`", "CPU", "`renderer=diffusion`")
    with pytest.raises(SettingsError, match=naming("lens", "weights")):
        choose_renderer(replace(settings, renderer="lens"), CPU, PICTURES, 16)


@pytest.mark.slow
def test_auto_takes_the_lens_on_a_small_gpu(monkeypatch: pytest.MonkeyPatch, checkpoint: Path) -> None:
    monkeypatch.setattr("any2bokeh.render.diffusion.memory.device_memory", lambda device: 8 * 10**9)
    assert choose_renderer(RenderSettings(), GPU, PICTURES, 16) == "lens"


def test_the_network_has_no_aperture_to_choose() -> None:
    settings = RenderSettings(renderer="diffusion", lens=LensSettings(cats_eye=0.5, anamorphic=2))
    with pytest.raises(SettingsError, match=naming("lens", "cats eye", "anamorphic")):
        choose_renderer(settings, CPU, PICTURES, 16)

"""Settings of a run: what ships, what changes them, and what is wrong with them."""

from pathlib import Path

import pytest
from facts import naming

from any2bokeh.errors import SettingsError
from any2bokeh.lab.training.training_settings import StageName, change_settings, training_settings


@pytest.mark.parametrize(
    ("stage", "frames", "learning_rate", "epochs", "perturbed", "loss"),
    [
        ("geometry", 4, 1e-5, 15, 0, "latents"),
        ("temporal", 8, 5e-6, 5, 0.5, "latents"),
        ("detail", 3, 5e-6, 10, 0, "pixels"),
    ],
)
def test_shipped_settings_are_the_papers(
    stage: StageName, frames: int, learning_rate: float, epochs: float, perturbed: float, loss: str
) -> None:
    settings = training_settings(stage)
    assert (settings.frames, settings.learning_rate, settings.epochs) == (frames, learning_rate, epochs)
    assert (settings.perturbed, settings.loss, settings.texture_loss) == (perturbed, loss, "paper")
    assert (settings.batch, settings.accumulate, settings.average, settings.clip_gradient) == (1, 2, 0, 0)
    assert (settings.perturb.warp_px, settings.perturb.warp_sigma_px, settings.perturb.noise) == (50, 4, 0.1)


def test_a_file_and_single_values_go_over_what_ships(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[temporal]\nframes = 6\nlearning_rate = 1\n[temporal.perturb]\nnoise = 0.2\n")
    settings = training_settings(
        "temporal", file, ["learning_rate=2e-4", "perturb.coherence=1", "loss=pixels"]
    )
    assert (settings.frames, settings.learning_rate, settings.loss) == (6, 2e-4, "pixels")
    assert (settings.perturb.noise, settings.perturb.coherence, settings.perturb.warp_px) == (0.2, 1.0, 50)
    file.write_text("frames = 5\n")
    assert training_settings("temporal", file).frames == 5


@pytest.mark.parametrize(
    ("change", "named", "hint"),
    [
        ("learning_rat=1", ["learning_rat"], "learning_rate?"),
        ("perturb.nois=1", ["perturb.nois"], "perturb.noise?"),
        ("frames=many", ["frames", "'many'"], ""),
        ("frames=1.5", ["frames", 1.5], ""),
        ("steps=-1", ["steps", -1], ""),
        ("loss=other", ["latents | pixels | squared", "'other'"], ""),
        ("frames", ["'frames'", "key=value"], "`training.learning_rate=1e-4`"),
        ("frames=0", ["frames", 1, 0], ""),
        ("perturbed=2", ["perturbed", "0 to 1", 2.0], ""),
        ("beta2=1", ["beta2", "below 1"], ""),
        ("seed=-1", ["seed", 0, -1], ""),
        ("workers=1000000", ["workers", 256, 1000000], ""),
        ("epochs=1e308", ["epochs", 1000000], ""),
    ],
)
def test_what_is_wrong_is_named(change: str, named: list[object], hint: str) -> None:
    with pytest.raises(SettingsError, match=naming(*named)) as failure:
        training_settings("geometry", changes=[change])
    assert hint in failure.value.hint


def test_a_broken_file_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("frames = ")
    with pytest.raises(SettingsError, match=naming(file, "TOML")):
        training_settings("geometry", file)
    with pytest.raises(SettingsError, match=naming(tmp_path / "none.toml")):
        training_settings("geometry", tmp_path / "none.toml")


def test_the_learning_rate_rises_stays_and_falls() -> None:
    settings = change_settings(training_settings("geometry"), ["learning_rate=1", "warmup=4", "cooldown=2"])
    assert [settings.rate(step, 10) for step in (0, 3, 7, 8, 9)] == [0.25, 1, 1, 1, 0.5]

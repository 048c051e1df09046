"""Windows of clips: what a draw decides, and what perturbing changes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from facts import naming
from torch import Tensor

from any2bokeh.errors import DatasetError
from any2bokeh.lab.training.training_settings import TrainingSettings, change_settings, training_settings
from any2bokeh.lab.training.windows import TrainingWindows, open_clips

EVERYWHERE = ("perturb.everywhere=true", "crop=48", "frames=3")


def settings_of(*changes: str) -> TrainingSettings:
    return change_settings(training_settings("temporal"), [*EVERYWHERE, *changes])


def windows_of(data: Path, settings: TrainingSettings) -> TrainingWindows:
    return TrainingWindows(open_clips(data), settings, 16)


def differing(first: dict[str, Tensor], second: dict[str, Tensor]) -> set[str]:
    return {name for name in first if not torch.equal(first[name], second[name])}


def test_perturbing_changes_disparity_only(data: Path) -> None:
    true, perturbed = (windows_of(data, settings_of(f"perturbed={share}"))[3] for share in (0, 1))
    assert differing(true, perturbed) == {"disparity", "perturbed"}
    assert perturbed["disparity"].min() >= 0 and perturbed["disparity"].max() <= 1


def test_a_window_depends_on_its_number_and_the_seed_alone(data: Path) -> None:
    windows = windows_of(data, settings_of("perturbed=0.5"))
    there = [windows[number] for number in range(6)]
    back = [windows[number] for number in reversed(range(6))][::-1]
    assert not any(differing(*pair) for pair in zip(there, back, strict=True))
    other = windows_of(data, settings_of("perturbed=0.5", "seed=1"))
    assert any(differing(there[number], other[number]) for number in range(6))


def test_every_version_comes_once_before_any_comes_again(data: Path) -> None:
    windows = windows_of(data, settings_of())
    for epoch in range(3):
        takes = [windows.take(epoch * len(windows) + within) for within in range(len(windows))]
        assert len({(take.clip.name, take.setting.name) for take in takes}) == len(windows) == 4


def test_flipping_and_perturbing_are_drawn_apart(data: Path) -> None:
    windows = windows_of(data, settings_of("perturbed=0.5"))
    drawn = [windows.take(number) for number in range(400)]
    for is_perturbed in (False, True):
        flips = [take.is_flipped for take in drawn if (take.perturb_seed is not None) == is_perturbed]
        assert sum(flips) / len(flips) == pytest.approx(0.5, abs=0.12)


def test_a_flipped_window_is_the_mirror_image(data: Path) -> None:
    plain, flipped = (windows_of(data, settings_of(f"flipped={share}", "perturbed=0"))[1] for share in (0, 1))
    for name in ("sharp", "target", "disparity"):
        assert torch.equal(plain[name], flipped[name].flip(3))
    assert torch.equal(plain["focus_disparity"], flipped["focus_disparity"])


def test_only_the_thing_in_focus_is_perturbed_unless_all_is(data: Path) -> None:
    settings = settings_of("perturbed=1", "perturb.everywhere=false", "crop=0", "flipped=0")
    true, perturbed = (windows_of(data, replace(settings, perturbed=share)) for share in (0.0, 1.0))
    for number in range(4):
        kept = torch.equal(true[number]["disparity"], perturbed[number]["disparity"])
        assert kept == (true.take(number).setting.object is None)


def test_clips_that_are_too_short_or_too_small_are_errors(data: Path) -> None:
    with pytest.raises(DatasetError, match=naming(8, 9)):
        windows_of(data, settings_of("frames=9"))
    with pytest.raises(DatasetError, match="multiples of 64"):
        TrainingWindows(open_clips(data), settings_of("crop=48"), 64)


def test_k_is_given_in_pixels_of_the_frame(data: Path) -> None:
    window = windows_of(data, settings_of())[0]
    torch.testing.assert_close(window["net_blur_strength"], torch.full((3,), 60.0 * 96 / 1024))

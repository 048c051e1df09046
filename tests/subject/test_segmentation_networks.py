"""Which network follows a subject: the one asked for, or the best that is here."""

from pathlib import Path

import pytest
import torch
from folders import catalog_entry, downloaded, use_own_folders

from any2bokeh.errors import WeightsError
from any2bokeh.subject import segmentation_networks
from any2bokeh.subject.segmentation_networks import EDGETAM, SAM2, find_segmentation

CPU, GPU = torch.device("cpu"), torch.device("cuda")
CATALOG = "".join(catalog_entry(name, "model.safetensors") for name in (SAM2, EDGETAM))


@pytest.fixture(autouse=True)
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_own_folders(tmp_path, CATALOG, monkeypatch)
    monkeypatch.setattr(segmentation_networks, "find_spec", lambda name: name)  # as if timm were installed


def download(root: Path, *names: str) -> None:
    for name in names:
        (downloaded(root, f"any2bokeh-tests/{name}") / "model.safetensors").touch()


@pytest.mark.parametrize(
    ("here", "device", "patient", "taken"),
    [
        ((), CPU, True, "bundled"),
        ((), GPU, True, "bundled"),
        ((SAM2, EDGETAM), GPU, True, SAM2),
        ((SAM2, EDGETAM), CPU, True, EDGETAM),
        ((SAM2,), CPU, True, SAM2),
        ((SAM2,), CPU, False, "bundled"),
        ((SAM2,), GPU, False, SAM2),
        ((EDGETAM,), GPU, True, EDGETAM),
    ],
)
def test_auto_takes_the_best_that_is_here(
    here: tuple[str, ...], device: torch.device, patient: bool, taken: str, tmp_path: Path
) -> None:
    download(tmp_path, *here)
    found = find_segmentation("auto", device, patient=patient)
    assert found.name == taken
    assert found.takes_seconds == (taken != "bundled")


def test_edgetam_is_passed_over_without_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    download(tmp_path, EDGETAM, SAM2)
    monkeypatch.setattr(segmentation_networks, "find_spec", lambda name: None)
    assert find_segmentation("auto", CPU).name == SAM2
    assert "timm" in caplog.text


def test_the_one_asked_for_is_taken_or_named(tmp_path: Path) -> None:
    download(tmp_path, SAM2)
    assert find_segmentation("sam2", CPU, patient=False).name == SAM2
    assert find_segmentation("bundled", GPU).name == "bundled"
    with pytest.raises(WeightsError) as raised:
        find_segmentation("edgetam", GPU)
    assert EDGETAM in f"{raised.value.message} {raised.value.hint}"

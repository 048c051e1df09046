"""Networks of the real classes with random weights, where a download would leave them."""

from pathlib import Path

import clips
import pytest
import torch
from folders import catalog_entry, downloaded, use_own_folders

CATALOG = catalog_entry("videomae-base", "config.json", "model.safetensors")


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep networks of whoever runs the tests out of them."""
    use_own_folders(tmp_path, CATALOG, monkeypatch)


@pytest.fixture
def videomae(tmp_path: Path) -> Path:
    """A VideoMAE of 10 thousand parameters in the hub's cache."""
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification

    config = VideoMAEConfig(
        image_size=32,
        patch_size=16,
        num_frames=4,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=3,
    )
    folder = downloaded(tmp_path, "any2bokeh-tests/videomae-base")
    VideoMAEForVideoClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture
def torchvision_weights(tmp_path: Path) -> Path:
    """The networks of torchvision that metrics use, with random weights, where torch keeps downloads."""
    pytest.importorskip("torchvision")
    from torchvision.models import SqueezeNet1_1_Weights, squeezenet1_1
    from torchvision.models.optical_flow import Raft_Large_Weights, raft_large
    from torchvision.models.video import R3D_18_Weights, r3d_18

    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    for weights, make in (
        (SqueezeNet1_1_Weights, squeezenet1_1),
        (Raft_Large_Weights, raft_large),
        (R3D_18_Weights, r3d_18),
    ):
        torch.save(make().state_dict(), folder / weights.DEFAULT.url.rsplit("/", 1)[-1])
    return folder


@pytest.fixture(scope="session")
def lens_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips whose ground truth the lens draws."""
    return clips.write_lens_dataset(tmp_path_factory.mktemp("data") / "set")

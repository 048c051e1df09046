"""Networks behind metrics: found where downloads leave them, else named with what fetches them."""

from pathlib import Path

import pytest
import torch

from any2bokeh.errors import install_hint
from any2bokeh.lab.evaluation.frechet import FeatureWindows, frechet_distance
from any2bokeh.lab.evaluation.metric_networks import (
    find_networks,
    load_lpips,
    load_r3d,
    load_raft,
    load_videomae,
)

CPU = torch.device("cpu")


def test_what_is_missing_is_left_out_and_said_with_the_way_to_it() -> None:
    networks = find_networks(CPU)
    assert (networks.lpips, networks.raft, networks.video, networks.actions) == (None, None, None, None)
    assert set(networks.missing) == {"LPIPS", "RAFT", "VideoMAE", "R3D-18"}
    assert "bokeh download-weights videomae-base" in networks.missing["VideoMAE"]
    others = [line for name, line in networks.missing.items() if name != "VideoMAE"]
    assert all(install_hint("evaluate") in line or "W.DEFAULT" in line for line in others)


def test_videomae_looks_at_windows_of_its_length(videomae: Path) -> None:
    watcher = load_videomae(CPU)
    assert (watcher.frames, watcher.step, watcher.side_px) == (4, 2, 32)
    calm, wild = FeatureWindows(watcher), FeatureWindows(watcher)
    for picture in torch.rand(9, 3, 20, 36):
        calm.add(picture)
        wild.add(1 - picture)
    assert calm.features().shape == (3, 16)
    assert frechet_distance(calm.features(), calm.features()) == pytest.approx(0, abs=1e-9)
    distance = frechet_distance(calm.features(), wild.features())
    assert distance is not None and distance > 1e-3


def test_videomae_sees_the_order_of_frames(videomae: Path) -> None:
    watcher, pictures = load_videomae(CPU), torch.rand(4, 3, 32, 32)
    assert not torch.allclose(watcher.look(pictures), watcher.look(pictures.flip(0)), atol=1e-5)


def test_lpips_is_0_for_the_same_and_grows_with_the_difference(torchvision_weights: Path) -> None:
    compare, picture = load_lpips(CPU), torch.rand(3, 64, 80)
    assert compare(picture, picture) == 0
    noise = torch.rand_like(picture)
    near, far = (compare(picture, torch.lerp(picture, noise, share)) for share in (0.1, 0.9))
    assert 0 < near < far


def test_raft_gives_the_flow_at_the_size_of_the_picture(torchvision_weights: Path) -> None:
    flow = load_raft(CPU)
    first, second = torch.rand(2, 3, 50, 131)
    assert flow(first, second).shape == (2, 50, 131)
    assert not torch.equal(flow(first, second), flow(second, first))


def test_r3d_gives_its_pooled_features(torchvision_weights: Path) -> None:
    watcher = load_r3d(CPU)
    assert watcher.look(torch.rand(10, 3, 112, 112)).shape == (512,)


def test_damaged_weights_are_named(torchvision_weights: Path) -> None:
    [file] = torchvision_weights.glob("raft*")
    file.write_bytes(b"not weights")
    networks = find_networks(CPU)
    assert networks.raft is None
    assert str(file) in networks.missing["RAFT"]
    assert networks.actions is not None

import pytest
import torch

from any2bokeh.device import choose_device, choose_dtype, default_depth_size
from any2bokeh.errors import SettingsError


@pytest.fixture
def machine(monkeypatch):
    def machine(cuda, mps):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return machine


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_takes_the_fastest_device_there_is(machine, cuda, mps, chosen):
    machine(cuda, mps)
    assert choose_device("auto").type == chosen


def test_the_device_asked_for_is_taken(machine):
    machine(cuda=True, mps=True)
    assert [choose_device(name).type for name in ("cuda", "mps", "cpu")] == ["cuda", "mps", "cpu"]


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_an_error(machine, name):
    machine(cuda=False, mps=False)
    with pytest.raises(SettingsError, match=rf"finds no device {name} on this machine, only cpu\."):
        choose_device(name)


def test_gpus_compute_in_half_precision_and_the_cpu_in_single():
    types = {name: choose_dtype("auto", torch.device(name)) for name in ("cuda", "mps", "cpu")}
    assert types == {"cuda": torch.float16, "mps": torch.float16, "cpu": torch.float32}


def test_the_precision_asked_for_is_taken():
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert choose_dtype("bfloat16", cpu) == torch.bfloat16
    assert choose_dtype("float32", cuda) == torch.float32
    with pytest.raises(SettingsError, match="float16 is for GPUs"):
        choose_dtype("float16", cpu)


def test_the_cpu_gets_a_smaller_working_frame():
    assert default_depth_size(torch.device("cuda")) == 518
    assert default_depth_size(torch.device("cpu")) == 280

from pathlib import Path

import pytest
import torch
from facts import naming

from any2bokeh.device import choose_depth_dtype, choose_device, choose_dtype, default_depth_size, has_bfloat16
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
    with pytest.raises(SettingsError, match=naming(name, "only cpu")):
        choose_device(name)


@pytest.mark.parametrize(
    ("features", "on_cpu"),
    [
        ({"avx512bf16": True, "amx-bf16": False}, torch.bfloat16),
        ({"avx512bf16": False, "amx-bf16": True}, torch.bfloat16),
        ({"avx512f": True}, torch.float32),
    ],
)
def test_gpus_estimate_depth_in_half_precision_and_a_cpu_where_it_has_instructions(
    monkeypatch, features, on_cpu
):
    monkeypatch.setattr("llvmlite.binding.get_host_cpu_features", lambda: features)
    types = {name: choose_depth_dtype("auto", torch.device(name)) for name in ("cuda", "mps", "cpu")}
    assert types == {"cuda": torch.float16, "mps": torch.float16, "cpu": on_cpu}


def test_other_networks_compute_in_single_precision_on_the_cpu():
    types = {name: choose_dtype("auto", torch.device(name)) for name in ("cuda", "mps", "cpu")}
    assert types == {"cuda": torch.float16, "mps": torch.float16, "cpu": torch.float32}


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="Linux tells what the CPU has")
def test_what_the_cpu_has_is_what_the_system_says():
    flags = Path("/proc/cpuinfo").read_text().split()
    assert has_bfloat16() == bool({"avx512_bf16", "amx_bf16"} & set(flags))


def test_the_precision_asked_for_is_taken():
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert choose_dtype("bfloat16", cpu) == torch.bfloat16
    assert choose_dtype("float32", cuda) == torch.float32
    with pytest.raises(SettingsError, match="float16"):
        choose_dtype("float16", cpu)


def test_the_cpu_gets_a_smaller_working_frame():
    assert default_depth_size(torch.device("cuda")) == 518
    assert default_depth_size(torch.device("cpu")) == 280

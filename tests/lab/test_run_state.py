"""The state of a training run: written whole, read back exactly, refused where it is damaged."""

import json
from pathlib import Path

import pytest
import torch
from facts import naming

from any2bokeh.errors import WeightsError
from any2bokeh.lab.run_state import add_to_journal, rate_share, read_run_state, write_run_state


def test_a_state_comes_back_with_its_step(tmp_path: Path) -> None:
    weight = torch.rand(3, 4)
    tied = {"first": weight, "same memory": weight, "another order": weight.t()}
    write_run_state(tmp_path / "state.safetensors", 7, tied)
    step, tensors = read_run_state(tmp_path / "state.safetensors")
    assert step == 7
    assert {name: value.tolist() for name, value in tensors.items()} == {
        name: value.tolist() for name, value in tied.items()
    }
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]


def test_a_state_is_never_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    for name in ("state.partial", "state.safetensors.partial"):
        (tmp_path / name).symlink_to(tmp_path / "precious")
    write_run_state(tmp_path / "state.safetensors", 1, {"weight": torch.ones(2)})
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_state_stays_as_it_was_when_the_next_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.safetensors"
    write_run_state(path, 1, {"weight": torch.ones(2)})

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("any2bokeh.lab.tensor_files.save_file", full)
    with pytest.raises(OSError, match="no space left"):
        write_run_state(path, 2, {"weight": torch.zeros(2)})
    assert read_run_state(path)[0] == 1


@pytest.mark.parametrize("damage", [b"", b"\x00" * 40, b"no such file"])
def test_a_damaged_state_is_named(damage: bytes, tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    path.write_bytes(damage)
    with pytest.raises(WeightsError, match=naming(path)):
        read_run_state(path)


def test_a_state_without_its_step_is_named(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"weight": torch.ones(2)}, tmp_path / "state.safetensors")
    with pytest.raises(WeightsError, match=naming(tmp_path / "state.safetensors")):
        read_run_state(tmp_path / "state.safetensors")


def test_the_rate_rises_stays_and_falls_to_nothing() -> None:
    shares = [rate_share(step, 10, warmup=2, cooldown=5) for step in range(10)]
    assert shares == pytest.approx([0.5, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])


def test_the_journal_keeps_every_line(tmp_path: Path) -> None:
    for step in (1, 2):
        add_to_journal(tmp_path / "journal.jsonl", {"step": step, "loss": 0.5})
    lines = (tmp_path / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]

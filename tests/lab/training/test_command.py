"""`bokeh train`, from a data set to a clip that its checkpoint refocuses."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from square_clips import QUICK, steps_kept
from torch import Tensor

from any2bokeh.cli import main
from any2bokeh.errors import install_hint
from any2bokeh.lab.synthesis.dataset import open_dataset
from any2bokeh.video.lossless import read_lossless

pytestmark = pytest.mark.slow

SETTINGS = [part for change in QUICK for part in ("--set", change)]
FOCUS = ("--focus", "0.8", "--k", "60", "--device", "cpu")


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANY2BOKEH_HOME", str(tmp_path / "home"))


def pictures(path: Path) -> Tensor:
    from fractions import Fraction

    return torch.stack([torch.from_numpy(codes) for codes in read_lossless(path, Fraction(25), 0)])


def refocus(data: Path, target: Path, *options: str) -> Tensor:
    clip = open_dataset(data).clips[0].folder
    given = [str(clip / "sharp.mkv"), "--disparity", str(clip / "disparity.mkv"), *FOCUS, *options]
    assert main(["refocus", *given, "--lossless", "-o", str(target)]) == 0
    return pictures(target)


def test_a_trained_checkpoint_refocuses_a_clip(data: Path, tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    train = ["train", run, "--data", str(data), "--stage", "geometry", "--size", "tiny", "--device", "cpu"]
    assert main([*train, *SETTINGS, "--set", "steps=1"]) == 0
    assert main(["train", run, "--resume", "--device", "cpu", "--set", "steps=2"]) == 0
    weights = ("--renderer", "diffusion", "--weights", f"{run}/checkpoint", "--work-size", "128")
    refocused = refocus(data, tmp_path / "out.mkv", *weights)
    assert refocused.shape == pictures(open_dataset(data).clips[0].folder / "sharp.mkv").shape


@pytest.mark.skipif(sys.platform == "win32", reason="there are no groups of processes there")
def test_ctrl_c_reaches_the_processes_that_read_too_and_the_run_goes_on(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    program = "import sys; from any2bokeh.cli import main; sys.exit(main())"
    options = ["--data", data, "--stage", "geometry", "--size", "tiny", "--device", "cpu", *SETTINGS]
    arguments = ["train", run, *options, "--set", "steps=10000", "--set", "workers=2"]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr and process.stderr.readline().startswith("run: training, 1 of 10000")
    while not (run / "state.safetensors").is_file():
        assert process.poll() is None
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.endswith("Stopped: Interrupt\n") and "Traceback" not in said
    more = steps_kept(run / "state.safetensors") + 1
    assert main(["train", str(run), "--resume", "--device", "cpu", "--set", f"steps={more}"]) == 0


@pytest.mark.slow
def test_a_process_that_reads_says_nothing_of_a_connection_that_ended() -> None:
    """As multiprocessing's thread that hands over batches does, when the process that trains is gone."""
    program = (
        "import sys; from any2bokeh.lab.training.windows import end_in_silence; end_in_silence(0)\n"
        "for kind in (ConnectionResetError, BrokenPipeError, ValueError):\n"
        "    sys.excepthook(kind, kind('gone'), None)\n"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stderr
    assert told == "ValueError: gone\n"


@pytest.mark.parametrize(
    ("options", "code", "named"),
    [
        (["--stage", "geometry"], 2, "data"),
        (["--data", "{data}", "--stage", "bend"], 2, "geometry"),
        (["--data", "{data}", "--set", "rate=1"], 2, "rate"),
        (["--data", "{data}", "--stage", "geometry", "--size", "svd"], 2, "svd"),
        (["--data", "{run}", "--size", "tiny"], 1, "dataset.json"),
        (["--resume"], 2, "{run}"),
        (["--resume", "--data", "{data}"], 2, "--data"),
        (["--resume", "--size", "small"], 2, "--size"),
    ],
)
def test_what_is_missing_or_wrong_is_said(
    options: list[str], code: int, named: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [option.format(data=data, run=tmp_path) for option in options]
    assert main(["train", str(tmp_path / "run"), *given, "--device", "cpu"]) == code
    assert not (tmp_path / "run").exists()
    assert named.format(run=tmp_path) in "".join(capsys.readouterr().err.split())


def test_a_clip_whose_name_leads_elsewhere_writes_nothing(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = shutil.copytree(data, tmp_path / "set")
    scene = next((evil / "clips").iterdir()) / "scene.json"
    scene.write_text(json.dumps(json.loads(scene.read_text()) | {"name": "../../evil"}))
    before = sorted(tmp_path.rglob("*"))
    given = ["--data", str(evil), "--stage", "geometry", "--size", "tiny", "--device", "cpu", *SETTINGS]
    assert main(["train", str(tmp_path / "run"), *given, "--set", "steps=1"]) != 0
    assert "'../../evil'" in " ".join(capsys.readouterr().err.split())
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_in_the_place_of_a_run_is_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").write_text("mine")
    assert main(["train", str(tmp_path / "run"), "--data", str(data), "--device", "cpu"]) == 2
    assert str(tmp_path / "run") in "".join(capsys.readouterr().err.split())
    assert (tmp_path / "run").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "leads_to", "why"),
    [("run", "nowhere", "is a file"), ("run", "run", "is a file"), ("r" * 300, "", "too long")],
)
def test_a_name_that_no_run_can_have_is_named(
    name: str, leads_to: str, why: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / name
    if leads_to:
        run.symlink_to(tmp_path / leads_to)
    assert main(["train", str(run), "--data", str(data), "--device", "cpu"]) == 2
    assert why in " ".join(capsys.readouterr().err.split())


def test_settings_that_are_not_of_a_run_are_not_replaced(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "settings.toml"
    mine.write_text("learning_rate = 1e-4\n")  # for --config, perhaps
    assert main(["train", str(tmp_path), "--data", str(data), "--device", "cpu"]) == 2
    assert "settings.tomlisnotofarun" in "".join(capsys.readouterr().err.split())
    assert mine.read_text() == "learning_rate = 1e-4\n"


@pytest.mark.parametrize("name", [".lock", "tensorboard", "journal.jsonl"])
def test_what_is_in_the_way_of_a_run_is_named_and_stays(
    name: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, mine = tmp_path / "run", tmp_path / "mine.txt"
    run.mkdir()
    mine.write_text("mine")
    (run / name).symlink_to(mine)
    train = ["train", str(run), "--data", str(data), "--stage", "geometry", "--size", "tiny"]
    assert main([*train, *SETTINGS, "--set", "steps=1", "--set", "crop=64", "--device", "cpu"]) != 0
    assert f"{run / name}cannotbewritten" in "".join(capsys.readouterr().err.split())
    assert mine.read_text() == "mine"


def test_what_is_not_installed_is_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    monkeypatch.delitem(sys.modules, "any2bokeh.lab.training.trainer", raising=False)
    assert main(["train", str(tmp_path / "run"), "--data", str(data), "--device", "cpu"]) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert message == f"Error: Training needs accelerate. {install_hint('train')}"


def test_a_run_is_not_begun_twice(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = ["train", str(tmp_path), "--data", str(data), "--size", "tiny", "--device", "cpu", *SETTINGS]
    assert main([*train, "--set", "steps=1"]) == 0
    assert main(train) == 2
    assert str(tmp_path) in "".join(capsys.readouterr().err.split())
    (tmp_path / "state.safetensors").unlink()  # the checkpoint is not written over by a run from the start
    assert main(["train", str(tmp_path), "--resume", "--device", "cpu", "--set", "steps=2"]) == 2
    assert "state.safetensors" in capsys.readouterr().err

"""Processes on this machine: one for each GPU, each of which sees that one alone."""

import json
import os
import sys
import time
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest
import torch
from facts import naming

from any2bokeh.device import visible_gpus
from any2bokeh.errors import WorkError
from any2bokeh.farm.part_maker import THREADS, PartMaker, plan_work
from any2bokeh.farm.whole_run import worker_count
from any2bokeh.farm.work_folder import Work, read_work
from any2bokeh.farm.workers import make_with_workers, worker_environment
from any2bokeh.settings.depth_settings import DepthSettings
from any2bokeh.settings.focus_settings import FocusSettings
from any2bokeh.settings.render_settings import RenderSettings
from any2bokeh.settings.run_settings import Settings


def work_on(device: str, folder: Path, render: RenderSettings | None = None, **facts: object) -> Work:
    settings = Settings(
        focus=FocusSettings(focus_disparity=0.5, blur_strength=20), render=render or RenderSettings()
    )
    return Work(
        folder=folder,
        source=folder / "film.mkv",
        target=folder / "out.mkv",
        settings=settings,
        shards=1,
        belongs_to={"device": device, **facts},
    )


@pytest.fixture
def four_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many GPUs as a process may use of four, as far as counting goes."""

    def count() -> int:
        named = os.environ.get("CUDA_VISIBLE_DEVICES")
        return 4 if named is None else min(4, len([name for name in named.split(",") if name.strip()]))

    monkeypatch.setattr(torch.cuda, "device_count", count)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count() > 0)


@pytest.mark.parametrize(
    ("named", "gpus"),
    [
        (None, ["0", "1", "2", "3"]),
        ("2,0", ["2", "0"]),
        (" 3 , 1 ", ["3", "1"]),
        ("GPU-5f2a,MIG-77c0", ["GPU-5f2a", "MIG-77c0"]),
        ("", []),
    ],
)
def test_each_process_sees_one_of_the_gpus_that_may_be_used(
    four_gpus: None, named: str | None, gpus: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_gpus() == gpus
    auto = worker_count(None, work_on("cuda", tmp_path))
    assert auto == max(1, len(gpus))
    if gpus:
        work = work_on("cuda NVIDIA H100", tmp_path)
        seen = [worker_environment(work, number, auto)["CUDA_VISIBLE_DEVICES"] for number in range(auto)]
        assert seen == gpus
        # More processes than GPUs share them evenly.
        more = [worker_environment(work, number, 2 * auto) for number in range(2 * auto)]
        assert [one["CUDA_VISIBLE_DEVICES"] for one in more] == gpus * 2


def test_auto_is_one_process_where_the_lens_is_asked_to_draw_on_the_cpu(
    four_gpus: None, tmp_path: Path
) -> None:
    assert worker_count(None, work_on("cpu", tmp_path, RenderSettings(device="cpu"))) == 1
    assert worker_count(3, work_on("cpu", tmp_path, RenderSettings(device="cpu"))) == 3


def test_processes_on_a_cpu_share_the_cores_but_networks_keep_their_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 12)
    assert worker_environment(work_on("cpu", tmp_path), 1, 4) == {"OMP_NUM_THREADS": "3"}
    assert worker_environment(work_on("cpu", tmp_path), 0, 30) == {"OMP_NUM_THREADS": "1"}
    counted = work_on("cpu", tmp_path, **{THREADS: 12})
    assert worker_environment(counted, 0, 4) == {"OMP_NUM_THREADS": "12"}


@pytest.fixture
def elsewhere(film: Path, track: Path, tmp_path: Path) -> Work:
    """The work on a clip that was planned where there is a GPU."""
    settings = Settings(
        focus=FocusSettings(focus_disparity=0.5, blur_strength=20),
        depth=DepthSettings(track=track),
        render=RenderSettings(renderer="lens", device="cpu"),
    )
    work = plan_work(film, tmp_path / "out.mkv", settings, tmp_path / "work")
    path = work.folder / "work.json"
    document = json.loads(path.read_text())
    document["belongs_to"]["device"] = "cuda NVIDIA H100"
    path.write_text(json.dumps(document))
    return read_work(work.folder)


def test_another_device_than_the_one_of_the_plan_draws_no_part(elsewhere: Work) -> None:
    with pytest.raises(WorkError, match=naming("device", "H100", "cpu")):
        PartMaker(elsewhere)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell the environment of a process")
def test_the_processes_that_are_started_see_one_gpu_each(
    four_gpus: None, elsewhere: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,3")
    seen: list[str] = []
    start = SpawnProcess.start

    def watched(process: SpawnProcess) -> None:
        start(process)
        told = Path(f"/proc/{process.pid}")
        # Until it has become another program, a process shows the variables of the one that started it.
        while b"spawn_main" not in (told / "cmdline").read_bytes():
            time.sleep(0.001)
        variables = (told / "environ").read_bytes().split(b"\0")
        seen.extend(one.decode() for one in variables if one.startswith(b"CUDA_VISIBLE_DEVICES="))

    monkeypatch.setattr(SpawnProcess, "start", watched)
    # There is no such GPU here: the processes refuse to draw for it, which is told.
    with pytest.raises(WorkError, match=naming("device", "H100", "cpu")):
        make_with_workers(elsewhere, elsewhere.parts, 2, lambda record, parts: None)
    assert seen == ["CUDA_VISIBLE_DEVICES=1", "CUDA_VISIBLE_DEVICES=3"]

"""Clips on a Ray cluster of local nodes, one of which is lost in mid-run."""

import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import pytest
import ray
from facts import naming
from films import write_clip, write_track

import any2bokeh
from any2bokeh import DepthSettings, FocusSettings, Settings, refocus
from any2bokeh.errors import DisparityError
from any2bokeh.farm.cluster import ClusterClip, ClusterError, ClusterEvent, ClusterQueue, open_cluster
from any2bokeh.farm.cluster_worker import ClusterWorker
from any2bokeh.farm.prepared_clip import PreparedClip
from any2bokeh.settings.video_settings import EncodeSettings

FRAMES = 24
STORE_BYTES = 80 * 2**20


@contextmanager
def two_nodes(first_cpus: int = 1, **second: Any) -> Iterator[tuple[Any, Any]]:
    """A cluster of this machine, of two nodes with a core each unless said, and the second of these."""
    from ray.cluster_utils import Cluster as LocalCluster

    least = {"num_cpus": 1, "object_store_memory": STORE_BYTES}
    head = least | {"num_cpus": first_cpus, "include_dashboard": False}
    local = LocalCluster(initialize_head=True, head_node_args=head)
    try:
        yield local, local.add_node(**least, **second)
    finally:
        local.shutdown()


def make_clip(folder: Path, name: str, track_frames: int = FRAMES) -> ClusterClip:
    """A clip with its track, which does not fit it if it has other ``track_frames``."""
    source = write_clip(folder / f"{name}.mp4", FRAMES, audio="aac")
    track = write_track(folder / f"{name}.disparity.mkv", track_frames)
    settings = Settings(
        focus=FocusSettings(focus_disparity=0.3, blur_strength=60),
        depth=DepthSettings(track=track),
        encode=EncodeSettings(lossless=True),  # threads of other encoders do not agree to the bit
    )
    return ClusterClip(
        source=source, target=folder / f"{name}.refocus.mkv", settings=settings, folder=folder / "parts"
    )


def hashed(path: Path) -> list[str]:
    with av.open(str(path)) as file:
        return [hashlib.sha256(frame.to_ndarray()).hexdigest() for frame in file.decode(video=0)]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_node_that_is_lost_costs_no_frame_and_a_clip_that_fails_stops_no_other(tmp_path: Path) -> None:
    clips = [make_clip(tmp_path, "a"), make_clip(tmp_path, "b"), make_clip(tmp_path, "wrong", FRAMES - 5)]
    refocus(clips[0].source, tmp_path / "one.mkv", clips[0].settings)
    work = tmp_path / "work"
    work.mkdir()
    events: list[ClusterEvent] = []
    with two_nodes() as (local, second), open_cluster(local.address, work) as cluster:
        for event in cluster.refocus(clips):
            events.append(event)
            if sum(one.record is not None for one in events) == 1 and second is not None:
                local.remove_node(second, allow_graceful=False)
                second = None
    assert second is None
    for clip in clips[:2]:
        assert hashed(clip.target) == hashed(tmp_path / "one.mkv")
        with av.open(str(clip.target)) as file:
            assert file.streams.audio
    failed = [event for event in events if event.error]
    assert [event.clip for event in failed] == [clips[2]] and isinstance(failed[0].error, DisparityError)
    assert not clips[2].target.exists()
    records = [event.record for event in events if event.record]
    assert sum(record.frames for record in records) == 2 * FRAMES
    assert not (tmp_path / "parts/a.mp4").exists() and not list(work.iterdir())


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_node_with_another_version_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(Path(any2bokeh.__file__).parent, other / "any2bokeh")
    with (other / "any2bokeh/run.py").open("a") as file:
        file.write("\n# changed\n")
    work = tmp_path / "work"
    work.mkdir()
    with (
        two_nodes(
            first_cpus=0, env_vars={"PYTHONPATH": f"{other}:{Path(__file__).parents[1] / 'support'}"}
        ) as (local, _),
        open_cluster(local.address, work) as cluster,
        pytest.raises(ClusterError, match=naming("any2bokeh")),
    ):
        list(cluster.refocus([make_clip(tmp_path, "a"), make_clip(tmp_path, "b")]))
    assert list(work.glob(".seen*")) == []


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_each_gpu_has_a_worker_that_sees_no_other(tmp_path: Path) -> None:
    """Ray takes the number of GPUs on trust."""

    def gpu_of(worker: object) -> str | None:  # in here, so that it travels with what it does
        return os.environ.get("CUDA_VISIBLE_DEVICES")

    clips = [make_clip(tmp_path, "a"), make_clip(tmp_path, "b")]
    work = tmp_path / "work"
    work.mkdir()
    with two_nodes(num_gpus=2) as (local, _), open_cluster(local.address, work) as cluster:
        for event in cluster.refocus(clips):
            assert event.error is None
        workers = cluster.workers
        assert "GPU" not in ray.available_resources()
        seen = ray.get([worker.__ray_call__.remote(gpu_of) for worker in workers])
    assert sorted(seen) == ["0", "1"]
    assert all(clip.target.exists() for clip in clips)


def test_a_worker_makes_parts_that_follow_each_other_and_tells_of_those_that_were_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from any2bokeh.farm import part_maker
    from any2bokeh.farm.parts import plan_parts

    monkeypatch.setattr(
        part_maker, "plan_parts", lambda frames, starts, shards: plan_parts(frames, starts, shards, 6)
    )
    clip, worker = make_clip(tmp_path, "a"), ClusterWorker(threads=1)
    opened: list[Path] = []
    monkeypatch.setattr(part_maker, "PreparedClip", counted(part_maker.PreparedClip, opened))
    work = worker.plan(clip.source, clip.target, clip.settings, clip.folder, 1)
    assert len(work.parts) == 4 and len(opened) == 1
    first = list(worker.make(work, work.parts[1:2]))
    assert [record.number for record in first] == [1, 1]
    rest = list(worker.make(work, work.parts))
    assert [record.number for record in rest] == [0, 2, 3, 0, 1, 2, 3]
    assert len(opened) == 2  # once for the plan, once for all parts
    worker.join(work, overwrite=False, keep_work=False)
    assert clip.target.exists()


def counted(kind: type[PreparedClip], opened: list[Path]) -> Callable[..., PreparedClip]:
    def opens(source: Path, *others: Any) -> PreparedClip:
        opened.append(source)
        return kind(source, *others)

    return opens


def test_a_worker_tells_whether_it_sees_a_file(tmp_path: Path) -> None:
    worker, mark = ClusterWorker(threads=1), tmp_path / "mark"
    assert not worker.sees(mark, "here")
    mark.write_text("elsewhere")
    assert not worker.sees(mark, "here")
    mark.write_text("here")
    assert worker.sees(mark, "here")


def test_a_worker_stays_with_its_clip_and_then_helps_where_most_is_left(tmp_path: Path) -> None:
    from any2bokeh.farm.cluster import ClusterTask

    clips = [make_clip(tmp_path, name, 1) for name in "abc"]
    queue = ClusterQueue()
    for clip, parts in zip(clips, (1, 2, 3), strict=True):
        for _ in range(parts):
            queue.put(ClusterTask(clip, "parts"))
    taken = [queue.take(clips[0]) for _ in range(2)]
    assert [task.clip for task in taken if task] == [clips[0], clips[2]]
    queue.drop(clips[2])
    assert queue and [task.clip for _ in range(2) if (task := queue.take(None))] == [clips[1]] * 2
    assert not queue and queue.take(None) is None


def test_where_ray_is_missing_the_package_to_install_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterError) as raised, open_cluster("auto", tmp_path):
        pass
    assert "pip install" in raised.value.hint and "ray" in raised.value.hint


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nowhere"])
def test_no_cluster_at_an_address_is_an_error(address: str, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=naming(address)), open_cluster(address, tmp_path):
        pass

"""``bokeh evaluate`` on tiny data sets and clips: what it prints and writes, and how it goes on."""

import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import clips
import pytest
from facts import names
from films import write_clip, write_track

from any2bokeh.cli.evaluate import alike

from .conftest import Bokeh

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.write_lens_dataset(tmp_path_factory.mktemp("data") / "set")


class Sources(HTMLParser):
    """What a page loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attributes if name in ("src", "href") and value]


def test_a_data_set_gets_a_table_a_document_and_pages(bokeh: Bokeh, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = bokeh("evaluate", data, "-o", out, "--methods", "none,gather,lens", "--perturb")
    assert run.code == 0, run.err
    for name in ("none", "gather", "gather-perturbed", "lens", "lens-perturbed", "truth"):
        assert re.search(rf"^ {name} ", run.out, re.MULTILINE)
    assert run.out.splitlines()[-1] == str(out / "evaluation.html")
    assert "LPIPS" in run.err
    assert names(run.err, "FD", "DIS")
    document = json.loads((out / "evaluation.json").read_text())
    figures = document["figures"]
    assert figures["lens"]["psnr"] > figures["lens-perturbed"]["psnr"] > figures["none"]["psnr"]
    assert list(document["by_group"]) == ["K 24", "K 96"]
    assert len(document["cases"]) == 4
    page = (out / "evaluation.html").read_text()
    sources = Sources(page).found
    assert len(sources) > 20
    assert all(source.startswith("data:image/webp;base64,") for source in sources)
    assert f"{figures['lens']['psnr']:.2f}" in page
    text = (out / "evaluation.md").read_text()
    named = re.findall(r"\]\((pictures/[^)]+)\)", text)
    assert len(named) > 20
    assert all((out / name).is_file() for name in named)
    assert f"**{figures['lens']['psnr']:.2f}**" in text


def test_a_run_goes_on_where_it_was_and_methods_may_join(bokeh: Bokeh, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert bokeh("evaluate", data, "-o", out, "--methods", "none", "--shown", 0).code == 0
    kept = {path: path.stat().st_mtime_ns for path in out.rglob("none.json")}
    assert len(kept) == 4
    run = bokeh("evaluate", data, "-o", out, "--methods", "none,gather", "--shown", 0, "--json")
    assert run.code == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("none.json")} == kept
    assert set(json.loads(run.out)["figures"]) == {"none", "gather", "truth"}


def test_a_limit_takes_turns_over_clips_and_settings(bokeh: Bokeh, data: Path, tmp_path: Path) -> None:
    run = bokeh(
        "evaluate", data, "-o", tmp_path / "out", "--methods", "none", "--shown", 0, "--limit", 2, "--json"
    )
    assert set(json.loads(run.out)["cases"]) == {"000000.far-k24", "000001.near-k96"}


def test_what_a_video_is_refocused_with_is_said_where_nothing_was_asked(bokeh: Bokeh, tmp_path: Path) -> None:
    clip, track = write_clip(tmp_path / "clip.mp4"), write_track(tmp_path / "track.mkv")
    run = bokeh(
        "evaluate", clip, "-o", tmp_path / "out", "--disparity", track, "--methods", "none", "--shown", 0
    )
    assert run.code == 0, run.err
    assert "--focus-at 0.5,0.5 --k 16" in run.err
    assert "--focus-at 0.5,0.5 --k 16" in (tmp_path / "out" / "evaluation.md").read_text()


def test_a_missing_prediction_leaves_the_rest(bokeh: Bokeh, data: Path, tmp_path: Path) -> None:
    peer = shutil.copytree(data / "clips", tmp_path / "peer")
    (peer / "000000" / "bokeh-far-k24.mkv").unlink()
    out = tmp_path / "out"
    options = ("--methods", "none", "--shown", 0, "--predictions", f"peer={peer}")
    run = bokeh("evaluate", data, "-o", out, *options)
    assert run.code == 3
    [error] = run.errors
    assert names(error, "000000.far-k24", "peer", peer)
    assert names(run.err, "4 cases", "peer 3")
    assert json.loads((out / "evaluation.json").read_text())["figures"]["peer"]["psnr"] == pytest.approx(100)


@pytest.mark.parametrize("name", ["pictures", "results"])
def test_a_file_in_the_place_of_a_folder_of_results_is_named(
    name: str, bokeh: Bokeh, data: Path, tmp_path: Path
) -> None:
    (tmp_path / name).write_text("mine")
    run = bokeh("evaluate", data, "-o", tmp_path, "--methods", "none", "--limit", 1)
    assert run.code == 1
    [error] = run.errors
    assert names(error, tmp_path / name, "cannot be written")
    assert (tmp_path / name).read_text() == "mine"


def test_cases_that_fail_in_the_same_way_are_told_of_once(bokeh: Bokeh, data: Path, tmp_path: Path) -> None:
    (tmp_path / "peer").mkdir()
    options = ("--methods", "none", "--shown", 0, "--predictions", f"peer={tmp_path / 'peer'}")
    run = bokeh("evaluate", data, "-o", tmp_path / "out", *options)
    assert run.code == 3
    [error] = run.errors
    assert names(error, "000000.", "peer", "video")
    assert "  3 more failed in this way: " in run.err


def test_failures_that_differ_in_more_than_the_case_stay_apart() -> None:
    failures = [
        ("a.near", "peer", "no result of a.near: looked for a/bokeh-near.*"),
        ("b.near", "peer", "no result of b.near: looked for b/bokeh-near.*"),
        ("b.far", "peer", "b.far has 3 frames"),
        ("a.near", "lens", "no result of a.near: looked for a/bokeh-near.*"),
    ]
    assert alike(failures) == [failures[:2], failures[2:3], failures[3:]]


def test_a_clip_without_truth_gets_edges_and_motion(bokeh: Bokeh, tmp_path: Path) -> None:
    clip, track = write_clip(tmp_path / "clip.mp4"), write_track(tmp_path / "track.mkv")
    out = tmp_path / "out"
    options = ("--disparity", track, "--focus", 0.5, "--k", 60, "--methods", "none,lens,gather", "--json")
    run = bokeh("evaluate", clip, "-o", out, *options)
    assert run.code == 0, run.err
    assert "ground truth" in run.err
    document = json.loads(run.out)
    assert set(document["figures"]) == {"none", "lens", "gather"}
    assert {"vepi", "vepi_smoothness", "warp", "still", "seconds"} >= set(document["figures"]["lens"])
    assert document["figures"]["none"]["vepi"] == 1
    assert document["command"].endswith(
        "--methods none,lens,gather --focus 0.5 --k 60 --disparity " + str(track)
    )


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        (("--methods", "lens,magic"), "--methods 'magic' none gather lens"),
        (("--predictions", "peer"), "'peer' NAME=FOLDER"),
        (("--predictions", "peer=absent"), "absent peer exist"),
        (("--predictions", "lens=."), "Two methods lens"),
        (("--predictions", "peer=.", "--predictions", "Peer=."), "Two methods peer capitals"),
        (("--predictions", "con=."), "con device Windows"),
        (("--checkpoint", "end.=."), "end. dot"),
        (("--limit", "0"), "--limit cases 1 0"),
    ],
)
def test_usage_is_checked_before_anything_runs(
    bokeh: Bokeh, data: Path, tmp_path: Path, options: tuple[str, ...], facts: str
) -> None:
    run = bokeh("evaluate", data, "-o", tmp_path / "out", *options)
    assert run.code == 2
    assert names(run.err, *facts.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["../../../evil", "..", "evil/../../../../evil"])
def test_a_clip_whose_name_leads_elsewhere_writes_nothing(
    bokeh: Bokeh, data: Path, tmp_path: Path, name: str
) -> None:
    rename_clip(shutil.copytree(data, tmp_path / "data" / "set"), name)
    before = sorted(tmp_path.rglob("*"))
    run = bokeh("evaluate", tmp_path / "data" / "set", "-o", tmp_path / "out", "--methods", "none")
    assert run.code != 0
    assert names(run.err, f"'{name}'")
    assert [path for path in sorted(tmp_path.rglob("*")) if "out" not in path.parts] == before
    assert not list((tmp_path / "out").rglob("*.json"))


def rename_clip(folder: Path, name: str) -> None:
    """Let the first clip of a data set say that it has another name."""
    scene = folder / "clips" / "000000" / "scene.json"
    scene.write_text(json.dumps(json.loads(scene.read_text()) | {"name": name}))


def test_a_video_whose_name_leads_elsewhere_writes_nothing(bokeh: Bokeh, tmp_path: Path) -> None:
    video = write_clip(tmp_path / "...mp4")  # whose stem is ".."
    run = bokeh("evaluate", video, "-o", tmp_path / "out", "--methods", "none", "--focus", "0.5")
    assert run.code != 0
    assert names(run.err, "'..'")
    assert [path.name for path in tmp_path.rglob("*.json")] == []


def test_a_folder_that_is_no_data_set_and_methods_that_cannot_run(
    bokeh: Bokeh, data: Path, tmp_path: Path
) -> None:
    run = bokeh("evaluate", tmp_path, "-o", tmp_path / "out")
    assert (run.code, len(run.errors)) == (2, 1)
    assert names(run.errors[0], tmp_path, "dataset.json")
    run = bokeh("evaluate", data, "-o", tmp_path / "out", "--methods", "diffusion")
    assert run.code == 1
    assert names(run.err, "method", "'any-to-bokeh'")


def test_ctrl_c_leaves_finished_results_and_nothing_half_written(
    bokeh_process: Callable[..., subprocess.Popen[str]], bokeh: Bokeh, tmp_path: Path
) -> None:
    data = clips.write_lens_dataset(tmp_path / "set", ("a", "b", "c"), frames=24)
    out = tmp_path / "out"
    options = ("evaluate", data, "-o", out, "--methods", "none,gather", "--shown", 0)
    process = bokeh_process(*options)
    for _ in range(1200):
        if any(out.rglob("gather.json")):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    done = {path: path.stat().st_mtime_ns for path in out.rglob("*.json")}
    assert 1 <= len([path for path in done if path.name == "gather.json"]) < 6
    assert not [path for path in out.rglob("*") if ".part" in path.name]
    assert not (out / "evaluation.html").exists()
    assert bokeh(*options).code == 0
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert (out / "evaluation.html").exists()

"""The job template for render farms, run by the reference implementation."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

TEMPLATE = Path(__file__).parents[2] / "examples/render_farms/openjd.yaml"
OPENJD = Path(sys.executable).with_name("openjd")

Hashes = Callable[[Path], list[tuple[int, str]]]


def openjd(*arguments: object, folder: Path) -> str:
    """Run openjd with our own command first on its path; return what it said, and fail if it fails."""
    command = folder / "bin" / "bokeh"
    command.parent.mkdir(exist_ok=True)
    program = "import sys; from any2bokeh.cli import main; sys.exit(main())"
    command.write_text(f"#!{sys.executable}\n{program}\n")
    command.chmod(0o755)
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(
        [OPENJD, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": path},
        cwd=folder,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.mark.slow
def test_the_job_of_a_farm_gives_the_frames_of_one_run(
    film: Path, track: Path, hashes: Hashes, tmp_path: Path
) -> None:
    from any2bokeh.cli import main

    options = ["--disparity", str(track), "--focus", "0.5", "--k", "80", "--lossless"]
    one, result = tmp_path / "one.mkv", tmp_path / "a result.mkv"
    assert main(["refocus", str(film), *options, "-o", str(one)]) == 0
    assert "passes" in openjd("check", TEMPLATE, folder=tmp_path)
    parameters = {"Clip": film, "Result": result, "Work": tmp_path / "work", "Shards": 2}
    given = [part for name, value in parameters.items() for part in ("-p", f"{name}={value}")]
    said = openjd(
        *("run", TEMPLATE, "--step", "Join", "--run-dependencies"),
        *given,
        *("-p", f"Options={' '.join(options)}"),
        folder=tmp_path,
    )
    assert "openjd_progress: 100" in said
    assert hashes(result) == hashes(one)
    assert not (tmp_path / "work").exists()

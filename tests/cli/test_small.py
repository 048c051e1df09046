"""`--renderer small`, the real command: the packages that it loads."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LARGE = {"diffusers", "transformers"}  # seconds to import, and the network does not need them
PROGRAM = f"""
import sys
from any2bokeh.cli import main
try:
    main(sys.argv[1:])
finally:
    print("loaded:", sorted({LARGE!r} & {{name.partition(".")[0] for name in sys.modules}}))
"""


@pytest.mark.slow
def test_the_small_network_renders_without_the_libraries_of_the_large_ones(
    clip: Path, track: Path, tmp_path: Path
) -> None:
    target = tmp_path / "small.mkv"
    arguments = ["refocus", clip, "--disparity", track, "--focus", "0.5", "--k", "30", "-o", target]
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments), "--renderer", "small", "--device", "cpu"],
        env=os.environ,
        capture_output=True,
        text=True,
    )
    assert run.stdout.splitlines()[-1] == "loaded: []", run.stderr
    assert target.stat().st_size > 0


def test_dry_run_knows_how_long_the_small_network_takes(
    bokeh: Callable[..., Any], clip: Path, track: Path
) -> None:
    lens = ["--disparity", track, "--focus", "0.5", "--k", "30", "--device", "cpu", "--dry-run", "--json"]
    [plan] = json.loads(bokeh("refocus", clip, *lens, "--renderer", "small").out)["results"]
    assert plan["renderer"] == "small" and plan["render_seconds"] > 0

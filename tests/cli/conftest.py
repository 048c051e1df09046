"""Clips and tracks made on the spot, and the real command run on them."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import parity
import pytest
from films import write_clip, write_track
from folders import downloaded, use_own_folders

from any2bokeh.cli import main

CATALOG = """
[[model]]
name = "depth-small"
repository = "any2bokeh-tests/nowhere"
license = "Apache-2.0"
purpose = "is not on this machine"
files = ["config.json", "model.safetensors"]
"""
OUTSIDE_THE_HUB = """
[[model]]
name = "other"
obtain = "a file that somebody has"
license = "none"
purpose = "is published outside the hub"
"""


@dataclass(frozen=True)
class Run:
    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("Error:")]


Bokeh = Callable[..., Run]


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep caches and networks of whoever runs the tests out of them."""
    use_own_folders(tmp_path, CATALOG, monkeypatch)


@pytest.fixture
def network(tmp_path: Path, tiny_depth_network: Path) -> Path:
    """A network where a download leaves it."""
    folder = downloaded(tmp_path, "any2bokeh-tests/nowhere")
    return shutil.copytree(tiny_depth_network, folder, dirs_exist_ok=True)


@pytest.fixture
def linked_network(network: Path) -> Path:
    """That network as the cache really keeps it: links to files that are called by their hash."""
    blobs = network.parents[1] / "blobs"
    blobs.mkdir()
    for path in network.iterdir():
        blob = path.rename(blobs / hashlib.sha256(path.read_bytes()).hexdigest())
        path.symlink_to(blob)
    return network


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of weights as they are published: of the tiny networks, in single precision."""
    root = tmp_path_factory.mktemp("weights")
    parity.save_networks(root)
    return root


@pytest.fixture
def published(tiny_weights: Path, tmp_path: Path) -> Path:
    """A copy of them that a test may change."""
    return shutil.copytree(tiny_weights, tmp_path / "published")


@pytest.fixture
def checkpoint(published: Path, tmp_path: Path, bokeh: Bokeh) -> Path:
    """The checkpoint that becomes of them, beside a list that names one outside the hub."""
    assert bokeh("import-weights", published, "--mask-mode", "released").code == 0
    with (tmp_path / "models.toml").open("a") as models:
        models.write(OUTSIDE_THE_HUB)
    return tmp_path / "home" / "weights" / "any-to-bokeh"


@pytest.fixture
def bokeh(capsys: pytest.CaptureFixture[str]) -> Bokeh:
    """Run a command line in this process."""

    def run(*arguments: object) -> Run:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Run(code, out, err)

    return run


@pytest.fixture
def bokeh_process() -> Callable[..., subprocess.Popen[str]]:
    """Start a command line as a process of its own."""

    def start(*arguments: object, limit_bytes: int | None = None) -> subprocess.Popen[str]:
        program = "import sys; from any2bokeh.cli import main; sys.exit(main())"
        if limit_bytes:
            # A disk that is full gives ENOSPC, a file that reached its limit EFBIG, once SIGXFSZ is ignored.
            program = (
                "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
                f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, {limit_bytes}));" + program
            )
        return subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )

    return start


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4")


@pytest.fixture
def track(tmp_path: Path) -> Path:
    return write_track(tmp_path / "track.mkv")


@pytest.fixture
def make_clip() -> Callable[..., Path]:
    return write_clip


@pytest.fixture
def make_track() -> Callable[..., Path]:
    return write_track

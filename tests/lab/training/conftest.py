"""What the tests of training share."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from square_clips import QUICK, RunOf, write_clips

from any2bokeh.lab.training.run_folder import RunFolder
from any2bokeh.lab.training.training_settings import RunSettings, StageName, training_settings


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("data") / "set", 2)


@pytest.fixture
def run_of(data: Path) -> RunOf:
    """The settings of a quick run of a stage."""

    def make(stage: StageName, *changes: str, **fields: Any) -> RunSettings:
        settings = training_settings(stage, changes=[*QUICK, *changes])
        return replace(RunSettings(stage=stage, size="tiny", data=data, training=settings), **fields)

    return make


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")

"""``bokeh download-weights``: what there is, what is here, and a hub that cannot be reached."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from facts import names
from huggingface_hub import constants

from any2bokeh.weights.catalog import load_catalog, recommended_models, shipped_catalog

Bokeh = Callable[..., Any]


ENTRY = """
[[model]]
name = "{name}"
repository = "any2bokeh-tests/nowhere"
license = "{license}"
purpose = "is recommended"
files = {files}
recommended = true
"""


@pytest.fixture
def recommend(tmp_path: Path) -> Callable[[str], None]:
    """Let the list of models recommend one more."""

    def add(name: str, files: str = '["config.json", "model.safetensors"]') -> None:
        with (tmp_path / "models.toml").open("a") as models:
            models.write(ENTRY.format(name=name, license="Apache-2.0", files=files))

    return add


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")


@pytest.mark.parametrize("arguments", [["--list"], ["--list", "depth-small"]])
def test_networks_are_listed_with_their_license(arguments: list[str], bokeh: Bokeh) -> None:
    run = bokeh("download-weights", *arguments)
    assert run.code == 0
    assert run.out.split("  ") == ["depth-small", "not here", "Apache-2.0", "is not on this machine\n"]
    assert "--dry-run" in run.err


def test_the_columns_of_the_list_are_aligned(
    bokeh: Bokeh, network: Path, recommend: Callable[..., None]
) -> None:
    recommend("x", '[{ path = "a.safetensors", size = 1234567890 }]')
    first, second = bokeh("download-weights", "--list").out.splitlines()
    assert first.index("Apache-2.0") == second.index("Apache-2.0")
    assert re.search(r"here +\d+\.\d MB", first) and "1234.6 MB" in second
    assert first.index(" MB") == second.index(" MB")


def test_list_in_json_says_where_a_network_is(bokeh: Bokeh, network: Path) -> None:
    [model] = json.loads(bokeh("download-weights", "--list", "--json").out)["models"]
    assert model == {
        "name": "depth-small",
        "repository": "any2bokeh-tests/nowhere",
        "license": "Apache-2.0",
        "purpose": "is not on this machine",
        "recommended": False,
        "size_bytes": sum((network / name).stat().st_size for name in ("config.json", "model.safetensors")),
        "folder": str(network),
    }


def test_without_a_name_the_recommended_networks_are_fetched_unless_they_are_here(
    bokeh: Bokeh, network: Path, recommend: Callable[..., None], offline: None
) -> None:
    """The hub cannot be reached: it is not asked about networks that are here."""
    recommend("depth-good")
    run = bokeh("download-weights")
    assert (run.code, run.out) == (0, f"{network}\n")
    assert "depth-good" in run.err
    recommend("other", '["elsewhere.safetensors"]')
    run = bokeh("download-weights", "--json")
    assert run.code == 3
    assert names(run.errors[0], "other", "127.0.0.1")
    assert [model["name"] for model in json.loads(run.out)["downloaded"]] == ["depth-good", "other"]


def test_a_list_that_recommends_nothing_says_so(bokeh: Bokeh) -> None:
    run = bokeh("download-weights")
    assert (run.code, run.out, len(run.errors)) == (1, "", 1)
    assert names(run.err, "depth-small", "recommended")


def test_recommended_networks_may_be_used_by_everybody() -> None:
    found = recommended_models(load_catalog(shipped_catalog()))
    assert {model.name for model in found} >= {"depth-small"}
    assert {model.license for model in found} <= {"Apache-2.0", "MIT", "BSD-3-Clause"}


def test_unknown_name_lists_the_names(bokeh: Bokeh) -> None:
    run = bokeh("download-weights", "depth-huge")
    assert (run.code, run.out) == (1, "")
    assert names(run.errors[0], "'depth-huge'", "depth-small")


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_hub_that_cannot_be_reached(options: list[str], bokeh: Bokeh, offline: None) -> None:
    """The way of the weights from another machine is named."""
    run = bokeh("download-weights", "depth-small", *options)
    assert (run.code, run.out, len(run.errors)) == (1, "", 1)
    assert "depth-small" in run.errors[0]
    assert names(run.err, "bokeh download-weights depth-small", "models--any2bokeh-tests--nowhere")

"""``bokeh download-weights``: what there is, what is here, and a hub that cannot be reached."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from facts import names
from huggingface_hub import constants

Bokeh = Callable[..., Any]


@pytest.mark.parametrize("arguments", [[], ["--list"], ["--list", "depth-small"]])
def test_networks_are_listed_with_their_license(arguments: list[str], bokeh: Bokeh) -> None:
    run = bokeh("download-weights", *arguments)
    assert (run.code, run.err) == (0, "")
    assert run.out == "depth-small  not here  Apache-2.0  is not on this machine\n"


def test_list_in_json_says_where_a_network_is(bokeh: Bokeh, network: Path) -> None:
    [model] = json.loads(bokeh("download-weights", "--json").out)["models"]
    assert model == {
        "name": "depth-small",
        "repository": "any2bokeh-tests/nowhere",
        "license": "Apache-2.0",
        "purpose": "is not on this machine",
        "folder": str(network),
    }


def test_unknown_name_lists_the_names(bokeh: Bokeh) -> None:
    run = bokeh("download-weights", "depth-huge")
    assert (run.code, run.out) == (1, "")
    assert names(run.errors[0], "'depth-huge'", "depth-small")


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_hub_that_cannot_be_reached(
    options: list[str], bokeh: Bokeh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    run = bokeh("download-weights", "depth-small", *options)
    assert (run.code, run.out, len(run.errors)) == (1, "", 1)
    assert "depth-small" in run.errors[0]

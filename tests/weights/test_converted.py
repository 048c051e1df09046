"""Networks that are published as pickles: fetched, checked, and kept as safetensors."""

import hashlib
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file
from torch import Tensor
from video_depth import tiny_video_network

from any2bokeh.cli import main
from any2bokeh.depth import networks
from any2bokeh.depth.video_depth.video_estimator import load_video_network
from any2bokeh.errors import WeightsError
from any2bokeh.weights import converted
from any2bokeh.weights.catalog import Model, ModelFile, load_catalog
from any2bokeh.weights.converted import (
    CONVERTED_FILE,
    converted_revision,
    fetch_network,
    find_network_folder,
    keep_network,
    network_folder,
)
from any2bokeh.weights.disk import find_checkpoint_damage

FILE = "network.pth"
MODEL = Model(
    name="depth-video",
    repository="depth-anything/Tiny-hf",
    license="Apache-2.0",
    purpose="tests",
    files=(ModelFile(path=FILE),),
)
STATE = tiny_video_network().state_dict()
SHAPES = {key: list(value.shape) for key, value in STATE.items()}
KEY = "head.scratch.output_conv2.2.bias"


class Harm:
    """What a pickle can hold besides tensors: a call."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def pickled(state: object) -> bytes:
    content = io.BytesIO()
    torch.save(state, content)
    return content.getvalue()


@pytest.fixture(autouse=True)
def places(hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub on loopback, which has the network, and folders of the test's own."""
    hub.files = {FILE: pickled(STATE)}
    use_endpoint(hub.endpoint, monkeypatch)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("ANY2BOKEH_HOME", str(tmp_path / "home"))


def use_endpoint(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    template = f"{endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def fetch(model: Model = MODEL) -> Path:
    return fetch_network(model, SHAPES)


def refused(model: Model = MODEL) -> WeightsError:
    """The error that fetching raises; nothing fetched is kept."""
    with pytest.raises(WeightsError) as caught:
        fetch(model)
    assert find_network_folder(model) is None
    assert not list((Path(os.environ["ANY2BOKEH_HOME"]) / "networks").glob("*"))
    return caught.value


def test_a_pickle_becomes_safetensors_of_the_same_values() -> None:
    folder = fetch()
    kept = load_file(folder / CONVERTED_FILE)
    assert list(kept) == sorted(STATE)
    assert all(torch.equal(kept[key], value) for key, value in STATE.items())
    assert find_checkpoint_damage(folder, thorough=True) == ""
    assert converted_revision(folder) == hashlib.sha256((folder / CONVERTED_FILE).read_bytes()).hexdigest()
    network = load_video_network(folder / CONVERTED_FILE, torch.device("cpu"), torch.float32)
    pixels = torch.rand(2, 3, 28, 42)
    assert torch.equal(network(pixels), tiny_video_network()(pixels))


def test_what_is_here_is_not_fetched_again(hub: Any) -> None:
    folder = fetch()
    hub.requests.clear()
    assert fetch() == network_folder(MODEL) == folder
    assert hub.requests == []


def test_a_connection_that_is_cut_is_taken_up_again(hub: Any) -> None:
    hub.fault = "cut"
    assert torch.equal(load_file(fetch() / CONVERTED_FILE)[KEY], STATE[KEY])


@pytest.mark.parametrize("fault", ["short", "corrupt"])
def test_a_file_that_arrives_damaged_is_not_kept_and_the_next_run_fetches_it(hub: Any, fault: str) -> None:
    hub.fault = fault
    assert FILE in refused().message
    hub.fault = ""
    assert fetch()


def test_a_wrong_key_is_named(hub: Any) -> None:
    hub.files[FILE] = pickled({key.replace("output_conv2.2", "conv"): v for key, v in STATE.items()})
    error = refused().message
    assert "head.scratch.output_conv2.2.weight" in error and "head.scratch.conv.weight" in error


def test_a_wrong_shape_is_named(hub: Any) -> None:
    hub.files[FILE] = pickled(STATE | {KEY: torch.zeros(2)})
    assert KEY in (error := refused().message) and "[2]" in error


def test_values_that_are_not_numbers_are_refused(hub: Any) -> None:
    hub.files[FILE] = pickled(STATE | {KEY: torch.tensor([torch.nan])})
    assert KEY in refused().message


def test_a_pickle_that_holds_code_is_refused_and_not_run(hub: Any, tmp_path: Path) -> None:
    hub.files[FILE] = pickled(STATE | {"harm": Harm(tmp_path / "harm")})
    assert "system" in refused().message
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("content", [b"", b"no pickle", pickled([1, 2]), pickled(STATE)[:3000]])
def test_what_is_no_table_of_tensors_is_refused(hub: Any, content: bytes) -> None:
    hub.files[FILE] = content
    assert FILE in refused().message


@pytest.mark.parametrize("pin", [{"size_bytes": 5}, {"sha256": "0" * 64}])
def test_another_file_than_the_pinned_one_is_refused_also_where_it_is_here(pin: dict[str, Any]) -> None:
    pinned = Model(**{**vars(MODEL), "files": (ModelFile(path=FILE, **pin),)})
    refused(pinned)
    fetch()
    with pytest.raises(WeightsError, match="pins"):
        network_folder(pinned)


def test_weights_that_are_not_here_name_both_ways_to_get_them() -> None:
    with pytest.raises(WeightsError) as caught:
        network_folder(MODEL)
    assert "bokeh download-weights depth-video" in caught.value.hint
    assert f"bokeh import-weights {FILE}" in caught.value.hint


def test_a_hub_that_cannot_be_reached_says_how_weights_are_brought(
    hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_endpoint("http://127.0.0.1:9", monkeypatch)
    assert f"bokeh import-weights {FILE}" in refused().hint


def test_kept_weights_that_were_damaged_are_made_again(hub: Any) -> None:
    path = fetch() / CONVERTED_FILE
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    fetch()
    assert path.read_bytes() == content


@pytest.fixture
def bokeh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """The command, which takes the tiny network for Small; its list of models is the test's own."""
    models = tmp_path / "models.toml"
    models.write_text(
        f'[[model]]\nname = "depth-video"\nrepository = "{MODEL.repository}"\nlicense = "Apache-2.0"\n'
        f'purpose = "tests"\nfiles = ["{FILE}"]\nrecommended = true\n'
    )
    monkeypatch.setenv("ANY2BOKEH_MODELS", str(models))
    monkeypatch.setattr(networks, "video_network_shapes", lambda _: SHAPES)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["download-weights", *arguments])
        out, err = capsys.readouterr()
        return code, out.strip(), err

    return run


@pytest.mark.parametrize("names", [("depth-video",), ()])
def test_the_command_says_the_license_and_fetches_once(
    names: tuple[str, ...], hub: Any, bokeh: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    folder = tmp_path / "home" / "networks" / "depth-video"
    size = f"{len(hub.files[FILE]) / 1e6:.1f} MB"
    assert size in bokeh(*names, "--dry-run")[1]
    code, out, err = bokeh(*names)
    assert (code, out) == (0, str(folder))
    assert "Apache-2.0" in err
    hub.requests.clear()
    assert bokeh(*names)[:2] == (0, str(folder))
    assert hub.requests == []
    shutil.rmtree(tmp_path / "hub")  # the converted network alone is enough
    assert "0.0 MB" in bokeh(*names, "--dry-run")[1]


def test_what_is_locked_is_checked_from_then_on(
    hub: Any, bokeh: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    own = tmp_path / "mine.toml"
    own.write_text((tmp_path / "models.toml").read_text())
    assert bokeh("depth-video", "--lock", "--models", str(own))[0] == 0
    locked = load_catalog(own)["depth-video"]
    assert locked.files[0].sha256 == hashlib.sha256(hub.files[FILE]).hexdigest()
    assert locked.files[0].size_bytes == len(hub.files[FILE])
    assert network_folder(locked).name == "depth-video"
    changed = io.BytesIO(pickled(STATE | {KEY: STATE[KEY] + 1}))
    other = tmp_path / FILE
    other.write_bytes(changed.getvalue())
    with pytest.raises(WeightsError, match="pins"):
        keep_network(locked, other, SHAPES)


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> Tensor:
        raise OSError(28, "No space left on device")

    (tmp_path / FILE).write_bytes(pickled(STATE))
    monkeypatch.setattr(converted, "write_single", full)
    with pytest.raises(WeightsError, match="disk is full"):
        keep_network(MODEL, tmp_path / FILE, SHAPES)
    assert not list((tmp_path / "home" / "networks").glob("*"))

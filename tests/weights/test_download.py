import hashlib
import socket
from pathlib import Path

import pytest
import torch

from any2bokeh.depth.estimate import load_estimator


def leftovers(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "hf").rglob("*.incomplete")]


def test_a_download_leaves_the_hubs_files_in_the_cache_and_reports_every_byte(hub, client):
    answer = client()
    folder = Path(answer.folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == hub.files
    assert answer.received == hub.size_bytes
    assert answer.stderr == ""


def test_a_downloaded_network_estimates_disparity(hub, client, tiny_depth_network):
    hub.files = {name: (tiny_depth_network / name).read_bytes() for name in hub.files}
    estimator = load_estimator(Path(client().folder), torch.device("cpu"), torch.float32)
    assert estimator.estimate(torch.rand(1, 3, 40, 60), (28, 42)).shape == (1, 1, 28, 42)


def test_what_was_downloaded_is_found_without_asking_the_hub(hub, client):
    folder = client().folder
    hub.requests.clear()
    assert client("find").folder == folder
    assert client("find", HF_HUB_OFFLINE="1").folder == folder
    assert hub.requests == []


def test_a_second_download_fetches_nothing_again(hub, client):
    folder = client().folder
    again = client()
    assert (again.folder, again.received) == (folder, 0)
    assert client(HF_HUB_OFFLINE="1").folder == folder


def test_weights_that_are_not_there_name_the_command_that_fetches_them(client):
    answer = client("find")
    assert answer.error == "The weights of depth-small are not on this machine."
    assert answer.hint == "bokeh download-weights depth-small"


def test_a_connection_that_is_cut_is_taken_up_where_it_broke_off(hub, client):
    hub.fault = "cut"
    answer = client()
    assert Path(answer.folder, "model.safetensors").read_bytes() == hub.files["model.safetensors"]
    assert answer.received == hub.size_bytes
    assert answer.stderr == ""


def test_an_incomplete_file_is_an_error_and_the_next_run_fetches_it(hub, client, tmp_path):
    hub.fault = "short"
    answer = client()
    assert answer.error.startswith(
        f"model.safetensors of depth-small could not be fetched from {hub.endpoint}: "
    )
    assert answer.hint == "run `bokeh download-weights depth-small` again"
    assert leftovers(tmp_path) == []
    assert client("find").error
    hub.fault = ""
    assert Path(client().folder, "model.safetensors").read_bytes() == hub.files["model.safetensors"]


def test_a_file_with_another_hash_is_removed_and_the_next_run_fetches_it(hub, client, tmp_path):
    hub.fault = "corrupt"
    answer = client()
    assert answer.error.startswith("model.safetensors of depth-small was damaged and is removed: ")
    assert [
        path for path in (tmp_path / "hf").rglob("*") if path.is_file() and path.stat().st_size > 100_000
    ] == []
    hub.fault = ""
    assert Path(client().folder, "model.safetensors").read_bytes() == hub.files["model.safetensors"]


def test_a_file_damaged_in_the_cache_is_found_by_the_next_download(hub, client):
    path = Path(client().folder, "config.json")
    path.write_bytes(b"?" * len(hub.files["config.json"]))
    assert client().error.startswith("config.json of depth-small was damaged and is removed: ")
    assert Path(client().folder, "config.json").read_bytes() == hub.files["config.json"]


def test_pins_that_match_are_accepted(hub, client):
    content = hub.files["model.safetensors"]
    pins = f', size = {len(content)}, sha256 = "{hashlib.sha256(content).hexdigest()}"'
    assert client(pins=pins).folder
    assert client("find", pins=pins).folder


@pytest.mark.parametrize("pins", [", size = 5", f', sha256 = "{"0" * 64}"'])
def test_a_pin_that_does_not_match_is_an_error_also_for_files_that_are_here(client, pins):
    client()
    assert "where the list of models pins" in client("find", pins=pins).error
    assert "where the list of models pins" in client(pins=pins).error
    assert client("find").error


def test_a_pinned_revision_is_what_is_fetched_and_found(hub, client):
    commit = "0123456789abcdef0123456789abcdef01234567"
    assert Path(client(revision=f'revision = "{commit}"').folder).name == commit
    assert all(f"/resolve/{commit}/" in request for request in hub.requests if "resolve" in request)


def test_an_unknown_revision_is_named(hub, client):
    assert client(revision='revision = "v9"').error == (
        f"The repository {hub.endpoint}/depth-anything/Tiny-hf has no revision 'v9'."
    )


def test_a_missing_file_is_named(hub, client):
    del hub.files["model.safetensors"]
    assert client().error == (
        f"The repository {hub.endpoint}/depth-anything/Tiny-hf has no file model.safetensors at 'main'."
    )


def test_a_missing_repository_is_named(hub, client):
    answer = client(HF_ENDPOINT=f"{hub.endpoint}/mirror")
    assert (
        answer.error
        == f"There is no repository {hub.endpoint}/mirror/depth-anything/Tiny-hf, or it is private."
    )


@pytest.mark.parametrize("token", ["", "hf_wrong"])
def test_a_gated_repository_asks_to_accept_its_terms_and_to_log_in(hub, client, token):
    hub.token = "hf_right"
    answer = client(**({"HF_TOKEN": token} if token else {}))
    assert answer.error == (
        "depth-small is only for those who accepted its terms:"
        f" accept them on {hub.endpoint}/depth-anything/Tiny-hf."
    )
    assert answer.hint == "run `hf auth login`, or set HF_TOKEN"
    assert client(HF_TOKEN="hf_right").folder


def test_a_refusal_and_a_hub_that_is_down_say_so(hub, client):
    page = f"{hub.endpoint}/depth-anything/Tiny-hf"
    hub.fault = "forbidden"
    assert client().error == f"{page} may not be read with this login (status 403)."
    hub.fault = "down"
    assert client().error == f"{page} answered with status 503: try again later."


def test_offline_is_said_in_one_sentence(client):
    answer = client(HF_HUB_OFFLINE="1")
    assert answer.error == "depth-small cannot be fetched because HF_HUB_OFFLINE is set."
    assert answer.stderr == ""


def test_a_refused_connection_is_said_in_one_sentence(client):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: nobody else can answer on this port
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        answer = client(HF_ENDPOINT=endpoint)
    assert answer.error.startswith(f"{endpoint} cannot be reached to fetch depth-small: ")
    assert "Errno" not in answer.error
    assert "--disparity" in answer.hint
    assert answer.stderr == ""


def test_something_that_is_no_hub_is_said_in_one_sentence(hub, client, tmp_path):
    hub.fault = "no hub"
    assert client().error.startswith(f"{hub.endpoint} does not answer like a Hugging Face hub (asked for ")


def test_too_little_space_is_found_before_anything_is_fetched(hub, client):
    hub.fault = "huge"
    answer = client()
    assert answer.error.startswith("depth-small needs 1,000,000,000 MB, and ")
    assert answer.received == 0
    assert [request for request in hub.requests if request.startswith("GET") and "/resolve/" in request] == []


def test_a_full_disk_leaves_nothing_half_written(client, tmp_path):
    answer = client("download to a full disk")
    assert answer.error.startswith("The disk is full: model.safetensors of depth-small did not fit into ")
    assert leftovers(tmp_path) == []
    assert client().folder

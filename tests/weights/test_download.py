import hashlib
import json
import re
import signal
import socket
from pathlib import Path

import parity
import pytest
import torch
from facts import names, naming
from folders import COMMIT
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from any2bokeh.depth.depth_anything import load_estimator
from any2bokeh.errors import WeightsError
from any2bokeh.weights.catalog import IMAGE_ENCODER, load_catalog, shipped_catalog
from any2bokeh.weights.checkpoint import load_weights, read_checkpoint
from any2bokeh.weights.lock import lock_model

pytestmark = pytest.mark.slow

REPOSITORY = "depth-anything/Tiny-hf"


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
    hub.files["model.safetensors"] *= 40  # the client keeps what it has in pieces of 10 MiB: two of them here
    hub.fault = "cut"
    answer = client()
    assert Path(answer.folder, "model.safetensors").read_bytes() == hub.files["model.safetensors"]
    assert answer.received == hub.size_bytes
    assert hub.requests[-1] == "GET /cdn/model.safetensors bytes=10485760-"
    assert answer.stderr == ""


def test_an_incomplete_file_is_an_error_and_the_next_run_fetches_it(hub, client, tmp_path):
    hub.fault = "short"
    answer = client()
    assert names(answer.error, "model.safetensors", "depth-small", hub.endpoint)
    assert "`bokeh download-weights depth-small`" in answer.hint
    assert leftovers(tmp_path) == []
    assert client("find").error
    hub.fault = ""
    assert Path(client().folder, "model.safetensors").read_bytes() == hub.files["model.safetensors"]


def test_a_file_with_another_hash_is_removed_and_the_next_run_fetches_it(hub, client, tmp_path):
    hub.fault = "corrupt"
    answer = client()
    assert answer.error.startswith("model.safetensors of depth-small was damaged")
    assert [
        path for path in (tmp_path / "hf").rglob("*") if path.is_file() and path.stat().st_size > 100_000
    ] == []
    hub.fault = ""
    assert Path(client().folder, "model.safetensors").read_bytes() == hub.files["model.safetensors"]


def test_a_file_damaged_in_the_cache_is_found_by_the_next_download(hub, client):
    path = Path(client().folder, "config.json")
    path.write_bytes(b"?" * len(hub.files["config.json"]))
    assert client().error.startswith("config.json of depth-small")
    assert Path(client().folder, "config.json").read_bytes() == hub.files["config.json"]


def test_pins_that_match_are_accepted(hub, client):
    content = hub.files["model.safetensors"]
    pins = f', size = {len(content)}, sha256 = "{hashlib.sha256(content).hexdigest()}"'
    assert client(pins=pins).folder
    assert client("find", pins=pins).folder


@pytest.mark.parametrize(("pins", "pinned"), [(", size = 5", "5"), (f', sha256 = "{"0" * 64}"', "0" * 64)])
def test_a_pin_that_does_not_match_is_an_error_also_for_files_that_are_here(client, pins, pinned):
    client()
    assert pinned in client("find", pins=pins).error
    assert pinned in client(pins=pins).error
    assert client("find").error


def test_a_pinned_revision_is_what_is_fetched_and_found(hub, client):
    commit = "0123456789abcdef0123456789abcdef01234567"
    assert Path(client(revision=f'revision = "{commit}"').folder).name == commit
    fetched = [request for request in hub.requests if "resolve" in request]
    assert fetched and all(f"/resolve/{commit}/" in request for request in fetched)


def test_an_unknown_revision_is_named(hub, client):
    error = client(revision='revision = "v9"').error
    assert names(error, f"{hub.endpoint}/depth-anything/Tiny-hf", "'v9'")


def test_a_missing_file_is_named(hub, client):
    del hub.files["model.safetensors"]
    page = f"{hub.endpoint}/depth-anything/Tiny-hf"
    assert names(client().error, page, "model.safetensors", "'main'")


def test_a_missing_repository_is_named(hub, client):
    answer = client(HF_ENDPOINT=f"{hub.endpoint}/mirror")
    assert f"{hub.endpoint}/mirror/depth-anything/Tiny-hf" in answer.error


@pytest.mark.parametrize("token", ["", "hf_wrong"])
def test_a_gated_repository_asks_to_accept_its_terms_and_to_log_in(hub, client, token):
    hub.token = "hf_right"
    answer = client(**({"HF_TOKEN": token} if token else {}))
    assert names(answer.error, "depth-small", "terms", f"{hub.endpoint}/depth-anything/Tiny-hf")
    assert "`hf auth login`" in answer.hint and "HF_TOKEN" in answer.hint
    assert client(HF_TOKEN="hf_right").folder


def test_a_refusal_and_a_hub_that_is_down_say_so(hub, client):
    page = f"{hub.endpoint}/depth-anything/Tiny-hf"
    hub.fault = "forbidden"
    assert names(client().error, page, "status 403")
    hub.fault = "down"
    assert names(client().error, page, "status 503")


def test_offline_is_said_in_one_sentence(client):
    answer = client(HF_HUB_OFFLINE="1")
    assert names(answer.error, "depth-small", "HF_HUB_OFFLINE")
    assert answer.stderr == ""


def test_a_refused_connection_is_said_in_one_sentence(client):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: nobody else can answer on this port
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        answer = client(HF_ENDPOINT=endpoint)
    assert names(answer.error, endpoint, "depth-small")
    assert "Errno" not in answer.error
    assert "download-weights" in answer.hint
    assert answer.stderr == ""


def test_something_that_is_no_hub_is_said_in_one_sentence(hub, client, tmp_path):
    hub.fault = "no hub"
    assert names(client().error, hub.endpoint, "Hugging Face hub")


def test_too_little_space_is_found_before_anything_is_fetched(hub, client):
    hub.fault = "huge"
    answer = client()
    assert answer.error.startswith("depth-small needs 1,000,000,000 MB, and ")
    assert answer.received == 0
    assert [request for request in hub.requests if request.startswith("GET") and "/resolve/" in request] == []


def test_a_full_disk_leaves_nothing_half_written(client, tmp_path):
    answer = client("download to a full disk")
    assert names(answer.error, "disk is full", "model.safetensors", "depth-small")
    assert leftovers(tmp_path) == []
    assert client().folder


def test_a_download_that_is_stopped_says_so_and_keeps_the_files_that_were_whole(hub, command, tmp_path):
    hub.fault = "stall"
    process = command("download-weights", "depth-small")
    assert hub.stalled.wait(timeout=60)
    process.send_signal(signal.SIGINT)
    hub.resume.set()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "Stopped: Interrupt"
    assert leftovers(tmp_path) == []
    hub.requests.clear()
    out, err = command("download-weights", "depth-small").communicate(timeout=60)
    assert Path(out.strip(), "model.safetensors").read_bytes() == hub.files["model.safetensors"]
    fetched = [request for request in hub.requests if request.startswith("GET") and "/api/" not in request]
    assert fetched == ["GET /cdn/model.safetensors"]


@pytest.mark.slow
def test_the_license_is_shown_before_anything_is_fetched(hub, command):
    hub.fault = "forbidden"
    _, err = command("download-weights", "depth-small").communicate(timeout=60)
    first, *_, error, hint = err.splitlines()
    assert re.match(
        naming("depth-small", "Apache-2.0", "https://huggingface.co/depth-anything/Tiny-hf"), first
    )
    assert error.startswith("Error: ")
    assert "`hf auth login`" in hint


@pytest.mark.slow
def test_without_a_name_sizes_and_licenses_come_first_and_nothing_is_fetched_twice(hub, command, tmp_path):
    with (tmp_path / "models.toml").open("a") as models:
        models.write("recommended = true\n")  # of its one entry
    out, err = command("download-weights").communicate(timeout=60)
    first = next(line for line in err.splitlines() if line.startswith("  "))
    assert re.fullmatch(rf"  depth-small +{hub.size_bytes / 1e6:.1f} MB +Apache-2.0 +tests", first)
    assert Path(out.strip(), "config.json").is_file()
    hub.requests.clear()
    again, _ = command("download-weights").communicate(timeout=60)
    assert (again, hub.requests) == (out, [])


def test_one_network_that_cannot_be_had_does_not_keep_the_others_away(hub, command, tmp_path):
    with (tmp_path / "models.toml").open("a") as models:
        models.write('[[model]]\nname = "other"\nlicense = "none"\npurpose = "tests"\nobtain = "a secret"\n')
    process = command("download-weights", "other", "depth-small", "--json")
    out, err = process.communicate(timeout=60)
    other, small = json.loads(out)["downloaded"]
    assert process.returncode == 3
    assert (other.keys(), other["name"]) == ({"name", "error"}, "other")
    assert "a secret" in other["error"]
    assert Path(small["folder"], "config.json").is_file()
    assert f"Error: {other['error']}" in err


def test_a_lock_pins_what_was_fetched_and_leaves_the_rest_of_the_list_alone(hub, command, client, tmp_path):
    mine = tmp_path / "mine.toml"
    other = '[[model]]\nname = "other"  # by hand\nlicense = "none"\npurpose = "tests"\nobtain = "a secret"\n'
    mine.write_text(f"# What we use.\n\n{(tmp_path / 'models.toml').read_text()}\n{other}")
    process = command("download-weights", "depth-small", "--lock", "--models", mine, "--json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert names(err.splitlines()[-1], "depth-small", COMMIT, mine)
    model = load_catalog(mine)["depth-small"]
    assert model.revision == COMMIT
    assert {file.path: (file.size_bytes, file.sha256) for file in model.files} == {
        name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in hub.files.items()
    }
    text = mine.read_text()
    assert text.startswith("# What we use.\n")
    assert text.endswith(other)
    assert list(tmp_path.glob(".mine*")) == []
    [document] = json.loads(out)["downloaded"]
    assert document["locked"]["revision"] == COMMIT
    assert (
        document["locked"]["files"][1]["sha256"] == hashlib.sha256(hub.files["model.safetensors"]).hexdigest()
    )


def test_what_is_locked_is_checked_from_then_on(hub, command, tmp_path):
    command("download-weights", "depth-small", "--lock").communicate(timeout=60)  # into ANY2BOKEH_MODELS
    hub.files["config.json"] = b"{}"
    process = command("download-weights", "depth-small", HF_HOME=str(tmp_path / "new"))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert names(err, "config.json of depth-small has 2 bytes", "32")


def test_a_lock_into_a_new_list_begins_with_the_one_that_ships(tmp_path, linked_model):
    mine = tmp_path / "mine.toml"
    model, folder = linked_model
    locked = lock_model(mine, model, folder)
    assert locked.revision == folder.name
    assert list(load_catalog(mine)) == list(load_catalog(shipped_catalog()))
    assert load_catalog(mine)["depth-large"] == load_catalog(shipped_catalog())["depth-large"]


@pytest.fixture
def linked_model(tmp_path):
    """The small depth network of the list that ships, and a folder with files called like its own."""
    model = load_catalog(shipped_catalog())["depth-small"]
    folder = tmp_path / COMMIT
    folder.mkdir()
    for file in model.files:
        (folder / file.path).write_text(file.path)
    return model, folder


def test_a_list_that_cannot_be_written_stays_as_it_was(tmp_path, linked_model):
    model, folder = linked_model
    with pytest.raises(WeightsError, match=naming("absent/mine.toml")):
        lock_model(tmp_path / "absent" / "mine.toml", model, folder)
    (tmp_path / "mine.toml").write_text("[[model]]\n")
    with pytest.raises(WeightsError, match="model 1: "):
        lock_model(tmp_path / "mine.toml", model, folder)
    assert (tmp_path / "mine.toml").read_text() == "[[model]]\n"


@pytest.mark.parametrize(
    "arguments",
    [["depth-small", "--lock", "--dry-run"], ["--lock"]],
)
def test_a_lock_of_nothing_is_a_usage_error(command, arguments):
    process = command("download-weights", *arguments)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "--lock" in err


def test_a_lock_needs_a_list_of_ones_own(command):
    process = command("download-weights", "depth-small", "--lock", ANY2BOKEH_MODELS="")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "Error: --lock" in err


ENTRY = """
[[model]]
name = "{name}"
repository = "{repository}"
license = "tests"
purpose = "tests"
files = [{files}]
"""


def offer(hub, tmp_path, name: str, published: Path) -> None:
    """Put the files of a folder on the hub, and an entry for them into the list."""
    hub.files = {
        path.relative_to(published).as_posix(): path.read_bytes()
        for path in published.rglob("*")
        if path.is_file()
    }
    files = ", ".join(f'"{path}"' for path in hub.files)
    with (tmp_path / "models.toml").open("a") as models:
        models.write(ENTRY.format(name=name, repository=REPOSITORY, files=files))


def test_an_image_encoder_in_its_folder_is_fetched_and_loads(hub, command, tmp_path):
    config = CLIPVisionConfig(**parity.document("tiny_clip_config"))
    encoder = CLIPVisionModelWithProjection(config).half().eval()
    encoder.save_pretrained(tmp_path / "published" / "image_encoder", variant="fp16")
    offer(hub, tmp_path, IMAGE_ENCODER, tmp_path / "published")
    assert "image_encoder/model.fp16.safetensors" in hub.files
    out, err = command("download-weights", IMAGE_ENCODER).communicate(timeout=60)
    folder = Path(out.strip())
    assert folder.name == COMMIT, err
    fetched = CLIPVisionModelWithProjection.from_pretrained(folder / "image_encoder", variant="fp16")
    pixels = torch.rand(1, 3, 224, 224)
    assert torch.equal(fetched.float()(pixels).image_embeds, encoder.float()(pixels).image_embeds)


def test_a_checkpoint_in_a_repository_is_fetched_and_imported(hub, command, tmp_path):
    vae = parity.tiny_vae()
    for network, folder in ((parity.tiny_unet(), "unet/unet"), (vae, "vae")):
        target = tmp_path / "published" / folder
        target.mkdir(parents=True)
        save_file(network.state_dict(), target / "diffusion_pytorch_model.safetensors")
        (target / "config.json").write_text(json.dumps(parity.document(f"tiny_{target.name}_config")))
    offer(hub, tmp_path, "any-to-bokeh", tmp_path / "published")
    out, err = command("download-weights", "any-to-bokeh").communicate(timeout=60)
    assert f"bokeh import-weights {out.strip()}" in err.splitlines()[-1]
    out, err = command("import-weights", out.strip()).communicate(timeout=60)
    assert Path(out.strip()) == tmp_path / "home" / "weights" / "any-to-bokeh", err
    with torch.device("meta"):
        loaded = type(vae)(vae.dims)
    load_weights(loaded, read_checkpoint(Path(out.strip())).vae_weights, dtype=torch.float32)
    wanted = vae.state_dict()
    assert all(torch.equal(weight, wanted[key]) for key, weight in loaded.state_dict().items())

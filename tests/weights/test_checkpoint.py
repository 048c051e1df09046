import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from facts import naming
from safetensors.torch import save_file
from torch import nn

from any2bokeh.errors import WeightsError
from any2bokeh.paths import checkpoints_folder
from any2bokeh.weights.checkpoint import (
    DEFAULT_NAME,
    PUBLISHED_FACTS,
    TRAINED_FACTS,
    CheckpointFacts,
    find_checkpoint,
    load_weights,
)
from any2bokeh.weights.disk import imported_names


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ANY2BOKEH_HOME", str(tmp_path / "home"))


def write_checkpoint(folder: Path, facts: str = PUBLISHED_FACTS.to_json()) -> Path:
    for part in ("unet", "vae"):
        (folder / part).mkdir(parents=True)
        (folder / part / "config.json").write_text("{}")
        save_file({"weight": torch.zeros(2)}, folder / part / "diffusion_pytorch_model.safetensors")
    (folder / "bokeh.json").write_text(facts)
    return folder


@pytest.mark.parametrize("facts", [PUBLISHED_FACTS, TRAINED_FACTS])
def test_facts_survive_their_file(facts):
    assert CheckpointFacts.from_json(facts.to_json()) == facts


def test_facts_of_the_published_inference_and_of_the_training_here():
    assert json.loads(PUBLISHED_FACTS.to_json())["time_ids"] == [6, 127, 0.0]
    assert (PUBLISHED_FACTS.mask_mode, PUBLISHED_FACTS.mpi_alpha) == ("released", 1.5)
    assert (TRAINED_FACTS.mask_mode, TRAINED_FACTS.mpi_alpha) == ("paper", 1.0)
    assert (PUBLISHED_FACTS.clip_normalization, TRAINED_FACTS.clip_normalization) == (False, True)


def test_facts_in_their_older_spelling_are_read():
    older = PUBLISHED_FACTS.to_json().replace('"license"', '"licence"')
    older = older.replace('"clip_normalization"', '"clip_normalisation"')
    assert CheckpointFacts.from_json(older) == PUBLISHED_FACTS


FORMER = {"answers": "refocused", "largest_blur": None, "correction_weight": 1.0}


def test_facts_that_checkpoints_once_had_are_read():
    former = json.loads(PUBLISHED_FACTS.to_json()) | FORMER
    assert CheckpointFacts.from_json(json.dumps(former)) == PUBLISHED_FACTS


def test_a_checkpoint_that_corrected_the_lens_is_refused(tmp_path):
    former = json.loads(TRAINED_FACTS.to_json()) | FORMER | {"answers": "correction", "largest_blur": 15.0}
    folder = write_checkpoint(tmp_path / "mine", json.dumps(former))
    with pytest.raises(WeightsError, match=naming(folder / "bokeh.json", "small network")):
        find_checkpoint(folder)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"mask_mode": "both"}, ["mask_mode", "released, paper", "'both'"]),
        ({"mask_mode": None}, ["mask_mode", "released, paper", "None"]),
        ({"mpi_alpha": "1.5"}, ["mpi_alpha", "'1.5'"]),
        ({"mpi_alpha": 0}, ["mpi_alpha must be a number above 0, got 0."]),
        ({"mpi_alpha": float("nan")}, ["NaN"]),
        ({"time_ids": [6, 127]}, ["time_ids", "(6, 127)"]),
        ({"time_ids": [6, 127, True]}, ["time_ids", "(6, 127, True)"]),
        ({"time_ids": 6}, ["time_ids", "6"]),
        ({"clip_normalization": 1}, ["clip_normalization", "1"]),
        ({"k_precision": "float64"}, ["k_precision", "float32, float16_exponents, float16", "'float64'"]),
        ({"license": ""}, ["license", "''"]),
        ({"source": ["a"]}, ["source", "['a']"]),
        ({"color": "red"}, ["color"]),
    ],
)
def test_a_fact_that_is_wrong_is_named(tmp_path, change, named):
    facts = json.dumps(json.loads(PUBLISHED_FACTS.to_json()) | change)
    folder = write_checkpoint(tmp_path / "mine", facts)
    with pytest.raises(WeightsError, match=naming(folder / "bokeh.json", *named)):
        find_checkpoint(folder)


@pytest.mark.parametrize(
    ("text", "named"), [("{", "JSON"), ("[]", "list"), ('{"mask_mode": "paper"}', "clip_normalization")]
)
def test_a_file_of_facts_that_is_none_is_said_to_be_so(tmp_path, text, named):
    with pytest.raises(WeightsError, match=naming("bokeh.json", named)):
        find_checkpoint(write_checkpoint(tmp_path / "mine", text))


def test_checkpoints_are_found_by_name_by_default_and_by_folder(tmp_path):
    published = write_checkpoint(checkpoints_folder() / DEFAULT_NAME)
    trained = write_checkpoint(checkpoints_folder() / "trained", TRAINED_FACTS.to_json())
    elsewhere = write_checkpoint(tmp_path / "elsewhere", replace(TRAINED_FACTS, mpi_alpha=2.0).to_json())
    assert checkpoints_folder() == tmp_path / "home" / "weights"
    assert imported_names() == [DEFAULT_NAME, "trained"]
    assert (find_checkpoint().folder, find_checkpoint().facts) == (published, PUBLISHED_FACTS)
    assert find_checkpoint("trained").facts == TRAINED_FACTS
    assert find_checkpoint("trained").folder == trained
    assert find_checkpoint(str(elsewhere)).facts.mpi_alpha == 2.0
    checkpoint = find_checkpoint(elsewhere)
    for path in (
        checkpoint.unet_config,
        checkpoint.vae_config,
        checkpoint.unet_weights,
        checkpoint.vae_weights,
    ):
        assert path.is_file()


def test_an_imported_name_comes_before_a_folder_of_that_name(tmp_path, monkeypatch):
    imported = write_checkpoint(checkpoints_folder() / "trained")
    write_checkpoint(tmp_path / "trained")
    monkeypatch.chdir(tmp_path)
    assert find_checkpoint("trained").folder == imported


def test_weights_that_are_not_there_name_the_command_that_brings_them():
    with pytest.raises(WeightsError, match=naming("'any-to-bokeh'")) as raised:
        find_checkpoint()
    assert "bokeh import-weights PATH" in raised.value.hint
    write_checkpoint(checkpoints_folder() / "trained")
    with pytest.raises(WeightsError, match=naming("'mine'", "trained")) as raised:
        find_checkpoint("mine")
    assert "bokeh import-weights PATH --name mine" in raised.value.hint


@pytest.mark.parametrize(
    "name", ["bokeh.json", "unet/config.json", "vae/diffusion_pytorch_model.safetensors"]
)
def test_a_checkpoint_that_lacks_a_file_names_it(tmp_path, name):
    folder = write_checkpoint(tmp_path / "mine")
    (folder / name).unlink()
    with pytest.raises(WeightsError, match=naming(folder, name)):
        find_checkpoint(folder)


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


@pytest.fixture
def saved(tmp_path):
    """Write the weights of the network, changed as told, and return their file and content."""

    def save(**changes: torch.Tensor | None):
        state = network().state_dict() | {key.replace("_0_", "0."): value for key, value in changes.items()}
        state = {key: value for key, value in state.items() if value is not None}
        save_file(state, tmp_path / "weights.safetensors")
        return tmp_path / "weights.safetensors", state

    return save


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_loading_gives_a_network_exactly_the_weights_of_the_file(saved, device):
    path, state = saved()
    with torch.device(device):
        module = network()
    assert load_weights(module, path) == ()
    assert {key: value.tolist() for key, value in module.state_dict().items()} == {
        key: value.tolist() for key, value in state.items()
    }
    assert all(parameter.requires_grad for parameter in module.parameters())


def test_loading_casts_floating_point_weights_alone(saved):
    path, _ = saved()
    with torch.device("meta"):
        module = network()
    load_weights(module, path, dtype=torch.float16)
    assert module[0].weight.dtype == torch.float16
    assert module[1].num_batches_tracked.dtype == torch.int64


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"_0_bias": None}, ["0.bias [2] is missing"]),
        ({"extra": torch.zeros(4)}, ["extra [4] is unknown"]),
        ({"_0_weight": torch.zeros(2, 4)}, ["0.weight", "[2, 4]", "[2, 3]"]),
        ({"_0_weight": None, "_0_bias": None}, ["0.weight [2, 3] is missing", "1 more"]),
        (
            {"_0_bias": None, "extra": torch.zeros(4), "_0_weight": torch.zeros(3)},
            ["0.bias [2] is missing", "extra [4] is unknown", "0.weight", "[3]", "[2, 3]"],
        ),
    ],
)
def test_a_key_that_does_not_fit_is_named_and_nothing_is_loaded(saved, changes, named):
    path, _ = saved(**changes)
    module = network()
    before = module[0].weight.clone()
    with pytest.raises(WeightsError, match=naming(path, *named)):
        load_weights(module, path)
    assert torch.equal(module[0].weight, before)


def test_keys_that_may_lack_are_named_and_stay_as_they_are(saved):
    path, state = saved(_0_bias=None)
    module = network()
    before = module[0].bias.clone()
    assert load_weights(module, path, may_lack={"0.bias", "0.weight"}) == ("0.bias",)
    assert torch.equal(module[0].bias, before)
    assert torch.equal(module[0].weight, state["0.weight"])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_numbers_are_an_error(saved, value):
    path, state = saved()
    key = next(key for key, tensor in state.items() if tensor.is_floating_point())
    state[key].view(-1)[0] = value
    save_file(state, path)
    with pytest.raises(WeightsError, match=naming(key, path)):
        load_weights(network(), path)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int8, torch.float8_e4m3fn, torch.float8_e5m2])
@pytest.mark.parametrize("cast_to", [None, torch.float32])
def test_weights_of_a_type_that_is_none_for_weights_are_an_error(saved, dtype, cast_to):
    path, _ = saved(_0_weight=torch.ones(2, 3).to(dtype))
    with pytest.raises(WeightsError, match=naming("0.weight", path, str(dtype))):
        load_weights(network(), path, dtype=cast_to)


def test_a_file_cut_short_is_an_error(saved):
    path, _ = saved()
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(WeightsError, match=naming(path)):
        load_weights(network(), path)

"""Published weights, here of tiny networks, on their way to a checkpoint."""

import functools
import json
import logging
import resource
import shutil
import subprocess
import zipfile
from pathlib import Path

import parity
import pytest
import torch
from facts import names, naming
from folders import downloaded
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from any2bokeh.cli.import_weights import _networks
from any2bokeh.errors import WeightsError
from any2bokeh.paths import checkpoints_folder
from any2bokeh.render.diffusion.unet import BokehUNet, UNetDims, UNetInputs
from any2bokeh.render.diffusion.vae import BokehVAE, VAEDims
from any2bokeh.settings.weights_settings import ImportSettings
from any2bokeh.weights.checkpoint import PUBLISHED_FACTS, TRAINED_FACTS, find_checkpoint, load_weights
from any2bokeh.weights.disk import find_checkpoint_damage
from any2bokeh.weights.importer import import_checkpoint

STEM = "diffusion_pytorch_model"
CONFIGS = {part: parity.document(f"tiny_{part}_config") for part in ("unet", "vae")}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ANY2BOKEH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ANY2BOKEH_MODELS", str(tmp_path / "models.toml"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "models.toml").write_text(
        '[[model]]\nname = "svd-unet"\nrepository = "nobody/nothing"\nlicense = "none"\npurpose = "tests"\n'
        f'files = ["unet/{STEM}.fp16.safetensors"]\n'
    )


@functools.cache
def tiny_states() -> dict[str, dict[str, torch.Tensor]]:
    """The weights of a U-Net and a VAE as torch initializes them: as if training had not begun."""
    torch.manual_seed(1)
    unet, vae = (
        BokehUNet(UNetDims.from_config(CONFIGS["unet"])),
        BokehVAE(VAEDims.from_config(CONFIGS["vae"])),
    )
    return {"unet": unet.state_dict(), "vae": vae.state_dict()}


@pytest.fixture
def states():
    return {part: dict(state) for part, state in tiny_states().items()}


@pytest.fixture
def publish(tmp_path, states):
    """Write weights as they may be published, in a folder or a zip, and return it."""

    def write(unet="unet/unet", vae="vae", suffix=".safetensors", name="published", **changes) -> Path:
        root = tmp_path / name
        for part, folder in (("unet", root / unet), ("vae", root / vae)):
            folder.mkdir(parents=True)
            (folder / "config.json").write_text(json.dumps(CONFIGS[part]))
            state = {key: tensor for key, tensor in states[part].items() if tensor is not None}
            if suffix == ".safetensors":
                save_file(state, folder / f"{STEM}{suffix}")
            else:
                torch.save(state, folder / f"{STEM}{suffix}", **changes)
        return root

    return write


def zipped(folder: Path) -> Path:
    target = folder.with_suffix(".zip")
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder.parent))
    return target


def run(source: Path, *, overwrite: bool = False, **settings):
    return import_checkpoint(source, ImportSettings(**settings), _networks(source), overwrite=overwrite)


def assert_holds(folder: Path, states) -> None:
    for part, state in states.items():
        written = load_file(folder / part / f"{STEM}.safetensors")
        assert written.keys() == state.keys()
        for key, tensor in state.items():
            assert torch.equal(written[key], tensor.half()), key


@pytest.mark.slow
@pytest.mark.parametrize(
    ("unet", "vae", "packed"),
    [
        ("unet", "vae", False),
        ("unet/unet", "vae", True),
        ("any/unet/unet", "any/vae", True),
        ("a/checkpoint/unet", "b/vae", False),
    ],
)
def test_every_published_layout_becomes_a_checkpoint_in_half_precision(publish, states, unet, vae, packed):
    source = publish(unet, vae)
    if packed:
        source = zipped(source)
        shutil.rmtree(source.with_suffix(""))
    checkpoint = run(source).checkpoint
    assert checkpoint == find_checkpoint()
    assert checkpoint.folder == checkpoints_folder() / "any-to-bokeh"
    assert sorted(
        path.relative_to(checkpoint.folder).as_posix() for path in checkpoint.folder.rglob("*.*")
    ) == [
        "bokeh.json",
        "unet/config.json",
        f"unet/{STEM}.safetensors",
        "vae/config.json",
        f"vae/{STEM}.safetensors",
    ]
    assert_holds(checkpoint.folder, states)
    assert json.loads(checkpoint.unet_config.read_text()) == CONFIGS["unet"]
    assert checkpoint.facts.mask_mode == "released"
    assert checkpoint.facts.license == PUBLISHED_FACTS.license
    assert source.name in checkpoint.facts.source
    assert list(checkpoints_folder().iterdir()) == [checkpoint.folder]


@pytest.mark.slow
@pytest.mark.parametrize("old_format", [False, True])
def test_a_pickle_is_converted(publish, states, old_format):
    folder = run(publish(suffix=".bin", _use_new_zipfile_serialization=not old_format)).checkpoint.folder
    assert_holds(folder, states)
    assert list(folder.rglob("*.bin")) == []


@pytest.mark.slow
def test_safetensors_come_before_a_pickle_and_the_plain_name_before_a_variant(publish, states):
    source = publish()
    for name in (f"{STEM}.bin", f"{STEM}.fp16.safetensors"):
        (source / "vae" / name).write_bytes(b"nonsense")
    assert_holds(run(source).checkpoint.folder, states)


@pytest.mark.slow
def test_an_imported_checkpoint_loads_into_the_networks(publish, states):
    checkpoint = run(publish()).checkpoint
    with torch.device("meta"):
        unet = BokehUNet(UNetDims.from_config(json.loads(checkpoint.unet_config.read_text())))
    assert load_weights(unet, checkpoint.unet_weights, dtype=torch.float32) == ()
    assert torch.equal(unet.conv_out.weight, states["unet"]["conv_out.weight"].half().float())


def test_the_full_size_networks_have_the_published_keys_and_shapes():
    for part, config in (("unet", "unet_keys_full"), ("vae", "vae_keys_full")):
        full = parity.document(config)
        with torch.device("meta"):
            network = _networks(Path("published"))[part](full["config"])
        assert {key: list(tensor.shape) for key, tensor in network.state_dict().items()} == full["keys"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "key", "tensor", "named"),
    [
        ("unet", "conv_in_mpi.bias", None, "[32] is missing"),
        ("vae", "decoder.extra", torch.zeros(3), "[3] is unknown"),
        ("vae", "decoder.skip_conv_1.weight", torch.zeros(2, 2, 1, 1), "[2, 2, 1, 1]"),
        ("vae", "decoder.conv_in.bias", torch.full((32,), torch.nan), "not numbers"),
        ("vae", "decoder.conv_in.bias", torch.zeros(32, dtype=torch.int64), "torch.int64"),
    ],
)
def test_weights_that_do_not_fit_name_the_key_and_leave_nothing(publish, states, part, key, tensor, named):
    states[part][key] = tensor
    with pytest.raises(WeightsError, match=naming(f"{part}/diffusion_pytorch_model.safetensors", key, named)):
        run(publish())
    assert list(checkpoints_folder().iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"block_out_channels": 3}'])
def test_a_config_that_describes_no_network_is_named(publish, text):
    source = publish()
    (source / "vae" / "config.json").write_text(text)
    with pytest.raises(WeightsError):
        run(source)


@pytest.mark.slow
def test_values_beyond_float16_stay_float32_and_are_told_of(publish, states, caplog):
    states["vae"]["decoder.conv_in.bias"] = torch.tensor([1.0, 2.0, 3.0, 70_000.0] * 8)
    checkpoint = run(publish()).checkpoint
    written = load_file(checkpoint.vae_weights)
    assert written["decoder.conv_in.bias"][3] == 70_000.0
    assert {key for key, tensor in written.items() if tensor.dtype == torch.float32} == {
        "decoder.conv_in.bias"
    }
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert names(record.getMessage(), "decoder.conv_in.bias", "vae", 65504)
    with torch.device("meta"):
        vae = _networks(Path("published"))["vae"](CONFIGS["vae"])
    with pytest.raises(WeightsError, match=naming("decoder.conv_in.bias", "float16")):
        load_weights(vae, checkpoint.vae_weights, dtype=torch.float16)


def train_fusers(state, mode, steps):
    """Train the U-Net a little, as its fusers are trained: in one mask mode, on random frames."""
    unet = BokehUNet(UNetDims.from_config(CONFIGS["unet"]))
    unet.load_state_dict(state)
    optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-3)
    for _ in range(steps):
        inputs = UNetInputs(
            latents=torch.randn(1, 2, 8, 8, 8),
            embeds=torch.randn(1, 2, 32),
            labels=torch.zeros(1, 2, 1, 64, 64),
            blur_strength=torch.full((1, 2), 16.0),
            time_ids=torch.tensor([[7.0, 127.0, 0.0]]),
            plane_latents=torch.randn(1, 2, 4, 8, 8),
        )
        optimizer.zero_grad()
        unet(inputs, mask_mode=mode).square().mean().backward()
        optimizer.step()
    return unet.state_dict()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["released", "paper"])
def test_the_mask_mode_of_a_trained_network_is_found(publish, states, mode):
    states["unet"] = train_fusers(states["unet"], mode, steps=8)
    imported = run(publish())
    assert (imported.evidence.mode, imported.evidence.is_clear) == (mode, True)
    assert len(imported.evidence.fusers) == 10
    assert imported.checkpoint.facts.mask_mode == mode


@pytest.mark.slow
def test_the_unet_of_svd_is_compared_where_it_was_downloaded(publish, states, tmp_path):
    folder = downloaded(tmp_path, "nobody/nothing") / "unet"
    folder.mkdir()
    svd = {"conv_in.weight": states["unet"]["conv_in.weight"]}
    save_file(svd, folder / f"{STEM}.fp16.safetensors")
    states["unet"]["conv_in_mpi.weight"] = svd["conv_in.weight"][:, :4] * 0.99
    assert run(publish()).evidence.conv_in.scale == pytest.approx(0.99)
    save_file({"conv_in.weight": torch.zeros(320, 8, 3, 3)}, folder / f"{STEM}.fp16.safetensors")
    evidence = run(publish(name="again"), name="again").evidence  # of another size: it just does not help
    assert (evidence.conv_in, evidence.mode) == (None, "released")


def test_a_mask_mode_that_is_given_overrides_what_is_found(publish):
    imported = run(publish(), mask_mode="paper")
    assert imported.evidence.mode == "released"
    assert imported.checkpoint.facts.mask_mode == "paper"


@pytest.mark.slow
def test_facts_that_weights_bring_along_are_kept(publish):
    source = publish()
    (source / "bokeh.json").write_text(TRAINED_FACTS.to_json())
    assert run(source).checkpoint.facts == TRAINED_FACTS
    (source / "bokeh.json").write_text("{}")
    with pytest.raises(WeightsError, match=naming("bokeh.json", "clip_normalization")):
        run(source, name="another")


@pytest.mark.slow
def test_an_existing_checkpoint_is_replaced_only_when_told(publish, states):
    source = publish()
    before = run(source).checkpoint.folder / "bokeh.json"
    written_ns = before.stat().st_mtime_ns
    with pytest.raises(WeightsError, match="exists already") as raised:
        run(source)
    assert raised.value.hint == "`overwrite=True` replaces it, `name` gives another"
    assert before.stat().st_mtime_ns == written_ns
    assert run(source, overwrite=True, mask_mode="paper").checkpoint.facts.mask_mode == "paper"
    assert [path.name for path in checkpoints_folder().iterdir()] == ["any-to-bokeh"]


@pytest.mark.slow
def test_an_import_that_is_stopped_leaves_what_was_there(publish):
    source = publish()
    before = run(source).checkpoint

    def stop(size_bytes):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_checkpoint(source, ImportSettings(), _networks(source), stop, overwrite=True)
    with pytest.raises(KeyboardInterrupt):
        import_checkpoint(zipped(source), ImportSettings(name="new"), _networks(source), stop)
    assert list(checkpoints_folder().iterdir()) == [before.folder]
    assert find_checkpoint_damage(before.folder, thorough=True) == ""


@pytest.mark.slow
def test_a_checkpoint_that_appears_while_one_is_imported_stays(publish):
    target = checkpoints_folder() / "any-to-bokeh"

    def appear(size_bytes):
        target.mkdir(exist_ok=True)
        (target / "precious").write_text("somebody else's")

    source = publish()
    with pytest.raises(WeightsError, match="exists already"):
        import_checkpoint(source, ImportSettings(), _networks(source), appear)
    assert [path.name for path in target.iterdir()] == ["precious"]
    assert list(checkpoints_folder().iterdir()) == [target]


def test_a_full_disk_is_said_in_one_sentence_and_leaves_nothing(publish):
    source = publish()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(WeightsError, match=naming("disk is full", checkpoints_folder())):
            run(source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(checkpoints_folder().iterdir()) == []


def test_too_little_space_is_found_before_anything_is_written(publish, monkeypatch):
    source = publish()
    usage = shutil.disk_usage(source)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1_000_000))
    with pytest.raises(WeightsError, match=naming("7 MB", "1 MB")):
        run(source)
    with pytest.raises(WeightsError, match=naming("published.zip", "14 MB", "1 MB")):
        run(zipped(source))


@pytest.mark.parametrize("thorough", [False, True])
@pytest.mark.slow
def test_damage_after_the_import_is_found(publish, thorough):
    folder = run(publish()).checkpoint.folder
    assert find_checkpoint_damage(folder, thorough=thorough) == ""
    weights, config = folder / "vae" / f"{STEM}.safetensors", folder / "unet" / "config.json"
    content = bytearray(weights.read_bytes())
    content[-100] ^= 1
    weights.write_bytes(content)
    changed = f"vae/{STEM}.safetensors was changed since the import"
    assert find_checkpoint_damage(folder, thorough=thorough) == (changed if thorough else "")
    weights.write_bytes(content[:-100])
    assert find_checkpoint_damage(folder, thorough=thorough).startswith(f"vae/{STEM}.safetensors ")
    weights.unlink()
    assert find_checkpoint_damage(folder, thorough=thorough) == f"vae/{STEM}.safetensors is missing"
    config.write_text("{}")
    assert find_checkpoint_damage(folder, thorough=thorough).startswith("unet/config.json ")
    (folder / "SHA256SUMS").unlink()
    assert find_checkpoint_damage(folder, thorough=thorough).count("SHA256SUMS") == 1


def test_the_manifest_is_what_sha256sum_reads(publish):
    folder = run(publish()).checkpoint.folder
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, check=True)

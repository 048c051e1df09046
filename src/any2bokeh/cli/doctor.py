"""``bokeh doctor``: what this machine has of all that the program stands on."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from any2bokeh.cli.option_types import option
from any2bokeh.cli.options import Json
from any2bokeh.cli.talk import print_json, print_result

if TYPE_CHECKING:
    from any2bokeh.weights.catalog import Model

PACKAGES = (
    "any2bokeh",
    "torch",
    "av",
    "numpy",
    "transformers",
    "huggingface-hub",
    "safetensors",
    "typer",
)
COMMAND = "bokeh"


def doctor_command(
    *,
    verify: Annotated[bool, option("--verify", help="Read all weights and compare their hashes.")] = False,
    as_json: Json = False,
) -> None:
    """Show the installation and what works on this machine.

    Versions, devices, encoders (opened to see whether they work), networks and checkpoints with their
    licenses, the cache, and which program is called `bokeh`.
    """
    report = {
        "versions": _versions(),
        "devices": _devices(),
        "encoders": _encoders(),
        "networks": _networks(verify=verify),
        "checkpoints": _checkpoints(verify=verify),
        "cache": _cache(),
        "command": _command(),
    }
    if as_json:
        print_json(report)
        return
    for title, facts in report.items():
        print_result(f"{title}:")
        for name, fact in facts.items():
            print_result(f"  {name}: {fact}")


def _versions() -> dict[str, str]:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    import torch

    from any2bokeh.video.encoders import ffmpeg_version

    versions = {"python": f"{platform.python_version()} on {platform.platform()}"}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    # What is installed does not always say for which devices it was built; torch itself does.
    return versions | {"torch": torch.__version__, "ffmpeg": ffmpeg_version()}


def _devices() -> dict[str, str]:
    import torch

    devices = {"cpu": f"{torch.get_num_threads()} threads"}
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        devices[f"cuda:{index}"] = f"{facts.name}, {facts.total_memory / 2**30:.1f} GiB"
    if torch.backends.mps.is_available():
        devices["mps"] = "Apple GPU"
    return devices


def _encoders() -> dict[str, str]:
    from any2bokeh.video.encoders import usable_encoders

    return {name: "opens" if opens else "does not open here" for name, opens in usable_encoders().items()}


def _networks(*, verify: bool) -> dict[str, str]:
    """The bundled networks, and those on the hub with whether they are on this machine."""
    from any2bokeh.depth.compact import WEIGHTS
    from any2bokeh.render.small.corrected_lens import WEIGHTS as SMALL_WEIGHTS
    from any2bokeh.subject.click_segmenter import WEIGHTS as CLICK_WEIGHTS
    from any2bokeh.weights.catalog import load_catalog

    shipped = {
        "compact": f"{WEIGHTS}, rougher than the others (license as this program)",
        "subject": f"{CLICK_WEIGHTS}, rougher than the others (license as this program)",
        "small": f"{SMALL_WEIGHTS}, for --renderer small (license as this program)",
    }
    models = [model for model in load_catalog().values() if model.repository]
    return shipped | {
        model.name: f"{_network(model, verify=verify)} (license {model.license})" for model in models
    }


def _network(model: "Model", *, verify: bool) -> str:
    from any2bokeh.weights.converted import find_network_folder
    from any2bokeh.weights.disk import find_checkpoint_damage
    from any2bokeh.weights.download import find_download_damage

    folder = find_network_folder(model)
    if folder is None:
        return f"not here: {COMMAND} download-weights {model.name}"
    if model.is_pickle:
        damage = find_checkpoint_damage(folder, thorough=verify)
    else:
        damage = find_download_damage(model, folder) if verify else ""
    return f"{folder}, damaged: {damage}" if damage else str(folder)


def _checkpoints(*, verify: bool) -> dict[str, str]:
    """The checkpoints of the diffusion renderer, imported or possible."""
    from any2bokeh.weights.catalog import load_catalog
    from any2bokeh.weights.disk import imported_names

    outside = {model.name: model for model in load_catalog().values() if not model.repository}
    missing = {
        name: f"not here: it is {model.obtain} (license {model.license})" for name, model in outside.items()
    }
    return missing | {name: _checkpoint(name, verify=verify) for name in imported_names()}


def _checkpoint(name: str, *, verify: bool) -> str:
    from any2bokeh.errors import WeightsError
    from any2bokeh.weights.checkpoint import find_checkpoint
    from any2bokeh.weights.disk import find_checkpoint_damage

    try:
        checkpoint = find_checkpoint(name)
    except WeightsError as error:
        return f"damaged: {error.message}"
    damage = find_checkpoint_damage(checkpoint.folder, thorough=verify)
    state = f", damaged: {damage}" if damage else ""
    facts = checkpoint.facts
    return f"{checkpoint.folder}{state}, mask mode {facts.mask_mode} (license {facts.license})"


def _cache() -> dict[str, str]:
    from any2bokeh.depth.cache import cache_folder

    folder = cache_folder()
    megabytes = sum(path.stat().st_size for path in folder.glob("*")) / 1e6
    return {"disparity": f"{folder}, {len(list(folder.glob('*.mkv')))} tracks, {megabytes:.1f} MB"}


def _command() -> dict[str, str]:
    """Which program answers to ``bokeh``: the plotting library of that name installs one too."""
    path = shutil.which(COMMAND)
    if path is None:
        return {COMMAND: "not on the PATH"}
    if b"any2bokeh" in Path(path).read_bytes():
        return {COMMAND: f"{path}, this program"}
    return {COMMAND: f"{path}, another program (the plotting library bokeh?): run any2bokeh instead"}

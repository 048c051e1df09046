"""Networks that are published as a pickle: checked key by key, and kept as safetensors.

A kept network is a folder ``$ANY2BOKEH_HOME/networks/NAME`` with its weights, ``source.json``, the file that
they were made of, and a manifest that ``sha256sum -c`` reads.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from any2bokeh.atomic import DISK_FULL, partial_folder
from any2bokeh.documents import parse_json, read_document
from any2bokeh.errors import WeightsError
from any2bokeh.paths import HOME_VARIABLE, networks_folder
from any2bokeh.progress import OnCount, ignore
from any2bokeh.weights.catalog import Model, how_to_bring, load_catalog
from any2bokeh.weights.checkpoint import check_keys
from any2bokeh.weights.disk import (
    MANIFEST_FILE,
    check_space,
    find_checkpoint_damage,
    sha256_of,
    write_manifest,
)
from any2bokeh.weights.download import download, find_folder, model_folder
from any2bokeh.weights.tensors import open_tensors, write_single

CONVERTED_FILE, SOURCE_FILE = "model.safetensors", "source.json"

Shapes = Mapping[str, list[int]]  # of every tensor, by name


def find_network_folder(model: Model) -> Path | None:
    """Return the folder of a network that is on this machine, ready to be loaded, or ``None``."""
    if not model.is_pickle:
        return find_folder(model)
    folder = networks_folder() / model.name
    return folder if (folder / MANIFEST_FILE).is_file() else None


def network_folder(model: Model) -> Path:
    """Return the folder of a network that is on this machine, ready to be loaded.

    Raises ``WeightsError`` that names the command to run if it is missing, or not made of the pinned files.
    """
    if not model.is_pickle:
        return model_folder(model)
    folder = find_network_folder(model)
    if folder is None:
        raise WeightsError(
            f"The weights of {model.name} are not on this machine.",
            hint=f"bokeh download-weights {model.name}; without a connection, {how_to_bring(model)}",
        )
    _check_pins(model, folder)
    return folder


def converted_revision(folder: Path) -> str:
    """Return the hash of a kept network's weights, out of the manifest."""
    found = re.search(
        rf"^([0-9a-f]{{64}})  {re.escape(CONVERTED_FILE)}$", _text(folder / MANIFEST_FILE), re.M
    )
    if found is None:
        raise WeightsError(f"{folder / MANIFEST_FILE} does not name {CONVERTED_FILE}.")
    return found[1]


def fetch_network(model: Model, shapes: Shapes, on_progress: OnCount = ignore) -> Path:
    """Fetch a network that is published as a pickle, keep it as safetensors, and return its folder.

    One that is here and intact is not fetched again. ``shapes`` are those that its tensors must have. Raises
    ``WeightsError``.
    """
    folder = find_network_folder(model)
    if folder and not find_checkpoint_damage(folder, thorough=False):
        return network_folder(model)
    return keep_network(model, download(model, on_progress) / model.files[0].path, shapes)


def keep_network(
    model: Model, source: Path, shapes: Shapes, on_progress: OnCount = ignore, *, overwrite: bool = True
) -> Path:
    """Make safetensors of ``source``, the file that ``model`` is published as, and return their folder.

    A pickle is read by torch's weights-only loader, which runs no code. The folder appears whole or not at
    all. Raises ``WeightsError`` for a file that is damaged, holds more than tensors or has other keys or
    shapes, and for another file than the list of models pins.
    """
    target = networks_folder() / model.name
    if not source.is_file():
        raise WeightsError(f"{source} does not exist.")
    hint = f"{HOME_VARIABLE}=FOLDER names another place"
    try:
        with (
            partial_folder(target, overwrite=overwrite, error_class=WeightsError) as partial,
            open_tensors(source, str(source)) as tensors,
        ):
            check_keys(dict(tensors.shapes), dict(shapes), str(source))
            check_space(model.name, source.stat().st_size, partial, hint=hint)
            written = write_single(partial / CONVERTED_FILE, tensors, on_progress)
            facts = {"file": source.name, "bytes": source.stat().st_size, "sha256": sha256_of(source)}
            (partial / SOURCE_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
            hashes = {CONVERTED_FILE: written.sha256, SOURCE_FILE: sha256_of(partial / SOURCE_FILE)}
            write_manifest(partial, hashes)
            _check_pins(model, partial)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise WeightsError(
            f"The disk is full: {model.name} did not fit into {target.parent}.", hint
        ) from error
    return target


def model_published_as(name: str) -> Model:
    """Return the model whose file has this name; raises ``WeightsError`` that lists those that are known."""
    models = [model for model in load_catalog().values() if model.is_pickle]
    for model in models:
        if model.files[0].path.rpartition("/")[2] == name:
            return model
    known = ", ".join(f"{model.files[0].path} ({model.name})" for model in models)
    raise WeightsError(f"{name} is not the file of a network in the list of models: known are {known}.")


def _check_pins(model: Model, folder: Path) -> None:
    """Raise ``WeightsError`` if a kept network was made of another file than the list of models pins."""
    pin = model.files[0]
    try:
        facts = parse_json(_text(folder / SOURCE_FILE))
        size_bytes, sha256 = facts["bytes"], facts["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{folder / SOURCE_FILE} is damaged.") from error
    if pin.size_bytes not in (None, size_bytes) or pin.sha256 not in (None, sha256):
        raise WeightsError(
            f"{model.name} was made of a file of {size_bytes} bytes with the sha256 {sha256}, where the list"
            f" of models pins {pin.size_bytes} and {pin.sha256}."
        )


def _text(path: Path) -> str:
    try:
        return read_document(path)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read: {error}") from error

"""Pinning networks in a list of one's own: from now on, these files and no others."""

import shutil
from pathlib import Path

import tomlkit
from tomlkit.items import AoT, Table

from any2bokeh.atomic import partial_file
from any2bokeh.errors import WeightsError, shown
from any2bokeh.weights.catalog import Model, ModelFile, find_model, load_catalog, shipped_catalog
from any2bokeh.weights.disk import sha256_of


def catalog_to_lock(path: Path) -> dict[str, Model]:
    """Return the models of the list at ``path``; of the one that ships, where there is none yet."""
    return load_catalog(path if path.exists() else shipped_catalog())


def lock_model(path: Path, model: Model, folder: Path) -> Model:
    """Pin the files downloaded to ``folder`` in the list at ``path``, and return the new entry.

    The revision becomes the commit, each file gets its size and sha256; everything else, comments
    included, stays as it is. Where there is no list at ``path``, it begins as a copy of the one that
    ships. It is replaced as a whole, or stays as it was. Raises ``WeightsError``.
    """
    pinned = [
        ModelFile(
            path=file.path,
            size_bytes=(folder / file.path).stat().st_size,
            sha256=sha256_of(folder / file.path),
        )
        for file in model.files
    ]
    catalog_to_lock(path)  # raises where it is not a list of models
    path = path.resolve()
    document = tomlkit.parse((path if path.exists() else shipped_catalog()).read_text(encoding="utf-8"))
    entry = _entry(document, model.name)
    entry["revision"] = folder.name
    entry["files"] = _as_toml(pinned)
    try:
        with partial_file(path, overwrite=True, error_class=WeightsError) as partial:
            partial.write_text(tomlkit.dumps(document), encoding="utf-8")
            if path.exists():
                shutil.copymode(path, partial)
            return find_model(model.name, load_catalog(partial))
    except OSError as error:
        raise WeightsError(f"The list of models {path} cannot be written: {error.strerror}.") from error


def _entry(document: tomlkit.TOMLDocument, name: str) -> Table:
    """Return the entry of a model, to be changed in its place."""
    for entry in document.get("model", AoT([])):
        if isinstance(entry, Table) and entry.get("name") == name:
            return entry
    raise WeightsError(f"The list of models has no [[model]] table named {shown(name)}.")


def _as_toml(files: list[ModelFile]) -> tomlkit.items.Array:
    """Return the files as an array of one table a line."""
    array = tomlkit.array().multiline(True)
    for file in files:
        table = tomlkit.inline_table()
        table.update({"path": file.path, "size": file.size_bytes, "sha256": file.sha256})
        array.append(table)
    return array

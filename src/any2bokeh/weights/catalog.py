"""What networks there are: ``models.toml``, read and checked."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from any2bokeh.documents import parse_toml, read_document
from any2bokeh.errors import SettingsError, WeightsError, shown
from any2bokeh.paths import checked_name

CATALOG_VARIABLE = "ANY2BOKEH_MODELS"
IMAGE_ENCODER, SVD_UNET, SVD_VAE = "svd-image-encoder", "svd-unet", "svd-vae"
VIDEOMAE = "videomae-base"

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """One file of a model: its path in the repository and, where they are pinned, its size and hash."""

    path: str
    size_bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Model:
    """One entry of the catalog. ``revision`` is a branch, a tag or a commit of the hub repository.

    A network published outside the hub has no repository and no files: ``obtain`` says how to get it.
    """

    name: str
    repository: str = ""
    license: str
    purpose: str
    files: tuple[ModelFile, ...] = ()
    revision: str = "main"
    obtain: str = ""
    recommended: bool = False  # fetched where no network is named

    @property
    def is_pickle(self) -> bool:
        """Whether it is published as a pickle, which is made into safetensors: one file, of torch."""
        return any(file.path.endswith((".pth", ".pt")) for file in self.files)

    @property
    def page(self) -> str:
        """Where its license and terms stand, or how to get it."""
        return f"https://huggingface.co/{self.repository}" if self.repository else self.obtain


class NetworkIdentity(Protocol):
    """The facts that tell a network's weights from all others; results made with it are cached by these."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def source(self) -> str:
        """Where its weights come from."""
        ...

    @property
    def revision(self) -> str:
        """Which of them they are."""
        ...


@dataclass(frozen=True)
class FetchedModel:
    """A model of the catalog, as fetched from the hub into ``folder``."""

    model: Model
    folder: Path

    @property
    def name(self) -> str:
        """Its name in the catalog."""
        return self.model.name

    @property
    def source(self) -> str:
        """Its repository."""
        return self.model.repository

    @property
    def revision(self) -> str:
        """The commit."""
        return self.folder.name


def load_catalog(path: Path | None = None) -> dict[str, Model]:
    """Return the models by name, in the order of the file.

    Reads ``path``, else the file that ``ANY2BOKEH_MODELS`` names, else the one that ships with the
    package. Raises ``WeightsError`` that names the file, the entry and the field that is wrong.
    """
    path = path or own_catalog() or shipped_catalog()
    try:
        document = parse_toml(read_document(path))
    except OSError as error:
        raise WeightsError(f"The list of models {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise WeightsError(f"The list of models {path} cannot be read: {error}") from error
    entries = document.get("model")
    if set(document) != {"model"} or not isinstance(entries, list):
        raise WeightsError(f"{path} must hold [[model]] entries and nothing else.")
    catalog: dict[str, Model] = {}
    for number, entry in enumerate(entries, start=1):
        model = _read_model(entry, f"{path}, model {number}")
        if model.name in catalog:
            raise WeightsError(f"{path} lists the model {model.name} twice.")
        catalog[model.name] = model
    return catalog


def find_model(name: str, catalog: Mapping[str, Model]) -> Model:
    """Return the model called ``name``; raises ``WeightsError`` that lists the names there are."""
    try:
        return catalog[name]
    except KeyError:
        raise WeightsError(f"There is no model {shown(name)}: the names are {', '.join(catalog)}.") from None


def recommended_models(catalog: Mapping[str, Model]) -> list[Model]:
    """Return the networks that everybody should have; raises ``WeightsError`` for a list that names none."""
    found = [model for model in catalog.values() if model.recommended]
    if not found:
        raise WeightsError(
            "The list of models recommends none.",
            hint=f"Name one of {', '.join(catalog)}, or add `recommended = true` to an entry.",
        )
    return found


def how_to_bring(model: Model) -> str:
    """Return how a network that is published as a pickle gets to a machine without a connection."""
    name = model.files[0].path
    return f"fetch {name} from {model.page} elsewhere, bring it here and run `bokeh import-weights {name}`"


def own_catalog() -> Path | None:
    """Return the list that ``ANY2BOKEH_MODELS`` names, if it does."""
    chosen = os.environ.get(CATALOG_VARIABLE)
    return Path(chosen) if chosen else None


def shipped_catalog() -> Path:
    """Return the list that ships with the package."""
    package = Path(__file__).parents[1]
    installed = package / "models.toml"  # where the wheel has it; an editable install reads the checkout's
    return installed if installed.exists() else package.parents[1] / "models.toml"


def _read_model(entry: object, where: str) -> Model:
    if not isinstance(entry, dict):
        raise WeightsError(f"{where}: must be a table, got {shown(entry)}.")
    entry = {"license" if key == "licence" else key: value for key, value in entry.items()}  # older lists
    facts = {"name", "license", "purpose"}
    if "repository" in entry or "obtain" not in entry:
        _check_fields(entry, facts | {"repository", "files"}, {"revision", "obtain", "recommended"}, where)
    else:  # published outside the hub
        _check_fields(entry, facts | {"obtain"}, set(), where)
    model = Model(
        name=_path(entry, "name", where, _NAME),
        license=_text(entry, "license", where),
        purpose=_text(entry, "purpose", where),
        obtain=_text(entry, "obtain", where) if "obtain" in entry else "",
    )
    if "repository" not in entry:
        return model
    files = entry["files"]
    if not isinstance(files, list) or not files:
        raise WeightsError(f"{where}: files must be a list of file names, got {shown(files)}.")
    model = replace(
        model,
        repository=_path(entry, "repository", where, _REPOSITORY),
        files=tuple(_read_file(file, where) for file in files),
        revision=_path(entry, "revision", where) if "revision" in entry else "main",
        recommended=_flag(entry, "recommended", where),
    )
    if model.is_pickle and len(model.files) > 1:
        raise WeightsError(f"{where}: a network that is published as a pickle must be one file.")
    return model


def _read_file(file: object, where: str) -> ModelFile:
    table = {"path": file} if isinstance(file, str) else file
    if not isinstance(table, dict):
        raise WeightsError(f"{where}: a file is a name or {{ path, size, sha256 }}, got {shown(file)}.")
    _check_fields(table, {"path"}, {"size", "sha256"}, f"{where}, files")
    path = _path(table, "path", where)
    size = table.get("size")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
        raise WeightsError(f"{where}: size of {path} must be a number of bytes, got {shown(size)}.")
    sha256 = _text(table, "sha256", where, _SHA256) if "sha256" in table else None
    return ModelFile(path=path, size_bytes=size, sha256=sha256)


def _check_fields(table: Mapping[str, object], required: set[str], optional: set[str], where: str) -> None:
    if missing := sorted(required - set(table)):
        raise WeightsError(f"{where}: {', '.join(missing)} is missing.")
    if unknown := sorted(set(table) - required - optional):
        raise WeightsError(f"{where}: {', '.join(unknown)} is not a field of models.toml.")


def _flag(table: Mapping[str, object], field: str, where: str) -> bool:
    value = table.get(field, False)
    if not isinstance(value, bool):
        raise WeightsError(f"{where}: {field} must be true or false, got {shown(value)}.")
    return value


def _text(table: Mapping[str, object], field: str, where: str, form: re.Pattern[str] | None = None) -> str:
    value = table[field]
    if not isinstance(value, str) or not value or (form and not form.fullmatch(value)):
        raise WeightsError(f"{where}: {field} has the value {shown(value)}, which is not a {field}.")
    return value


def _path(table: Mapping[str, object], field: str, where: str, form: re.Pattern[str] | None = None) -> str:
    """As ``_text``, for a text that becomes a path inside the hub's cache or the folder of checkpoints."""
    value = _text(table, field, where, form)
    try:
        for part in value.split("/"):
            checked_name(part, f"A part of the {field}")
    except SettingsError as error:
        raise WeightsError(f"{where}: the {field} {shown(value)} is not usable: {error}") from error
    return value

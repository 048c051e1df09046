"""Fetching networks from the hub into the ordinary Hugging Face cache, and finding them there."""

import re
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import (
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    is_offline_mode,
    try_to_load_from_cache,
)

from any2bokeh.errors import WeightsError
from any2bokeh.progress import OnCount, ignore
from any2bokeh.weights.catalog import Model, ModelFile
from any2bokeh.weights.disk import check_space, git_hash_of, sha256_of
from any2bokeh.weights.hub_errors import explained


@dataclass(frozen=True, kw_only=True)
class PlannedFile:
    """One file as the hub has it. ``etag`` is its sha256, or git's hash of it where it is a small file."""

    file: ModelFile
    size_bytes: int
    etag: str
    present: bool


@dataclass(frozen=True, kw_only=True)
class DownloadPlan:
    """What fetching a model means: the commit its revision stands for, and each file."""

    model: Model
    commit: str
    files: tuple[PlannedFile, ...]

    @property
    def missing_bytes(self) -> int:
        """How much is still to be fetched."""
        return sum(file.size_bytes for file in self.files if not file.present)


def find_folder(model: Model) -> Path | None:
    """Return the folder that holds all files of ``model`` on this machine, or ``None``.

    The folder's name is the commit. Nothing is asked of the network. A network published outside the hub
    is never found here.
    """
    folder = None
    for file in model.files:
        path = try_to_load_from_cache(model.repository, file.path, revision=model.revision)
        if not isinstance(path, str):
            return None
        folder = Path(path).parents[file.path.count("/")]
    return folder


def model_folder(model: Model) -> Path:
    """Return the folder of a model that is on this machine; its name is the commit.

    Raises ``WeightsError`` that names the command to run if a file is missing or differs from its pin.
    """
    folder = find_folder(model)
    if folder is None:
        raise WeightsError(
            f"The weights of {model.name} are not on this machine.",
            hint=f"bokeh download-weights {model.name}",
        )
    for file in model.files:
        _check_pins(model, file, folder / file.path)
    return folder


def find_download_damage(model: Model, folder: Path) -> str:
    """Return which file in ``folder`` is not what it was when it was fetched, or an empty text.

    Reads every file. Its hash is the name of the cache's own copy, where the cache is made of links.
    """
    for file in model.files:
        path = (folder / file.path).resolve()
        if _hash_like(path.name, path) not in (None, path.name):
            return f"{file.path} was changed since the download"
        try:
            _check_pins(model, file, path)
        except WeightsError as error:
            return error.message
    return ""


def plan_download(model: Model) -> DownloadPlan:
    """Ask the hub which files ``model`` has, how large they are and which of them are here already.

    Raises ``WeightsError``: no network, no such repository, revision or file, no right to it, or a model
    that is published outside the hub.
    """
    if not model.repository:
        raise WeightsError(f"{model.name} is not on the hub: it is {model.obtain}.")
    planned = []
    commit = ""
    for file in model.files:
        url = hf_hub_url(model.repository, file.path, revision=commit or model.revision)
        with explained(model, file):
            found = get_hf_file_metadata(url)
        if found.commit_hash is None or found.etag is None or found.size is None:
            raise WeightsError(
                f"{constants.ENDPOINT} does not answer like a Hugging Face hub (asked for {url})."
            )
        commit = commit or found.commit_hash  # the later files are asked for at the first one's commit
        here = try_to_load_from_cache(model.repository, file.path, revision=commit)
        planned.append(
            PlannedFile(file=file, size_bytes=found.size, etag=found.etag, present=isinstance(here, str))
        )
    return DownloadPlan(model=model, commit=commit, files=tuple(planned))


def download(model: Model, on_progress: OnCount = ignore) -> Path:
    """Fetch the files of ``model`` that are not here yet, check all of them, and return their folder.

    ``on_progress`` is told of every piece that arrived, in bytes. Every file must have the size and
    the hash that the hub states and, where they are pinned, those of the catalog; one that has not is
    removed, so that the next run fetches it again. Where ``HF_HUB_OFFLINE`` forbids to ask the hub, a
    model that is here is enough. Raises ``WeightsError``.
    """
    if is_offline_mode() and find_folder(model):
        return model_folder(model)
    plan = plan_download(model)
    check_space(
        model.name,
        plan.missing_bytes,
        Path(constants.HF_HUB_CACHE).expanduser().absolute(),
        hint="HF_HOME=FOLDER names another place",
    )
    for planned in plan.files:
        with explained(model, planned.file):
            path = Path(_fetch(model, planned.file, on_progress))
        _check_content(model, planned, path)
    return model_folder(model)


def _fetch(model: Model, file: ModelFile, on_progress: OnCount) -> str:
    class Bar(_SilentBar):
        def update(self, size_bytes: float | None = 1) -> None:
            on_progress(int(size_bytes or 0))

    return hf_hub_download(
        model.repository,
        file.path,
        revision=model.revision,  # by name, so that the cache remembers which commit the name stands for
        tqdm_class=Bar,  # type: ignore[arg-type]  # the hub asks for tqdm's manners, not for its class
    )


class _SilentBar:
    """The interface of a progress bar that the hub client asks for, without a picture."""

    def __init__(self, *, total: float | None = None, initial: float = 0, **style: object) -> None:
        self.total, self.n = total, initial

    def __enter__(self) -> "_SilentBar":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def close(self) -> None:
        pass

    def update_transfer(self, size_bytes: float) -> None:
        """Ignore bytes on the wire: ``update`` counts the file's own."""

    def set_postfix_str(self, text: str, refresh: bool = True) -> None:
        pass

    set_transfer_postfix_str = set_postfix_str


def _check_content(model: Model, planned: PlannedFile, path: Path) -> None:
    """Compare a file with what the hub says of it, then with its pins; remove it where it differs."""
    size_bytes = path.stat().st_size
    found = _hash_like(planned.etag, path) or planned.etag
    try:
        if (size_bytes, found) != (planned.size_bytes, planned.etag):
            raise WeightsError(
                f"{planned.file.path} of {model.name} was damaged and is removed: it had {size_bytes} bytes"
                f" and the hash {found[:12]}, the hub's has {planned.size_bytes} and {planned.etag[:12]}.",
                hint=f"run `bokeh download-weights {model.name}` again",
            )
        _check_pins(model, planned.file, path)
    except WeightsError:
        _remove(path)
        raise


def _hash_like(stated: str, path: Path) -> str | None:
    """Return the hash of a file of the kind that ``stated`` is; ``None`` where that is no hash."""
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", stated):
        return None
    return git_hash_of(path) if len(stated) == 40 else sha256_of(path)


def _check_pins(model: Model, file: ModelFile, path: Path) -> None:
    if file.size_bytes is not None and path.stat().st_size != file.size_bytes:
        raise WeightsError(
            f"{file.path} of {model.name} has {path.stat().st_size} bytes where the list of models pins"
            f" {file.size_bytes}."
        )
    if file.sha256 is not None and (found := sha256_of(path)) != file.sha256:
        raise WeightsError(
            f"{file.path} of {model.name} has the sha256 {found} where the list of models pins {file.sha256}."
        )


def _remove(path: Path) -> None:
    """Remove a file of the cache: the link in the snapshot, the content, and every link between."""
    while path.is_symlink():
        target = path.parent / path.readlink()
        path.unlink()
        path = target
    path.unlink(missing_ok=True)

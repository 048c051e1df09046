"""``bokeh download-weights``: networks from the hub, and which of them are here."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from any2bokeh.cli.exit_codes import Failure, UsageError, attempt, exit_code_of
from any2bokeh.cli.option_types import option
from any2bokeh.cli.options import Json
from any2bokeh.cli.progress_bar import MEGABYTE, show_megabytes
from any2bokeh.cli.talk import is_quiet, print_json, print_result, say
from any2bokeh.settings.weights_settings import ImportSettings

if TYPE_CHECKING:
    from any2bokeh.weights.catalog import Model

Answer = tuple[dict[str, object], str]  # of one model: for --json, and as text


def download_weights_command(
    *,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Networks to fetch; without one, --list.")
    ] = None,
    listed: Annotated[bool, option("--list", help="List the networks and which of them are here.")] = False,
    dry_run: Annotated[bool, option("--dry-run", help="Show what would be fetched; fetch nothing.")] = False,
    lock: Annotated[
        bool,
        option("--lock", help="Write revision, sizes and hashes of what is fetched into your own --models."),
    ] = False,
    models: Annotated[
        Path | None,
        option(
            "--models", help="List of models to use; by default the one ANY2BOKEH_MODELS names, or our own."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Fetch or list networks.

    They go to the Hugging Face cache: HF_HOME, HF_HUB_OFFLINE and tokens work as everywhere. Files that
    are there already are not fetched again; a connection that breaks is taken up where it broke off.
    """
    from any2bokeh.weights.catalog import find_model, load_catalog, own_catalog

    only_look = listed or dry_run or not names
    if lock and only_look:
        raise UsageError("--lock pins what is fetched: it needs names, without --list and --dry-run.")
    models = models or own_catalog()
    catalog = _catalog_to_lock(models) if lock else load_catalog(models)
    chosen = [find_model(name, catalog) for name in names or catalog]
    if listed or not names:
        action, key = _state, "models"
    elif dry_run:
        action, key = _plan, "plan"
    else:
        action, key = partial(_download, lock_file=models if lock else None), "downloaded"
    raise typer.Exit(_answer(chosen, action, key, as_json=as_json))


def _catalog_to_lock(models: Path | None) -> "dict[str, Model]":
    if models is None:
        raise UsageError(
            "--lock needs a list of models of your own.",
            hint="--models FILE; where there is none yet, it begins as a copy of ours",
        )
    from any2bokeh.weights.lock import catalog_to_lock

    return catalog_to_lock(models)


def _answer(chosen: "list[Model]", action: "Callable[[Model], Answer]", key: str, *, as_json: bool) -> int:
    """Do ``action`` with one model after the other, print what became of them, return the exit code."""
    documents: list[dict[str, object]] = []
    failures = []
    for model in chosen:
        answer = attempt(partial(action, model))
        if isinstance(answer, Failure):
            answer.report()
            failures.append(answer)
            documents.append({"name": model.name, "error": answer.sentence})
            continue
        document, line = answer
        documents.append(document)
        if not as_json:
            print_result(line)
    if as_json:
        print_json({key: documents})
    return exit_code_of(failures, len(chosen), len(chosen))


def _state(model: "Model") -> Answer:
    from any2bokeh.paths import checkpoints_folder
    from any2bokeh.weights.converted import find_network_folder
    from any2bokeh.weights.disk import imported_names

    folder = find_network_folder(model)
    if not model.repository and model.name in imported_names():
        folder = checkpoints_folder() / model.name
    document: dict[str, object] = {
        "name": model.name,
        "repository": model.repository or None,
        "license": model.license,
        "purpose": model.purpose,
        "folder": folder,
        **({"obtain": model.obtain} if model.obtain else {}),
    }
    state = "here" if folder else "not here"
    obtain = f"; it is {model.obtain}" if model.obtain and not folder else ""
    return document, f"{model.name}  {state}  {model.license}  {model.purpose}{obtain}"


def _plan(model: "Model") -> Answer:
    from any2bokeh.weights.download import plan_download

    plan = plan_download(model)
    document = {
        "name": model.name,
        "commit": plan.commit,
        "license": model.license,
        "missing_bytes": plan.missing_bytes,
        "files": [
            {"path": f.file.path, "size_bytes": f.size_bytes, "present": f.present} for f in plan.files
        ],
    }
    size = f"{plan.missing_bytes / MEGABYTE:.1f} MB to fetch"
    return document, f"{model.name}  {size}  {model.license}  {model.repository} at {plan.commit}"


def _download(model: "Model", lock_file: Path | None) -> Answer:
    from any2bokeh.weights.download import download

    if model.repository and not is_quiet():
        say(f"{model.name} is under the license {model.license}, see {model.page}")
    with show_megabytes(model.name, "fetching") as on_progress:
        folder = _fetch(model, on_progress)
    document: dict[str, object] = {"name": model.name, "folder": folder}
    if lock_file:
        from any2bokeh.weights.lock import lock_model

        locked = lock_model(lock_file, model, download(model))  # the hub's own files, which are here now
        document["locked"] = {"revision": locked.revision, "files": [asdict(file) for file in locked.files]}
        if not is_quiet():
            say(f"{model.name} is pinned at {locked.revision} in {lock_file}")
    if model.name == ImportSettings().name and not is_quiet():
        say(f"  bokeh import-weights {folder} makes a checkpoint of it.")
    return document, str(folder)


def _fetch(model: "Model", on_progress: Callable[[int], None]) -> Path:
    """The folder of a network, ready to be loaded."""
    from any2bokeh.weights.download import download

    if not model.is_pickle:
        return download(model, on_progress)
    from any2bokeh.depth.networks import video_network_shapes
    from any2bokeh.weights.converted import fetch_network

    return fetch_network(model, video_network_shapes(model.name), on_progress)

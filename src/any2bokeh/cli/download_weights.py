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

Row = tuple[str, ...]
Answer = tuple[dict[str, object], str | Row]  # of one model: for --json, and as text or a row of a table


def download_weights_command(
    *,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME...]", help="Networks to fetch; by default the recommended ones."),
    ] = None,
    listed: Annotated[
        bool, option("--list", help="List all networks: whether they are here, size, license.")
    ] = False,
    dry_run: Annotated[
        bool, option("--dry-run", help="Show sizes and licenses of what would be fetched.")
    ] = False,
    lock: Annotated[
        bool,
        option("--lock", help="Pin revision, sizes and hashes of the fetched files in your own --models."),
    ] = False,
    models: Annotated[
        Path | None,
        option("--models", help="Use this list of models; by default ANY2BOKEH_MODELS, or the bundled list."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Fetch networks, or list them.

    Without a name it fetches the recommended networks, all of them free for commercial use. Files go to the
    Hugging Face cache: HF_HOME, HF_HUB_OFFLINE and tokens work as everywhere. Nothing is fetched twice, and
    an interrupted download goes on where it stopped.
    """
    from any2bokeh.weights.catalog import find_model, load_catalog, own_catalog, recommended_models

    only_look = listed or dry_run or not names
    if lock and only_look:
        raise UsageError("--lock pins the fetched files: it needs names, without --list and --dry-run.")
    models = models or own_catalog()
    catalog = _catalog_to_lock(models) if lock else load_catalog(models)
    if names:
        chosen = [find_model(name, catalog) for name in names]
    else:
        chosen = list(catalog.values()) if listed else recommended_models(catalog)
    if listed:
        action, key = _state, "models"
        if not as_json and not is_quiet():
            say("Sizes are those on this machine; for others, --dry-run asks the hub.")
    elif dry_run:
        action, key = _plan, "plan"
    elif names:
        action, key = partial(_download, lock_file=models if lock else None), "downloaded"
    else:
        _announce(chosen)
        action, key = _download_if_missing, "downloaded"
    raise typer.Exit(_answer(chosen, action, key, as_json=as_json))


def _announce(models: "list[Model]") -> None:
    """Say which of the recommended networks will be fetched, their sizes and licenses."""
    from any2bokeh.weights.converted import find_network_folder

    missing = [model for model in models if find_network_folder(model) is None]
    if is_quiet() or not missing:
        return
    rows = []
    for model in missing:
        answer = attempt(partial(_plan, model))
        if isinstance(answer, Failure):  # fetching will say the same
            return
        rows.append((*answer[1][:3], model.purpose))
    say("Fetching the recommended networks:")
    for line in _aligned(rows):
        say(f"  {line}")


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
    rows: list[Row] = []
    for model in chosen:
        answer = attempt(partial(action, model))
        if isinstance(answer, Failure):
            answer.report()
            failures.append(answer)
            documents.append({"name": model.name, "error": answer.sentence})
            continue
        document, text = answer
        documents.append(document)
        if isinstance(text, tuple):
            rows.append(text)
        elif not as_json:
            print_result(text)
    if as_json:
        print_json({key: documents})
    else:
        for line in _aligned(rows):
            print_result(line)
    return exit_code_of(failures, len(chosen), len(chosen))


def _aligned(rows: list[Row]) -> list[str]:
    """Rows as lines whose columns begin at the same place; sizes end there. Empty columns are left out."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if cell.endswith(" MB") else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
            if width
        ).rstrip()
        for row in rows
    ]


def _state(model: "Model") -> Answer:
    from any2bokeh.paths import checkpoints_folder
    from any2bokeh.weights.converted import find_network_folder
    from any2bokeh.weights.disk import imported_names

    folder = find_network_folder(model)
    if not model.repository and model.name in imported_names():
        folder = checkpoints_folder() / model.name
    size_bytes = _size_bytes(model, folder)
    document: dict[str, object] = {
        "name": model.name,
        "repository": model.repository or None,
        "license": model.license,
        "purpose": model.purpose,
        "recommended": model.recommended,
        "size_bytes": size_bytes,
        "folder": folder,
        **({"obtain": model.obtain} if model.obtain else {}),
    }
    state = "here" if folder else "not here"
    obtain = f"; it is {model.obtain}" if model.obtain and not folder else ""
    size = "" if size_bytes is None else _megabytes(size_bytes)
    return document, (model.name, state, size, _short_license(model), f"{model.purpose}{obtain}")


def _size_bytes(model: "Model", folder: Path | None) -> int | None:
    """The size of a network on this machine, else the pinned one; ``None`` where only the hub knows."""
    if folder:
        own = [path for file in model.files if (path := folder / file.path).is_file()]
        return sum(path.stat().st_size for path in own or folder.rglob("*") if path.is_file())
    sizes = [file.size_bytes for file in model.files]
    return sum(size or 0 for size in sizes) if sizes and None not in sizes else None


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / MEGABYTE:.1f} MB"


def _short_license(model: "Model") -> str:
    """The name of the license without the remarks, which --json and `bokeh doctor` have."""
    return model.license.split(" (")[0]


def _plan(model: "Model") -> Answer:
    from any2bokeh.weights.converted import find_network_folder
    from any2bokeh.weights.download import plan_download

    plan = plan_download(model)
    is_converted = model.is_pickle and find_network_folder(model) is not None  # the pickle may be gone
    missing_bytes = 0 if is_converted else plan.missing_bytes
    document = {
        "name": model.name,
        "commit": plan.commit,
        "license": model.license,
        "missing_bytes": missing_bytes,
        "files": [
            {"path": f.file.path, "size_bytes": f.size_bytes, "present": f.present} for f in plan.files
        ],
    }
    place = f"{model.repository} at {plan.commit}"
    return document, (model.name, _megabytes(missing_bytes), model.license, place)


def _download_if_missing(model: "Model") -> Answer:
    """As ``_download``, but the hub is not asked about a network that is here."""
    from any2bokeh.weights.converted import find_network_folder

    folder = find_network_folder(model)
    if folder is None:
        return _download(model, None)
    if not is_quiet():
        say(f"{model.name} is here already.")
    return {"name": model.name, "folder": folder}, str(folder)


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

"""``bokeh download-weights``: networks from the hub, and which of them are here."""

from typing import TYPE_CHECKING, Annotated

import typer

from any2bokeh.cli.option import option
from any2bokeh.cli.options import Json
from any2bokeh.cli.progress import show_progress
from any2bokeh.cli.results import print_json, print_result
from any2bokeh.cli.talk import is_quiet, say

if TYPE_CHECKING:
    from any2bokeh.weights.catalog import Model

MEGABYTE = 1_000_000


def download_weights(
    *,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Networks to fetch; without one, --list.")
    ] = None,
    listed: Annotated[bool, option("--list", help="List the networks and which of them are here.")] = False,
    dry_run: Annotated[bool, option("--dry-run", help="Show what would be fetched; fetch nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Fetch or list networks.

    They go to the Hugging Face cache: HF_HOME, HF_HUB_OFFLINE and tokens work as everywhere.
    """
    from any2bokeh.weights.catalog import find_model, load_catalog

    catalog = load_catalog()
    models = [find_model(name, catalog) for name in names or catalog]
    if listed or not names:
        action, key = _state, "models"
    elif dry_run:
        action, key = _plan, "plan"
    else:
        action, key = _download, "downloaded"
    documents = []
    for model in models:
        document, line = action(model)
        documents.append(document)
        if not as_json:
            print_result(line)
    if as_json:
        print_json({key: documents})


def _state(model: "Model") -> tuple[dict[str, object], str]:
    from any2bokeh.weights.download import find_folder

    folder = find_folder(model)
    document: dict[str, object] = {
        "name": model.name,
        "repository": model.repository,
        "licence": model.licence,
        "purpose": model.purpose,
        "folder": folder,
    }
    return document, f"{model.name}  {'here' if folder else 'not here'}  {model.licence}  {model.purpose}"


def _plan(model: "Model") -> tuple[dict[str, object], str]:
    from any2bokeh.weights.download import plan_download

    plan = plan_download(model)
    document = {
        "name": model.name,
        "commit": plan.commit,
        "licence": model.licence,
        "missing_bytes": plan.missing_bytes,
        "files": [
            {"path": f.file.path, "size_bytes": f.size_bytes, "present": f.present} for f in plan.files
        ],
    }
    size = f"{plan.missing_bytes / MEGABYTE:.1f} MB to fetch"
    return document, f"{model.name}  {size}  {model.licence}  {model.repository} at {plan.commit}"


def _download(model: "Model") -> tuple[dict[str, object], str]:
    from any2bokeh.weights.download import download

    if not is_quiet():
        say(
            f"{model.name} is under the licence {model.licence}, see https://huggingface.co/{model.repository}"
        )
    fetched_bytes = 0
    with show_progress(model.name, "MB") as report:

        def on_progress(size_bytes: int) -> None:
            nonlocal fetched_bytes
            fetched_bytes += size_bytes
            report("fetching", fetched_bytes // MEGABYTE, None)

        folder = download(model, on_progress)
    return {"name": model.name, "folder": folder}, str(folder)

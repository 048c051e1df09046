"""``bokeh import-weights``: published weights become a checkpoint, or a network that estimates depth."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from any2bokeh.cli.exit_codes import UsageError
from any2bokeh.cli.options import Json, Overwrite
from any2bokeh.cli.progress_bar import show_megabytes
from any2bokeh.cli.talk import is_quiet, print_json, print_result, say
from any2bokeh.settings.weights_settings import ImportSettings

PICKLE_SUFFIXES = (".pth", ".pt")

if TYPE_CHECKING:
    from any2bokeh.weights.importer import ImportedCheckpoint, Networks


def import_weights_command(
    *,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            help="Folder or zip with unet/ (or unet/unet/) and vae/, as published; or a .pth of Video Depth"
            " Anything.",
        ),
    ],
    settings: ImportSettings,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Convert published weights: of the diffusion renderer, or of Video Depth Anything.

    Checks every key and shape and writes safetensors. For the renderer, finds out from the weights whether
    MPI tokens were masked in training. Pickles are read by torch's weights-only loader: none of their code
    runs.
    """
    if source.suffix in PICKLE_SUFFIXES:
        _import_network(source, settings, overwrite=overwrite, as_json=as_json)
        return
    from any2bokeh.weights.importer import import_checkpoint

    with show_megabytes(settings.name, "importing") as on_progress:
        imported = import_checkpoint(source, settings, _networks(source), on_progress, overwrite=overwrite)
    if not is_quiet():
        _explain(imported, settings)
    if as_json:
        print_json(_document(imported))
    else:
        print_result(imported.checkpoint.folder)


def _import_network(source: Path, settings: ImportSettings, *, overwrite: bool, as_json: bool) -> None:
    """Keep the weights of a network that estimates depth, of one file, as ``download-weights`` does."""
    from any2bokeh.depth.networks import video_network_shapes
    from any2bokeh.weights.catalog import find_model, load_catalog
    from any2bokeh.weights.converted import keep_network, model_published_as

    if settings.mask_mode or settings.svd:
        raise UsageError(f"--mask-mode and --svd are for the diffusion renderer, not for {source}.")
    is_named = settings.name != ImportSettings().name
    model = find_model(settings.name, load_catalog()) if is_named else model_published_as(source.name)
    shapes = video_network_shapes(model.name)
    with show_megabytes(model.name, "importing") as on_progress:
        folder = keep_network(model, source, shapes, on_progress, overwrite=overwrite)
    if not is_quiet():
        say(f"{model.name} is under the license {model.license}, see {model.page}")
    if as_json:
        print_json({"name": model.name, "folder": folder, "license": model.license})
    else:
        print_result(folder)


def _networks(source: Path) -> "Networks":
    from any2bokeh.errors import WeightsError
    from any2bokeh.render.diffusion.codec import is_pixel_codec
    from any2bokeh.render.diffusion.unet import BokehUNet, UNetDims
    from any2bokeh.render.diffusion.vae import BokehVAE, VAEDims

    def make_vae(config: dict[str, Any]) -> BokehVAE:
        if is_pixel_codec(config):
            raise WeightsError(
                f"{source} is a checkpoint of bokeh train: it needs no import.",
                hint="--renderer diffusion --weights FOLDER takes it as it is",
            )
        return BokehVAE(VAEDims.from_config(config))

    return {"unet": lambda config: BokehUNet(UNetDims.from_config(config)), "vae": make_vae}


def _explain(imported: "ImportedCheckpoint", settings: ImportSettings) -> None:
    """Say which mask mode the checkpoint has, and the evidence for it."""
    facts, evidence = imported.checkpoint.facts, imported.evidence
    reason = "as --mask-mode says" if settings.mask_mode else "as its weights say"
    if not settings.mask_mode and facts.mask_mode != evidence.mode:
        reason = "as the bokeh.json beside the weights says"
    say(f"{settings.name} has the mask mode {facts.mask_mode}, {reason}:")
    for sentence in evidence.sentences():
        say(f"  {sentence}")
    if not settings.mask_mode and not evidence.is_clear:
        say("Warning: the weights leave the mask mode open; --mask-mode released|paper decides.")
    say(f"{settings.name} is under the license {facts.license}")


def _document(imported: "ImportedCheckpoint") -> dict[str, object]:
    evidence = imported.evidence
    return {
        "folder": imported.checkpoint.folder,
        **asdict(imported.checkpoint.facts),
        "evidence": {
            "mask_mode": evidence.mode,
            "clear": evidence.is_clear,
            "sentences": evidence.sentences(),
            **asdict(evidence),
        },
    }

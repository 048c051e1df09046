"""``bokeh train``: a network from a data set, and a checkpoint that ``refocus --weights`` takes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from any2bokeh.cli.command_line import is_given
from any2bokeh.cli.option_types import option
from any2bokeh.cli.options import DEVICE
from any2bokeh.cli.progress_bar import show_progress
from any2bokeh.cli.talk import print_result
from any2bokeh.errors import SettingsError, install_hint
from any2bokeh.settings.device_settings import DeviceName

if TYPE_CHECKING:
    from collections.abc import Callable

    from any2bokeh.lab.training.run_folder import RunFolder
    from any2bokeh.lab.training.training_settings import RunSettings, SizeName, StageName


SETTLED = ("data", "stage", "size", "start", "validation", "config")  # when a run begins


def train_command(
    *,
    context: typer.Context,
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Folder of the run: settings, state, checkpoint.")
    ],
    data: Annotated[
        Path | None,
        option("--data", help="Data set to train on, made by bokeh synthesize.", metavar="FOLDER"),
    ] = None,
    stage: Annotated[
        str,
        option(
            "--stage",
            help="Stage of training: geometry, temporal, detail, one after the other.",
            metavar="geometry|temporal|detail",
        ),
    ] = "geometry",
    size: Annotated[
        str,
        option(
            "--size",
            help="Size of the network: tiny and small start from random weights; svd is the published one.",
            metavar="tiny|small|svd",
        ),
    ] = "small",
    start: Annotated[
        str | None,
        option(
            "--start",
            help="Weights to start from: a checkpoint, a folder with unet/ and vae/, or svd once downloaded.",
            metavar="FOLDER|svd",
        ),
    ] = None,
    validation: Annotated[
        Path | None, option("--validation", help="Data set to measure during training.", metavar="FOLDER")
    ] = None,
    config: Annotated[Path | None, option("--config", help="Settings from a TOML file.")] = None,
    changes: Annotated[
        list[str], option("--set", help="One setting, such as steps=2000; repeatable.", metavar="KEY=VALUE")
    ] = [],  # noqa: B006 - typer copies it
    resume: Annotated[
        bool,
        option("--resume", help="Go on with the run in RUN; --set may change its settings."),
    ] = False,
    device: Annotated[DeviceName, DEVICE] = "auto",
) -> None:
    """Train a network to refocus, or go on with a run.

    The commonest settings for --set: steps (how many; 0 counts epochs), epochs, batch (windows per process),
    accumulate (batches per step), frames (per window), crop (side in pixels, 0 is the whole frame),
    learning_rate, warmup (steps), perturbed (share of windows with estimator errors), precision
    (auto|no|bf16|fp16), workers (processes that read), checkpoint_every (steps), seed. RUN/settings.toml
    lists all of them with their values.

    Several GPUs: accelerate launch $(which bokeh) train ...
    """
    from any2bokeh.lab.training.run_folder import RunFolder

    folder = RunFolder(run)
    if resume:
        _check_settled(context)
        settings = _resumed(folder, changes)
    elif data is None:
        raise SettingsError(
            "Training needs a data set.", hint="--data FOLDER names one; bokeh synthesize makes it."
        )
    else:
        settings = _new(stage, size, data, start, validation, config, changes)  # type: ignore[arg-type]
        folder.check_new()
    run_training = _trainer()
    with show_progress(run.name, "steps") as report:
        checkpoint = run_training(
            settings, folder, device, lambda step, steps, loss: report("training", step, steps)
        )
    print_result(checkpoint)


def _trainer() -> "Callable[..., Path]":
    """What trains; raises ``SettingsError`` where what it stands on is not installed."""
    try:
        from any2bokeh.lab.training.trainer import train
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("accelerate", "tensorboard"):
            raise
        raise SettingsError(f"Training needs {error.name}.", hint=install_hint("train")) from error
    return train


def _new(
    stage: "StageName",
    size: "SizeName",
    data: Path,
    start: str | None,
    validation: Path | None,
    config: Path | None,
    changes: list[str],
) -> "RunSettings":
    from any2bokeh.lab.training.training_settings import RunSettings, StageName, training_settings
    from any2bokeh.settings.values import check_choice

    check_choice("Stage", stage, StageName)
    return RunSettings(
        stage=stage,
        size=size,
        data=data.absolute(),  # the run may go on from another folder
        training=training_settings(stage, config, changes),
        validation=validation.absolute() if validation else None,
        start=str(Path(start).absolute()) if start and Path(start).is_dir() else start,
    )


def _check_settled(context: typer.Context) -> None:
    """Raise ``SettingsError`` for options that a run goes on without."""
    for name in SETTLED:
        if is_given(context, name):
            raise SettingsError(
                f"--resume keeps the run's --{name}: only --set can change it.",
                hint="Another folder starts another run.",
            )


def _resumed(folder: "RunFolder", changes: list[str]) -> "RunSettings":
    from dataclasses import replace

    from any2bokeh.lab.training.training_settings import change_settings

    found = folder.read_settings()
    return replace(found, training=change_settings(found.training, changes))

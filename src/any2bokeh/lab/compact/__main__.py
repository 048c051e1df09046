"""``python -m any2bokeh.lab.compact FOLDER``: train the compact disparity network."""

import logging
from pathlib import Path
from typing import Annotated

import torch
import typer

from any2bokeh.lab.compact.depth_trainer import CompactTrainingSettings, train_compact, write_weights
from any2bokeh.lab.compact.pairs import DataSettings


def train_from_command_line(
    folder: Annotated[
        Path, typer.Argument(help="Where the checkpoint and the journal are; a run in it goes on.")
    ],
    steps: Annotated[int, typer.Option(help="Batches in all.")],
    cooldown: Annotated[int, typer.Option(help="The last of them, over which the learning rate falls.")],
    scales: Annotated[
        str, typer.Option(help="Sizes of the frames and up to which step: 0.4:2500,0.6:4000,0.8 for example.")
    ] = "1",
    pairs: Annotated[int, typer.Option(help="Pairs of frames in a batch.")] = 4,
    seed: Annotated[int, typer.Option(help="Decides the scenes and the first weights.")] = 0,
    write: Annotated[
        Path | None, typer.Option(help="Weights to write at the end, as the package has them.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Of the network; the scenes have a process of their own.")] = 1,
) -> None:
    """Train the compact disparity network on scenes that are made as it goes."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(threads)
    data = DataSettings(seed=seed, pairs=pairs, scales=parse_scales(scales))
    settings = CompactTrainingSettings(steps=steps, cooldown=cooldown, data=data)
    training = train_compact(settings, folder)
    if write:
        write_weights(training.averaged, settings.dims, write)


def parse_scales(text: str) -> tuple[tuple[float, int], ...]:
    """Return the sizes and steps that ``text`` names."""
    parts = [part.partition(":") for part in text.split(",")]
    return tuple((float(scale), int(end or 0)) for scale, _, end in parts)


if __name__ == "__main__":
    typer.run(train_from_command_line)

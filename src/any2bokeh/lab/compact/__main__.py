"""``python -m any2bokeh.lab.compact``: make pictures, train the compact network, average, measure."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import cv2
import torch
import typer

from any2bokeh.depth.compact import SHORTER_SIDE, WEIGHTS, load_compact
from any2bokeh.lab.compact.batches import BatchSettings
from any2bokeh.lab.compact.correction_batches import CorrectionBatchSettings
from any2bokeh.lab.compact.correction_trainer import CorrectionTrainingSettings, train_correction
from any2bokeh.lab.compact.depth_trainer import CompactTrainingSettings, mean_weights, train_compact
from any2bokeh.lab.compact.imagenet import imagenet_file
from any2bokeh.lab.compact.learning_run import write_weights
from any2bokeh.lab.compact.lens_clips import make_lens_clips
from any2bokeh.lab.compact.lens_takes import LensTake, take_name, takes_of, write_take
from any2bokeh.lab.compact.made_pictures import (
    UNIT,
    list_pictures,
    make_moments,
    make_picture,
    moment_paths,
    write_picture,
)
from any2bokeh.lab.compact.measures import measure_estimator
from any2bokeh.lab.compact.scenes.additions import AdditionSettings
from any2bokeh.lab.compact.scenes.creatures import MAKERS
from any2bokeh.lab.compact.subject_measures import measure_click_network
from any2bokeh.lab.compact.subject_trainer import SubjectTrainingSettings, train_subject
from any2bokeh.lab.synthesis.dataset import open_dataset
from any2bokeh.subject.click_segmenter import WEIGHTS as CLICK_WEIGHTS
from any2bokeh.subject.click_segmenter import load_click_network

app = typer.Typer(help=__doc__, no_args_is_help=True)

# Of both commands that train.
RunFolder = Annotated[
    Path, typer.Argument(help="Where checkpoint, journal and weights are; a run in it goes on.")
]
Steps = Annotated[int, typer.Option(help="Batches in all.")]
Threads = Annotated[int, typer.Option(help="Of the network; the batches have a process of their own.")]


@app.command()
def make(
    folder: Annotated[Path, typer.Argument(help="Where the pictures go; those that are there are kept.")],
    first: Annotated[int, typer.Option(help="Seed of the first.")],
    count: Annotated[int, typer.Option(help="How many, each of the next seed.")],
    people: Annotated[
        Path | None,
        typer.Option(help="A folder of rigged avatars, see docs/compact.md; without it no people."),
    ] = None,
    plain: Annotated[bool, typer.Option(help="Add nothing to the scenes.")] = False,
    without: Annotated[str, typer.Option(help="Kinds of things to leave out, for example bird,seat.")] = "",
    every: Annotated[int, typer.Option(help="With --parts: how many parts the avatars are split into.")] = 1,
    parts: Annotated[str, typer.Option(help="Parts of the avatars that are used, for example 1,2,3.")] = "0",
    moments: Annotated[
        int,
        typer.Option(
            help="Pictures of each scene, some time apart; more than one, with flow, for the subject."
        ),
    ] = 1,
    unit: Annotated[int, typer.Option(help="Size: pictures are 7 to 14 times this high and wide.")] = UNIT,
) -> None:
    """Make pictures with exact disparity, of scenes with people and things on their ground."""
    left_out = set(without.split(",")) if without else set()
    if left_out - set(MAKERS):
        raise typer.BadParameter(f"unknown kinds: {', '.join(sorted(left_out - set(MAKERS)))}")
    kinds = tuple(kind for kind in MAKERS if kind not in left_out)
    offsets = tuple(int(part) for part in parts.split(","))
    additions = AdditionSettings(people=people, kinds=kinds, every=every, offsets=offsets)
    cv2.setNumThreads(1)
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        paths = moment_paths(folder, seed, moments)
        if paths[-1].with_suffix(".png").exists():
            continue
        if moments == 1:
            write_picture(paths[0], make_picture(seed, None if plain else additions, unit))
            continue
        shot = make_moments(seed, moments, None if plain else additions, unit)
        for path, (made, flow) in zip(paths, shot, strict=True):
            write_picture(path, made, flow)


@app.command("train")
def train_from_folder(
    folder: RunFolder,
    data: Annotated[
        list[str],
        typer.Option(help="FOLDER:SHARE of pictures, and how often they are drawn; may be repeated."),
    ],
    steps: Steps,
    cooldown: Annotated[int, typer.Option(help="The last of them, over which the learning rates fall.")],
    start: Annotated[
        Path | None, typer.Option(help="Weights to begin with; without them those of ImageNet.")
    ] = None,
    frozen: Annotated[
        int, typer.Option(help="Stages of the encoder that keep their weights; 7 are all.")
    ] = 7,
    rate: Annotated[float, typer.Option(help="Learning rate of the decoder.")] = 1e-3,
    encoder_rate: Annotated[float, typer.Option(help="Learning rate of the encoder.")] = 1.5e-4,
    length: Annotated[int, typer.Option(help="Pictures in a batch.")] = 8,
    seed: Annotated[int, typer.Option(help="Decides the crops and the first weights.")] = 0,
    threads: Threads = 1,
) -> None:
    """Train, or go on with a run."""
    _begin(threads)
    settings = CompactTrainingSettings(
        steps=steps,
        cooldown=cooldown,
        data=_batches(data, seed, length),
        start=start,
        imagenet=None if start else imagenet_file(),
        frozen=frozen,
        learning_rate=rate,
        encoder_rate=encoder_rate,
    )
    train_compact(settings, folder)


@app.command("train-subject")
def train_subject_from_folder(
    folder: RunFolder,
    data: Annotated[
        list[str],
        typer.Option(help="FOLDER:SHARE of pictures made with --moments 2, and how often they are drawn."),
    ],
    steps: Steps,
    cooldown: Annotated[int, typer.Option(help="The last of them, over which the learning rate falls.")],
    start: Annotated[
        Path | None, typer.Option(help="Weights to begin with; without them random ones.")
    ] = None,
    rate: Annotated[float, typer.Option(help="Learning rate.")] = 1e-3,
    length: Annotated[int, typer.Option(help="Pairs of pictures in a batch.")] = 4,
    seed: Annotated[int, typer.Option(help="Decides the views, the clicks and the first weights.")] = 0,
    threads: Threads = 1,
) -> None:
    """Train the network that finds a subject, or go on with a run."""
    _begin(threads)
    settings = SubjectTrainingSettings(
        steps=steps,
        cooldown=cooldown,
        data=_batches(data, seed, length),
        start=start,
        learning_rate=rate,
    )
    train_subject(settings, folder)


@app.command("make-takes")
def make_takes(
    folder: Annotated[Path, typer.Argument(help="Where the takes go; those that are there are kept.")],
    first: Annotated[int, typer.Option(help="Seed of the first scene.")] = 0,
    count: Annotated[int, typer.Option(help="How many scenes, each of the next seed.")] = 0,
    data: Annotated[
        Path | None, typer.Option(help="A data set of `bokeh synthesize`, to make takes of instead.")
    ] = None,
) -> None:
    """Make short clips with the lens's pictures of them, with right and wrong disparity."""
    _begin(1)
    clips: Iterable[tuple[int, Iterator[LensTake]]] = (
        ((seed, make_lens_clips(seed)) for seed in range(first, first + count))
        if data is None
        else ((number, takes_of(clip)) for number, clip in enumerate(open_dataset(data).clips))
    )
    folder.mkdir(parents=True, exist_ok=True)
    for number, takes in clips:
        if (folder / take_name(number, 0)).exists():
            continue
        for version, take in reversed(list(enumerate(takes))):  # the first is written last
            write_take(folder / take_name(number, version), take, (number, version))


@app.command("train-correction")
def train_correction_from_folder(
    folder: RunFolder,
    data: Annotated[list[Path], typer.Option(help="Folders of make-takes; may be repeated.")],
    steps: Steps,
    cooldown: Annotated[int, typer.Option(help="The last of them, over which the learning rate falls.")],
    start: Annotated[
        Path | None, typer.Option(help="Weights to begin with; without them random ones.")
    ] = None,
    rate: Annotated[float, typer.Option(help="Learning rate.")] = 1.5e-3,
    length: Annotated[int, typer.Option(help="Crops of two frames in a batch.")] = 14,
    crop: Annotated[int, typer.Option(help="Side of a crop in pixels, a multiple of 16.")] = 96,
    seed: Annotated[int, typer.Option(help="Decides the crops and the first weights.")] = 0,
    threads: Annotated[int, typer.Option(help="Of the network.")] = 2,
) -> None:
    """Train the network that corrects the lens, or go on with a run."""
    _begin(threads)
    settings = CorrectionTrainingSettings(
        steps=steps,
        cooldown=cooldown,
        data=CorrectionBatchSettings(folders=tuple(data), seed=seed, length=length, crop_px=crop),
        start=start,
        learning_rate=rate,
    )
    train_correction(settings, folder)


@app.command()
def average(
    target: Annotated[Path, typer.Argument(help="The weights to write.")],
    weights: Annotated[list[str], typer.Argument(help="FILE:SHARE; the shares sum to 1.")],
) -> None:
    """Average weights one by one."""
    write_weights(mean_weights([parse_share(part) for part in weights]), target)


@app.command()
def measure(
    folders: Annotated[list[Path], typer.Argument(help="Pictures with disparity.")],
    weights: Annotated[Path, typer.Option(help="Of the network; without it those that ship.")] = WEIGHTS,
    side: Annotated[int, typer.Option(help="Shorter side of the pictures that it sees.")] = SHORTER_SIDE,
) -> None:
    """Measure weights on pictures that no training saw."""
    estimator = load_compact(torch.device("cpu"), torch.float32, weights)
    for folder in folders:
        typer.echo(f"{folder}: {measure_estimator(estimator, list_pictures(folder), side).means()}")


@app.command("measure-subject")
def measure_subject_weights(
    data: Annotated[list[str], typer.Option(help="FOLDER:SHARE of pictures made with --moments 2.")],
    weights: Annotated[
        Path, typer.Option(help="Of the network; without it those that ship.")
    ] = CLICK_WEIGHTS,
    batches: Annotated[int, typer.Option(help="Of four pairs of pictures.")] = 24,
    seed: Annotated[int, typer.Option(help="Decides the views and the clicks.")] = 7,
    still: Annotated[bool, typer.Option(help="Tell the network nothing of motion.")] = False,
) -> None:
    """Measure weights of the network that finds a subject on pictures that no training saw."""
    _begin(2)
    loaded = load_click_network(torch.device("cpu"), torch.float32, weights)
    found = measure_click_network(
        loaded.depth, loaded.network, _batches(data, seed, 4), batches, moving=not still
    )
    typer.echo(found)


def _begin(threads: int) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(threads)


def _batches(data: list[str], seed: int, length: int) -> BatchSettings:
    return BatchSettings(folders=tuple(parse_share(part) for part in data), seed=seed, length=length)


def parse_share(text: str) -> tuple[Path, float]:
    """Return the path and the number of ``PATH:SHARE``; 1 without a share."""
    path, _, share = text.rpartition(":")
    try:
        return (Path(path), float(share)) if path else (Path(text), 1.0)
    except ValueError:
        return Path(text), 1.0


if __name__ == "__main__":
    app()

"""Damaged files, made of whole ones by chance, and every reader of ours run on them.

    PYTHONPATH=src:tests/support python tests/support/mutations.py --runs 20000 --seed 1

prints a table. A reader may read what it is given or refuse it by an error of ours with a short sentence;
anything else is a fault, and its file is kept.
"""

import argparse
import random
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import NoReturn

import numpy as np
import torch
from boxes import with_hostile_part
from films import write_clip, write_track
from safetensors.torch import save_file

from any2bokeh.depth.distances import MetricScale
from any2bokeh.documents import parse_json, read_document
from any2bokeh.errors import RefocusError
from any2bokeh.focus.lens_samples import read_lens_samples
from any2bokeh.focus.track_files import read_focus
from any2bokeh.lab.synthesis.dataset_clip import read_json
from any2bokeh.lab.training.training_settings import StageName, training_settings
from any2bokeh.render.diffusion.unet import UNetDims
from any2bokeh.render.diffusion.vae import VAEDims
from any2bokeh.settings.video_settings import EncodeSettings
from any2bokeh.video.clip import VideoClip
from any2bokeh.video.encode import open_writer
from any2bokeh.video.footage import open_footage
from any2bokeh.video.gray import open_gray
from any2bokeh.video.pictures.picture_files import picture_kind
from any2bokeh.video.pictures.stored_picture import StoredPicture
from any2bokeh.video.png import read_png, write_png
from any2bokeh.weights.catalog import load_catalog, shipped_catalog
from any2bokeh.weights.checkpoint import PUBLISHED_FACTS, CheckpointFacts
from any2bokeh.weights.tensors import open_tensors

HANGS_AFTER_S = 60  # on a machine that does much else
LONGEST_MESSAGE = 2000
NUMBERS = (
    b"0",
    b"-1",
    b"1e999",
    b"NaN",
    b"9" * 30,
    b"9" * 5000,
    b"1e-400",
    b'""',
    b"null",
    b"[]",
    b"{}",
    b"true",
)

Reader = Callable[[Path], object]


class HangError(Exception):
    """A reader took too long."""


@dataclass
class Tally:
    """What became of the runs of one kind."""

    read: int = 0
    refused: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    @property
    def runs(self) -> int:
        """How many there were."""
        return self.read + self.refused + len(self.faults)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A file with one to four kinds of damage."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        data = chance.choice(DAMAGES)(bytearray(data), chance)
    return data


def _flip(data: bytearray, chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 12)):
        if data:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def _cut(data: bytearray, chance: random.Random) -> bytes:
    return bytes(data[: chance.randrange(len(data) + 1)])


def _leave_out(data: bytearray, chance: random.Random) -> bytes:
    start, length = chance.randrange(len(data) + 1), chance.randrange(1, 65)
    return bytes(data[:start] + data[start + length :])


def _repeat(data: bytearray, chance: random.Random) -> bytes:
    start, length = chance.randrange(len(data) + 1), chance.randrange(1, 257)
    return bytes(data[:start] + data[start : start + length] * chance.randint(2, 40) + data[start:])


def _put_number(data: bytearray, chance: random.Random) -> bytes:
    """An extreme number in the place of some bytes, as binary formats hold them."""
    value = chance.choice((0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF))
    at = chance.randrange(len(data) + 1)
    data[at : at + 4] = struct.pack(chance.choice((">I", "<I")), value)
    return bytes(data)


def _put_word(data: bytearray, chance: random.Random) -> bytes:
    """An extreme word in the place of one between marks, as texts hold them."""
    marks = [at for at, byte in enumerate(data) if byte in b",:=[ \n"] or [0]
    start = chance.choice(marks)
    end = next((at for at in marks if at > start), len(data))
    data[start + 1 : end] = chance.choice(
        (*NUMBERS, b"[" * 3000, b"\xff\xfe", b"\0", b'"' + b"x" * 9000 + b'"')
    )
    return bytes(data)


DAMAGES = (_flip, _flip, _cut, _leave_out, _repeat, _put_number, _put_word)


def make_seeds(folder: Path) -> dict[str, list[tuple[Path, Reader]]]:
    """Whole files of every kind with their readers."""
    seeds: dict[str, list[tuple[Path, Reader]]] = {
        "video": [
            (write_clip(folder / f"clip.{kind}", audio=sound), read_video)
            for kind, sound in (
                ("mp4", "aac"),
                ("mkv", "flac"),
                ("ts", "aac"),
                ("avi", "pcm_s16le"),
                ("mov", None),
            )
        ],
        "whole run": [
            (write_clip(folder / f"copied.{kind}", audio=sound), copy_video)
            for kind, sound in (("mp4", "aac"), ("mkv", "flac"))
        ],
    }
    seeds["boxes"] = [
        (path, reader)
        for path, _ in seeds["video"]
        if path.suffix in (".mp4", ".mov", ".mkv")
        for reader in (read_video, copy_video)
    ]
    frames = np.random.default_rng(0).random((3, 8, 9)).astype(np.float32)
    np.save(folder / "track.npy", frames)
    np.savez_compressed(folder / "track.npz", frames)
    write_png(folder / "track.png", torch.from_numpy(frames[:1]))
    tracks = [
        write_track(folder / "track.mkv"),
        *(folder / f"track.{kind}" for kind in ("npy", "npz", "png")),
    ]
    seeds["track"] = [(path, read_track) for path in tracks]
    seeds["picture"] = [(folder / "track.png", read_png)]
    for name, bits, is_float in PICTURES:
        path = folder / name
        codes = np.random.default_rng(1).random((6, 8, 3)) * (1 if is_float else 2**bits - 1)
        layers = {"Z": codes[..., 0].astype(np.float32)} if path.suffix == ".exr" else {}
        stored = StoredPicture(codes=codes.astype(CODES[bits, is_float]), bits=bits, layers=layers)
        picture_kind(path).write(path, stored)
        seeds["picture"].append((path, read_footage))
        if layers:
            seeds["picture"].append((path, read_track))
    save_file({"a": torch.ones(3, 4), "b": torch.zeros(5).half()}, folder / "weights.safetensors")
    torch.save({"a": torch.ones(3, 4), "b": torch.zeros(5)}, folder / "weights.bin")
    seeds["weights"] = [(folder / f"weights.{kind}", read_weights) for kind in ("safetensors", "bin")]
    texts = {
        "focus.csv": ("time,focus,k\n0,0.5,8\n1.5,0.25,12\n", read_focus),
        "focus.json": (
            '[{"time": 0, "focus": 0.5, "k": 8}, {"frame": 20, "focus": 0.4, "k": 9}]',
            read_focus,
        ),
        "lens.json": (OPENTRACKIO, read_lens_samples),
        "lens.jsonl": (f"{OPENTRACKIO}\n{OPENTRACKIO}\n", read_lens_samples),
        "bokeh.json": (PUBLISHED_FACTS.to_json(), lambda path: CheckpointFacts.from_json(read_any(path))),
        "models.toml": (shipped_catalog().read_text("utf-8"), load_catalog),
        "clip.json": ('{"name": "000000", "rate": "24", "objects": [{"index": 1}]}', read_json),
        "run.toml": (
            "steps = 20\nlearning_rate = 1e-4\nframes = 2\n[perturb]\nnoise = 0.2\n",
            read_settings,
        ),
        "scale.json": (
            "[[0, 1.5, 30.0], [40, 0.5, 9.0]]",
            lambda path: MetricScale.from_text(read_any(path), path),
        ),
        "unet.json": (UNET, lambda path: UNetDims.from_config(read_table(path))),
        "vae.json": (VAE, lambda path: VAEDims.from_config(read_table(path))),
    }
    for name, (text, reader) in texts.items():
        (folder / name).write_text(text, "utf-8")
        seeds.setdefault("document", []).append((folder / name, reader))
    return seeds


def run_all(runs: int, seed: int, keep: Path | None = None) -> dict[str, Tally]:
    """Give each kind of reader its share of so many damaged files; return what became of them."""
    chance = random.Random(seed)
    tallies: dict[str, Tally] = {}
    with tempfile.TemporaryDirectory() as folder:
        seeds = make_seeds(Path(folder))
        shares = Counter(SHARES)
        for kind, files in seeds.items():
            tally = tallies.setdefault(kind, Tally())
            for number in range(max(1, runs * shares[kind] // sum(shares.values()))):
                source, reader = files[number % len(files)]
                damaged = Path(folder) / f"damaged{source.suffix}"
                damage = with_hostile_part if kind == "boxes" else mutated
                damaged.write_bytes(damage(source.read_bytes(), chance))
                try_one(damaged, reader, tally)
                if keep and tally.faults and damaged.exists():
                    keep.mkdir(exist_ok=True)
                    (keep / f"{kind}-{len(tally.faults)}{source.suffix}").write_bytes(damaged.read_bytes())
    return tallies


def try_one(damaged: Path, reader: Reader, tally: Tally) -> None:
    """Run a reader on a file, and note what became of it."""
    started = time.monotonic()
    try:
        with limited():
            reader(damaged)
        tally.read += 1
    except RefocusError as error:
        if len(error.message) > LONGEST_MESSAGE:
            tally.faults.append(f"a message of {len(error.message)} characters: {error.message[:80]}")
        else:
            tally.refused += 1
    except Exception as error:  # noqa: BLE001  these are looked for
        tally.faults.append(f"{damaged.name}: {type(error).__name__}: {str(error)[:120]}")
    tally.seconds += time.monotonic() - started


@contextmanager
def limited() -> Iterator[None]:
    """Raise ``HangError`` where the block takes too long."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise HangError(f"no answer within {HANGS_AFTER_S} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(HANGS_AFTER_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def read_video(path: Path) -> None:
    with VideoClip(path) as clip, clip.frames() as frames:
        list(islice(frames, 4))
        assert clip.times == sorted(set(clip.times))


def read_footage(path: Path) -> None:
    with open_footage(path) as clip, clip.frames() as frames:
        for frame in frames:
            assert bool(torch.isfinite(frame.picture).all())


def copy_video(path: Path) -> None:
    target = path.with_name("copy.mkv")
    try:
        with (
            VideoClip(path) as clip,
            open_writer(
                target,
                clip.info,
                EncodeSettings(lossless=True),
                clip.span,
                clip.beside_pictures,
                overwrite=True,
            ) as writer,
            clip.frames() as frames,
        ):
            for frame in frames:
                writer.write(frame)
    finally:
        assert not list(path.parent.glob(".bokeh*"))
        target.unlink(missing_ok=True)


def read_track(path: Path) -> None:
    for _, values in islice(open_gray(path).frames(), 4):
        assert values.min() >= 0 and values.max() <= 1


def read_weights(path: Path) -> None:
    with open_tensors(path, path.name) as tensors:
        for name in tensors.shapes:
            tensors.read(name)


def read_settings(path: Path) -> None:
    stage: StageName = "geometry"
    training_settings(stage, path, [])


def read_any(path: Path) -> str:
    try:
        return read_document(path)
    except ValueError as error:
        raise RefocusError(str(error)) from error


def read_table(path: Path) -> dict[str, object]:
    try:
        table = parse_json(read_any(path))
    except ValueError as error:
        raise RefocusError(str(error)) from error
    if not isinstance(table, dict):
        raise RefocusError("no table")
    return table


PICTURES = (
    ("half.exr", 16, True),
    ("single.exr", 32, True),
    ("ten.dpx", 10, False),
    ("eight.tif", 8, False),
    ("deep.tif", 16, False),
    ("float.tif", 32, True),
    ("photo.jpg", 8, False),
    ("deep.png", 16, False),
)
CODES = {
    (8, False): np.uint8,
    (10, False): np.uint16,
    (16, False): np.uint16,
    (16, True): np.float16,
    (32, True): np.float32,
}
OPENTRACKIO = (
    '{"timing": {"sampleTimestamp": {"seconds": 4, "nanoseconds": 0}, "timecode": {"hours": 1, "minutes": 0,'
    ' "seconds": 0, "frames": 7, "frameRate": {"num": 24, "denom": 1}}}, "lens": {"focusDistance": 2.5,'
    ' "fStop": 2.8, "pinholeFocalLength": 50}, "static": {"camera": {"activeSensorPhysicalDimensions":'
    ' {"width": 36, "height": 24}}}}'
)
UNET = (
    '{"in_channels": 12, "out_channels": 4, "block_out_channels": [32, 64, 64, 64], "layers_per_block": 1,'
    ' "num_attention_heads": [2, 2, 2, 2], "cross_attention_dim": 16, "addition_time_embed_dim": 8,'
    ' "transformer_layers_per_block": 1, "down_block_types": ["CrossAttnDownBlockSpatioTemporal",'
    ' "CrossAttnDownBlockSpatioTemporal", "CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"]}'
)
VAE = '{"block_out_channels": [32, 64], "layers_per_block": 1, "latent_channels": 4, "scaling_factor": 0.18}'
SHARES = {"video": 5, "boxes": 3, "whole run": 1, "track": 6, "picture": 5, "weights": 3, "document": 13}


def table_of(tallies: dict[str, Tally]) -> str:
    """The runs of each kind as a table of Markdown."""
    rows = ["| readers of | runs | read | refused | faults | seconds |", "|---|---|---|---|---|---|"]
    for kind, one in tallies.items():
        rows.append(
            f"| {kind} | {one.runs} | {one.read} | {one.refused} | {len(one.faults)} | {one.seconds:.0f} |"
        )
    total = sum(one.runs for one in tallies.values()), sum(len(one.faults) for one in tallies.values())
    return "\n".join([*rows, f"| all | {total[0]} | | | {total[1]} | |"])


def main() -> None:
    """Run by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for the files of faults")
    wanted = parser.parse_args()
    tallies = run_all(wanted.runs, wanted.seed, wanted.keep)
    sys.stdout.write(table_of(tallies) + "\n")
    for one in tallies.values():
        for fault, times in Counter(one.faults).most_common(20):
            sys.stdout.write(f"{times}x {fault}\n")


if __name__ == "__main__":
    main()

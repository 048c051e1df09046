"""The README of a data set: its contents in numbers, and the command that makes it again."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields

from any2bokeh.atomic import partial_file
from any2bokeh.errors import DatasetError
from any2bokeh.lab.synthesis.dataset import Dataset
from any2bokeh.lab.synthesis.dataset_clip import DatasetClip
from any2bokeh.settings.synthesis_settings import SynthesisSettings

CARD_FILE = "README.md"
OPTION_NAMES = {"blur_strengths": "--k"}


def write_card(dataset: Dataset, settings: SynthesisSettings) -> None:
    """Write the card of a data set into its folder."""
    text = "\n".join(_lines(dataset, settings)) + "\n"
    with partial_file(dataset.folder / CARD_FILE, overwrite=True, error_class=DatasetError) as partial:
        partial.write_text(text, encoding="utf-8")


def command_line(settings: SynthesisSettings, folder: str) -> str:
    """The command that makes such a data set."""
    words = ["bokeh synthesize", folder]
    for field in fields(settings):
        value = getattr(settings, field.name)
        if value == field.default and field.name != "clips":
            continue
        text = ",".join(f"{part:g}" for part in value) if isinstance(value, tuple) else str(value)
        words.append(f"{OPTION_NAMES.get(field.name, '--' + field.name.replace('_', '-'))} {text}")
    return " ".join(words)


def _lines(dataset: Dataset, settings: SynthesisSettings) -> Iterator[str]:
    clips = dataset.clips
    own = settings.foregrounds or settings.backgrounds
    license = (
        "unknown: it holds pictures of yours; theirs apply"
        if own
        else "none needed: everything in it was drawn by a program"
    )
    yield f"# {dataset.folder.name}"
    yield ""
    yield "Synthetic video with ground truth: sharp, disparity, objects, and pictures through a thin lens."
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield f"| split | {settings.split} |"
    yield f"| clips | {len(clips)}, {_counts(clip.description.made_by.get('scene') for clip in clips)} |"
    yield f"| frames | {sum(clip.frames for clip in clips)} of {settings.size}, {settings.frames} per clip |"
    yield f"| refocused versions | {sum(len(clip.settings) for clip in clips)}, {_kinds(clips)} |"
    yield f"| objects | {sum(len(clip.description.objects) for clip in clips)} |"
    yield f"| motion blur | in {sum(_has_motion_blur(clip) for clip in clips)} clips |"
    yield f"| rays | {settings.samples} per pixel of a refocused frame |"
    yield f"| seed | {settings.seed} |"
    yield f"| license | {license} |"
    yield ""
    yield "```"
    yield command_line(settings, dataset.folder.name)
    yield "```"
    yield ""
    yield "Frames by K (radius of the blur in pixels per unit of disparity, at 1024 pixels of width):"
    yield ""
    yield "| K | frames |"
    yield "|---|---|"
    for low, count in sorted(_frames_by_strength(clips).items()):
        yield f"| {low} to {low + 4} | {count} |"
    yield ""
    yield "Names of objects, without their numbers:"
    yield ""
    names = Counter(thing.name.rpartition(" ")[0] for clip in clips for thing in clip.description.objects)
    yield ", ".join(f"{name} {count}" for name, count in names.most_common()) + "."


def _counts(values: Iterable[object]) -> str:
    return ", ".join(f"{count} {value}" for value, count in sorted(Counter(map(str, values)).items()))


def _kinds(clips: Iterable[DatasetClip]) -> str:
    return _counts(setting.kind for clip in clips for setting in clip.settings)


def _has_motion_blur(clip: DatasetClip) -> bool:
    return bool(clip.description.made_by.get("exposure"))


def _frames_by_strength(clips: Iterable[DatasetClip]) -> Mapping[int, int]:
    """How many refocused frames have a K in each span of four."""
    return Counter(
        int(strength // 4) * 4
        for clip in clips
        for setting in clip.settings
        for strength in setting.blur_strength
    )

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from facts import naming
from torch import Tensor

from any2bokeh.errors import DatasetError, SettingsError, ShapeError
from any2bokeh.lab.synthesis.dataset import open_dataset, remove_partial_clips, write_clip, write_made_by
from any2bokeh.lab.synthesis.dataset_clip import ClipDescription, ClipFrame, ClipObject, ClipSetting

FRAMES, HEIGHT, WIDTH = 5, 18, 34
SETTINGS = (
    ClipSetting(name="near-k16", kind="fixed", focus=(0.75,) * 5, blur_strength=(16.0,) * 5, object=2),
    ClipSetting(name="pull", kind="focus-ramp", focus=(0.9, 0.7, 0.5, 0.3, 0.1), blur_strength=(9.5,) * 5),
)
DESCRIPTION = ClipDescription(
    name="000007",
    seed=3,
    split="train",
    width=WIDTH,
    height=HEIGHT,
    frames=FRAMES,
    rate=Fraction(24000, 1001),
    objects=tuple(ClipObject(index=i, name=f"thing {i}", disparity=(0.25 * i,) * 5) for i in (1, 2)),
    settings=SETTINGS,
    made_by={"scenes": "paper"},
)
PICTURES = torch.randint(0, 256, (3, FRAMES, 3, HEIGHT, WIDTH), generator=torch.Generator().manual_seed(1))
DISPARITY = torch.randint(0, 65536, (FRAMES, 1, HEIGHT, WIDTH), generator=torch.Generator().manual_seed(2))
OBJECTS = torch.randint(0, 3, (FRAMES, 1, HEIGHT, WIDTH), generator=torch.Generator().manual_seed(3)).byte()


def frame(number: int) -> ClipFrame:
    return ClipFrame(
        sharp=PICTURES[0, number] / 255, disparity=DISPARITY[number] / 65535, objects=OBJECTS[number]
    )


def refocused(number: int) -> dict[str, Tensor]:
    return {setting.name: PICTURES[1 + i, number] / 255 for i, setting in enumerate(SETTINGS)}


def write(folder: Path, **changes: Any) -> None:
    with write_clip(folder, replace(DESCRIPTION, **changes)) as writer:
        for number in range(FRAMES):
            writer.write(frame(number), refocused(number))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_made_by(tmp_path / "set", {"seed": 3})
    write(tmp_path / "set")
    return tmp_path / "set"


def codes(values: Tensor, largest: int) -> Tensor:
    return (values * largest).round().long()


def test_what_is_written_is_read_code_by_code(folder: Path) -> None:
    dataset = open_dataset(folder)
    assert dataset.made_by == {"format_version": 1, "seed": 3}
    (clip,) = dataset.clips
    assert clip.description == DESCRIPTION
    assert (clip.name, clip.frames, clip.width, clip.height) == ("000007", FRAMES, WIDTH, HEIGHT)
    assert torch.equal(codes(clip.sharp(), 255), PICTURES[0])
    assert torch.equal(codes(clip.disparity(), 65535), DISPARITY)
    assert torch.equal(clip.objects_map(), OBJECTS)
    for i, setting in enumerate(clip.settings):
        assert torch.equal(codes(clip.refocused(setting), 255), PICTURES[1 + i])
    assert clip.sharp().dtype == clip.disparity().dtype == torch.float32


@pytest.mark.parametrize(("first", "count"), [(0, 1), (2, 2), (4, 1), (3, None), (1, 0)])
def test_a_span_is_the_same_frames(folder: Path, first: int, count: int | None) -> None:
    (clip,) = open_dataset(folder).clips
    end = FRAMES if count is None else first + count
    assert [codes(picture, 255).tolist() for picture in clip.iter_sharp(first, count)] == PICTURES[
        0, first:end
    ].tolist()
    assert [frame.objects.tolist() for frame in clip.iter_frames(first, count)] == OBJECTS[first:end].tolist()


def test_the_focus_mask_is_where_the_object_in_focus_is_seen(folder: Path) -> None:
    (clip,) = open_dataset(folder).clips
    assert torch.equal(clip.focus_mask(clip.setting("near-k16")), OBJECTS == 2)
    assert not clip.focus_mask(clip.setting("pull")).any()


@pytest.mark.parametrize(("first", "count"), [(-1, 1), (3, 3), (6, None)])
def test_frames_that_a_clip_does_not_have_are_an_error(folder: Path, first: int, count: int | None) -> None:
    with pytest.raises(DatasetError, match="has 5 frames"):
        open_dataset(folder).clips[0].sharp(first, count)


def test_a_clip_that_is_not_complete_is_not_there(folder: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        write_clip(folder, replace(DESCRIPTION, name="000008")) as writer,
    ):
        writer.write(frame(0), refocused(0))
        assert len(open_dataset(folder).clips) == 1
        raise KeyboardInterrupt
    with pytest.raises(DatasetError, match="got 1 of 5 frames"):  # noqa: SIM117
        with write_clip(folder, replace(DESCRIPTION, name="000009")) as writer:
            writer.write(frame(0), refocused(0))
    assert [path.name for path in (folder / "clips").iterdir()] == ["000007"]


def test_what_a_killed_writer_left_is_removed(folder: Path) -> None:
    left = folder / "clips" / ".000008.123.part"
    left.mkdir()
    (left / "sharp.mkv").write_bytes(b"half")
    assert len(open_dataset(folder).clips) == 1
    remove_partial_clips(folder)
    assert [path.name for path in (folder / "clips").iterdir()] == ["000007"]


def test_clips_come_in_the_order_of_their_names(folder: Path) -> None:
    write(folder, name="000002")
    assert [clip.name for clip in open_dataset(folder).clips] == ["000002", "000007"]


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-len(content) // 3] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("file", ["sharp.mkv", "disparity.mkv", "bokeh-pull.mkv"])
def test_damage_is_noticed_when_it_is_read(folder: Path, file: str) -> None:
    damage(folder / "clips" / "000007" / file)
    (clip,) = open_dataset(folder).clips
    read = {"sharp.mkv": clip.sharp, "disparity.mkv": clip.disparity}.get(
        file, lambda: clip.refocused(clip.setting("pull"))
    )
    with pytest.raises(DatasetError, match=naming("Frame", file)):
        read()


def test_frames_that_a_file_lacks_are_noticed(folder: Path) -> None:
    path = folder / "clips" / "000007" / "scene.json"
    content = json.loads(path.read_text())
    content["frames"] = 6
    for track in (*content["objects"], *content["settings"]):
        for key in {"disparity", "focus", "blur_strength"} & set(track):
            track[key].append(0.5)
    path.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=naming("sharp.mkv", "5 of 6")):
        open_dataset(folder).clips[0].sharp()


def edited(**changes: Any) -> Callable[[Path], None]:
    def edit(clip: Path) -> None:
        path = clip / "scene.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return edit


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (lambda clip: (clip / "bokeh-pull.mkv").unlink(), ["bokeh-pull.mkv"]),
        (lambda clip: (clip / "scene.json").unlink(), ["scene.json"]),
        (lambda clip: (clip / "scene.json").write_text("{"), ["scene.json", "JSON"]),
        (lambda clip: (clip / "scene.json").write_text("{}"), ["scene.json", "'objects'"]),
        (edited(frames=4), ["scene.json", "5 of 4 frames"]),
        (edited(name="../../evil"), ["scene.json", "'../../evil'"]),
        (edited(name=".."), ["scene.json", "'..'"]),
        (edited(name="con"), ["'con'", "Windows"]),
        (edited(name="x" * 201), ["201 bytes"]),
        (edited(name=7), ["7"]),
        (edited(rate="fast"), ["scene.json", "fast"]),
        (edited(color="red"), ["scene.json", "color"]),
    ],
)
def test_a_broken_clip_is_named(folder: Path, harm: Callable[[Path], None], named: list[str]) -> None:
    harm(folder / "clips" / "000007")
    with pytest.raises(DatasetError, match=naming("000007", *named)):
        open_dataset(folder)


@pytest.mark.parametrize("first", [0, 3])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_file_that_was_cut_is_named_wherever_it_is_read_from(
    folder: Path, share: float, first: int
) -> None:
    path = folder / "clips" / "000007" / "sharp.mkv"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    (clip,) = open_dataset(folder).clips
    with pytest.raises(DatasetError, match=r"sharp\.mkv"):
        clip.sharp(first)


def test_what_is_no_data_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=naming(tmp_path / "absent")):
        open_dataset(tmp_path / "absent")
    with pytest.raises(DatasetError, match=naming(tmp_path, "dataset.json")):
        open_dataset(tmp_path)
    (tmp_path / "dataset.json").write_text('{"format_version": 2}')
    with pytest.raises(DatasetError, match=naming("format 2")):
        open_dataset(tmp_path)


def test_pictures_of_another_size_or_setting_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match="sharp"), write_clip(tmp_path, DESCRIPTION) as writer:
        writer.write(replace(frame(0), sharp=torch.zeros(3, 4, 4)), refocused(0))
    with pytest.raises(ShapeError, match="pull"), write_clip(tmp_path, DESCRIPTION) as writer:
        writer.write(frame(0), {"near-k16": PICTURES[1, 0] / 255})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"settings": (SETTINGS[0], SETTINGS[0])}, SETTINGS[0].name),
        ({"settings": (replace(SETTINGS[0], object=3),)}, "object 3"),
        ({"objects": DESCRIPTION.objects[1:]}, "numbered"),
        ({"width": 0}, "above 0"),
        ({"split": "validation"}, "'validation'"),
        ({"name": "/tmp/evil"}, "'/tmp/evil'"),
        ({"name": ""}, "''"),
    ],
)
def test_a_description_that_contradicts_itself_is_refused(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=naming(named)):
        replace(DESCRIPTION, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        *({"name": name} for name in ("Near K", "../up", "con", "k4.", "x" * 201, None)),
        *({"focus": (0.5,) * 4}, {"blur_strength": (200.0,) * 5}, {"kind": "pull"}),
    ],
)
def test_a_setting_checks_itself(changes: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        replace(SETTINGS[0], **changes)


def test_reading_holds_one_frame_at_a_time(folder: Path) -> None:
    (clip,) = open_dataset(folder).clips
    frames = clip.iter_frames()
    assert next(frames).sharp.shape == (3, HEIGHT, WIDTH)
    (folder / "clips" / "000007" / "bokeh-pull.mkv").unlink()  # which nobody asked for
    assert len(list(frames)) == FRAMES - 1

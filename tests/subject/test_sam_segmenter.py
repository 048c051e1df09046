"""SAM 2.1 and EdgeTAM, through the path that loads the published ones."""

import json
import shutil
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from segmentation_samples import POINTERS, SIDE
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.errors import WeightsError
from any2bokeh.scene import Frame
from any2bokeh.subject.sam_segmenter import SamSegmenter, load_sam
from any2bokeh.subject.segmenter import Click

CPU = torch.device("cpu")
THERE = Click(0.3, 0.6)


@pytest.fixture(params=["sam2", "edgetam"])
def network(request: pytest.FixtureRequest, tiny_sam2: Path, tiny_edgetam: Path) -> Path:
    return {"sam2": tiny_sam2, "edgetam": tiny_edgetam}[request.param]


@pytest.fixture
def segmenter(network: Path) -> SamSegmenter:
    return load_sam(network, CPU, torch.float32).segmenter()


@pytest.fixture
def changed(network: Path, tmp_path: Path) -> Path:
    return shutil.copytree(network, tmp_path / "changed")


def picture(number: int, height: int = 48, width: int = 80) -> Tensor:
    """A square that moves over stripes."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    there = ((columns - 20 - 2 * number).abs() < 9) & ((rows - 28).abs() < 9)
    stripes = 0.3 + 0.4 * (columns // 5 % 2)
    return torch.where(there, torch.tensor([0.9, 0.2, 0.1])[:, None, None], stripes.expand(3, -1, -1).float())


def views(segmenter: SamSegmenter, count: int) -> Iterator[Tensor]:
    return (segmenter.view(Frame(picture=picture(number), pts=number)) for number in range(count))


def masks(segmenter: SamSegmenter, count: int, clicks: tuple[Click, ...] = (THERE,)) -> list[Tensor]:
    first, *rest = views(segmenter, count)
    return [segmenter.start(first, clicks), *(segmenter.step(view) for view in rest)]


def remembered_bytes(segmenter: SamSegmenter) -> int:
    """The size of all tensors in the session, however deep."""

    def size(value: object) -> int:
        if isinstance(value, Tensor):
            return value.numel() * value.element_size()
        if isinstance(value, dict):
            return sum(map(size, value.values()))
        if isinstance(value, list | tuple):
            return sum(map(size, value))
        return size(vars(value)) if type(value).__module__.startswith("transformers") else 0

    return size(vars(segmenter._session))


def test_a_mask_is_soft_and_its_edges_are_finer_than_the_networks_own_grid(segmenter: SamSegmenter) -> None:
    for mask in masks(segmenter, 3):
        assert mask.shape == (1, SIDE // 2, SIDE // 2)
        assert 0 <= mask.min() < mask.max() <= 1


def test_the_network_looks_at_the_picture_and_at_the_place_of_the_click(segmenter: SamSegmenter) -> None:
    view, other = views(segmenter, 2)
    mask = segmenter.start(view, [THERE])
    assert (segmenter.start(other, [THERE]) - mask).abs().max() > 1e-3
    assert (segmenter.start(view, [Click(0.8, 0.2)]) - mask).abs().max() > 1e-3
    assert (segmenter.start(view, [THERE, Click(0.8, 0.2, on_subject=False)]) - mask).abs().max() > 1e-3
    assert torch.equal(segmenter.start(view, [THERE]), mask)


def test_a_click_later_on_corrects_the_mask_and_those_after_it(segmenter: SamSegmenter) -> None:
    plain = masks(segmenter, 4)
    first, second, third, fourth = views(segmenter, 4)
    segmenter.start(first, [THERE])
    segmenter.step(second)
    corrected = segmenter.step(third, [Click(0.8, 0.2, on_subject=False)])
    assert (corrected - plain[2]).abs().max() > 1e-3
    assert (segmenter.step(fourth) - plain[3]).abs().max() > 1e-4


@pytest.mark.slow
def test_what_is_forgotten_changes_no_mask(segmenter: SamSegmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    count = POINTERS + 8
    forgetful = masks(segmenter, count)
    monkeypatch.setattr(SamSegmenter, "_forget", lambda self: None)
    for mask, reference in zip(forgetful, masks(segmenter, count), strict=True):
        assert torch.equal(mask, reference)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_clip(segmenter: SamSegmenter) -> None:
    masks(segmenter, 6)
    short = remembered_bytes(segmenter)
    masks(segmenter, 60)
    assert remembered_bytes(segmenter) == short > 0


def test_the_encoder_looks_once_at_a_picture_for_all_subjects(
    network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Click(0.8, 0.2)
    alone = [
        masks(load_sam(network, CPU, torch.float32).segmenter(), 3, (click,)) for click in (THERE, other)
    ]
    loaded = load_sam(network, CPU, torch.float32)
    encode, pictures = loaded.network.get_image_features, []

    def counted(picture: Tensor, **options: Any) -> Any:
        pictures.append(picture)
        return encode(picture, **options)

    monkeypatch.setattr(loaded.network, "get_image_features", counted)
    first, second = loaded.segmenter(), loaded.segmenter()
    for number, view in enumerate(views(first, 3)):
        for segmenter, click, expected in ((first, THERE, alone[0]), (second, other, alone[1])):
            found = segmenter.step(view) if number else segmenter.start(view, [click])
            assert torch.equal(found, expected[number])
    assert len(pictures) == 3


def test_the_network_sees_what_the_published_processor_would_give_it(
    network: Path, segmenter: SamSegmenter
) -> None:
    """The published processor needs torchvision; its steps are resizing, scaling and ImageNet's units."""
    view = segmenter.view(Frame(picture=picture(0), pts=0))
    resized = interpolate(picture(0)[None], (SIDE, SIDE), mode="bilinear", antialias=True)[0]
    torch.testing.assert_close(view / 255, resized, rtol=0, atol=0.5 / 255 + 1e-6)
    name = "Sam2Video" if "sam2" in network.name else "EdgeTamVideo"
    transformers = import_module("transformers")
    reference = getattr(transformers, f"{name}Model").from_pretrained(network)
    session = getattr(transformers, f"{name}InferenceSession")(
        video_height=SIDE, video_width=SIDE, dtype=torch.float32
    )
    session.obj_id_to_idx(1)
    place = torch.tensor([[[[THERE.x * SIDE - 0.5, THERE.y * SIDE - 0.5]]]])
    session.add_point_inputs(0, 0, {"point_coords": place, "point_labels": torch.ones(1, 1, 1).int()})
    session.obj_with_new_inputs = [1]
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    logits = reference(inference_session=session, frame=(view / 255 - mean) / std).pred_masks
    expected = interpolate(logits, scale_factor=2, mode="bilinear", align_corners=False)[0].sigmoid()
    torch.testing.assert_close(segmenter.start(view, [THERE]), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_reduced_precision_gives_nearly_the_same(network: Path, dtype: torch.dtype) -> None:
    exact = masks(load_sam(network, CPU, torch.float32).segmenter(), 3)
    for mask, reference in zip(masks(load_sam(network, CPU, dtype).segmenter(), 3), exact, strict=True):
        assert mask.dtype == torch.float32
        assert (mask - reference).abs().mean() < 0.1


def test_each_subject_has_a_memory_of_its_own(network: Path) -> None:
    loaded = load_sam(network, CPU, torch.float32)
    alone = masks(loaded.segmenter(), 3)
    one, other = loaded.segmenter(), loaded.segmenter()
    first, second, third = views(one, 3)
    one.start(first, [THERE])
    other.start(first, [Click(0.8, 0.2)])
    for view, wanted in ((second, alone[1]), (third, alone[2])):
        other.step(view)
        assert torch.equal(one.step(view), wanted)


def break_config(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        change(config)
        (folder / "config.json").write_text(json.dumps(config))

    return edit


def drop_a_key(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["no_object_pointer"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("breaks", "named"),
    [
        (break_config(lambda config: config["vision_config"].pop("backbone_config")), "no backbone"),
        (break_config(lambda config: config.update(model_type="sam3_video")), "sam3"),
        (
            break_config(
                lambda config: config["vision_config"].update(
                    backbone_config={"model_type": "timm_wrapper", "architecture": "repvit_m1"}
                )
            ),
            "timm",
        ),
        (drop_a_key, "no_object_pointer"),
        (lambda folder: (folder / "config.json").unlink(), "config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "safetensors"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\0" * 99), "cannot be loaded"),
    ],
)
def test_what_is_wrong_with_a_network_is_named_and_nothing_is_fetched(
    breaks: Callable[[Path], None], named: str, changed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks(changed)
    monkeypatch.setattr("any2bokeh.subject.sam_segmenter.find_spec", lambda name: None)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(WeightsError, match=named):
        load_sam(changed, CPU, torch.float32)

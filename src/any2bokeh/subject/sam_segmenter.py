"""Masks from clicks by SAM 2.1 or EdgeTAM, through the video classes of transformers.

Both remember a few frames, and attend to them in the next. The session in which transformers keeps that
memory would also keep every frame and every answer: here only what later frames look at is kept.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.documents import parse_table, read_document
from any2bokeh.errors import WeightsError, install_hint
from any2bokeh.scene import Frame
from any2bokeh.subject.segmenter import Click
from any2bokeh.weights.pretrained import load_pretrained, read_config, standardized

WHAT = "segmentation network"
THING, THING_INDEX = 1, 0  # a session follows one
FINER = 2  # times the network's own grid: edges run between its cells


class SamNetwork:
    """A loaded network; each subject gets a segmenter of its own, with its own memory.

    The encoder does most of the work: its features of the last picture are kept for the next subject.
    """

    def __init__(self, network: Any, session_class: Any, side_px: int) -> None:
        self.network, self.session_class, self.side_px = network, session_class, side_px
        self._view: Tensor | None = None
        self._features: Any = None

    def features_of(self, view: Tensor) -> Any:
        """Return the features of the last picture if that is this one, else ``None``."""
        return self._features if self._view is not None and torch.equal(self._view, view) else None

    def keep_features(self, view: Tensor, features: Any) -> None:
        """Keep the features of a picture instead of those of the one before."""
        self._view, self._features = view, features

    def segmenter(self) -> "SamSegmenter":
        """Return one that has seen nothing yet."""
        return SamSegmenter(self)


class SamSegmenter:
    """Follows one subject. It looks at square pictures of ``side_px``, as the network was trained to."""

    def __init__(self, loaded: SamNetwork) -> None:
        self._loaded, self._network, self._side_px = loaded, loaded.network, loaded.side_px
        self._session_class = loaded.session_class
        self._weight = next(loaded.network.parameters())
        self._session: Any = None
        self._place = 0  # of the frame in the order in which they are looked at, whichever way time runs

    def view(self, frame: Frame) -> Tensor:
        """Return the picture squeezed into a square: ``3 side side`` uint8 on the CPU."""
        size = (self._side_px, self._side_px)
        square = interpolate(frame.picture[None], size, mode="bilinear", antialias=True)[0]
        return (square.clamp(0, 1) * 255).round().to(torch.uint8).cpu()

    def start(self, view: Tensor, clicks: Sequence[Click], beside: Tensor | None = None) -> Tensor:
        """Return the mask of the thing under ``clicks``; see ``SubjectSegmenter``."""
        weight, side = self._weight, self._side_px
        self._session = self._session_class(
            video_height=side,
            video_width=side,
            inference_device=weight.device,
            inference_state_device=weight.device,
            video_storage_device=weight.device,
            dtype=weight.dtype,
        )
        self._session.obj_id_to_idx(THING)
        self._place = 0
        return self._look(view, clicks)

    def step(self, view: Tensor, clicks: Sequence[Click] = ()) -> Tensor:
        """Return the mask in the next frame; see ``SubjectSegmenter``."""
        self._place += 1
        mask = self._look(view)
        # Only in a frame that was looked at before do clicks correct what memory says.
        return self._look(view, clicks) if clicks else mask

    def _look(self, view: Tensor, clicks: Sequence[Click] = ()) -> Tensor:
        session, weight = self._session, self._weight
        if clicks:
            session.add_point_inputs(THING_INDEX, self._place, self._prompt(clicks))
            session.obj_with_new_inputs = [THING]
        pixels = standardized(view.to(weight.device).float() / 255).to(weight.dtype)
        if features := self._loaded.features_of(view):
            session.cache.cache_vision_features(self._place, features)
        found = self._network(inference_session=session, frame=pixels, frame_idx=self._place)
        self._loaded.keep_features(view, session.cache.get_vision_features(self._place))
        self._forget()
        logits = found.pred_masks.float()  # 1 1 h w
        if not bool(logits.isfinite().all()):
            raise WeightsError(
                f"The {WHAT} returned values that are not numbers in {weight.dtype}.",
                hint="`dtype=float32` computes more precisely.",
            )
        finer = interpolate(logits, scale_factor=FINER, mode="bilinear", align_corners=False)
        return finer[0].sigmoid().cpu()

    def _prompt(self, clicks: Sequence[Click]) -> dict[str, Tensor]:
        """The clicks as the network's prompt encoder takes them: pixels counted from their middles."""
        places = [[click.x * self._side_px - 0.5, click.y * self._side_px - 0.5] for click in clicks]
        labels = [int(click.on_subject) for click in clicks]
        return {
            "point_coords": torch.tensor([[places]], dtype=self._weight.dtype),
            "point_labels": torch.tensor([[labels]], dtype=torch.int32),
        }

    def _forget(self) -> None:
        """Drop all that no later frame attends to: frames, pictures of masks, and too distant memories."""
        session, config, place = self._session, self._network.config, self._place
        session.processed_frames.clear()
        outputs = session.output_dict_per_obj[THING_INDEX]
        for kept in outputs.values():
            for output in kept.values():
                for name in ("high_res_masks", "pred_masks"):
                    output.pop(name, None)
        recent = outputs["non_cond_frame_outputs"]
        # The next frame attends to so many masks, itself included, and to so many pointers.
        with_mask, with_pointer = config.num_maskmem - 1, config.max_object_pointers_in_encoder - 1
        for number in list(recent):
            age = place + 1 - number
            if age > with_mask:
                recent[number].pop("maskmem_features", None)
                recent[number].pop("maskmem_pos_enc", None)
            if age > max(with_mask, with_pointer):
                del recent[number]
        tracked = session.frames_tracked_per_obj[THING_INDEX]
        for number in [number for number in tracked if number != place]:
            del tracked[number]
        session.point_inputs_per_obj[THING_INDEX].clear()


def load_sam(folder: Path, device: torch.device, dtype: torch.dtype) -> SamNetwork:
    """Return the network whose ``config.json`` and ``model.safetensors`` lie in ``folder``.

    Nothing is fetched: what the configuration leaves out would come from the hub, so it must be whole. Raises
    ``WeightsError`` for a network of another kind, and where files are missing, damaged or do not fit.
    """
    # Here, because these modules take seconds to import.
    from transformers import (
        EdgeTamVideoConfig,
        EdgeTamVideoInferenceSession,
        EdgeTamVideoModel,
        Sam2VideoConfig,
        Sam2VideoInferenceSession,
        Sam2VideoModel,
    )

    stated = _stated_config(folder)
    kind = str(stated.get("model_type", "unknown")).removesuffix("_video")
    if kind == "sam2":
        classes = Sam2VideoConfig, Sam2VideoModel, Sam2VideoInferenceSession
    elif kind == "edgetam":
        classes = EdgeTamVideoConfig, EdgeTamVideoModel, EdgeTamVideoInferenceSession
    else:
        raise WeightsError(f"The {WHAT} in {folder} is of the kind {kind}, not sam2 or edgetam.")
    config_class, network_class, session_class = classes
    backbone = (stated.get("vision_config") or {}).get("backbone_config")
    if not backbone:
        raise WeightsError(f"The configuration of the {WHAT} in {folder} names no backbone.")
    if backbone.get("model_type") == "timm_wrapper" and find_spec("timm") is None:
        raise WeightsError(
            f"The {WHAT} in {folder} needs the package timm, which is not installed.",
            hint=install_hint("edgetam"),
        )
    config = read_config(folder, WHAT, config_class)
    network = load_pretrained(network_class, config, folder, WHAT).to(device, dtype)
    sides = config.image_size
    return SamNetwork(network, session_class, sides if isinstance(sides, int) else int(sides[0]))


def _stated_config(folder: Path) -> dict[str, Any]:
    """The configuration as it stands in the folder, without the defaults of transformers."""
    try:
        return parse_table(read_document(folder / "config.json"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"The {WHAT} in {folder} cannot be loaded: {error}") from error

"""SAM 2.1 and EdgeTAM made small: the real classes with random weights, saved like published ones."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    EdgeTamVideoConfig,
    EdgeTamVideoMaskDecoderConfig,
    EdgeTamVideoModel,
    EdgeTamVideoPromptEncoderConfig,
    EdgeTamVisionConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Sam2HieraDetConfig,
    Sam2VideoConfig,
    Sam2VideoMaskDecoderConfig,
    Sam2VideoModel,
    Sam2VideoPromptEncoderConfig,
    Sam2VisionConfig,
)
from transformers.modeling_outputs import BaseModelOutput

SIDE = 64  # pixels of the square that they look at
WIDTH = 128  # of their features: the memory's keys have a fixed width of 64, which must be less
MASKS, POINTERS = 3, 5  # frames of memory
CHANNELS = [8, 16, 32, 64]  # of the four stages of a backbone
GRIDS = [[SIDE // 4] * 2, [SIDE // 8] * 2, [SIDE // 16] * 2]

SHARED = {
    "image_size": SIDE,
    "num_maskmem": MASKS,
    "max_object_pointers_in_encoder": POINTERS,
    "memory_attention_hidden_size": WIDTH,
    "memory_attention_num_layers": 1,
    "memory_attention_rope_feat_sizes": GRIDS[2],
    "memory_encoder_hidden_size": WIDTH,
    "mask_downsampler_embed_dim": WIDTH,
    "memory_fuser_embed_dim": WIDTH,
    "memory_fuser_intermediate_dim": 16,
}
PROMPTS = {"hidden_size": WIDTH, "image_size": SIDE, "mask_input_channels": 4}
DECODER = {"hidden_size": WIDTH, "mlp_dim": 16, "num_attention_heads": 2, "iou_head_hidden_dim": 16}
VISION = {
    "backbone_channel_list": CHANNELS[::-1],
    "backbone_feature_sizes": GRIDS,
    "fpn_hidden_size": WIDTH,
}


class FourStagesConfig(PreTrainedConfig):  # type: ignore[misc]
    """Of a backbone that needs no timm, which EdgeTAM's own does."""

    model_type = "four_stages"


class FourStages(PreTrainedModel):  # type: ignore[misc]
    """The features of four stages, each half the size of the one before, as timm's wrapper gives them."""

    config_class = FourStagesConfig
    main_input_name = "pixel_values"

    def __init__(self, config: FourStagesConfig) -> None:
        super().__init__(config)
        sizes = [(3, CHANNELS[0], 4), *((a, b, 2) for a, b in pairwise(CHANNELS))]
        self.stages = nn.ModuleList(nn.Conv2d(a, b, step, step) for a, b, step in sizes)
        self.post_init()

    def forward(self, pixel_values: Tensor, **_: Any) -> BaseModelOutput:
        features = []
        for stage in self.stages:
            pixel_values = stage(pixel_values).relu()
            features.append(pixel_values)
        return BaseModelOutput(last_hidden_state=features)


def save_tiny_sam2(folder: Path) -> Path:
    """Save SAM 2.1 with a million random parameters."""
    backbone = Sam2HieraDetConfig(
        hidden_size=CHANNELS[0],
        num_attention_heads=1,
        image_size=[SIDE, SIDE],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=CHANNELS,
        num_attention_heads_per_stage=[1, 1, 1, 1],
        window_size_per_stage=[4, 4, 4, 4],
        global_attention_blocks=[3],
        window_positional_embedding_background_size=[4, 4],
    )
    config = Sam2VideoConfig(
        vision_config=Sam2VisionConfig(backbone_config=backbone, **VISION),
        prompt_encoder_config=Sam2VideoPromptEncoderConfig(**PROMPTS),
        mask_decoder_config=Sam2VideoMaskDecoderConfig(**DECODER),
        memory_attention_feed_forward_hidden_size=16,
        **SHARED,
    )
    return _saved(Sam2VideoModel, config, folder)


def save_tiny_edgetam(folder: Path) -> Path:
    """Save EdgeTAM with a million random parameters, on a backbone without timm."""
    AutoConfig.register(FourStagesConfig.model_type, FourStagesConfig, exist_ok=True)
    AutoModel.register(FourStagesConfig, FourStages, exist_ok=True)
    config = EdgeTamVideoConfig(
        vision_config=EdgeTamVisionConfig(backbone_config=FourStagesConfig(), **VISION),
        prompt_encoder_config=EdgeTamVideoPromptEncoderConfig(**PROMPTS),
        mask_decoder_config=EdgeTamVideoMaskDecoderConfig(**DECODER),
        memory_attention_mlp_hidden_size=16,
        memory_attention_rope_k_sizes=[4, 4],
        perceiver_resampler_num_latents=4,
        perceiver_resampler_num_latents_2d=16,
        perceiver_resampler_num_layers=1,
        **SHARED,
    )
    return _saved(EdgeTamVideoModel, config, folder)


def _saved(kind: Any, config: Any, folder: Path) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = kind(config)
        for weight in network.parameters():  # as initialized, everything is nearly the same
            if weight.ndim > 1:
                nn.init.normal_(weight, std=1.2 / weight[0].numel() ** 0.5)
            else:
                nn.init.normal_(weight, mean=float(weight.detach().mean()), std=0.05)
        # Whether the thing is there at all: random answers would leave whole masks empty.
        nn.init.constant_(network.mask_decoder.pred_obj_score_head.proj_out.weight, 0)
        nn.init.constant_(network.mask_decoder.pred_obj_score_head.proj_out.bias, 4)
    network.save_pretrained(folder)
    return folder

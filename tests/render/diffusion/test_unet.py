"""The U-Net against the published network's numbers, and what it must and must not depend on."""

import dataclasses
import json
from collections.abc import Callable

import pytest
import torch
from parity import DATA, assert_near, document, recipe_unet, tensors, tiny_unet, unet_inputs
from torch import Tensor

from any2bokeh.errors import ShapeError, WeightsError
from any2bokeh.render.diffusion.attention import embed_blur
from any2bokeh.render.diffusion.unet import BokehUNet, UNetDims, UNetInputs
from any2bokeh.settings.weights_settings import KPrecision, MaskMode

CASES = tensors("tiny_unet_cases")
FUNCTIONS = tensors("functions")
# Of outputs with a standard deviation of 0.5. Nearly all of it are phases of K in float32, whose sines differ
# by processor: without AVX-512 by up to 6.6e-4 in one case, 1.4e-4 in the others.
ATOL = 1e-3
MODES: list[MaskMode] = ["released", "paper"]


@pytest.fixture(scope="module")
def unet() -> BokehUNet:
    return tiny_unet()


def inputs_of(case: str) -> UNetInputs:
    return unet_inputs(CASES, case)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", ["b1f4", "b1f8", "b2f4", "b2f8", "b1f2_24x40", "dbg"])
def test_output_equals_the_published_one(unet: BokehUNet, case: str, mode: MaskMode) -> None:
    assert_near(unet(inputs_of(case), mask_mode=mode, mix_clips=True), CASES[f"{case}.out_{mode}"], ATOL)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", ["b2f4", "b2f8"])
def test_clips_of_a_batch_are_apart_unless_asked(unet: BokehUNet, case: str, mode: MaskMode) -> None:
    assert_near(unet(inputs_of(case), mask_mode=mode), CASES[f"{case}.out_{mode}_per_item"], ATOL)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.slow
def test_two_layers_a_block_equal_the_published_ones(mode: MaskMode) -> None:
    assert_near(recipe_unet()(inputs_of("recipe"), mask_mode=mode), CASES[f"recipe.out_{mode}"], ATOL)


@pytest.mark.slow
def test_the_k_token_is_not_gated(unet: BokehUNet) -> None:
    gates = {key: weight for key, weight in unet.state_dict().items() if key.endswith(("_attn", "_dense"))}
    assert len(gates) == 2 * 10
    closed = tiny_unet()
    closed.load_state_dict(unet.state_dict() | {key: torch.zeros(()) for key in gates})
    wanted = CASES["b1f4.out_gates_zero"]
    assert_near(closed(inputs_of("b1f4"), mask_mode="released"), wanted, ATOL)
    assert_near(unet(inputs_of("b1f4"), mask_mode="paper", gates=False), wanted, ATOL)


@pytest.mark.parametrize("mode", MODES)
def test_blocks_equal_the_published_ones(unet: BokehUNet, mode: MaskMode) -> None:
    seen = outputs_of_modules(unet, lambda: unet(inputs_of("dbg"), mask_mode=mode))
    compared = 0
    for name, output in seen.items():
        wanted = stored(mode, name)
        if wanted is not None:
            assert_near(output, wanted, ATOL)
            compared += 1
    assert compared == {"released": 12, "paper": 13}[mode]  # the planes' convolution runs in one mode only


def test_the_inside_of_a_transformer_equals_the_published_one(unet: BokehUNet) -> None:
    name = "down_blocks.1.attentions.0"
    parts = {
        "d1a0.model_out": name,
        "d1a0.spatial_out": f"{name}.transformer_blocks.0",
        "d1a0.temporal_out": f"{name}.temporal_transformer_blocks.0",
        "fuser_d1a0.out": f"{name}.transformer_blocks.0.fuser",
    }
    for mode in MODES:
        seen = outputs_of_modules(unet, lambda mode=mode: unet(inputs_of("dbg"), mask_mode=mode))
        for key, module in parts.items():
            wanted = stored(mode, key)
            assert wanted is not None
            assert_near(seen[module], wanted, ATOL)


def test_each_level_attends_to_the_planes_of_the_paper(unet: BokehUNet) -> None:
    planes = unet._planes(inputs_of("dbg"))
    for level, key in enumerate(["down0", "down1", "down2"]):
        attended = planes[level].attended
        assert attended is not None
        theirs = attended[:, 0, 0, attended.shape[-1] // 2 :]
        assert torch.equal(theirs, CASES[f"dbg.paper.keymask.{key}"][:, -theirs.shape[1] :])
        assert torch.equal(theirs, CASES[f"dbg.paper.keymask.up{3 - level}"][:, -theirs.shape[1] :])
    assert planes[3].attended is None


@pytest.mark.parametrize(
    ("precision", "key"),
    [("float32", "fp32"), ("float16_exponents", "fp16_exponents_then_fp32"), ("float16", "fp16_cpu")],
)
def test_k_is_embedded_as_published(precision: KPrecision, key: str) -> None:
    assert_near(embed_blur(FUNCTIONS["fourier.k"], precision), FUNCTIONS[f"fourier.{key}"], 2e-4)


CHANGES: dict[str, Callable[[UNetInputs], UNetInputs]] = {
    "picture": lambda i: dataclasses.replace(i, plane_latents=i.plane_latents + 1),
    "labels": lambda i: dataclasses.replace(i, labels=(i.labels + 1) % 4),
    "K": lambda i: dataclasses.replace(i, blur_strength=i.blur_strength + 1),
    "latents": lambda i: dataclasses.replace(i, latents=i.latents + 0.1),
    "embeds": lambda i: dataclasses.replace(i, embeds=i.embeds + 0.1),
    "time ids": lambda i: dataclasses.replace(i, time_ids=i.time_ids + 1),
}


@pytest.mark.parametrize("changed", CHANGES)
@pytest.mark.parametrize("mode", MODES)
def test_every_input_moves_the_output(unet: BokehUNet, mode: MaskMode, changed: str) -> None:
    """In the mode of the released weights, planes are never looked at: not even the last bit changes."""
    before = inputs_of("dbg")
    moved = unet(CHANGES[changed](before), mask_mode=mode) - unet(before, mask_mode=mode)
    if mode == "released" and changed in ("picture", "labels"):
        assert not moved.any()
    else:
        assert moved.abs().max() > 1e-3


def test_keys_and_shapes_are_the_published_ones() -> None:
    published = json.loads((DATA / "unet_keys_full.json").read_text())
    with torch.device("meta"):
        unet = BokehUNet(UNetDims())
    assert UNetDims.from_config(published["config"]) == UNetDims()
    assert {key: list(weight.shape) for key, weight in unet.state_dict().items()} == published["keys"]
    assert sum(weight.numel() for weight in unet.parameters()) == 1_876_296_074


def test_latents_of_another_size_are_refused(unet: BokehUNet) -> None:
    inputs = inputs_of("dbg")
    with pytest.raises(ShapeError, match="multiples of 8"):
        unet(dataclasses.replace(inputs, latents=inputs.latents[..., :12]), mask_mode="paper")


@pytest.mark.parametrize(
    ("key", "value"), [("down_block_types", ["DownBlock2D"]), ("transformer_layers_per_block", 2)]
)
def test_a_network_of_another_kind_is_refused(key: str, value: object) -> None:
    with pytest.raises(WeightsError, match=key):
        UNetDims.from_config(document("tiny_unet_config") | {key: value})


def test_an_incomplete_configuration_is_refused() -> None:
    with pytest.raises(WeightsError, match="cross_attention_dim"):
        UNetDims.from_config({"in_channels": 8, "out_channels": 4, "block_out_channels": [32] * 4,
                              "num_attention_heads": [1] * 4, "layers_per_block": 1})  # fmt: skip


def stored(mode: MaskMode, name: str) -> Tensor | None:
    """A published intermediate; what is equal in both modes is stored for one."""
    return CASES.get(f"dbg.{mode}.{name}", CASES.get(f"dbg.released.{name}"))


def outputs_of_modules(network: torch.nn.Module, run: Callable[[], object]) -> dict[str, Tensor]:
    """What each module gave; of a down block, the features for the next level."""
    seen: dict[str, Tensor] = {}

    def remember(name: str) -> Callable[..., None]:
        def hook(_module: torch.nn.Module, _inputs: object, output: object) -> None:
            seen[name] = output[0] if isinstance(output, tuple) else output  # type: ignore[assignment]

        return hook

    handles = [module.register_forward_hook(remember(name)) for name, module in network.named_modules()]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return seen

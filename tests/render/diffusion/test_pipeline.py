"""The diffusion renderer on the published tiny networks: any length and size, focus keeps original pixels."""

import dataclasses
import json
from collections.abc import Callable, Iterator

import pytest
import torch
from parity import assert_near, recipe_vae, tensors, tiny_network, tiny_vae
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.errors import WeightsError
from any2bokeh.render.diffusion.chunks import fuse_chunks, plan_chunks
from any2bokeh.render.diffusion.memory import DECODE_WINDOWS, SEAMLESS, Footprint, plan_windows
from any2bokeh.render.diffusion.network import FrameCode
from any2bokeh.render.diffusion.pipeline import DiffusionRenderer, network_inputs
from any2bokeh.render.diffusion.vae import BokehVAE, VAEDims
from any2bokeh.render.diffusion.working_frame import WorkingFrame
from any2bokeh.scene import Frame, PictureFormat, Scene
from any2bokeh.settings.render_settings import ChunkSettings, DiffusionSettings
from any2bokeh.settings.weights_settings import MaskMode
from any2bokeh.weights.checkpoint import find_checkpoint, load_weights

PUBLISHED = tensors("pipeline_case")
SETTINGS = DiffusionSettings(work_size=128)
FRAME = WorkingFrame.fit(64, 128, 1, 128)


def published_scenes() -> list[Scene]:
    return [
        Scene(
            sharp=PUBLISHED["image_u8"][i].float() / 255,
            disparity=PUBLISHED["disparity_u8"][i : i + 1].float() / 255,
            focus_disparity=float(PUBLISHED["zf"][i]),
            blur_strength=float(PUBLISHED["K"][i]) * 1024 / 128,  # in a working frame 128 pixels wide
            pts=i,
        )
        for i in range(13)
    ]


def made_scenes(count: int, height: int, width: int, blur_strength: float = 100.0) -> Iterator[Scene]:
    """A picture that moves, a ramp of disparity in which a near square stands."""
    big = torch.rand(3, height + count, width + count)
    for i in range(count):
        disparity = torch.linspace(0.2, 0.6, height).view(1, -1, 1).repeat(1, 1, width)
        disparity[:, : height // 3, : width // 3] = 0.95
        picture = big[:, i : i + height, i : i + width].contiguous()
        yield Scene(
            sharp=picture, disparity=disparity, focus_disparity=0.4, blur_strength=blur_strength, pts=7 * i
        )


def render(
    scenes: list[Scene], settings: DiffusionSettings = SETTINGS, mode: MaskMode = "released"
) -> list[Frame]:
    height, width = scenes[0].sharp.shape[1:] if scenes else (2, 2)
    pictures = PictureFormat(height=height, width=width)
    renderer = DiffusionRenderer(tiny_network(settings, mode), settings, pictures)
    return list(renderer.render(iter(scenes)))


def coded(scenes: list[Scene]) -> list[FrameCode]:
    inputs = network_inputs(scenes, FRAME, 1.5, torch.device("cpu"))
    return tiny_network(SETTINGS).encode(inputs, FRAME, keeps_skips=True)


@pytest.mark.slow
def test_whole_chunks_give_the_published_latents() -> None:
    assert (FRAME.height, FRAME.width) == (FRAME.padded_height, FRAME.padded_width) == (64, 128)
    codes, network = coded(published_scenes()), tiny_network(SETTINGS)
    for number in range(2):
        latents = network.denoise(codes[4 * number : 4 * number + 8])
        assert_near(latents, PUBLISHED["n13.per_item.unet_latents"][number], 2e-3)
        assert (latents - PUBLISHED["n13.per_item.unet_latents"][number]).abs().mean() < 1e-4


@pytest.mark.slow
def test_a_short_chunk_gives_the_published_latents_without_padding() -> None:
    latents = tiny_network(SETTINGS).denoise(coded(published_scenes())[8:])
    assert_near(latents, PUBLISHED["n13.last_chunk_unpadded_unet_latents"], 2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 8, 9, 13, 18])
def test_every_frame_comes_back_in_order(count: int) -> None:
    frames = render(list(made_scenes(count, 48, 80)))
    assert [frame.pts for frame in frames] == [7 * i for i in range(count)]
    assert all(frame.picture.shape == (3, 48, 80) for frame in frames)
    assert all(frame.picture.min() >= 0 and frame.picture.max() <= 1 for frame in frames)


@pytest.mark.parametrize(("height", "width"), [(1, 2), (30, 300), (300, 31), (65, 127), (144, 256)])
@pytest.mark.slow
def test_any_size_comes_back_at_its_own(height: int, width: int) -> None:
    (frame,) = render(list(made_scenes(1, height, width)))
    assert frame.picture.shape == (3, height, width)


@pytest.mark.slow
def test_nothing_comes_of_nothing() -> None:
    assert render([]) == []


@pytest.mark.slow
def test_without_blur_every_pixel_is_the_original() -> None:
    scenes = list(made_scenes(9, 50, 70, blur_strength=0))
    for scene, frame in zip(scenes, render(scenes), strict=True):
        assert torch.equal(scene.sharp, frame.picture)


@pytest.mark.slow
def test_what_is_in_focus_and_not_covered_is_the_original() -> None:
    (scene,) = made_scenes(1, 144, 256)
    (frame,) = render([scene])
    same = (scene.sharp == frame.picture).all(dim=0)
    in_focus = (scene.disparity[0] - 0.4).abs() * 100 * 128 / 1024 < 0.3
    reach = 100 * 0.55 * 256 / 1024  # of the near square's discs, in pixels of the clip
    away = torch.ones_like(in_focus)
    away[: 48 + int(reach) + 6, : 85 + int(reach) + 6] = False
    assert (same | ~(in_focus & away)).all()
    assert (in_focus & away).float().mean() > 0.05


@pytest.mark.slow
def test_a_nearer_blurred_thing_covers_what_is_in_focus() -> None:
    scene = Scene(
        sharp=torch.rand(3, 144, 256),
        disparity=torch.full((1, 144, 256), 0.4),
        focus_disparity=0.4,
        blur_strength=100.0,
        pts=0,
    )
    scene.disparity[:, 60:80, 100:130] = 1.0
    (frame,) = render([scene])
    changed = (scene.sharp != frame.picture).any(dim=0)
    radius = 0.6 * 100 * 256 / 1024
    assert changed[70, 130 : 130 + int(radius) - 1].all()
    assert changed[80 : 80 + int(radius) - 1, 115].all()
    assert not changed[:, 130 + int(radius * 1.1) + 6 :].any()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["released", "paper"])
def test_the_same_input_gives_the_same_bits(mode: MaskMode) -> None:
    scenes = list(made_scenes(9, 64, 128))
    for one, other in zip(render(scenes, mode=mode), render(scenes, mode=mode), strict=True):
        assert torch.equal(one.picture, other.picture)


def test_a_network_that_draws_no_numbers_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = list(made_scenes(2, 64, 128))
    network = tiny_network(SETTINGS)
    monkeypatch.setattr(network, "decode", lambda window: torch.full((len(window), 3, 64, 128), torch.nan))
    renderer = DiffusionRenderer(network, SETTINGS, PictureFormat(height=64, width=128))
    with pytest.raises(WeightsError, match="not numbers"):
        list(renderer.render(iter(scenes)))


@pytest.mark.slow
def test_peak_memory_is_stated_for_any_size_and_given_back() -> None:
    network, pictures = tiny_network(SETTINGS), PictureFormat(height=64, width=128)
    renderer = DiffusionRenderer(network, SETTINGS, pictures)
    weights = network.footprint.weights
    square = PictureFormat(height=64, width=64)  # fits its budget once, not twice
    assert weights < renderer.peak_bytes(square) < renderer.peak_bytes(pictures)
    for _ in range(2):
        renderer.close()
        assert all(weight.is_meta for part in network._parts for weight in part.parameters())


@pytest.mark.slow
def test_focus_and_blur_strength_of_each_frame_reach_the_network() -> None:
    scenes = published_scenes()
    before = tiny_network(SETTINGS).denoise(coded(scenes[:8]))
    for change in ({"focus_disparity": 0.2}, {"blur_strength": 200.0}):
        changed = [*scenes[:4], dataclasses.replace(scenes[4], **change), *scenes[5:8]]
        assert (tiny_network(SETTINGS).denoise(coded(changed)) - before).abs().max() > 1e-2


@pytest.mark.slow
def test_settings_for_comparison_change_the_picture() -> None:
    scenes = list(made_scenes(12, 64, 128))
    plain = torch.stack([frame.picture for frame in render(scenes, mode="paper")])
    for settings in (
        dataclasses.replace(SETTINGS, mpi=False),
        dataclasses.replace(SETTINGS, overlap=0),
    ):
        other = torch.stack([frame.picture for frame in render(scenes, settings, "paper")])
        assert (other - plain).abs().max() > 1e-2


@pytest.mark.slow
def test_little_memory_gives_the_same_picture() -> None:
    scenes = list(made_scenes(3, 64, 128))
    frugal = dataclasses.replace(SETTINGS, low_memory=True)
    for one, other in zip(render(scenes), render(scenes, frugal), strict=True):
        torch.testing.assert_close(one.picture, other.picture, atol=1e-5, rtol=0)


def test_padding_and_pixel_aspect_do_not_move_the_picture() -> None:
    """Scaled in and enlarged again, a smooth picture is where it was, padded or not, anamorphic or not."""
    picture = interpolate(torch.rand(1, 3, 5, 6), (90, 110), mode="bicubic").clamp(0, 1)
    for aspect in (1.0, 1.5, 0.8):
        frame = WorkingFrame.fit(90, 110, aspect, 512)
        there = frame.crop(frame.pad(frame.scale(picture)))
        back = interpolate(there, (90, 110), mode="bicubic")
        assert (back - picture).abs().mean() < 0.01
        assert frame.width / frame.height == pytest.approx(110 * aspect / 90, rel=0.01)


@pytest.mark.parametrize(
    ("height", "width", "shape"),
    [(1080, 1920, (576, 1024)), (1920, 1080, (1024, 576)), (480, 640, (640, 896)), (817, 1920, (512, 1152))],
)
def test_the_working_frame_fills_its_budget(height: int, width: int, shape: tuple[int, int]) -> None:
    frame = WorkingFrame.fit(height, width, 1, 1024)
    assert (frame.padded_height, frame.padded_width) == shape
    assert frame.padded_height * frame.padded_width <= 1024 * 576


def test_blur_strength_is_stated_in_the_working_frame() -> None:
    assert WorkingFrame.fit(1080, 1920, 1, 1024).net_blur_strength(16) == 16
    assert WorkingFrame.fit(1080, 1920, 1, 2048).net_blur_strength(16) == 32
    assert WorkingFrame.fit(1920, 1080, 1, 1024).net_blur_strength(16) == 16


# Windows of the decoder -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("make_vae", [tiny_vae, recipe_vae])
def test_windows_of_the_decoder_join_without_a_seam(make_vae: Callable[[], BokehVAE]) -> None:
    assert_seamless(make_vae())


def assert_seamless(vae: BokehVAE) -> None:
    """Against one decode of 24 frames: the error where windows meet is at most 1.5 times that inside."""
    window = next(window for window in DECODE_WINDOWS if window.length == SEAMLESS)
    big = interpolate(torch.rand(1, 3, 40, 60), (160, 240), mode="bicubic")[0].clamp(0, 1) * 2 - 1
    pictures = torch.stack([big[:, 2 * t : 2 * t + 64, 3 * t : 3 * t + 96] for t in range(24)])
    with torch.inference_mode():
        encoded = vae.encode(pictures)
        latents = encoded.mean + 0.1 * torch.randn(encoded.mean.shape)

        def decode(frames: list[int]) -> Tensor:
            return vae.decode(latents[frames], tuple(skip[frames] for skip in encoded.skips))

        whole = decode(list(range(24)))
        joined = torch.stack([picture for _, picture in fuse_chunks(range(24), window, decode)])
    error = (joined - whole).abs().mean(dim=(1, 2, 3))
    _, last = plan_chunks(24, window)
    shared = torch.zeros(24, dtype=torch.bool)
    shared[last.start : last.start + window.overlap] = True
    assert error[shared].mean() <= 1.5 * error[~shared].mean()
    assert error.mean() < 0.02 * whole.std()


@pytest.mark.weights
def test_windows_of_the_published_decoder_join_without_a_seam() -> None:
    """The same with the published weights, for those who have them: ``pytest -m weights``."""
    parts = find_checkpoint()
    with torch.device("meta"):
        vae = BokehVAE(VAEDims.from_config(json.loads(parts.vae_config.read_text())))
    load_weights(vae, parts.vae_weights, dtype=torch.float32)
    assert_seamless(vae.eval())


PUBLISHED_FOOTPRINT = Footprint.of_published(5_200_000_000, encoder_element=2, decoder_element=2)


@pytest.mark.parametrize(
    ("gigabytes", "length", "keeps"), [(16, 8, False), (24, 12, False), (32, 16, False), (80, 32, True)]
)
def test_windows_follow_the_memory_of_the_device(gigabytes: int, length: int, keeps: bool) -> None:
    frame = WorkingFrame.fit(1080, 1920, 1, 1024)
    windows = plan_windows(frame, ChunkSettings(), PUBLISHED_FOOTPRINT, gigabytes * 10**9)
    assert windows.decode.length == length
    assert windows.keeps_skips == keeps
    assert windows.peak_bytes < gigabytes * 10**9

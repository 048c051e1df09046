"""The lens as a renderer: which engine draws on which device, what it needs, and how it ends."""

import logging
import threading

import pytest
import torch
from compiling import wait_for_the_compiler
from lenses import compiled_lens, torch_lens

from any2bokeh.device import choose_device
from any2bokeh.render.base import make_renderer
from any2bokeh.render.lens.cpu.compiled_disocclusion import grow_rows, list_rows
from any2bokeh.render.lens.cpu.compiled_edges import matte_rows
from any2bokeh.render.lens.cpu.compiled_engine import CompiledEngine
from any2bokeh.render.lens.renderer import LensRenderer, make_lens
from any2bokeh.render.lens.torch.torch_engine import TorchEngine
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.settings.device_settings import DeviceName
from any2bokeh.settings.render_settings import LensSettings, RenderSettings

PICTURES = PictureFormat(height=40, width=60)


def blurred_scene(pts: int = 0, blur_strength: float = 200.0) -> Scene:
    generator = torch.Generator().manual_seed(pts)
    disparity = torch.full((1, 40, 60), 0.2)
    disparity[:, 10:30, 20:40] = 0.9
    return Scene(
        sharp=torch.rand(3, 40, 60, generator=generator),
        disparity=disparity,
        focus_disparity=0.2,
        blur_strength=blur_strength,
        pts=pts,
    )


def pool_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("ThreadPool")}


@pytest.mark.parametrize(("device", "engine"), [("cpu", CompiledEngine), ("cuda", TorchEngine)])
def test_plain_torch_draws_on_cuda_and_the_compiled_engine_on_a_cpu(device, engine) -> None:
    lens = make_lens(LensSettings(), torch.device(device), PICTURES)
    assert isinstance(lens.engine, engine)
    lens.close()


@pytest.mark.parametrize("name", ["auto", "mps"])
def test_on_mps_the_lens_is_compiled_for_the_cpu_and_says_so_once(
    name: DeviceName, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    device = choose_device(name)
    settings = RenderSettings(renderer="lens", device=name, align_edges=False)
    assert device.type == "mps"
    with caplog.at_level(logging.INFO, logger="any2bokeh.render"):
        lens = make_renderer(settings, device, PICTURES)
        pictures = [frame.picture for frame in lens.render(iter([blurred_scene(0), blurred_scene(1)]))]
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "mps" in caplog.text
    assert isinstance(lens, LensRenderer)
    assert isinstance(lens.engine, CompiledEngine)
    on_cpu = compiled_lens(LensSettings()).render(iter([blurred_scene(0), blurred_scene(1)]))
    assert all(torch.equal(one, frame.picture) for one, frame in zip(pictures, on_cpu, strict=True))


@pytest.mark.slow
def test_loops_compiled_for_a_small_frame_serve_large_ones_and_bands_without_edges() -> None:
    lens = make_lens(LensSettings(), torch.device("cpu"), PICTURES)
    for height, rows in [(24, 24), (300, 24), (300, 200)]:  # edges in the only band, in one of many, in most
        disparity = torch.zeros(1, height, 80)
        disparity[:, :rows, 40:] = 1
        picture = torch.rand(3, height, 80)
        lens.refocus(Scene(sharp=picture, disparity=disparity, focus_disparity=0.5, blur_strength=99, pts=0))
    assert [len(loop.signatures) for loop in (matte_rows, list_rows)] == [1, 1]
    lens.close()


@pytest.mark.slow
def test_the_first_large_frame_compiles_nothing() -> None:
    lens = make_lens(LensSettings(), torch.device("cpu"), PictureFormat(height=816, width=1024))
    assert isinstance(lens.engine, CompiledEngine)  # which waits until it is warm
    before = len(grow_rows.signatures)
    disparity = (torch.arange(1024) >= 512).float().expand(1, 816, 1024).contiguous()
    picture = torch.rand(3, 816, 1024)
    lens.refocus(Scene(sharp=picture, disparity=disparity, focus_disparity=0.5, blur_strength=9, pts=0))
    assert before == len(grow_rows.signatures) == 1
    lens.close()


def test_a_lens_closed_before_it_is_warm_leaves_no_threads() -> None:
    assert make_lens(LensSettings(), torch.device("cpu"), PICTURES).engine  # all is compiled
    wait_for_the_compiler()
    others = pool_threads()
    make_lens(LensSettings(), torch.device("cpu"), PICTURES).close()
    assert not any(thread.is_alive() for thread in pool_threads() - others)


def test_making_the_lens_leaves_the_random_state_alone() -> None:
    state = torch.random.get_rng_state()
    make_lens(LensSettings(), torch.device("cpu"), PICTURES)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("make", [torch_lens, compiled_lens])
def test_a_closed_lens_has_no_threads_and_draws_no_more(make) -> None:
    others = pool_threads()
    lens = make(LensSettings())
    lens.refocus(blurred_scene())
    own = pool_threads() - others
    assert own
    wait_for_the_compiler()
    lens.close()
    lens.close()
    assert not any(thread.is_alive() for thread in own)
    with pytest.raises(RuntimeError):
        lens.refocus(blurred_scene())


def test_memory_is_stated_where_it_was_measured() -> None:
    small, large = PICTURES, PictureFormat(height=2160, width=3840)
    compiled = compiled_lens(LensSettings())
    for_small, for_large = compiled.peak_bytes(small), compiled.peak_bytes(large)
    assert for_small is not None and for_large is not None
    assert for_small < 1e9 < for_large < 4e9
    assert torch_lens(LensSettings()).peak_bytes(large) is None


@pytest.mark.parametrize("make", [torch_lens, compiled_lens])
def test_among_blurred_frames_one_in_focus_is_given_back_bit_for_bit(make) -> None:
    scenes = [blurred_scene(0), blurred_scene(1, blur_strength=0.0), blurred_scene(2)]
    frames = list(make(LensSettings(quality="best")).render(iter(scenes)))
    assert torch.equal(frames[1].picture, scenes[1].sharp)
    for place in (0, 2):
        assert (frames[place].picture - scenes[place].sharp).abs().max() > 0.1

"""The promises of every renderer besides its pictures."""

import threading

import pytest
import torch
from compiling import wait_for_the_compiler

from any2bokeh.render.base import make_renderer
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.settings.render_settings import RendererName, RenderSettings

PICTURES = PictureFormat(height=48, width=64)


@pytest.mark.parametrize("name", ["lens", "small"])
class TestEveryRenderer:
    def test_it_states_what_a_run_takes_at_its_peak(self, name: RendererName) -> None:
        renderer = make_renderer(RenderSettings(renderer=name), torch.device("cpu"), PICTURES, 8.0)
        peak_bytes = renderer.peak_bytes(PICTURES)
        assert peak_bytes is not None and peak_bytes > 48 * 64 * 12
        renderer.close()

    def test_its_threads_end_when_it_is_closed(self, name: RendererName) -> None:
        before = set(threading.enumerate())
        renderer = make_renderer(RenderSettings(renderer=name), torch.device("cpu"), PICTURES, 8.0)
        disparity = torch.linspace(0, 1, 64).expand(1, 48, 64).contiguous()
        scene = Scene(
            sharp=torch.rand(3, 48, 64), disparity=disparity, focus_disparity=0.2, blur_strength=8.0, pts=3
        )
        assert [frame.pts for frame in renderer.render(iter([scene]))] == [3]
        wait_for_the_compiler()
        renderer.close()
        renderer.close()
        assert {thread for thread in threading.enumerate() if thread.name.startswith("ThreadPool")} <= before

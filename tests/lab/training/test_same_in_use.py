"""What a network was trained with is what the renderer gives it: the same picture comes out of both."""

import pytest
import torch
from torch import nn

from any2bokeh.lab.training.initial_network import make_network
from any2bokeh.lab.training.run_folder import RunFolder
from any2bokeh.lab.training.trained_network import TrainedNetwork
from any2bokeh.lab.training.training_settings import training_settings
from any2bokeh.lab.training.windows import Batch
from any2bokeh.render.diffusion.load import Parts, load_network
from any2bokeh.render.diffusion.pipeline import network_inputs
from any2bokeh.render.diffusion.working_frame import WorkingFrame
from any2bokeh.scene import Scene
from any2bokeh.settings.render_settings import DiffusionSettings
from any2bokeh.weights.checkpoint import read_checkpoint

pytestmark = pytest.mark.slow

HEIGHT, WIDTH, FOCUS, BLUR_STRENGTH, FRAMES = 64, 128, 0.6, 60.0, 3


def scenes() -> list[Scene]:
    ramp = torch.linspace(0, 1, WIDTH).expand(1, HEIGHT, WIDTH)
    return [
        Scene(
            sharp=torch.rand(3, HEIGHT, WIDTH) * 0.6 + 0.2,  # so that nothing is clamped
            disparity=(ramp + 0.05 * time) % 1,
            focus_disparity=FOCUS,
            blur_strength=BLUR_STRENGTH,
            pts=time,
        )
        for time in range(FRAMES)
    ]


def test_training_and_renderer_give_one_picture(folder: RunFolder) -> None:
    network = TrainedNetwork(*make_network("tiny", None), training_settings("geometry"))
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.endswith(("alpha_attn", "alpha_dense")):
                weight.fill_(0.5)  # planes that count
            elif "conv_out" in name and weight.ndim > 1:
                nn.init.normal_(weight, std=0.01)
            weight.copy_(weight.half())  # as they are written
    shown = scenes()
    batch = Batch(
        sharp=torch.stack([scene.sharp for scene in shown])[None],
        target=torch.zeros(1, FRAMES, 3, HEIGHT, WIDTH),
        disparity=torch.stack([scene.disparity for scene in shown])[None],
        focus_disparity=torch.full((1, FRAMES), FOCUS),
        net_blur_strength=torch.full((1, FRAMES), BLUR_STRENGTH * WIDTH / 1024),
        perturbed=torch.zeros(1, dtype=torch.bool),
    )
    with torch.no_grad():
        trained = network.pictures(batch)[0].clamp(0, 1)

    folder.path.mkdir()
    folder.write_checkpoint(network)
    parts = Parts(read_checkpoint(folder.checkpoint), None)
    used = load_network(parts, torch.device("cpu"), torch.float32, DiffusionSettings())
    frame = WorkingFrame.fit(HEIGHT, WIDTH, 1, WIDTH)
    assert (frame.padded_height, frame.padded_width) == (HEIGHT, WIDTH)
    inputs = network_inputs(shown, frame, used.facts.mpi_alpha, torch.device("cpu"))
    codes = used.encode(inputs, frame, keeps_skips=True)
    rendered = used.decode(list(zip(codes, used.denoise(codes), strict=True)))
    torch.testing.assert_close(rendered, trained, atol=2e-4, rtol=0)
    assert (rendered - batch.sharp[0]).abs().max() > 0.05

"""What a network was trained with is what the renderer gives it: the same picture comes out of both."""

from pathlib import Path

import pytest
import torch
from torch import nn

from any2bokeh.lab.training.initial_network import make_network
from any2bokeh.lab.training.run_folder import RunFolder
from any2bokeh.lab.training.trained_network import TrainedNetwork
from any2bokeh.lab.training.training_settings import StageName, training_settings
from any2bokeh.lab.training.windows import Batch
from any2bokeh.render.diffusion.answer import RefocusedAnswer
from any2bokeh.render.diffusion.pipeline import network_inputs
from any2bokeh.render.diffusion.working_frame import WorkingFrame
from any2bokeh.render.lens.renderer import make_lens
from any2bokeh.render.load import Parts, load_network
from any2bokeh.render.small.correction import CorrectionAnswer, correction_share
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.settings.render_settings import DiffusionSettings, LensSettings
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


@pytest.mark.parametrize("stage", ["geometry", "correction"])
def test_training_and_renderer_give_one_picture(stage: StageName, folder: RunFolder, tmp_path: Path) -> None:
    network = TrainedNetwork(*make_network(stage, "tiny", None), training_settings(stage))
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.endswith(("alpha_attn", "alpha_dense")):
                weight.fill_(0.5)  # planes that count
            elif "conv_out" in name and weight.ndim > 1:
                nn.init.normal_(weight, std=0.01)
            weight.copy_(weight.half())  # as they are written
    shown = scenes()
    corrects = stage == "correction"
    lens = make_lens(LensSettings(), torch.device("cpu"), PictureFormat(height=HEIGHT, width=WIDTH))
    through_lens = [lens.refocus(scene) for scene in shown] if corrects else None
    batch = Batch(
        sharp=torch.stack([scene.sharp for scene in shown])[None],
        target=torch.zeros(1, FRAMES, 3, HEIGHT, WIDTH),
        disparity=torch.stack([scene.disparity for scene in shown])[None],
        focus_disparity=torch.full((1, FRAMES), FOCUS),
        net_blur_strength=torch.full((1, FRAMES), BLUR_STRENGTH * WIDTH / 1024),
        perturbed=torch.zeros(1, dtype=torch.bool),
        through_lens=torch.stack(through_lens)[None] if through_lens else None,
    )
    with torch.no_grad():
        trained = network.pictures(batch)[0].clamp(0, 1)

    folder.path.mkdir()
    folder.write_checkpoint(network)
    parts = Parts(read_checkpoint(folder.checkpoint), None)
    used = load_network(parts, torch.device("cpu"), torch.float32, DiffusionSettings())
    frame = WorkingFrame.fit(HEIGHT, WIDTH, 1, WIDTH)
    assert (frame.padded_height, frame.padded_width) == (HEIGHT, WIDTH)
    answer = RefocusedAnswer(WIDTH)
    if corrects:
        pictures = PictureFormat(height=HEIGHT, width=WIDTH)
        answer = CorrectionAnswer(used.facts, WIDTH, pictures, BLUR_STRENGTH, torch.device("cpu"))
    alpha = used.facts.mpi_alpha
    inputs = network_inputs(shown, answer, frame, alpha, torch.device("cpu"), through_lens)
    codes = used.encode(inputs, frame, keeps_skips=True)
    rendered = used.decode(list(zip(codes, used.denoise(codes), strict=True)))
    if through_lens:
        lens_pictures = torch.stack(through_lens)
        share = correction_share(batch.sharp[0], lens_pictures)
        rendered = torch.lerp(lens_pictures, rendered, share).clamp(0, 1)
    torch.testing.assert_close(rendered, trained, atol=2e-4, rtol=0)
    assert (rendered - batch.sharp[0]).abs().max() > 0.05

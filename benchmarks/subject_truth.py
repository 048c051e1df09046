"""How near a held subject comes to a real lens, measured on synthetic clips whose ground truth is known.

    bokeh synthesize FOLDER --split test --scenes mixed --clips 12 --size 256x144 --frames 6 --versions 3
        --k 12,20,28 --samples 64 (on one line)
    python benchmarks/subject_truth.py FOLDER

The subject of each clip is the thing in focus; its mask is exact, and its focus that of the truth. Disparity
is exact, disturbed as training disturbs it, and estimated by the compact network (fitted to the truth by a
scale and a shift). Prints PSNR [dB] of code values, the mean over frames, in the whole frame and within 12 px
of the mask's outline, of:

  paste      the sharp subject before a frame that is blurred evenly, as much as the background is on average
  not held   the lens
  held       the lens after the subject is held
"""

import argparse
import os
import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command does: waiting threads take cores

import torch
from torch import Tensor

from any2bokeh.lab.frame_metrics import near_steps, psnr
from any2bokeh.lab.synthesis.dataset import open_dataset
from any2bokeh.lab.synthesis.dataset_clip import ClipSetting, DatasetClip
from any2bokeh.lab.training.training_settings import TrainingPerturbSettings
from any2bokeh.lab.training.windows import perturbed_disparity
from any2bokeh.optics.coc import REFERENCE_SIDE_PX, coc_px
from any2bokeh.render.base import Renderer, make_renderer
from any2bokeh.scene import Frame, PictureFormat, Scene
from any2bokeh.session import ClipSession
from any2bokeh.settings.clip_settings import ClipSettings
from any2bokeh.settings.depth_settings import DepthSettings
from any2bokeh.settings.focus_settings import FocusSettings
from any2bokeh.settings.render_settings import RenderSettings
from any2bokeh.video.gray import open_gray_writer

SHARP_FILE = "sharp.mkv"
Score = tuple[float, float]  # PSNR in the whole frame, and around the outline


def write_track(path: Path, frames: Tensor, clip: DatasetClip) -> Path:
    """Write ``T 1 H W`` in 0..1 as a track of the clip."""
    rate = clip.description.rate
    with open_gray_writer(path, clip.width, clip.height, 1 / rate, rate) as writer:
        for number, frame in enumerate(frames):
            writer.write(frame, number)
    return path


def estimated_disparity(clip: DatasetClip) -> Tensor:
    """What the compact network estimates, fitted to the truth: ``T 1 H W``."""
    settings = ClipSettings(depth=DepthSettings(model="compact", use_cache=False), device="cpu")
    with ClipSession(clip.folder / SHARP_FILE, settings) as session:
        found = torch.stack([disparity for _, disparity in session.frames()])
    exact = clip.disparity()
    sides = torch.stack([found.flatten(), torch.ones(found.numel())], dim=1)
    scale, shift = torch.linalg.lstsq(sides, exact.flatten()[:, None]).solution[:, 0]
    return torch.clamp(float(scale) * found + float(shift), 0, 1)


def held_scenes(
    clip: DatasetClip, setting: ClipSetting, disparity: Tensor, mask: Tensor, folder: Path
) -> Iterator[Scene]:
    """The scenes of a clip whose subject is held at the truth's focus."""
    track, masks = folder / "disparity.mkv", folder / "mask.mkv"
    write_track(track, disparity, clip)
    write_track(masks, mask.float(), clip)
    focus = FocusSettings(
        focus_mask=masks, focus_disparity=setting.focus[0], blur_strength=setting.blur_strength[0]
    )
    settings = ClipSettings(depth=DepthSettings(track=track), focus=focus, device="cpu")
    with ClipSession(clip.folder / SHARP_FILE, settings) as session:
        subject = session.subject
        assert subject is not None
        for number, (frame, values) in enumerate(
            (frame, session.disparity.at(frame)) for frame in _frames(session)
        ):
            plane = setting.focus[number]
            held = subject.hold(frame, values, plane)
            yield Scene(
                sharp=frame.picture,
                disparity=held.disparity,
                focus_disparity=plane,
                blur_strength=setting.blur_strength[number],
                pts=number,
                coverage=held.coverage,
            )


def _frames(session: ClipSession) -> Iterator[Frame]:
    with session.video.frames() as frames:
        yield from frames


def plain_scenes(clip: DatasetClip, setting: ClipSetting, disparity: Tensor) -> Iterator[Scene]:
    """The scenes of a clip with some disparity."""
    for number, (sharp, values) in enumerate(zip(clip.sharp(), disparity, strict=True)):
        yield Scene(
            sharp=sharp,
            disparity=values,
            focus_disparity=setting.focus[number],
            blur_strength=setting.blur_strength[number],
            pts=number,
        )


def pasted(
    clip: DatasetClip, setting: ClipSetting, disparity: Tensor, mask: Tensor, lens: Renderer
) -> list[Tensor]:
    """The sharp subject before frames that are blurred evenly, by the background's mean CoC."""
    longer = max(clip.width, clip.height)
    radii = [
        coc_px(values, setting.focus[number], setting.blur_strength[number], longer)[~inside].abs().mean()
        for number, (values, inside) in enumerate(zip(disparity, mask, strict=True))
    ]
    strength = float(torch.stack(radii).mean()) * REFERENCE_SIDE_PX / longer
    flat = torch.zeros_like(disparity[0])
    even = (
        Scene(sharp=sharp, disparity=flat, focus_disparity=1.0, blur_strength=strength, pts=number)
        for number, sharp in enumerate(clip.sharp())
    )
    blurred = [frame.picture for frame in lens.render(even)]
    frames = zip(blurred, clip.sharp(), mask, strict=True)
    return [torch.where(inside, sharp, picture) for picture, sharp, inside in frames]


def score(pictures: Iterable[Tensor], truth: Tensor, mask: Tensor) -> Score:
    """PSNR [dB] in the whole frame and near the mask's outline, the mean over frames."""
    whole, around = [], []
    for picture, real, inside in zip(pictures, truth, mask, strict=True):
        error = (picture - real).square()
        near = near_steps(torch.zeros(inside.shape[1:]), inside[0])
        whole.append(psnr(error))
        if near.any():
            around.append(psnr(error[:, near]))
    return statistics.mean(whole), statistics.mean(around)


def measure(clip: DatasetClip, setting: ClipSetting) -> dict[str, Score]:
    """The scores of every method on one clip."""
    truth, mask = clip.refocused(setting), clip.focus_mask(setting)
    lens = make_renderer(
        RenderSettings(), torch.device("cpu"), PictureFormat(height=clip.height, width=clip.width)
    )
    seed = int(clip.name)
    disparities = {
        "exact": clip.disparity(),
        "disturbed": perturbed_disparity(clip, setting, TrainingPerturbSettings(), seed),
        "estimated": estimated_disparity(clip),
    }
    scores = {}
    for name, disparity in disparities.items():
        scores[f"{name}, paste"] = score(pasted(clip, setting, disparity, mask, lens), truth, mask)
        plain = [frame.picture for frame in lens.render(plain_scenes(clip, setting, disparity))]
        scores[f"{name}, not held"] = score(plain, truth, mask)
        with TemporaryDirectory() as folder:
            scenes = held_scenes(clip, setting, disparity, mask, Path(folder))
            held = [frame.picture for frame in lens.render(scenes)]
        scores[f"{name}, held"] = score(held, truth, mask)
    return scores


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="a data set of `bokeh synthesize`")
    options = parser.parse_args()
    rows: dict[str, dict[str, Score]] = {}
    for clip in open_dataset(options.folder).clips:
        [setting] = [one for one in clip.settings if one.kind == "fixed" and one.object is not None][:1]
        rows[clip.name] = measure(clip, setting)
    columns = list(next(iter(rows.values())))
    print("PSNR [dB], whole frame / within 12 px of the outline\n")
    print("| clip | " + " | ".join(columns) + " |\n|" + "---|" * (len(columns) + 1))
    for name, scores in rows.items():
        print_row(name, [scores[column] for column in columns])
    means = [
        tuple(statistics.mean(scores[column][part] for scores in rows.values()) for part in (0, 1))
        for column in columns
    ]
    print_row("mean", means)


def print_row(name: str, scores: Iterable[tuple[float, ...]]) -> None:
    """Print a row of the table."""
    print(f"| {name} | " + " | ".join(f"{whole:.2f} / {around:.2f}" for whole, around in scores) + " |")


if __name__ == "__main__":
    main()

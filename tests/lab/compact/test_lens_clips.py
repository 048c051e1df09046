"""Clips through a lens of many views: where things go that are known, and takes of random scenes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from any2bokeh.errors import DatasetError, SettingsError
from any2bokeh.lab.compact import lens_clips
from any2bokeh.lab.compact.__main__ import app
from any2bokeh.lab.compact.lens_clips import make_lens_clips
from any2bokeh.lab.compact.lens_takes import (
    OF_A_MAP,
    LensTake,
    list_takes,
    read_take,
    take_name,
    takes_of,
    write_take,
)
from any2bokeh.lab.compact.scenes.cast import Air, Cast, Lights, LitCast, Viewpoint
from any2bokeh.lab.compact.scenes.shading import EMISSION, PAINT, PERIOD_M
from any2bokeh.lab.compact.scenes.solids import CARD
from any2bokeh.lab.frame_metrics import psnr
from any2bokeh.lab.synthesis.dataset import open_dataset

SEED = 500002
VIEW = Viewpoint(place=np.zeros(3), turn_deg=(0, 0, 0), zoom=1.0, height=65, width=97)
PX_PER_M = VIEW.zoom * VIEW.width / 2  # at a distance of a meter


def two_cards() -> LitCast:
    """Bright squares: one 2 m away on the left, one 4 m away on the right."""
    cast, look = Cast(), np.zeros(PAINT)
    look[:6], look[PERIOD_M], look[EMISSION] = 1.0, 1.0, 1.0
    for x, z in ((-0.8, 2.0), (1.6, 4.0)):
        cast.add(CARD, np.array([x, 0, z]), np.diag([0.2 * z / 2, 0.2 * z / 2, 1.0]), look)
    dark = Lights(np.array([0, 1.0, 0]), np.zeros(3), np.zeros(3), np.zeros(3))
    return LitCast(cast, VIEW, dark, Air(np.zeros(3), np.zeros(3), np.zeros(4), np.zeros(4)))


def middles(picture: np.ndarray) -> tuple[tuple[float, float], tuple[float, float]]:
    """Of the light in the left and the right half: row and column."""
    found = []
    for half in (np.s_[:, : VIEW.width // 2], np.s_[:, VIEW.width // 2 :]):
        light = np.zeros(picture.shape[:2])
        light[half] = picture[half].sum(2)
        rows, columns = np.indices(light.shape)
        found.append(
            (float((rows * light).sum() / light.sum()), float((columns * light).sum() / light.sum()))
        )
    return found[0], found[1]


def test_from_beside_the_focal_plane_stays_and_the_rest_moves_by_its_coc() -> None:
    cast, aside_m = two_cards(), (0.12, -0.06)
    before, after = middles(cast.look()[0]), middles(cast.look(aside_m, inverse_focus=1 / 4)[0])
    assert after[1] == pytest.approx(before[1], abs=0.05)
    coc_px = PX_PER_M * (1 / 2 - 1 / 4)
    moved = before[0][0] + aside_m[1] * coc_px, before[0][1] - aside_m[0] * coc_px
    assert after[0] == pytest.approx(moved, abs=0.35)  # cards have whole pixels


def test_samples_move_within_their_pixels() -> None:
    cast = two_cards()
    before, after = middles(cast.look()[0]), middles(cast.look(shift_px=(2.0, 1.0))[0])
    for one, other in zip(before, after, strict=True):
        assert other == pytest.approx((one[0] - 1, one[1] - 2), abs=0.01)


@pytest.fixture(scope="module")
def take() -> LensTake:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lens_clips, "LENS_VIEWS", 24)
        patch.setattr(lens_clips, "SHARP_VIEWS", 6)
        return next(make_lens_clips(SEED))


@pytest.mark.slow
def test_a_take_is_sharp_in_its_focal_plane_and_blurred_elsewhere(take: LensTake) -> None:
    assert take.sharp.shape == take.truth.shape == (2, 3, 288, 512)
    assert take.disparity.shape == (2, 1, 288, 512) and take.disparity.max() == 1
    coc = take.blur_strength[0] / 2 * (take.focus_disparity[0] - take.disparity).abs()
    kept = [
        float(take.truth.diff(dim=3)[where].square().sum() / take.sharp.diff(dim=3)[where].square().sum())
        for where in (mask.expand(2, 3, 288, 512)[..., 1:] for mask in (coc < 0.3, coc > 4))
    ]
    assert kept[0] > 0.5 > 0.4 > kept[1]


@pytest.mark.slow
def test_a_take_is_written_and_read_with_right_and_wrong_guesses_of_the_lens(
    take: LensTake, tmp_path: Path
) -> None:
    path = tmp_path / take_name(SEED, 0)
    write_take(path, take, (SEED, 0))
    assert list_takes(tmp_path) == [path]
    read = read_take(path)
    assert set(read) == {
        "sharp",
        "truth",
        *(f"{kind}.{m}" for kind in OF_A_MAP for m in ("exact", "a", "b")),
    }
    truth = torch.from_numpy(read["truth"]).float() / 255
    sharp, right, wrong = (
        psnr((torch.from_numpy(read[name]).float() / 255 - truth).square())
        for name in ("sharp", "lens.exact", "lens.a")
    )
    assert right > sharp + 5 and right >= wrong - 0.5
    assert not np.array_equal(read["coc.a"], read["coc.exact"])


@pytest.mark.parametrize("content", [b"", b"no archive", "cut"])
def test_a_damaged_take_is_named(content: bytes | str, tmp_path: Path) -> None:
    path = tmp_path / "000001-0.npz"
    np.savez(path, sharp=np.zeros((2, 3, 16, 16), np.uint8))
    if isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(DatasetError, match="000001-0"):
        read_take(path)


def test_a_folder_without_takes_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no takes"):
        list_takes(tmp_path)


@pytest.mark.slow
def test_takes_are_made_of_a_data_set_too(tmp_path: Path) -> None:
    from any2bokeh.lab.synthesis.dataset_maker import synthesize
    from any2bokeh.settings.synthesis_settings import PictureSize, SynthesisSettings

    settings = SynthesisSettings(
        clips=1,
        size=PictureSize(width=96, height=64),
        frames=2,
        versions=3,
        blur_strengths=(60.0,),
        samples=16,
    )
    synthesize(tmp_path / "set", settings, 1, lambda done, clips: None)
    [clip] = open_dataset(tmp_path / "set").clips
    wanted = [s for s in clip.settings if max(s.blur_strength) >= 12]
    assert len(list(takes_of(clip))) == len(wanted) > 0
    out = tmp_path / "takes"
    run = CliRunner().invoke(app, ["make-takes", str(out), "--data", str(tmp_path / "set")])
    assert run.exit_code == 0, run.output
    assert len(list_takes(out)) == len(wanted)

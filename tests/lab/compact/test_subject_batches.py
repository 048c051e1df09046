"""What the network that finds a subject is asked in training: whole things, in windows, after mistakes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from any2bokeh.errors import SettingsError
from any2bokeh.lab.compact.batches import BatchSettings
from any2bokeh.lab.compact.made_pictures import moment_paths, write_picture
from any2bokeh.lab.compact.subject_batches import SubjectBatch, SubjectBatches, _lead, list_pairs
from any2bokeh.lab.compact.wrong_masks import draw_place, wrong_mask

LENGTH = 3


def batches(folder: Path, seed: int = 5) -> SubjectBatches:
    return SubjectBatches(BatchSettings(folders=((folder, 1.0),), seed=seed, length=LENGTH), 20)


def tensors(batch: SubjectBatch) -> list[torch.Tensor]:
    return [
        batch.pictures,
        batch.motion,
        *vars(batch.click).values(),
        *vars(batch.follow).values(),
        batch.shares,
    ]


def test_a_batch_depends_on_its_number_and_the_seed_alone(pictures: Path) -> None:
    first = batches(pictures)
    first[0], first[1]
    mine = tensors(first[2])
    assert all(
        torch.equal(one, other) for one, other in zip(mine, tensors(batches(pictures)[2]), strict=True)
    )
    other = batches(pictures, seed=6)[2].pictures
    assert other.shape != mine[0].shape or not torch.equal(other, mine[0])


def test_both_moments_of_a_pair_are_seen_in_windows_of_one_size(pictures: Path) -> None:
    for step in range(6):
        batch = batches(pictures)[step]
        height, width = batch.pictures.shape[2:]
        assert height % 32 == width % 32 == 0 and batch.pictures.shape[:2] == (2 * LENGTH, 3)
        assert batch.motion.shape == (2 * LENGTH, 3, height // 2, width // 2)
        for task in (batch.click, batch.follow):
            assert task.marks.shape == (2 * LENGTH, 3, height // 2, width // 2)
            assert task.truth.shape == (2 * LENGTH, 1, height // 2, width // 2)
            assert task.follows.shape == task.counts.shape == (2 * LENGTH,)
            assert min(task.marks.min(), task.truth.min()) >= 0
            assert max(task.marks.max(), task.truth.max()) < 1.001


def test_every_click_is_on_the_thing_that_is_asked_for(pictures: Path) -> None:
    asked = 0
    for step in range(10):
        task = batches(pictures)[step].click
        for marks, truth, counts in zip(task.marks, task.truth, task.counts, strict=True):
            if counts:
                place = int(marks[0].argmax())
                assert marks[0].max() > 0.5 and truth.flatten()[place] > 0.25
                asked += 1
            else:
                assert not marks.any() and not truth.any()
    assert asked > 40


def test_the_thing_that_is_followed_is_the_bright_square(pictures: Path) -> None:
    """The pictures hold one bright square each: whatever a window shows of it is the mask."""
    for step in range(5):
        batch = batches(pictures)[step]
        small = torch.nn.functional.avg_pool2d(batch.pictures, 2).mean(1, keepdim=True)
        for picture, truth in zip(small, batch.follow.truth, strict=True):
            inside, outside = truth > 0.99, truth < 0.01
            if inside.sum() > 50 and outside.sum() > 50:
                assert picture[inside].median() > picture[outside].median()


def test_the_square_moves_along_or_leads(pictures: Path) -> None:
    """The square of these pictures moves to the right; to the left if mirrored, and anywhere if it leads."""
    known = right = left = led = 0
    for step in range(20):
        batch = batches(pictures)[step]
        for motion, truth in zip(batch.motion, batch.follow.truth[:, 0], strict=True):
            inside = truth > 0.99
            if motion[2].max() == 0 or inside.sum() < 200:
                continue
            x, y = (float(part[inside].median()) for part in motion[:2])
            known += 1
            led += abs(y) > 0.1
            right += abs(y) <= 0.1 and x > 0.5
            left += abs(y) <= 0.1 and x < -0.5
    assert known > 60 and 0.4 * known < led < 0.8 * known
    assert min(right, left) > 0.05 * known and right + left + led > 0.9 * known


def test_a_subject_that_leads_goes_a_way_of_its_own() -> None:
    inside = np.zeros((96, 160), bool)
    inside[20:80, 60:120] = True
    for seed in range(5):
        motion = _lead(np.ones((90, 150, 2), np.float32), inside, np.random.default_rng(seed))
        assert motion is not None and np.ptp(motion[30:60, 70:100], axis=(0, 1)).max() == 0
        around = motion[:10]
        assert 0 <= around.min() == around.max() <= 1
        assert np.abs(motion[40, 80] - around[0, 0]).max() > 0.05
    assert _lead(None, inside, np.random.default_rng(0)) is None


def test_moments_of_one_scene_are_a_pair(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    owners = np.zeros((60, 80), np.uint8)
    owners[20:50, 20:60] = 1
    for path in (*moment_paths(tmp_path, 7, 2), *moment_paths(tmp_path, 8, 1)):
        write_picture(
            path, (rng.random((60, 80, 3)).astype(np.float32), np.zeros((60, 80), np.float32), owners)
        )
    assert [(one.stem, other.stem) for one, other in list_pairs(tmp_path)] == [
        ("000007-0", "000007-1"),
        ("000008", "000008"),
    ]


def test_pictures_without_masks_are_named(tmp_path: Path) -> None:
    nothing = np.zeros((60, 80), np.uint8)
    made = np.zeros((60, 80, 3), np.float32), np.zeros((60, 80), np.float32), nothing
    write_picture(tmp_path / "000001", made)
    with pytest.raises(SettingsError, match=r"owners\.png"):
        list_pairs(tmp_path)


def test_a_wrong_mask_is_near_the_true_one_or_empty() -> None:
    truth = np.zeros((96, 96), np.float32)
    truth[30:70, 40:60] = 1
    overlaps = []
    for seed in range(60):
        wrong = wrong_mask(truth, 1 - truth, np.random.default_rng(seed))
        assert wrong.shape == truth.shape and wrong.min() >= 0 and wrong.max() <= 1
        inside = wrong > 0.5
        overlaps.append((inside & (truth > 0)).sum() / (inside | (truth > 0)).sum())
    assert 0.55 < np.median(overlaps) < 0.97  # mistakes, but of the same thing
    assert np.mean(np.array(overlaps) == 0) > 0.02  # some were lost
    assert not wrong_mask(np.zeros_like(truth), truth, np.random.default_rng(0)).any()


def test_places_are_inside() -> None:
    mask = np.zeros((40, 60), np.float32)
    mask[10:30, 20:25] = 1
    for seed in range(20):
        x, y = draw_place(mask, np.random.default_rng(seed))
        assert mask[int(y * 40), int(x * 60)] == 1

"""Batches of pictures from folders, and the pictures themselves."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from any2bokeh.errors import SettingsError, VideoError
from any2bokeh.lab.compact.batches import Batches, BatchSettings, cut_sample
from any2bokeh.lab.compact.made_pictures import (
    list_pictures,
    make_picture,
    read_owners,
    read_picture,
    write_picture,
)


def test_a_batch_depends_on_its_number_and_the_seed_alone(pictures: Path) -> None:
    data = BatchSettings(folders=((pictures, 1.0),), seed=5, length=3)
    first = Batches(data, 10)
    first[0], first[1]
    for mine, again in zip(first[2], Batches(data, 10)[2], strict=True):
        assert torch.equal(mine, again)
    other = Batches(BatchSettings(folders=((pictures, 1.0),), seed=6, length=3), 10)[2]
    assert other[0].shape != first[2][0].shape or not torch.equal(other[0], first[2][0])


def test_batches_hold_pictures_and_disparity_of_half_their_size(pictures: Path) -> None:
    for picture, disparity, known in (
        Batches(BatchSettings(folders=((pictures, 1.0),)), 4)[k] for k in range(4)
    ):
        assert picture.shape[:2] == (8, 3) and all(side % 32 == 0 for side in picture.shape[2:])
        assert disparity.shape == known.shape == (8, 1, *(side // 2 for side in picture.shape[2:]))
        assert picture.min() >= 0 and picture.max() <= 1
        assert disparity.min() >= -0.11 and disparity.max() <= 1.11
        assert set(known.unique().tolist()) <= {0.0, 1.0}


def test_picture_and_disparity_stay_together(pictures: Path) -> None:
    """The square is bright and near: however they are cropped, mirrored and aged, near stays bright."""
    codes, raw = read_picture(list_pictures(pictures)[0])
    for seed in range(12):
        sample = cut_sample(codes, raw, (96, 160), np.random.default_rng(seed))
        assert sample is not None
        picture, disparity, known = sample
        small = cv2.resize(picture.mean(2), disparity.shape[::-1], interpolation=cv2.INTER_AREA)
        near, far = (disparity > 0.7) & (known > 0), (disparity < 0.3) & (known > 0)
        assert small[near].mean() > small[far].mean() + 0.1


def test_folders_are_drawn_from_by_their_shares(pictures: Path, tmp_path: Path) -> None:
    black = np.zeros((96, 160, 3), np.float32)
    disparity = np.tile(np.linspace(0, 1, 160, dtype=np.float32), (96, 1))
    (tmp_path / "black").mkdir()
    write_picture(tmp_path / "black" / "1", (black, disparity, np.zeros((96, 160), np.uint8)))
    data = BatchSettings(folders=((pictures, 0.0), (tmp_path / "black", 1.0)), length=4)
    assert all(float(Batches(data, 3)[step][0].mean()) < 0.2 for step in range(3))


def test_what_is_written_is_read_again(pictures: Path, tmp_path: Path) -> None:
    picture = np.full((32, 64, 3), 0.5, np.float32)
    disparity = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (32, 1))
    owners = np.zeros((32, 64), np.uint8)
    write_picture(tmp_path / "7", (picture, disparity, owners))
    codes, raw = read_picture(tmp_path / "7.jpg")
    assert np.abs(codes.astype(int) - 128).max() <= 2
    np.testing.assert_allclose((raw - 1.0) / 65534, disparity, atol=1e-4)
    assert raw.min() == 1  # 0 would mean that it is unknown
    assert read_owners(tmp_path / "7.jpg") is None
    found = read_owners(list_pictures(pictures)[0])
    assert found is not None and found.sum() == 50 * 50


def test_missing_and_damaged_pictures_are_named(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match="empty"):
        list_pictures(tmp_path / "empty")
    first = list_pictures(pictures)[0]
    first.with_suffix(".png").write_bytes(b"no picture")
    with pytest.raises(VideoError, match=first.name):
        read_picture(first)


@pytest.mark.slow
def test_a_picture_belongs_to_its_seed() -> None:
    once, again, other = make_picture(5), make_picture(5), make_picture(6)
    np.testing.assert_array_equal(once[0], again[0])
    np.testing.assert_array_equal(once[1], again[1])
    assert once[0].shape != other[0].shape or not np.array_equal(once[0], other[0])
    assert once[1].min() == 0 and once[1].max() == 1 and not once[2].any()

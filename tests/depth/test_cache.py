import errno
import os
import time
from fractions import Fraction

import av
import pytest
import torch

from any2bokeh.depth.cache import cache_folder, cache_key, copy_track, drop_track, find_track, keep_track
from any2bokeh.errors import DisparityError, VideoError
from any2bokeh.video.gray import open_gray_writer

FACTS = {"model": "depth-small", "size": 280}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ANY2BOKEH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "disparity"


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"v" * 3_000_000)
    return path


def keep(key, seed=0, **options):
    """Keep a track of one frame of noise, about 10 kB of which none are to be saved."""

    def write(path):
        noise = torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(seed))
        with open_gray_writer(path, 64, 64, Fraction(1, 1000), overwrite=True) as writer:
            writer.write(noise, 0)

    return keep_track(key, write, **options)


def names(folder):
    """The keys of the tracks that are there, each with its index."""
    tracks = {path.stem for path in folder.glob("*.mkv")}
    assert {path.stem for path in folder.glob("*.index")} == tracks
    return {stem.split(".")[0] for stem in tracks}


def test_the_environment_or_else_the_system_says_where_the_cache_is(tmp_path, monkeypatch):
    assert cache_folder() == tmp_path / "cache" / "disparity"
    monkeypatch.delenv("ANY2BOKEH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder().is_relative_to(tmp_path / "xdg") or os.name == "nt"


def test_a_kept_track_is_found_again():
    assert find_track("key") is None
    entry = keep("key")
    assert next(entry.open().frames())[0] == 0
    assert find_track("key") == entry
    assert find_track("other") is None


@pytest.mark.parametrize(
    "change", [lambda content: b"", lambda content: content[:-1], lambda content: content + b"more"]
)
def test_a_track_of_another_length_is_not_found_and_is_removed(folder, change):
    entry = keep("key")
    content = entry.path.read_bytes()
    entry.path.write_bytes(change(content))
    assert find_track("key") is None
    assert list(folder.iterdir()) == []
    assert find_track("key") is None
    assert keep("key").path.read_bytes() == content


def test_each_byte_of_a_frame_that_changes_is_found_when_it_is_read():
    entry = keep("key")
    content = entry.path.read_bytes()
    with av.open(str(entry.path)) as container:
        packet = bytes(next(container.demux(video=0)))
    start = content.index(packet)
    for place in (0, 1, len(packet) // 3, len(packet) - 1):
        changed = bytearray(content)
        changed[start + place] ^= 1
        entry.path.write_bytes(changed)
        assert find_track("key") == entry
        with pytest.raises(DisparityError, match=r"Frame 0 of .* is damaged"):
            list(entry.open().frames())
        assert not copy_track(entry, entry.path.with_name("copy"))


def test_a_changed_track_whose_index_is_gone_is_not_found():
    entry = keep("key")
    content = bytearray(entry.path.read_bytes())
    content[len(content) // 2] ^= 1
    entry.path.write_bytes(content)
    entry.path.with_suffix(".index").unlink()
    assert find_track("key") is None
    assert not entry.path.exists()


def test_an_entry_that_cannot_be_read_is_not_fatal(folder):
    drop_track(keep("key").path)
    (folder / "key.0.mkv").mkdir()
    assert find_track("key") is None


def test_a_track_appears_whole_or_not_at_all(folder):
    def write(path):
        path.write_bytes(b"half")
        assert find_track("key") is None
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep_track("key", write)
    assert list(folder.iterdir()) == []


def test_the_tracks_not_used_for_longest_go_first(folder):
    entries = {key: keep(key) for key in "abcd"}
    for age, key in enumerate("dcba"):  # a is the oldest
        os.utime(entries[key].path, (1e9 - age, 1e9 - age))
    find_track("a")  # used just now
    keep("e", max_bytes=round(3.5 * entries["a"].path.stat().st_size))
    assert names(folder) == {"a", "d", "e"}


def test_a_track_larger_than_the_bound_is_kept_alone(folder):
    keep("a")
    keep("b", max_bytes=100)
    assert names(folder) == {"b"}


def test_what_a_killed_run_left_goes_after_a_day_and_not_before(folder):
    folder.mkdir(parents=True)
    fresh, *stale = (
        folder / name for name in ("partial-a.1.mkv", "partial-b.2.mkv", ".partial-b.2.3.part.mkv")
    )
    fresh.touch()
    for path in stale:
        path.touch()
        os.utime(path, (time.time() - 90_000,) * 2)
    lone = folder / "old.0.index"
    lone.touch()
    os.utime(lone, (time.time() - 90_000,) * 2)
    entry = keep("key").path
    assert set(folder.iterdir()) == {fresh, entry, entry.with_suffix(".index")}


def test_a_cache_that_cannot_be_written_is_a_warning(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ANY2BOKEH_CACHE", str(tmp_path / "file"))
    called = []
    assert keep_track("key", called.append) is None
    assert called == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert str(tmp_path / "file" / "disparity") in caplog.text


def test_the_key_follows_everything_that_decides_the_track(video, tmp_path):
    key = cache_key(video, FACTS)
    assert cache_key(video, dict(reversed(FACTS.items()))) == key
    assert cache_key(video, FACTS | {"size": 518}) != key
    assert cache_key(video, FACTS | {"model": "depth-large"}) != key
    moved = video.rename(tmp_path / "moved.mp4")
    assert cache_key(moved, FACTS) == key


@pytest.mark.parametrize("position", [0, 2_999_999])
def test_the_key_follows_the_videos_content_at_both_ends(video, position):
    key, changed = cache_key(video, FACTS), video.stat().st_mtime_ns
    with video.open("r+b") as file:
        file.seek(position)
        file.write(b"?")
    os.utime(video, ns=(changed, changed))
    assert cache_key(video, FACTS) != key


def test_the_key_follows_the_videos_length_and_time_of_change(video):
    key, changed = cache_key(video, FACTS), video.stat().st_mtime_ns
    os.utime(video, ns=(changed, changed + 1))
    assert cache_key(video, FACTS) != key
    with video.open("ab") as file:
        file.write(b"v")
    os.utime(video, ns=(changed, changed))
    assert cache_key(video, FACTS) != key


def test_a_disk_that_becomes_full_fails_no_run(folder, caplog):
    def write(path):
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise VideoError(f"{path} cannot be written: the disk is full.") from error

    assert keep_track("key", write) is None
    assert [record.getMessage() for record in caplog.records if "full" in record.getMessage()]
    assert not list(folder.glob("*key*"))

    def fail(path):
        raise VideoError("The clip is damaged.")

    with pytest.raises(VideoError, match="damaged"):
        keep_track("key", fail)

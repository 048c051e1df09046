import os
import time

import pytest

from any2bokeh.depth.cache import cache_folder, cache_key, find_track, keep_track

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


def keep(key, content=b"track", **options):
    return keep_track(key, lambda path: path.write_bytes(content), **options)


def test_the_environment_or_else_the_system_says_where_the_cache_is(tmp_path, monkeypatch):
    assert cache_folder() == tmp_path / "cache" / "disparity"
    monkeypatch.delenv("ANY2BOKEH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder().is_relative_to(tmp_path / "xdg") or os.name == "nt"


def test_a_kept_track_is_found_again():
    assert find_track("key") is None
    entry = keep("key")
    assert entry.read_bytes() == b"track"
    assert find_track("key") == entry
    assert find_track("other") is None


@pytest.mark.parametrize("content", [b"", b"trac", b"Track", b"track and more"])
def test_a_damaged_track_is_not_found_and_is_removed(content):
    entry = keep("key")
    entry.write_bytes(content)
    assert find_track("key") is None
    assert not entry.exists()
    assert find_track("key") is None
    assert keep("key").read_bytes() == b"track"


def test_an_entry_that_cannot_be_read_is_not_fatal(folder):
    keep("key").unlink()
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
    entries = {key: keep(key, b"x" * 100) for key in "abcd"}
    for age, key in enumerate("dcba"):  # a is the oldest
        os.utime(entries[key], (1e9 - age, 1e9 - age))
    find_track("a")  # used just now
    keep("e", b"x" * 100, max_bytes=350)
    assert {path.name.split(".")[0] for path in folder.iterdir()} == {"a", "d", "e"}


def test_a_track_larger_than_the_bound_is_kept_alone(folder):
    keep("a")
    entry = keep("b", b"x" * 1000, max_bytes=100)
    assert list(folder.iterdir()) == [entry]


def test_what_a_killed_run_left_goes_after_a_day_and_not_before(folder):
    folder.mkdir(parents=True)
    fresh, *stale = (
        folder / name for name in ("partial-a.1.mkv", "partial-b.2.mkv", ".partial-b.2.3.part.mkv")
    )
    fresh.touch()
    for path in stale:
        path.touch()
        os.utime(path, (time.time() - 90_000,) * 2)
    entry = keep("key")
    assert set(folder.iterdir()) == {fresh, entry}


def test_a_cache_that_cannot_be_written_is_a_warning(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ANY2BOKEH_CACHE", str(tmp_path / "file"))
    called = []
    assert keep_track("key", called.append) is None
    assert called == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert f"{tmp_path / 'file' / 'disparity'} cannot be written" in caplog.text


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

import logging
import resource
import shutil
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from facts import names, naming
from folders import downloaded
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from any2bokeh.depth import compact, source
from any2bokeh.depth.source import open_given, plan_estimate, working_size
from any2bokeh.errors import DisparityError, VideoError, WeightsError
from any2bokeh.progress import ignore
from any2bokeh.run import estimate_depth
from any2bokeh.session import ClipSession
from any2bokeh.settings.clip_settings import ClipSettings
from any2bokeh.settings.depth_settings import DepthSettings, TrackSettings
from any2bokeh.settings.values import TimePoint
from any2bokeh.settings.video_settings import TimeRange
from any2bokeh.video.clip import VideoClip
from any2bokeh.video.decode import frame_times, probe_video
from any2bokeh.video.gray import open_gray

CPU = torch.device("cpu")
WHOLE = TimeRange()
FRAMES, WIDTH, HEIGHT = 8, 96, 64


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A square that crosses a textured picture, 8 frames of variable duration."""
    path = tmp_path_factory.mktemp("clip") / "clip.mkv"
    random = np.random.default_rng(0)
    wall = np.kron(random.integers(0, 160, (8, 12, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"crf": "10", "g": "1"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv444p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(FRAMES):
            picture = wall.copy()
            picture[20:44, 8 * number : 8 * number + 24] = 255
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv444p")
            frame.pts, frame.time_base = 40 * number + 7 * (number // 4), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """An empty cache of tracks and an empty cache of networks."""
    monkeypatch.setenv("ANY2BOKEH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ANY2BOKEH_MODELS", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def tracks(tmp_path):
    """The tracks in the cache."""
    return lambda: sorted((tmp_path / "cache" / "disparity").glob("*.mkv"))


@pytest.fixture
def weights(tmp_path, tiny_depth_network):
    """Put a network where a download leaves it, and return its folder."""

    def install(size="Small"):
        folder = downloaded(tmp_path, f"depth-anything/Depth-Anything-V2-{size}-hf")
        shutil.copytree(tiny_depth_network, folder, dirs_exist_ok=True)
        (folder / "preprocessor_config.json").write_text("{}")
        return folder

    return install


def estimate(clip, time_range=WHOLE, progress=None, **settings):
    """Disparity by pts as the renderer gets it."""

    def on_progress(told):
        if progress is not None:
            progress.append(told.done)

    settings = ClipSettings(depth=DepthSettings(size=56, **settings), time_range=time_range, device="cpu")
    with ClipSession(clip, settings, on_progress) as session:
        return {frame.pts: disparity for frame, disparity in session.frames()}


def plan_for(clip, device=CPU, **settings):
    return plan_estimate(VideoClip(clip), DepthSettings(**settings), device, "auto")


def write_estimate(clip, target, on_progress=ignore, *, overwrite=False):
    """Estimate a track as ``bokeh depth`` does."""
    settings = TrackSettings(depth=DepthSettings(size=56), device="cpu")
    estimate_depth(clip, target, settings, on_progress, overwrite=overwrite)


def assert_same(disparity, expected):
    assert list(disparity) == list(expected)
    torch.testing.assert_close(list(disparity.values()), list(expected.values()), rtol=0, atol=1e-6)


@pytest.mark.slow
def test_a_clip_without_a_track_gets_one_disparity_for_each_frame(clip, weights):
    weights()
    progress = []
    disparity = estimate(clip, progress=progress)
    assert list(disparity) == frame_times(clip)
    values = torch.stack(list(disparity.values()))
    assert values.shape == (FRAMES, 1, HEIGHT, WIDTH)
    assert values.min() < 0.02 and values.max() > 0.98
    assert values.std() > 0.05
    assert progress == list(range(1, FRAMES + 1))


def test_the_second_run_needs_no_network_pass(clip, weights, tracks):
    folder = weights()
    first = estimate(clip)
    (entry,) = tracks()
    (folder / "model.safetensors").write_bytes(b"unreadable")  # loading it would fail
    progress = []
    second = estimate(clip, progress=progress)
    assert tracks() == [entry]
    assert progress == []
    assert_same(second, first)


@pytest.mark.slow
def test_a_broken_entry_of_the_cache_is_made_again(clip, weights, tracks):
    weights()
    first = estimate(clip)
    (entry,) = tracks()
    content = entry.read_bytes()
    entry.write_bytes(content[: len(content) // 2])
    second = estimate(clip)
    assert tracks() == [entry] and entry.read_bytes() == content  # the same to the byte: so is its name
    assert_same(second, first)


def garble(entry, number):
    """Change one byte in the middle of a frame of a track, as a bad disk would."""
    with av.open(str(entry)) as container:
        packet = [bytes(packet) for packet in container.demux(video=0) if packet.size][number]
    content = bytearray(entry.read_bytes())
    content[content.index(packet) + len(packet) // 2] ^= 1
    entry.write_bytes(content)


@pytest.mark.parametrize("number", [0, 3, FRAMES - 1])
@pytest.mark.slow
def test_damage_that_is_found_on_the_way_is_mended_on_the_way(clip, weights, tracks, number, caplog):
    weights()
    first = estimate(clip)
    (entry,) = tracks()
    content = entry.read_bytes()
    garble(entry, number)
    assert_same(estimate(clip), first)
    assert f"Frame {number} of" in caplog.text
    assert tracks() == [entry] and entry.read_bytes() == content
    caplog.clear()
    assert_same(estimate(clip), first)
    assert not caplog.records


@pytest.mark.slow
def test_damage_in_a_track_of_the_whole_clip_is_mended_for_a_part(clip, weights, tracks):
    weights()
    whole = estimate(clip)
    (entry,) = tracks()
    garble(entry, 4)
    part = TimeRange(start=TimePoint(frame=2), end=TimePoint(frame=6))
    mended = estimate(clip, part)
    assert_same(mended, {pts: whole[pts] for pts in frame_times(clip)[2:6]})
    assert tracks() == [entry]


def test_damage_that_ends_the_track_early_is_mended(clip, weights, tracks):
    weights()
    first = estimate(clip)
    (entry,) = tracks()
    content = entry.read_bytes()
    entry.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    assert_same(estimate(clip), first)


def test_damage_that_comes_again_at_once_is_an_error(clip, weights, tracks, monkeypatch):
    weights()
    estimate(clip)
    (entry,) = tracks()
    garble(entry, 3)
    make = source.keep_track

    def make_on_a_bad_disk(key, write):
        kept = make(key, write)
        garble(kept.path, 3)
        return kept

    monkeypatch.setattr(source, "keep_track", make_on_a_bad_disk)
    with pytest.raises(DisparityError, match="Frame 3 of"):
        estimate(clip)


def test_a_track_is_copied_whole_although_its_entry_was_damaged(clip, weights, tracks, tmp_path):
    weights()
    estimate(clip)
    (entry,) = tracks()
    content = entry.read_bytes()
    garble(entry, 3)
    write_estimate(clip, tmp_path / "track.mkv")
    assert (tmp_path / "track.mkv").read_bytes() == content == entry.read_bytes()


@pytest.mark.parametrize("damage", [lambda index: index.unlink(), lambda index: index.write_text("{}")])
def test_an_entry_without_an_index_gets_one(clip, weights, tracks, damage):
    weights()
    first = estimate(clip)
    (entry,) = tracks()
    damage(entry.with_suffix(".index"))
    progress = []
    assert_same(estimate(clip, progress=progress), first)
    assert progress == [] and tracks() == [entry]
    assert entry.with_suffix(".index").stat().st_size > 100


def test_a_part_of_a_clip_is_estimated_alone_or_taken_from_the_whole(clip, weights, tracks):
    weights()
    part = TimeRange(start=TimePoint(frame=2), end=TimePoint(frame=5))
    alone = estimate(clip, part)
    assert list(alone) == frame_times(clip)[2:5]
    whole = estimate(clip)
    assert len(tracks()) == 2
    progress = []
    from_whole = estimate(clip, part, progress=progress)
    assert progress == []
    assert_same(from_whole, {pts: whole[pts] for pts in alone})


def test_frames_that_cannot_be_decoded_are_no_obstacle(clip, weights, tmp_path, caplog):
    weights()
    damaged = tmp_path / "damaged.mkv"
    content = bytearray(clip.read_bytes())
    with av.open(str(clip)) as container:
        packet = next(packet for packet in container.demux(video=0) if packet.pts == frame_times(clip)[3])
        start = content.index(bytes(packet))
    content[start : start + packet.size] = b"\xff" * packet.size
    damaged.write_bytes(content)
    kept = [pts for number, pts in enumerate(frame_times(clip)) if number != 3]
    for _ in range(2):  # estimated, then from the cache
        assert list(estimate(damaged)) == kept
    part = TimeRange(start=TimePoint(frame=2))
    assert list(estimate(damaged, part)) == kept[2:]
    assert str(damaged) in caplog.text


@pytest.mark.parametrize(
    "change", [{"size": 70}, {"steady": False}, {"model": "base"}, {"every": 2}, {"single_shot": True}]
)
def test_another_way_of_estimating_is_another_entry(clip, weights, tracks, change):
    weights()
    weights("Base")
    estimate(clip)
    assert plan_for(clip, size=56).cached().path == tracks()[0]
    assert plan_for(clip, **{"size": 56} | change).cached() is None


@pytest.mark.slow
def test_without_the_cache_nothing_is_kept_or_found(clip, weights, tracks, tmp_path, monkeypatch):
    weights()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    progress = []
    cached = estimate(clip)
    again = estimate(clip, use_cache=False, progress=progress)
    assert len(progress) == FRAMES
    assert len(tracks()) == 1
    assert not list(tmp_path.glob("any2bokeh-*"))
    assert_same(again, cached)


def test_a_cache_that_cannot_be_written_is_only_a_warning(clip, weights, tmp_path, monkeypatch, caplog):
    weights()
    (tmp_path / "file").touch()
    monkeypatch.setenv("ANY2BOKEH_CACHE", str(tmp_path / "file"))
    assert len(estimate(clip)) == FRAMES
    # Compiled code says the same of its own folder, where it is not loaded yet.
    records = [record for record in caplog.records if record.name != "any2bokeh.jit"]
    assert [record.levelno for record in records] == [logging.WARNING]


def test_an_estimate_that_fails_leaves_nothing_in_the_cache(clip, weights, tmp_path):
    folder = weights()
    (folder / "model.safetensors").write_bytes(b"unreadable")
    with pytest.raises(WeightsError, match=naming(folder)):
        estimate(clip)
    assert list((tmp_path / "cache" / "disparity").iterdir()) == []


def test_steady_disparity_flickers_less(clip, weights):
    weights()

    def flicker(**settings):
        frames = torch.stack(list(estimate(clip, **settings).values()))
        return frames[:, :, :16].diff(dim=0).abs().mean()  # above the square, where the picture stands still

    assert flicker(every=1) < 0.7 * flicker(every=1, steady=False)


def test_auto_takes_the_small_network_first_and_else_what_is_there(clip, weights):
    weights("Large")
    assert plan_for(clip).network.name == "depth-large"
    weights("Small")
    assert plan_for(clip).network.name == "depth-small"


def test_without_a_download_the_compact_network_estimates_and_says_that_a_better_one_can_be_had(
    clip, tracks, caplog
):
    values = torch.stack(list(estimate(clip).values()))
    assert values.shape == (FRAMES, 1, HEIGHT, WIDTH) and values.max() > 0.9 and values.min() < 0.1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "`bokeh download-weights`" in caplog.text
    caplog.clear()
    chosen = plan_for(clip, model="compact", size=56)
    assert chosen.cached().path == tracks()[0]  # the same network, asked for by name
    assert not caplog.records
    assert plan_for(clip).size == (224, 336)


def test_other_weights_of_the_compact_network_are_another_entry(clip, tracks, tmp_path, monkeypatch):
    estimate(clip, model="compact")
    plan = plan_for(clip, model="compact", size=56)
    assert plan.cached().path == tracks()[0]
    other = load_file(compact.WEIGHTS)
    other["head.1.bias"] += 1
    save_file(other, tmp_path / "other.safetensors")
    monkeypatch.setattr(compact, "WEIGHTS", tmp_path / "other.safetensors")
    assert plan.cached() is None


def test_a_network_asked_for_by_name_is_not_replaced_by_another(clip, weights):
    weights("Small")
    with pytest.raises(WeightsError, match=naming("depth-base")):
        estimate(clip, model="base")


def test_an_estimate_is_written_as_a_track_that_gives_the_same_disparity(clip, weights, tmp_path):
    weights()
    target = tmp_path / "track.mkv"
    write_estimate(clip, target)
    assert_same(estimate(clip, track=target), estimate(clip))
    assert open_gray(target).times == frame_times(clip)


def test_a_track_that_exists_is_replaced_only_on_request(clip, weights, tmp_path):
    weights()
    target = tmp_path / "track.mkv"
    target.write_bytes(b"mine")
    with pytest.raises(VideoError, match=r"track\.mkv exists already"):
        write_estimate(clip, target)
    assert target.read_bytes() == b"mine"
    write_estimate(clip, target, overwrite=True)
    assert open_gray(target).frame_count == FRAMES


def test_a_full_disk_leaves_no_track(clip, weights, tmp_path):
    weights()
    estimate(clip)  # so that only the copy is left to do
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(VideoError, match=naming("track.mkv", "File too large")):
            write_estimate(clip, tmp_path / "track.mkv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.glob("*track*"))


def test_an_interrupted_estimate_leaves_nothing(clip, weights, tmp_path):
    weights()

    def interrupt(progress):
        if progress.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_estimate(clip, tmp_path / "track.mkv", interrupt)
    assert not list(tmp_path.glob("*track*"))
    assert list((tmp_path / "cache" / "disparity").iterdir()) == []


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Two shots that pan slowly, 12 and 10 frames, the first with a flash."""
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    random = np.random.default_rng(0)
    walls = [
        np.kron(random.integers(30, 200, (8, 20, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(2)
    ]
    pictures = [
        wall[:, number : number + WIDTH]
        for wall, count in zip(walls, (12, 10), strict=True)
        for number in range(count)
    ]
    pictures[6] = np.full_like(pictures[6], 255)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv444p"
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv444p")))
        container.mux(stream.encode(None))
    return path


def test_few_frames_of_a_calm_clip_are_estimated(film, weights, caplog):
    weights()
    caplog.set_level(logging.INFO)
    assert len(estimate(film)) == 22
    # The ends of two shots and the flash.
    assert any(names(said, film, "5 of 22", "shots: 2") for said in caplog.messages)


@pytest.mark.parametrize(
    ("model", "device", "every"),
    [("small", "cpu", None), ("small", "cuda", 1), ("compact", "cpu", 1), ("compact", "cuda", 1)],
)
def test_what_is_quick_estimates_every_frame(film, weights, model, device, every):
    weights()
    plan = plan_for(film, torch.device(device), model=model)
    assert plan.pace.every == every


@pytest.mark.slow
@pytest.mark.parametrize(("every", "estimated"), [(1, 22), (3, 9), (11, 4)])
def test_as_many_are_estimated_as_asked_for(film, weights, caplog, every, estimated):
    weights()
    caplog.set_level(logging.INFO)
    assert len(estimate(film, every=every)) == 22
    assert any(names(said, film, f"{estimated} of 22") for said in caplog.messages)


@pytest.mark.slow
def test_each_shot_is_normalized_alone(film, weights):
    weights()
    frames = torch.stack(list(estimate(film, every=1, steady=False).values()))
    for shot in (frames[:12], frames[12:]):
        assert shot.min() < 0.02 and shot.max() > 0.9


@pytest.mark.slow
def test_a_single_shot_is_one_whatever_happens(film, weights, caplog):
    weights()
    caplog.set_level(logging.INFO)
    assert len(estimate(film, every=1, single_shot=True)) == 22
    assert any(names(said, film, "shots: 1") for said in caplog.messages)


@pytest.fixture
def given(tmp_path):
    """A given track whose frames differ in scale and shift, as a network's would."""
    ramp = np.tile(np.linspace(0.2, 0.6, WIDTH), (HEIGHT, 1)).astype(np.float32)
    scales = 1 + 0.2 * np.array([0, 1, -1, 1, -1, 1, -1, 0])
    path = tmp_path / "given.npy"
    np.save(path, ramp * scales[:, None, None].astype(np.float32))
    return path


def test_a_given_track_is_used_as_it_is_and_steadied_on_request(clip, given):
    expected = torch.from_numpy(np.load(given))[:, None]
    as_it_is = torch.stack(list(estimate(clip, track=given).values()))
    steady = torch.stack(list(estimate(clip, track=given, steady=True).values()))
    torch.testing.assert_close(as_it_is, expected)
    assert steady.diff(dim=0).abs().mean() < 0.1 * expected.diff(dim=0).abs().mean()
    assert steady.min() >= 0 and steady.max() <= 1


@pytest.mark.slow
def test_a_given_track_is_steadied_in_each_shot_alone_and_on_after_a_flash(film, tmp_path):
    random = np.random.default_rng(0)
    ramp = np.tile(np.linspace(0.2, 0.6, WIDTH), (HEIGHT, 1))
    scales = 1 + 0.2 * random.uniform(-1, 1, 22)
    values = np.where(np.arange(22)[:, None, None] < 12, ramp, 1 - ramp)
    np.save(tmp_path / "given.npy", (values * scales[:, None, None] * 0.8).astype(np.float32))
    steady = torch.stack(list(estimate(film, track=tmp_path / "given.npy", steady=True).values()))
    means = steady[:, 0].mean(dim=(1, 2)) / torch.from_numpy(values.mean(axis=(1, 2)))
    assert means[:6].std() < 0.3 * 0.8 * scales[:6].std()
    assert (means[7:9] - means[5]).abs().max() < 0.05  # after the flash it is the same shot
    torch.testing.assert_close(
        steady[12, 0].double(), torch.from_numpy(values[12] * scales[12] * 0.8), rtol=0, atol=1e-4
    )


def test_a_steadied_track_still_gives_the_values_of_its_file(clip, given):
    with open_given(DepthSettings(track=given, steady=True), VideoClip(clip)) as track:
        values = [track.values_at(pts) for pts in frame_times(clip)]
    torch.testing.assert_close(torch.stack(values), torch.from_numpy(np.load(given))[:, None])


@pytest.mark.slow
def test_a_steadied_track_is_the_same_when_it_is_read_again(clip, given):
    source = VideoClip(clip)
    with open_given(DepthSettings(track=given, steady=True), source) as track:
        with source.frames() as video:
            once = torch.stack([track.at_own_size(frame) for frame in video])
        with source.frames() as video, track.again() as other:
            again = torch.stack([other.at_own_size(frame) for frame in video])
    assert torch.equal(once, again)


def test_a_given_track_needs_no_weights_and_must_exist(clip, tmp_path):
    with pytest.raises(DisparityError, match=naming("absent.mkv")):
        estimate(clip, track=tmp_path / "absent.mkv")


@pytest.mark.parametrize(
    ("width", "height", "aspect", "expected"),
    [
        (1920, 1080, Fraction(1), (280, 498)),
        (1080, 1920, Fraction(1), (498, 280)),
        (1440, 1080, Fraction(4, 3), (280, 498)),
        (720, 576, Fraction(64, 45), (280, 498)),
        (4000, 10, Fraction(1), (280, 112_000)),
    ],
)
def test_the_working_frame_has_the_displayed_shape(clip, width, height, aspect, expected):
    info = replace(probe_video(clip), width=width, height=height, pixel_aspect=aspect)
    assert working_size(info, 280) == expected

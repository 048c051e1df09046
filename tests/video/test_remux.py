import logging
from fractions import Fraction
from functools import partial

import av
import numpy as np
import pytest
from facts import names, naming, the_warning

from any2bokeh.errors import VideoError
from any2bokeh.settings.values import TimePoint
from any2bokeh.settings.video_settings import EncodeSettings, TimeRange
from any2bokeh.video import remux
from any2bokeh.video.containers import CONTAINERS, can_hold
from any2bokeh.video.decode import probe_video
from any2bokeh.video.encode import open_writer

CHAPTERS = ((0, 150, "Morning"), (150, 400, "Evening"))
ONE_SECOND = tuple(range(0, 512 * 25, 512))


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def rounded(packets):
    return [(Fraction(round(time * 1000), 1000), data) for time, data in packets]


@pytest.mark.parametrize(
    ("source", "codec", "targets"),
    [
        ("clip.mp4", "aac", ["out.mp4", "out.mov", "out.mkv"]),
        ("clip.mov", "pcm_s16le", ["out.mov", "out.mkv"]),
        ("clip.mkv", "flac", ["out.mkv", "out.mp4"]),
        ("clip.mkv", "libopus", ["out.mkv", "out.mp4"]),
        ("clip.mkv", "libmp3lame", ["out.mkv", "out.mp4"]),
        ("clip.mkv", "ac3", ["out.mkv", "out.mp4", "out.mov"]),
    ],
)
def test_sound_is_the_same_bytes_at_the_same_times(clips, source, codec, targets):
    path = clips.make(source, sound=(codec, codec))
    before = clips.see(path)
    assert len(before.packets["audio"]) == 2
    for target in targets:
        after = clips.see(clips.copy(path, target))
        for packets, copies in zip(before.packets["audio"], after.packets["audio"], strict=True):
            assert [data for _, data in copies] == [data for _, data in packets]
            if target.endswith(".mkv") or source.endswith(".mkv"):
                packets, copies = rounded(packets), rounded(copies)
            assert copies == packets
        languages = [tags.get("language") for kind, _, tags, _ in after.streams if kind == "audio"]
        assert languages == ["eng", "fra"]


def test_priming_is_kept_with_the_sound(clips):
    first = clips.make("clip.mp4", sound=("aac",))
    before = clips.see(clips.copy(first, "second.mp4"))
    after = clips.see(clips.copy(clips.folder / "second.mp4", "third.mp4"))
    assert after.packets["audio"] == before.packets["audio"]
    assert after.times == before.times


def test_sound_that_a_container_cannot_hold_names_one_that_can(clips):
    source = clips.make("clip.mov", sound=("pcm_s16le",))
    with (
        pytest.raises(VideoError, match=naming(".webm", "pcm_s16le", source)) as refusal,
        open_writer(clips.folder / "out.webm", probe_video(source), EncodeSettings()),
    ):
        pytest.fail("the block must not start")
    assert names(refusal.value.hint, ".mp4", ".mkv", ".mov", ".m4v", "`audio=False`")
    assert [path.name for path in clips.folder.iterdir()] == ["clip.mov"]


@pytest.mark.parametrize("codec", ["flac", "libopus"])
def test_sound_that_only_the_header_refuses_names_a_container_too(clips, codec):
    source = clips.make("clip.mkv", sound=(codec,))
    with (
        pytest.raises(VideoError, match=naming(".mov", codec.removeprefix("lib"))) as refusal,
        open_writer(clips.folder / "out.mov", probe_video(source), EncodeSettings()),
    ):
        pytest.fail("the block must not start")
    assert ".mkv" in refusal.value.hint
    assert [path.name for path in clips.folder.iterdir()] == ["clip.mkv"]


def test_sound_can_be_left_out(clips):
    source = clips.make("clip.mov", sound=("pcm_s16le",), subtitles="mov_text")
    after = clips.see(clips.copy(source, "out.webm", audio=False, preset="12"))
    assert "audio" not in after.packets


@pytest.mark.parametrize("target", ["out.mp4", "out.mov"])
def test_subtitles_of_mp4_are_copied(clips, target):
    source = clips.make("clip.mp4", subtitles="mov_text", pts=ONE_SECOND)
    before, after = clips.see(source), clips.see(clips.copy(source, target))
    assert after.packets["subtitle"] == before.packets["subtitle"]


def test_subtitles_of_mp4_become_plain_text_in_matroska(clips):
    source = clips.make("clip.mp4", subtitles="mov_text", pts=ONE_SECOND)
    after = clips.see(clips.copy(source, "out.mkv"))
    expected = [(Fraction(start, 1000), text.encode()) for start, _, text in clips.subtitles]
    assert after.packets["subtitle"] == [expected]


def test_subtitles_and_fonts_of_matroska_are_copied(clips, caplog):
    source = clips.make("clip.mkv", subtitles="subrip", font=b"glyphs", pts=ONE_SECOND)
    after = clips.see(clips.copy(source, "out.mkv"))
    assert after.packets["subtitle"] == clips.see(source).packets["subtitle"]
    assert ("attachment", "font.ttf") in [stream[:2] for stream in after.streams]
    assert not warnings(caplog)


@pytest.mark.parametrize("source", ["clip.mp4", "clip.mkv"])
@pytest.mark.parametrize("target", ["out.mp4", "out.mov", "out.mkv"])
def test_chapters_and_tags_are_copied(clips, source, target, caplog):
    metadata = {"title": "A walk", "artist": "Someone", "com.example.lens": "50 mm"}
    path = clips.make(source, chapters=CHAPTERS, metadata=metadata)
    after = clips.see(clips.copy(path, target))
    assert after.chapters == [
        (Fraction(start, 1000), Fraction(end, 1000), title) for start, end, title in CHAPTERS
    ]
    tags = {name.lower(): value for name, value in after.metadata.items()}
    assert metadata.items() <= tags.items()
    assert not warnings(caplog)  # an MP4 also keeps the titles of its chapters in a data stream


@pytest.mark.parametrize("source", ["clip.mp4", "clip.mkv"])
@pytest.mark.parametrize("target", ["out.mp4", "out.mkv"])
def test_the_cover_is_copied(clips, source, target, caplog):
    path = clips.make(source, cover=True, metadata={"title": "A walk"})
    before, after = clips.see(path), clips.see(clips.copy(path, target))
    assert (
        after.packets["video"][-1] == before.packets["video"][-1]
        or after.packets["video"][0] == before.packets["video"][0]
    )
    assert [disposition for kind, _, _, disposition in after.streams if kind == "video"][-1] == 0x400
    assert after.metadata["title"] == "A walk"
    assert len(after.frames) == 10
    assert not warnings(caplog)


def test_a_cover_that_is_lost_is_named(clips, caplog):
    target = clips.copy(clips.make("clip.mp4", cover=True), "out.mov")
    assert names(the_warning(caplog), target, "cover picture")


def test_tags_that_mp4_cannot_hold_beside_a_cover_are_named(clips, caplog):
    source = clips.make("clip.mkv", cover=True, metadata={"title": "A walk", "LENS": "50 mm"})
    target = clips.copy(source, "out.mp4")
    assert names(the_warning(caplog), target, "tags LENS")


def test_measurements_beside_the_video_are_named(clips, caplog):
    target = clips.copy(clips.make("clip.ts", data=True), "out.mp4")
    assert names(the_warning(caplog), target, "data stream")


def test_a_part_has_its_sound_subtitles_and_chapters_from_zero_on(clips):
    source = clips.make(
        "clip.mp4",
        sound=("aac",),
        sound_s=2.0,
        subtitles="mov_text",
        chapters=((0, 300, "One"), (300, 2000, "Two")),
        pts=tuple(range(0, 512 * 50, 512)),
    )
    part = TimeRange(start=TimePoint(seconds=Fraction("0.2")), end=TimePoint(seconds=Fraction("1.2")))
    before, after = clips.see(source), clips.see(clips.copy(source, "out.mp4", part))
    assert after.times == [Fraction(index, 25) for index in range(25)]
    start, end = Fraction(1, 5), Fraction(6, 5)
    expected = [(time - start, data) for time, data in before.packets["audio"][0] if start <= time < end]
    assert after.packets["audio"] == [expected]
    assert after.chapters == [(0, Fraction(1, 10), "One"), (Fraction(1, 10), 1, "Two")]
    assert after.packets["subtitle"][0][0] == (0, b"\x00\x0eand good night")


def test_the_time_code_is_kept(clips, caplog):
    source = clips.make("clip.mov", metadata={"timecode": "01:02:03:04"})
    for target in ("out.mov", "out.mp4"):
        after = clips.see(clips.copy(source, target))
        assert ("data", "01:02:03:04") in [(kind, tags.get("timecode")) for kind, _, tags, _ in after.streams]
    after = clips.see(clips.copy(source, "out.mkv"))
    assert "01:02:03:04" in [tags.get("TIMECODE") for kind, _, tags, _ in after.streams if kind == "video"]
    assert not warnings(caplog)


def test_a_part_of_matroska_has_its_sound(clips):
    source = clips.make(
        "clip.mkv", sound=("flac",), sound_s=3.0, pts=tuple(range(0, 512 * 75, 512)), options={"g": "10"}
    )
    part = TimeRange(start=TimePoint(frame=50), end=TimePoint(frame=60))
    before, after = clips.see(source), clips.see(clips.copy(source, "out.mkv", part))
    expected = [(time - 2, data) for time, data in before.packets["audio"][0] if 2 <= time < Fraction(12, 5)]
    assert after.packets["audio"] == [expected]


def test_sound_is_stored_between_the_pictures(clips):
    source = clips.make("clip.mp4", sound=("aac",), sound_s=4.0, pts=tuple(range(0, 512 * 100, 512)))
    with av.open(str(clips.copy(source, "out.mkv"))) as file:
        order = [
            (packet.stream.type, float(packet.dts * packet.time_base))
            for packet in file.demux()
            if packet.size and packet.dts is not None
        ]
    last = {"video": 0.0, "audio": 0.0}
    for kind, time in order:
        last[kind] = time
        if min(last.values()) > 0:
            assert abs(last["video"] - last["audio"]) < 0.5


def test_sound_that_ends_long_before_the_pictures_is_no_obstacle(clips):
    source = clips.make("clip.mp4", sound=("aac",), sound_s=0.1, pts=tuple(range(0, 512 * 100, 512)))
    assert len(clips.see(clips.copy(source, "out.mp4")).times) == 100


def test_a_second_video_is_named(clips, caplog):
    source = clips.folder / "two.mkv"
    with av.open(str(source), "w") as file:
        for size in (64, 32):
            stream = file.add_stream("ffv1", rate=25)
            stream.width = stream.height = size
        file.start_encoding()
        for stream, size in zip(file.streams, (64, 32), strict=True):
            frame = av.VideoFrame(size, size, "yuv420p")
            frame.pts = 0
            file.mux(stream.encode(frame))
            file.mux(stream.encode())
    target = clips.copy(source, "out.mp4")
    assert clips.see(target).video["size"] == (64, 64)
    assert names(the_warning(caplog), target, "second video")


def encoders_of_sound():
    found = []
    for name in sorted(av.codecs_available):
        try:
            codec = av.Codec(name, "w")
        except av.codec.codec.UnknownCodecError:
            continue
        if codec.type == "audio" and name not in ("anull", "aac_mf", "mp3_mf", "ac3_mf"):
            found.append(name)
    return found


def sound_alone(path, name, container):
    """Write a little sound; ``False`` where this encoder or container does not take it."""
    for rate, layout in ((48000, "stereo"), (44100, "stereo"), (8000, "mono"), (16000, "mono")):
        try:
            with av.open(str(path), "w", format=container) as file:
                stream = file.add_stream(name, rate=rate)
                stream.layout = layout
                stream.codec_context.options = {"strict": "-2"}
                file.start_encoding()
                values = 4608 * (2 if layout == "stereo" else 1)
                noise = np.random.default_rng(0).integers(-9000, 9000, (1, values), np.int16)
                frame = av.AudioFrame.from_ndarray(noise, "s16", layout)
                frame.rate, frame.pts = rate, 0
                resampler = av.AudioResampler(
                    format=stream.codec_context.format,
                    layout=layout,
                    rate=rate,
                    frame_size=stream.codec_context.frame_size or 1024,
                )
                for resampled in [*resampler.resample(frame), *resampler.resample(None)]:
                    file.mux(stream.encode(resampled))
                file.mux(stream.encode())
            with av.open(str(path)) as file:
                if file.streams.audio and file.streams.audio[0].codec_context:
                    return True
        except (ValueError, av.FFmpegError):
            continue
    return False


def copied(source, target, container):
    """The packets of a file of sound and of its copy; ``None`` where the container is told not to hold it."""
    with av.open(str(source)) as file:
        stream = file.streams.audio[0]
        add = partial(remux._copied_sound, stream)
        if not can_hold(container, add):
            return None
        sent = []
        with av.open(str(target), "w", format=container.format) as output:
            copy = add(output)
            for packet in file.demux(stream):
                if packet.size:
                    sent.append(bytes(packet))
                    packet.stream = copy
                    output.mux(packet)
    with av.open(str(target)) as file:
        return sent, [bytes(packet) for packet in file.demux(audio=0) if packet.size]


# Held by Matroska though FFmpeg says no.
HELD_AS_IN_WAV = {
    *("adpcm_ima_wav", "adpcm_ms", "adpcm_swf", "adpcm_yamaha", "dfpwm", "g722", "g726", "pcm_s64le"),
    *("libopencore_amrnb", "pcm_alaw", "pcm_mulaw"),
}


@pytest.mark.slow
def test_matroska_holds_every_sound_that_it_can(tmp_path):
    held = set()
    for name in encoders_of_sound():
        source = tmp_path / "sound"
        container = next(
            (kind for kind in ("mov", "nut", "avi", "matroska") if sound_alone(source, name, kind)), None
        )
        if container is None:
            continue
        found = copied(source, tmp_path / "copy", CONTAINERS[".mkv"])
        if found and container != "nut":  # which keeps headers that Matroska leaves out
            assert found[0] == found[1], name
        if found:
            held.add(name)
    assert held >= HELD_AS_IN_WAV
    assert held >= {"aac", "flac", "libopus", "pcm_s16le"}
    assert "pcm_f32be" not in held


def test_sound_of_old_cameras_is_copied(clips):
    source = clips.make("clip.mov", sound=("pcm_mulaw",))
    before, after = clips.see(source), clips.see(clips.copy(source, "out.mkv"))
    assert [data for _, data in after.packets["audio"][0]] == [data for _, data in before.packets["audio"][0]]


def test_sound_of_an_unknown_kind_is_named_and_the_other_copied(clips, caplog):
    source = clips.make("clip.mp4", sound=("aac", "aac"))
    data = source.read_bytes()
    last = data.rindex(b"mp4a", 0, data.rindex(b"esds"))
    # As phones name theirs.
    source.write_bytes(data[:last] + data[last:].replace(b"mp4a", b"apac").replace(b"esds", b"dapa"))
    target = clips.copy(source, "out.mp4")
    assert len(clips.see(target).packets["audio"]) == 1
    assert names(the_warning(caplog), target, "unknown")


def test_statistics_of_the_source_are_not_copied(clips):
    metadata = {"BPS": "296480", "NUMBER_OF_FRAMES-eng": "15", "_STATISTICS_TAGS": "BPS", "LENS": "50 mm"}
    after = clips.see(clips.copy(clips.make("clip.mkv", metadata=metadata), "out.mkv"))
    assert {name for name in after.metadata if name != "ENCODER"} == {"LENS"}

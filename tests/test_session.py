"""A clip is opened, probed and scanned once, and so is its track, whatever is made of them."""

import shutil
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
import torch
from facts import naming
from folders import use_own_folders
from torch import Tensor

from any2bokeh.depth import source as depth_source
from any2bokeh.errors import DisparityError, FocusError, VideoError
from any2bokeh.plan import make_plan
from any2bokeh.preview.pictures import moment_sheet
from any2bokeh.run import estimate_depth, refocus
from any2bokeh.session import ClipSession
from any2bokeh.settings.clip_settings import ClipSettings
from any2bokeh.settings.depth_settings import DepthSettings, TrackSettings
from any2bokeh.settings.focus_settings import (
    FocusSettings,
    Key,
    Point,
    PreviewFocusSettings,
    SubjectSettings,
)
from any2bokeh.settings.preview_settings import PreviewSettings
from any2bokeh.settings.render_settings import RenderSettings
from any2bokeh.settings.run_settings import Settings
from any2bokeh.settings.values import TimePoint
from any2bokeh.settings.video_settings import EncodeSettings, TimeRange
from any2bokeh.video.clip import VideoClip
from any2bokeh.video.create import create_video
from any2bokeh.video.decode import open_video
from any2bokeh.video.gray import open_gray_writer
from any2bokeh.video.span import Span

FRAMES, WIDTH, HEIGHT, RATE = 24, 48, 32, Fraction(24)
LENS = RenderSettings(renderer="lens", device="cpu")
HELD = FocusSettings(focus_disparity=0.5, blur_strength=0)  # nothing to compile, nothing to render


class CountedContainer:
    """A container that counts the packets that are read of it."""

    def __init__(self, container: Any, name: str, packets: Counter[str]) -> None:
        self._container, self._name, self._packets = container, name, packets

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def __enter__(self) -> "CountedContainer":
        return self

    def __exit__(self, *error: object) -> None:
        self._container.close()

    def demux(self, *streams: Any) -> Iterator[Any]:
        for packet in self._container.demux(*streams):
            self._packets[self._name] += packet.size > 0
            yield packet


class Reads:
    """How often each file was opened for reading, and how many packets were read of it."""

    def __init__(self) -> None:
        self.opens: Counter[str] = Counter()
        self.packets: Counter[str] = Counter()

    def of(self, path: Path) -> tuple[int, int]:
        """Opens and packets of one file."""
        return self.opens[str(path)], self.packets[str(path)]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """Counts from here on."""
    reads, av_open = Reads(), av.open

    def open_counted(file: str, mode: str = "r", *rest: Any, **options: Any) -> Any:
        container = av_open(file, mode, *rest, **options)
        if mode == "w":
            return container
        name = file.removeprefix("file:")
        reads.opens[name] += 1
        return CountedContainer(container, name, reads.packets)

    monkeypatch.setattr(av, "open", open_counted)
    return reads


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_own_folders(tmp_path, "model = []", monkeypatch)
    return tmp_path / "cache" / "disparity"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a clip without sound, every frame of which can be found, and its track."""
    folder = tmp_path_factory.mktemp("session")
    with (
        create_video(folder / "clip.mkv", WIDTH, HEIGHT, RATE) as video,
        open_gray_writer(folder / "track.mkv", WIDTH, HEIGHT, 1 / RATE, RATE) as track,
    ):
        for number in range(FRAMES):
            video.write(picture_of(number))
            track.write(torch.linspace(0, number / FRAMES, WIDTH).expand(1, HEIGHT, -1), number)
    return folder


@pytest.fixture
def clip(folder: Path) -> Path:
    return folder / "clip.mkv"


@pytest.fixture
def track(folder: Path) -> Path:
    return folder / "track.mkv"


def picture_of(number: int) -> Tensor:
    rows = (torch.arange(HEIGHT)[:, None] + torch.arange(WIDTH) + 2 * number) / 5
    return rows.sin().mul(0.4).add(0.5).expand(3, -1, -1).contiguous()


def run(clip: Path, target: Path, *, focus: FocusSettings = HELD, **settings: Any) -> None:
    lossless = EncodeSettings(lossless=True)
    refocus(clip, target, Settings(focus=focus, render=LENS, encode=lossless, **settings), overwrite=True)


# The clip is opened to be probed and decoded, to be scanned, and to copy its sound, of which there is none.
ONE_PASS = (3, 2 * FRAMES)


def test_with_a_given_track_both_are_scanned_once_and_read_once(
    clip: Path, track: Path, tmp_path: Path, reads: Reads
) -> None:
    run(clip, tmp_path / "out.mkv", depth=DepthSettings(track=track))
    assert reads.of(clip) == ONE_PASS
    assert reads.of(track) == (2, 2 * FRAMES)


@pytest.mark.slow
def test_an_estimate_takes_one_more_pass_and_a_cached_one_none(
    clip: Path, cache: Path, tmp_path: Path, reads: Reads
) -> None:
    depth = DepthSettings(model="compact", size=56)
    run(clip, tmp_path / "first.mkv", depth=depth)
    assert reads.of(clip) == (4, 3 * FRAMES)
    (entry,) = cache.glob("*.mkv")
    assert reads.of(entry) == (1, FRAMES)
    reads.opens.clear()
    reads.packets.clear()
    run(clip, tmp_path / "second.mkv", depth=depth)
    assert reads.of(clip) == ONE_PASS
    assert reads.of(entry) == (1, FRAMES)


def test_a_part_is_found_by_the_one_scan(clip: Path, track: Path, tmp_path: Path, reads: Reads) -> None:
    part = TimeRange(start=TimePoint(frame=8), end=TimePoint(seconds=Fraction(2, 3)))
    run(clip, tmp_path / "out.mkv", depth=DepthSettings(track=track), time_range=part)
    opens, packets = reads.of(clip)
    assert opens == 4  # frames decoded to probe it are of no use
    assert packets <= 2 * FRAMES + 8
    assert reads.of(track)[0] == 2


SECONDS = TimeRange(start=TimePoint(seconds=Fraction("0.33")), end=TimePoint(seconds=Fraction("0.66")))
PARTS = [
    SECONDS,
    TimeRange(start=TimePoint(seconds=Fraction(7, 20))),
    TimeRange(end=TimePoint(seconds=Fraction(1, 10))),
    TimeRange(start=TimePoint(frame=8), end=TimePoint(frame=9)),
]


def test_a_part_of_a_long_file_is_found_without_reading_the_rest(
    track: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("any2bokeh.video.clip.PART_ALONE_BYTES", 0)
    with VideoClip(track, SECONDS) as video:
        assert len(video.times) == 8
        assert video.seconds(video.times[0]) == pytest.approx(7 / 24, abs=1e-3)
        assert reads.of(track)[1] < FRAMES  # of which each is a keyframe
        assert len(video.all_times) == FRAMES


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_a_long_file_is_the_same_part(
    clip: Path, part: TimeRange, monkeypatch: pytest.MonkeyPatch
) -> None:
    with VideoClip(clip, part) as video:
        span, times = video.span, video.times
    monkeypatch.setattr("any2bokeh.video.clip.PART_ALONE_BYTES", 0)
    with VideoClip(clip, part) as video:
        assert (video.span, video.times) == (span, times)


@pytest.mark.parametrize("seconds", [(5, 6), (Fraction(1, 100), Fraction(2, 100))])
def test_a_long_file_without_a_frame_in_the_part_says_so(
    clip: Path, seconds: tuple[Fraction, Fraction], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("any2bokeh.video.clip.PART_ALONE_BYTES", 0)
    start, end = (TimePoint(seconds=Fraction(moment)) for moment in seconds)
    with pytest.raises(VideoError, match=naming(clip, 24)):
        VideoClip(clip, TimeRange(start=start, end=end))


def test_a_point_outside_the_picture_is_refused_before_its_disparity_is_estimated(clip: Path) -> None:
    outside = Point(WIDTH, 5)
    key = Key(at=TimePoint(frame=0), value=outside)
    subject = SubjectSettings(points=(outside,))
    for focus in (
        FocusSettings(focus_at=outside, blur_strength=8),
        FocusSettings(follow=outside, blur_strength=8),
        FocusSettings(focus_disparity=(key,), blur_strength=8),
        FocusSettings(subject=subject, blur_strength=8),
    ):
        with pytest.raises(FocusError, match=naming(f"{WIDTH},5", clip, f"{WIDTH}x{HEIGHT}")):
            ClipSession(clip, ClipSettings(focus=focus))


def test_a_mask_that_does_not_fit_is_refused_before_any_estimate(clip: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.mkv"
    with open_gray_writer(other, WIDTH, HEIGHT, Fraction(1, 1000)) as writer:
        for pts in (0, 700, 90_000):
            writer.write(torch.zeros(1, HEIGHT, WIDTH), pts)
    for mask in (tmp_path / "gone.mkv", other):
        with pytest.raises(DisparityError, match=naming(mask)):
            ClipSession(clip, ClipSettings(focus=FocusSettings(focus_mask=(mask,), blur_strength=8)))


def test_a_point_of_the_picture_needs_no_frame_to_be_decoded(
    clip: Path, track: Path, tmp_path: Path, reads: Reads
) -> None:
    focus = FocusSettings(focus_at=Point(0.5, 0.5, TimePoint(frame=12)), blur_strength=0)
    run(clip, tmp_path / "out.mkv", depth=DepthSettings(track=track), focus=focus)
    assert reads.of(clip) == ONE_PASS
    assert reads.of(track)[0] == 3


@pytest.mark.slow
def test_following_takes_four_passes_before(clip: Path, track: Path, tmp_path: Path, reads: Reads) -> None:
    focus = FocusSettings(follow=Point(0.5, 0.5), blur_strength=0)
    run(clip, tmp_path / "out.mkv", depth=DepthSettings(track=track), focus=focus)
    opens, packets = reads.of(clip)
    # Probed, scanned; shots; the frame of the point, where it is placed and where growth starts, and all from
    # there on; measured in its mask; rendered.
    assert opens == 8 and packets < 6 * FRAMES
    assert reads.of(track)[1] <= 3 * FRAMES


def test_a_plan_decodes_a_frame_and_scans_once(clip: Path, track: Path, tmp_path: Path, reads: Reads) -> None:
    settings = Settings(focus=HELD, render=LENS, depth=DepthSettings(track=track))
    assert make_plan(clip, tmp_path / "out.mkv", settings).frames == FRAMES
    opens, packets = reads.of(clip)
    assert opens == 2 and packets < 2 * FRAMES
    assert reads.of(track)[0] == 2


def test_a_still_takes_one_scan(clip: Path, track: Path, reads: Reads) -> None:
    focus = PreviewFocusSettings(focus_disparity=0.5, blur_strength=0)
    settings = PreviewSettings(focus=focus, depth=DepthSettings(track=track), render=LENS)
    moment_sheet(clip, settings)
    opens, packets = reads.of(clip)
    assert opens == 3 and packets <= 3 * FRAMES  # probed, scanned, and the frame sought
    assert reads.of(track)[0] == 2


@pytest.mark.slow
def test_a_track_and_its_colors_are_estimated_once(
    clip: Path, tmp_path: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    write = depth_source.write_estimate

    def counted(estimate: Any, span: Span, target: Path, on_progress: Any) -> None:
        made.append(target)
        write(estimate, span, target, on_progress)

    monkeypatch.setattr(depth_source, "write_estimate", counted)
    depth = DepthSettings(model="compact", size=56, use_cache=False)
    settings = TrackSettings(depth=depth, device="cpu")
    estimate_depth(clip, tmp_path / "track.mkv", settings, colors=tmp_path / "colors.mkv")
    assert len(made) == 1
    with open_video(tmp_path / "colors.mkv") as video:
        assert len(list(video)) == FRAMES
    assert reads.of(clip) == (4, 3 * FRAMES)


def test_frames_can_be_read_more_than_once_and_stills_besides(clip: Path, track: Path) -> None:
    settings = ClipSettings(focus=HELD, depth=DepthSettings(track=track), device="cpu")
    with ClipSession(clip, settings) as session:
        first, second = (
            [(frame.pts, depth.mean().item()) for frame, depth, *_ in session.frames()] for _ in range(2)
        )
        assert first == second and len(first) == FRAMES
        wanted = [session.times[3], session.times[20]]
        stills = [(frame.pts, disparity.mean().item()) for frame, disparity, _ in session.stills(wanted)]
        assert stills == [first[3], first[20]]
        assert [scene.pts for scene in session.scenes()] == session.times


def test_what_was_opened_is_closed_also_where_nothing_was_read(clip: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(clip, tmp_path / "copy.mkv"))
    with ClipSession(copy, ClipSettings(depth=DepthSettings(track=tmp_path / "absent.mkv"))) as session:
        assert len(session.times) == FRAMES
    open_files = [path.resolve() for path in Path("/proc/self/fd").iterdir() if path.exists()]
    assert copy not in open_files


def test_stills_of_a_frame_that_cannot_be_decoded_are_left_out(
    clip: Path, track: Path, tmp_path: Path
) -> None:
    whole, damaged = tmp_path / "whole.mkv", tmp_path / "damaged.mkv"
    run(clip, whole, depth=DepthSettings(track=track))
    with av.open(str(whole)) as file:
        last = [bytes(packet) for packet in file.demux(video=0) if packet.size][-1]
    content = whole.read_bytes()
    place = content.rindex(last)
    damaged.write_bytes(content[: place + 8] + bytes(len(last) - 8) + content[place + len(last) :])
    settings = ClipSettings(focus=HELD, depth=DepthSettings(track=track))
    with ClipSession(damaged, settings) as session:
        shown = [frame.pts for frame, *_ in session.stills([session.times[0], session.times[-1]])]
        assert shown == [session.times[0]]
        with pytest.raises(VideoError, match=naming(damaged)):
            list(session.stills([session.times[-1]]))

"""Frames in memory are refocused as those of a video, of the kind that went in, one after the other."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from any2bokeh import (
    DepthOfFieldSettings,
    DepthSettings,
    DisparityError,
    EncodeSettings,
    FocusSettings,
    LensSettings,
    RefocusError,
    RenderSettings,
    Settings,
    SettingsError,
    ShapeError,
    refocus,
    refocus_frames,
)

HEIGHT, WIDTH, FRAMES = 40, 64, 5
ON_CPU = RenderSettings(renderer="lens", device="cpu")
BEST = RenderSettings(renderer="lens", device="cpu", lens=LensSettings(quality="best"))
AS_IT_IS = RenderSettings(renderer="lens", device="cpu", lens=LensSettings(highlights=0))
SMALL = RenderSettings(renderer="small", device="cpu")

Pictures = list[NDArray[Any]]


def pictures() -> Pictures:
    """Noise, other in each frame: every code occurs."""
    rng = np.random.default_rng(7)
    return [rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(FRAMES)]


def as_floats(frames: Pictures) -> Pictures:
    return [(frame / np.float32(255)).astype(np.float32) for frame in frames]


def disparities() -> Pictures:
    """A wall at 0.25, before it a block at 0.75 that moves."""
    maps = np.full((FRAMES, HEIGHT, WIDTH), 0.25, np.float32)
    for number, one in enumerate(maps):
        one[10:30, 10 + 2 * number : 30 + 2 * number] = 0.75
    return list(maps)


def as_tensors(frames: Pictures) -> list[torch.Tensor]:
    return [torch.from_numpy(frame.transpose(2, 0, 1).copy()) for frame in frames]


@pytest.mark.parametrize("settings", [ON_CPU, BEST, SMALL], ids=["lens", "best", "small"])
@pytest.mark.parametrize("kind", [list, as_floats], ids=["uint8", "float32"])
@pytest.mark.slow
def test_without_blur_frames_come_back_bit_for_bit(
    settings: RenderSettings, kind: Callable[[Pictures], Pictures]
) -> None:
    frames = kind(pictures())
    made = list(
        refocus_frames(frames, disparities(), focus_disparity=0.5, blur_strength=0, settings=settings)
    )
    assert len(made) == FRAMES
    for frame, one in zip(frames, made, strict=True):
        assert one.dtype == frame.dtype
        np.testing.assert_array_equal(one, frame)


@pytest.mark.parametrize("kind", [list, as_floats], ids=["uint8", "float32"])
def test_what_is_in_focus_stays_and_the_rest_blurs(kind: Callable[[Pictures], Pictures]) -> None:
    frames = kind(pictures())
    made = refocus_frames(frames, disparities(), focus_disparity=0.75, blur_strength=64, settings=ON_CPU)
    for number, (frame, one) in enumerate(zip(frames, made, strict=True)):
        block = np.s_[11:29, 11 + 2 * number : 29 + 2 * number]
        np.testing.assert_array_equal(one[block], frame[block])
        assert one[:, 48:].std() < 0.7 * frame[:, 48:].std()


@pytest.mark.parametrize("settings", [ON_CPU, SMALL], ids=["lens", "small"])
@pytest.mark.parametrize("kind", [list, as_floats], ids=["uint8", "float32"])
def test_tensors_and_arrays_are_drawn_alike(
    settings: RenderSettings, kind: Callable[[Pictures], Pictures]
) -> None:
    frames = kind(pictures())
    focus: dict[str, Any] = {"focus_disparity": 0.3, "blur_strength": 40, "settings": settings}
    arrays = list(refocus_frames(frames, disparities(), **focus))
    maps = [torch.from_numpy(one)[None] for one in disparities()]
    tensors = list(refocus_frames(as_tensors(frames), maps, **focus))
    for array, tensor in zip(arrays, tensors, strict=True):
        assert tensor.shape == (3, HEIGHT, WIDTH)
        assert not tensor.is_inference()
        np.testing.assert_array_equal(tensor.numpy().transpose(1, 2, 0), array)


@pytest.mark.parametrize("dtype", [np.float16, np.float64], ids=str)
def test_disparity_may_be_of_any_floats(dtype: type[np.floating[Any]]) -> None:
    frames, rough = pictures(), [one.astype(dtype) for one in disparities()]
    focus: dict[str, Any] = {"focus_disparity": 0.25, "blur_strength": 30, "settings": ON_CPU}
    for one, other in zip(
        refocus_frames(frames, rough, **focus), refocus_frames(frames, disparities(), **focus), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_frames_are_drawn_as_those_of_a_lossless_video(tmp_path: Path) -> None:
    frames, maps = pictures(), disparities()
    write_rgb(tmp_path / "clip.mkv", frames)
    np.save(tmp_path / "track.npy", np.stack(maps))
    ramp = [0.2 + 0.1 * number for number in range(FRAMES)]
    (tmp_path / "focus.csv").write_text(
        "frame,focus,k\n" + "".join(f"{number},{focus},{100 + number}\n" for number, focus in enumerate(ramp))
    )
    look = DepthOfFieldSettings(dof_range=0.1, near_strength=1.5)
    refocus(
        tmp_path / "clip.mkv",
        tmp_path / "made.mkv",
        Settings(
            focus=FocusSettings(focus_track=tmp_path / "focus.csv", easing="linear", depth_of_field=look),
            depth=DepthSettings(track=tmp_path / "track.npy"),
            render=ON_CPU,
            encode=EncodeSettings(lossless=True),
        ),
    )
    made = list(
        refocus_frames(
            frames,
            maps,
            focus_disparity=ramp,
            blur_strength=(100 + number for number in range(FRAMES)),
            settings=ON_CPU,
            depth_of_field=look,
        )
    )
    with av.open(str(tmp_path / "made.mkv")) as container:
        of_video = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert (np.stack(made) != np.stack(frames)).mean() > 0.5
    np.testing.assert_array_equal(np.stack(made), np.stack(of_video))


def write_rgb(path: Path, frames: Pictures) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0"
        for frame in frames:
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="bgr0"))
            )
        container.mux(stream.encode())


@pytest.mark.parametrize(
    ("settings", "ahead"), [(ON_CPU, 2), (AS_IT_IS, 0), (BEST, 5)], ids=["lens", "no highlights", "best"]
)
def test_frames_are_read_as_results_are_asked_for(settings: RenderSettings, ahead: int) -> None:
    read: list[int] = []
    threads: set[threading.Thread] = set()

    def endless() -> Iterator[NDArray[Any]]:
        frame, number = pictures()[0], 0
        while True:
            read.append(number)
            threads.add(threading.current_thread())
            yield frame
            number += 1

    def maps() -> Iterator[NDArray[Any]]:
        while True:
            yield disparities()[0]

    with refocus_frames(endless(), maps(), focus_disparity=0.5, blur_strength=8, settings=settings) as made:
        assert read == []
        for number, _ in zip(range(6), made, strict=False):
            assert len(read) <= number + 1 + ahead
    assert threads == {threading.current_thread()}
    assert next(made, None) is None


@pytest.mark.slow
def test_memory_of_a_frame_may_be_used_again() -> None:
    """As decoders do it: each frame comes in the same array."""

    def reused(frames: Pictures) -> Iterator[NDArray[Any]]:
        buffer = np.empty_like(frames[0])
        for frame in frames:
            buffer[...] = frame
            yield buffer

    for frames in (pictures(), as_floats(pictures())):
        focus: dict[str, Any] = {"focus_disparity": 0.4, "blur_strength": 30, "settings": BEST}
        made = list(refocus_frames(reused(frames), reused(disparities()), **focus))
        for one, other in zip(made, refocus_frames(frames, disparities(), **focus), strict=True):
            np.testing.assert_array_equal(one, other)


def test_results_are_not_the_frames_themselves() -> None:
    frames = as_floats(pictures())
    kept = [frame.copy() for frame in frames]
    for made in refocus_frames(frames, disparities(), focus_disparity=0.5, blur_strength=0, settings=ON_CPU):
        made[...] = 0
    np.testing.assert_array_equal(frames, kept)


def test_result_says_how_far_it_is_and_with_what() -> None:
    made = refocus_frames(
        pictures(),
        disparities(),
        focus_disparity=[0.5, 0.2, 0.9, 0.4, 0.4],
        blur_strength=np.array([3, 4, 5, 6, 7], np.float32),
        settings=ON_CPU,
    )
    assert (made.frames, made.size, made.renderer, made.focus, made.k) == (0, None, None, None, None)
    next(made)
    assert (made.frames, made.size, made.renderer) == (1, (HEIGHT, WIDTH), "lens")
    assert (made.focus, made.k) == ((0.5, 0.5), (3, 3))
    next(made)
    assert (made.focus, made.k) == ((0.2, 0.5), (3, 4))
    assert len(list(made)) == FRAMES - 2
    assert (made.frames, made.focus, made.k) == (FRAMES, (0.2, 0.9), (3, 7))


def test_no_frames_are_no_error() -> None:
    assert list(refocus_frames([], [], focus_disparity=0.5, blur_strength=8)) == []


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the renderers that were closed."""
    import any2bokeh.frames

    names: list[str] = []
    make = any2bokeh.frames.make_renderer

    def make_watched(*arguments: Any) -> Any:
        renderer = make(*arguments)
        close = renderer.close

        def watched() -> None:
            names.append(renderer.name)
            close()

        renderer.close = watched
        return renderer

    monkeypatch.setattr("any2bokeh.frames.make_renderer", make_watched)
    return names


def test_renderer_is_closed_after_the_last_frame(closed: list[str]) -> None:
    made = refocus_frames(pictures(), disparities(), focus_disparity=0.5, blur_strength=8, settings=ON_CPU)
    for _ in range(FRAMES):
        next(made)
        assert closed == []
    assert next(made, None) is None
    assert closed == ["lens"]
    made.close()
    assert closed == ["lens"]


def test_renderer_is_closed_where_iteration_stops(closed: list[str]) -> None:
    made = refocus_frames(pictures(), disparities(), focus_disparity=0.5, blur_strength=8, settings=ON_CPU)
    with made:
        next(made)
    assert closed == ["lens"]


def test_renderer_is_closed_after_an_error(closed: list[str]) -> None:
    made = refocus_frames(
        pictures(), disparities()[:2], focus_disparity=0.5, blur_strength=8, settings=ON_CPU
    )
    with pytest.raises(ShapeError):
        list(made)
    assert closed == ["lens"]


def changed(number: int, frame: object) -> list[Any]:
    """The frames, the one of that number another."""
    return [frame if place == number else one for place, one in enumerate(pictures())]


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"focus_disparity": 1.5}, SettingsError, "^`focus_disparity` must be .*, got 1.5."),
        ({"blur_strength": [3, 200] * 3}, SettingsError, "`blur_strength` must be .* 0 to 128, got 200."),
        ({"blur_strength": "8"}, SettingsError, "`blur_strength` must be .*, got '8'."),
        ({"focus_disparity": None}, SettingsError, "`focus_disparity` must be .*, got None."),
        ({"focus_disparity": [0.5]}, ShapeError, "`focus_disparity` ends after 1 frames, `frames` goes on."),
        ({"blur_strength": [8] * 6}, ShapeError, "`frames` ends after 5 frames, `blur_strength` goes on."),
        ({"disparity": disparities()[:3]}, ShapeError, "`disparity` ends after 3 frames, `frames` goes on."),
        ({"frames": pictures()[:4]}, ShapeError, "`frames` ends after 4 frames, `disparity` goes on."),
        ({"frames": pictures()[0]}, ShapeError, r"H W 3.*got \(64, 3\) uint8"),
        ({"frames": as_tensors(pictures())[0]}, ShapeError, r"3 H W.*got \(40, 64\) uint8"),
        ({"frames": ["a.png"]}, ShapeError, "`frames`.* str"),
        ({"frames": changed(0, pictures()[0][..., :2])}, ShapeError, r"got \(40, 64, 2\) uint8 as frame 0."),
        ({"frames": changed(2, pictures()[0].astype(float))}, ShapeError, r"float64 as frame 2."),
        ({"frames": changed(2, pictures()[0][:-1])}, ShapeError, "frame 2.*64x39 uint8.*64x40 uint8"),
        ({"frames": changed(1, as_tensors(pictures())[0])}, ShapeError, "frame 1.*tensor.*cpu"),
        (
            {"frames": [2 * one for one in as_floats(pictures())]},
            SettingsError,
            "`frames`.* 0 to 1, got 2",
        ),
        ({"frames": [one * np.nan for one in as_floats(pictures())]}, SettingsError, "got nan in frame 0."),
        ({"disparity": [one[1:] for one in disparities()]}, ShapeError, r"got \(39, 64\) for frame 0."),
        ({"disparity": pictures()}, ShapeError, r"got \(40, 64, 3\) for frame 0."),
        ({"disparity": [one.astype(int) for one in disparities()]}, ShapeError, "of floats, got int64"),
        ({"disparity": [one - 0.5 for one in disparities()]}, DisparityError, "got -0.25 for frame 0."),
        ({"disparity": [one * np.inf for one in disparities()]}, DisparityError, "got inf for frame 0."),
        ({"disparity": [None] * 5}, ShapeError, "`disparity`.*NoneType"),
    ],
)
def test_what_cannot_be_is_said_of_the_argument(
    changes: dict[str, Any], kind: type[RefocusError], message: str
) -> None:
    arguments: dict[str, Any] = {
        "frames": pictures(),
        "disparity": disparities(),
        "focus_disparity": 0.5,
        "blur_strength": 8,
        "settings": ON_CPU,
    }
    arguments |= changes
    with pytest.raises(kind, match=message):
        list(refocus_frames(arguments.pop("frames"), arguments.pop("disparity"), **arguments))


def test_numbers_are_checked_before_anything_is_read() -> None:
    with pytest.raises(SettingsError, match="`blur_strength`"):
        refocus_frames(iter(()), iter(()), focus_disparity=0.5, blur_strength=-1)


def test_frames_before_an_error_are_given_out() -> None:
    made = refocus_frames(
        pictures(), disparities()[:3], focus_disparity=0.5, blur_strength=8, settings=ON_CPU
    )
    for _ in range(3):
        next(made)
    with pytest.raises(ShapeError, match="`disparity` ends after 3 frames"):
        next(made)
    assert made.frames == 3

"""Uses an installed wheel as its users do: python check_wheel.py CHECKOUT, in an empty folder.

Makes a clip, and refocuses it with the compact depth network, and with a track by the lens and by the small
network. Fails where anything comes from CHECKOUT, or is missing in the wheel.
"""

import shutil
import subprocess
import sys
from fractions import Fraction
from importlib import metadata
from importlib.resources import files
from pathlib import Path

import av
import numpy as np

FRAMES, WIDTH, HEIGHT = 3, 160, 96
CLIP, TRACK = Path("clip.mp4"), Path("track.npy")


def main() -> None:
    """Check the installed package, then use it."""
    check_place(Path(sys.argv[1]).resolve())
    check_files()
    write_clip()
    assert "depth-small" in run("download-weights", "--list"), "the package's own models.toml is not read"
    refocus("lens", "--depth", "compact")
    results = [refocus(renderer, "--disparity", TRACK) for renderer in ("lens", "small")]
    assert not np.array_equal(*results), "small gives what the lens gives"


def check_place(checkout: Path) -> None:
    """The package and its commands are those of this environment, and no path leads to the checkout."""
    import any2bokeh

    for place in (any2bokeh.__file__, shutil.which("bokeh"), shutil.which("any2bokeh"), *sys.path[1:]):
        assert place and not Path(place).resolve().is_relative_to(checkout), f"{place} is in the checkout"
        assert not place.startswith("/usr/bin") or "python" in place, place
    assert Path(any2bokeh.__file__).is_relative_to(sys.prefix), any2bokeh.__file__
    assert any2bokeh.__version__ == metadata.version("any2bokeh")


def check_files() -> None:
    """The wheel holds the package's files that are not Python, and no files of anything else."""
    package = files("any2bokeh")
    listed = {str(path) for path in metadata.files("any2bokeh") or []}
    for name in ("models.toml", "py.typed"):
        assert package.joinpath(name).is_file(), f"{name} is missing"
    for name in ("LICENSE", "NOTICE"):
        assert any(path.endswith(name) for path in listed), f"{name} is missing"
    tops = {name.split("/")[0] for name in listed if not name.startswith("..")}
    assert tops == {"any2bokeh", f"any2bokeh-{metadata.version('any2bokeh')}.dist-info"}, tops


def write_clip() -> None:
    """A checkered card that moves before stripes, 3 frames at 24 frames/s, and its disparity."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    disparity = np.full((FRAMES, HEIGHT, WIDTH), 0.1, np.float32)
    with av.open(str(CLIP), "w") as file:
        stream = file.add_stream("libx264", rate=Fraction(24), options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(FRAMES):
            picture = np.stack([rows * 2, columns, 255 - rows], axis=2) // 4
            picture = (picture + 60 * (columns // 4 % 2)[..., None]).astype(np.uint8)
            card = slice(20, 70), slice(30 + 4 * number, 90 + 4 * number)
            picture[card] = 80 + 120 * ((rows // 6 + columns // 6) % 2)[card][..., None]
            disparity[number, *card] = 0.9
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))
    np.save(TRACK, disparity)


def refocus(renderer: str, *depth: object) -> np.ndarray:
    """Refocus the clip with depth options; return the pictures of the result, ``T H W 3``."""
    target = Path(f"{renderer}{depth[0]}.mkv")
    said = run(
        *("refocus", CLIP, "--focus", "0.9", "--k", "96", *depth, "--renderer", renderer),
        *("--device", "cpu", "--lossless", "-o", target),
    )
    assert said.strip() == str(target), said
    source, result = read(CLIP), read(target)
    assert result.shape == source.shape, (result.shape, source.shape)
    assert np.abs(result.astype(int) - source).mean() > 1, "nothing was blurred"
    return result


def read(path: Path) -> np.ndarray:
    """Return the pictures of a video, ``T H W 3``."""
    with av.open(str(path)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


def run(*arguments: object) -> str:
    """Run a command line of the wheel; return its output, and fail with its errors if it fails."""
    command = [shutil.which("bokeh") or "bokeh", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, f"{command}\n{result.stderr}"
    assert "Traceback" not in result.stderr, result.stderr
    return result.stdout


if __name__ == "__main__":
    main()

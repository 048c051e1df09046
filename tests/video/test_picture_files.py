"""Files of one picture: reading and writing give the same again, and other programs read the same."""

import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import tifffile
from PIL import Image
from stills import stripes, write_still

from any2bokeh.errors import VideoError
from any2bokeh.video.metadata import Orientation
from any2bokeh.video.pictures.dpx_file import ASPECT_AT, FRAME_RATE_AT, nearest_rate
from any2bokeh.video.pictures.exif import exif_orientation, without_thumbnail
from any2bokeh.video.pictures.picture_files import converted, picture_kind, read_picture_file
from any2bokeh.video.pictures.png_file import SIGNATURE
from any2bokeh.video.pictures.stored_picture import StoredPicture, blank_picture

RANDOM = np.random.default_rng(0)
WHOLE = [
    *[(".png", bits, channels) for bits in (8, 16) for channels in (1, 3, 4)],
    *[(".tif", bits, channels) for bits in (8, 16) for channels in (1, 3, 4)],
    *[(".dpx", bits, channels) for bits in (8, 10, 16) for channels in (1, 3)],
]


def some_codes(bits: int, channels: int) -> np.ndarray:
    codes = RANDOM.integers(0, 2**bits, (7, 11, channels))  # odd sizes: lines end within words
    return codes.astype(np.uint8 if bits == 8 else np.uint16)


@pytest.mark.parametrize(("suffix", "bits", "channels"), WHOLE)
def test_whole_numbers_come_back(tmp_path: Path, suffix: str, bits: int, channels: int) -> None:
    path, codes = tmp_path / f"a{suffix}", some_codes(bits, channels)
    picture_kind(path).write(path, StoredPicture(codes=codes, bits=bits))
    read = read_picture_file(path)
    assert (read.bits, read.codes.dtype) == (bits, codes.dtype)
    np.testing.assert_array_equal(read.codes, codes)
    np.testing.assert_array_equal(read.with_picture(read.picture()).codes, codes)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_floats_come_back_beyond_white_and_below_black(tmp_path: Path, dtype: type) -> None:
    path, values = tmp_path / "a.tif", (RANDOM.random((7, 11, 3)) * 40 - 2).astype(dtype)
    picture_kind(path).write(path, StoredPicture(codes=values, bits=8 * values.itemsize))
    read = read_picture_file(path)
    assert read.transfer == "linear"
    np.testing.assert_array_equal(read.with_picture(read.picture()).codes, values)


def test_what_half_floats_cannot_hold_becomes_their_largest() -> None:
    picture = np.full((3, 1, 2), 1e6, np.float32) * np.array([1, -1], np.float32)
    written = blank_picture(2, 1, 16, is_float=True).with_picture(picture)
    assert written.codes[0, :, 0].tolist() == [65504, -65504]


@pytest.mark.parametrize(("suffix", "bits"), [(".png", 16), (".tif", 16), (".dpx", 10), (".dpx", 16)])
def test_ffmpeg_reads_the_same(tmp_path: Path, suffix: str, bits: int) -> None:
    path = write_still(tmp_path / f"a{suffix}", stripes(), bits)
    with av.open(
        str(path), format={".png": "png_pipe", ".tif": "tiff_pipe", ".dpx": "dpx_pipe"}[suffix]
    ) as file:
        frame = next(file.decode(video=0))
    seen = frame.to_ndarray(format="gbrpf32le" if bits == 10 else "rgb48le").astype(np.float64)
    seen = seen if bits == 10 else seen / 65535
    np.testing.assert_allclose(seen, stripes(), atol=1 / 2**bits)


def test_ffmpeg_s_dpx_is_read(tmp_path: Path) -> None:
    codes = some_codes(8, 3)
    encoder = av.CodecContext.create("dpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 11, 7, "gbrp10le", Fraction(1, 24)
    frame = av.VideoFrame.from_ndarray(codes, format="rgb24").reformat(format="gbrp10le")
    (tmp_path / "a.dpx").write_bytes(b"".join(map(bytes, [*encoder.encode(frame), *encoder.encode(None)])))
    read = read_picture_file(tmp_path / "a.dpx")
    planes = [np.frombuffer(plane, "<u2").reshape(7, -1)[:, :11] for plane in frame.planes]
    np.testing.assert_array_equal(read.codes, np.stack([planes[2], planes[0], planes[1]], axis=-1))


def test_a_dpx_keeps_its_header(tmp_path: Path) -> None:
    path = write_still(tmp_path / "a.dpx", stripes(), 10)
    data = bytearray(path.read_bytes())
    data[36:40], data[801] = b"reel", 2  # a name, and the word for linear light
    struct.pack_into(">II", data, ASPECT_AT, 2, 1)
    struct.pack_into(">f", data, FRAME_RATE_AT, 23.976)
    path.write_bytes(data)
    read = read_picture_file(path)
    assert (read.transfer, read.pixel_aspect, read.frame_rate) == ("linear", 2, Fraction(24000, 1001))
    picture_kind(path).write(tmp_path / "b.dpx", read.with_picture(read.picture()))
    assert (tmp_path / "b.dpx").read_bytes() == bytes(data)


@pytest.mark.parametrize(
    ("rate", "exact"), [(24, 24), (23.976, Fraction(24000, 1001)), (12.5, Fraction(25, 2))]
)
def test_rates_are_those_of_film_and_television(rate: float, exact: Fraction) -> None:
    assert nearest_rate(rate) == exact


def test_a_png_keeps_profile_texts_and_density(tmp_path: Path) -> None:
    path = write_still(tmp_path / "a.png", stripes(), 16)
    kept = {
        b"iCCP": b"name\0\0" + zlib.compress(b"profile"),
        b"tEXt": b"Author\0N",
        b"pHYs": struct.pack(">IIB", 2, 1, 0),
    }
    data = path.read_bytes()
    body = b"".join(
        struct.pack(">I", len(value)) + kind + value + struct.pack(">I", zlib.crc32(kind + value))
        for kind, value in kept.items()
    )
    path.write_bytes(data[:33] + body + data[33:])
    read = read_picture_file(path)
    assert read.pixel_aspect == Fraction(1, 2)
    picture_kind(path).write(tmp_path / "b.png", read)
    written = (tmp_path / "b.png").read_bytes()
    assert written.startswith(SIGNATURE) and body in written
    np.testing.assert_array_equal(read_picture_file(tmp_path / "b.png").codes, read.codes)


def test_a_png_is_packed_fast_and_still_small(tmp_path: Path) -> None:
    codes = np.broadcast_to(np.arange(400, dtype=np.uint16)[:, None] * 100, (300, 400, 3))
    picture_kind(tmp_path / "a.png").write(tmp_path / "a.png", StoredPicture(codes=codes, bits=16))
    data = (tmp_path / "a.png").read_bytes()
    effort = data[data.index(b"IDAT") + 5] >> 6  # RFC 1950: 0 to 3, from the fastest to the slowest
    assert effort == 0 and len(data) < codes.nbytes / 20
    np.testing.assert_array_equal(read_picture_file(tmp_path / "a.png").codes, codes)


def test_a_jpeg_keeps_quality_profile_and_exif_but_no_thumbnail(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    Image.fromarray((stripes() * 255).astype(np.uint8)).save(
        tmp_path / "a.jpg", quality=83, exif=exif, icc_profile=b"p" * 200, dpi=(300, 300), comment=b"hello"
    )
    read = read_picture_file(tmp_path / "a.jpg")
    assert read.size == (48, 64)  # it lies on its side
    picture_kind(tmp_path / "b.jpg").write(tmp_path / "b.jpg", read.with_picture(read.picture()))
    with Image.open(tmp_path / "a.jpg") as before, Image.open(tmp_path / "b.jpg") as after:
        assert before.size == after.size and after.getexif()[0x010F] == "Maker"
        assert after.getexif()[0x0112] == 6
        for name in ("icc_profile", "dpi", "comment"):
            assert after.info[name] == before.info[name]
        assert after.quantization == before.quantization  # type: ignore[attr-defined]
        assert np.abs(np.asarray(after, float) - np.asarray(before, float)).mean() < 0.5


def test_the_link_to_a_thumbnail_goes() -> None:
    directory = struct.pack("<HHHIHHI", 1, 0x0112, 3, 1, 3, 0, 99)  # one entry; the next directory at 99
    exif = b"Exif\0\0II*\0" + struct.pack("<I", 8) + directory
    assert exif_orientation(exif) == Orientation(mirrored_across=True, mirrored_down=True)
    assert without_thumbnail(exif) == exif[:-4] + bytes(4)
    assert exif_orientation(b"Exif\0\0II*\0") == Orientation()
    assert without_thumbnail(b"junk") == b"junk"


@pytest.mark.parametrize("number", range(1, 9))
def test_a_turned_tiff_is_worked_on_upright_and_written_as_it_was(tmp_path: Path, number: int) -> None:
    upright = (stripes() * 255).astype(np.uint8)
    turns = {  # from stored to seen pixels, by TIFF's own words
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
        8: lambda a: np.rot90(a),
    }
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, upright, photometric="rgb", metadata=None, extratags=[(274, "H", 1, number, True)])
    read = read_picture_file(path)
    seen = turns[number](upright)
    np.testing.assert_array_equal((read.picture() * 255).round(), seen.transpose(2, 0, 1))
    np.testing.assert_array_equal(read.with_picture(read.picture()).codes, upright)


@pytest.mark.parametrize("tag", [258, 259, 262, 277])  # bits, compression, colors, samples
def test_a_tiff_with_a_tag_of_another_type_is_damaged(tmp_path: Path, tag: int) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, some_codes(8, 3), photometric="rgb", metadata=None)
    with tifffile.TiffFile(path) as file:
        place = file.pages[0].tags[tag].offset
    data = bytearray(path.read_bytes())
    data[place + 2 : place + 12] = struct.pack("<HII", 2, 4, 0x7F7F7F7F)  # four letters
    path.write_bytes(data)
    with pytest.raises(VideoError) as refusal:
        read_picture_file(path)
    assert str(path) in refusal.value.message


def test_a_tiff_keeps_profile_resolution_and_texts(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        some_codes(16, 3),
        photometric="rgb",
        resolution=(300, 300),
        resolutionunit="inch",
        iccprofile=b"p" * 200,
        description="a plate",
        metadata=None,
    )
    picture_kind(path).write(tmp_path / "b.tif", read_picture_file(path))
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        tags = file.pages[0].tags  # type: ignore[union-attr]
        assert (tags[34675].value, tags[270].value, tags[282].value) == (b"p" * 200, "a plate", (300, 1))


def test_an_lzw_tiff_is_read(tmp_path: Path) -> None:
    codes = (stripes() * 255).astype(np.uint8)
    Image.fromarray(codes).save(tmp_path / "a.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(read_picture_file(tmp_path / "a.tif").codes, codes)


def test_a_tiff_in_planes_is_read(tmp_path: Path) -> None:
    codes = some_codes(16, 3)
    tifffile.imwrite(tmp_path / "a.tif", codes.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_picture_file(tmp_path / "a.tif").codes, codes)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".dpx"])
def test_what_is_no_picture_is_an_error(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_bytes(b"no picture " * 300)
    with pytest.raises(VideoError, match=rf"a\{suffix} cannot be read"):
        read_picture_file(tmp_path / f"a{suffix}")
    with pytest.raises(VideoError, match="none"):
        read_picture_file(tmp_path / f"none{suffix}")


@pytest.mark.parametrize(("suffix", "bits"), [(".png", 16), (".dpx", 10), (".tif", 8)])
def test_a_picture_that_was_cut_off_is_an_error(tmp_path: Path, suffix: str, bits: int) -> None:
    path = write_still(tmp_path / f"a{suffix}", RANDOM.random((48, 64, 3)), bits)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(VideoError, match=f"a{suffix}"):
        read_picture_file(path)


def test_cmyk_is_refused_by_name(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8)).save(tmp_path / "a.jpg")
    with pytest.raises(VideoError, match="CMYK"):
        read_picture_file(tmp_path / "a.jpg")


def test_alpha_goes_along_into_another_kind_of_picture(tmp_path: Path) -> None:
    source = StoredPicture(codes=some_codes(8, 4), bits=8, orientation=Orientation(transposed=True))
    tiff = converted(source, picture_kind(tmp_path / "b.tif"))
    np.testing.assert_array_equal(tiff.codes[..., 3], source.codes[..., 3].T)
    assert converted(source, picture_kind(tmp_path / "b.jpg")).codes.shape == (11, 7, 3)
    deep = converted(StoredPicture(codes=some_codes(10, 3), bits=10), picture_kind(tmp_path / "b.png"))
    assert deep.bits == 16

"""What is refused: archives and pickles that were made to do harm, and those that are damaged."""

import json
import os
import pickle
import stat
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from facts import naming
from safetensors.torch import save_file

from any2bokeh.errors import WeightsError
from any2bokeh.weights.archive import open_checkpoint
from any2bokeh.weights.tensors import open_tensors

NAMES = ("unet/config.json", "unet/diffusion_pytorch_model.safetensors", "vae/config.json")
LAST = "vae/diffusion_pytorch_model.bin"


@pytest.fixture
def pack(tmp_path):
    """Write a zip of a checkpoint's files, random but for ``changed`` ones, and of ``more`` members."""

    def write(changed=None, more=(), method=zipfile.ZIP_DEFLATED) -> Path:
        content = dict.fromkeys((*NAMES, LAST), os.urandom(5000)) | (changed or {})
        with zipfile.ZipFile(tmp_path / "weights.zip", "w", method) as archive:
            for name, data in content.items():
                archive.writestr(name, data)
            for member, data in more:
                archive.writestr(member, data)
        return tmp_path / "weights.zip"

    return write


@pytest.fixture
def unpack(tmp_path):
    """Open a zip; return what the needed files hold. Nothing may be written outside of the work folder."""

    def read(source: Path) -> dict[str, bytes]:
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        before = {path for path in tmp_path.rglob("*") if work not in path.parents}
        try:
            with open_checkpoint(source, work) as found:
                files = [path for part in found.parts.values() for path in (part.config, part.weights)]
                return {path.relative_to(work / "unpacked").as_posix(): path.read_bytes() for path in files}
        finally:
            assert {path for path in tmp_path.rglob("*") if work not in path.parents} == before
            assert list(work.iterdir()) == []

    return read


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
@pytest.mark.slow
def test_what_is_needed_of_an_archive_is_unpacked_and_nothing_else(pack, unpack, method):
    weights = os.urandom(300_000)
    more = [
        ("README.md", b"much to read"),
        ("__MACOSX/unet/._config.json", b"?"),
        ("unet/optimizer.bin", b"?"),
    ]
    content = unpack(pack({LAST: weights}, more, method))
    assert sorted(content) == sorted((*NAMES, LAST))
    assert content[LAST] == weights


@pytest.mark.parametrize(
    "name",
    [
        "../vae/config.json",
        "unet/../../escaped",
        "/etc/passwd",
        "vae/..",
        "C:/windows/escaped",
        "..\\escaped",
        "\\\\server\\escaped",
        "unet/config.json\0.txt",
    ],
)
def test_a_member_that_leads_outside_refuses_the_whole_archive(pack, unpack, name):
    member = zipfile.ZipInfo("x")
    member.filename = member.orig_filename = name
    source = pack(more=[(member, b"harm")])
    with pytest.raises(WeightsError, match=naming("weights.zip", repr(name))):
        unpack(source)


@pytest.mark.parametrize("folder", ["nul", "C:", "a:b", "ends."])
def test_a_folder_that_not_every_platform_can_write_refuses_the_archive(tmp_path, unpack, folder):
    source = tmp_path / "weights.zip"
    with zipfile.ZipFile(source, "w") as archive:
        for name in (*NAMES, LAST):
            archive.writestr(f"{folder}/{name}", b"?")
    with pytest.raises(WeightsError, match=naming("weights.zip", f"{folder}/{NAMES[0]}")):
        unpack(source)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
@pytest.mark.parametrize("name", ["unet", "vae/diffusion_pytorch_model.safetensors", "elsewhere"])
def test_a_link_or_a_device_refuses_the_whole_archive(pack, unpack, kind, name):
    member = zipfile.ZipInfo(name)
    member.create_system = 3
    member.external_attr = (kind | 0o777) << 16
    with pytest.raises(WeightsError, match=naming("weights.zip", repr(name))):
        unpack(pack(more=[(member, b"/etc/passwd")]))


def test_a_member_that_grows_too_much_is_refused_before_it_is_unpacked(pack, unpack):
    source = pack({LAST: bytes(50_000_000)})
    assert source.stat().st_size < 100_000
    with pytest.raises(WeightsError, match=naming(LAST, "50,000,000")):
        unpack(source)


def test_a_config_that_is_no_text_by_its_size_is_refused(pack, unpack):
    with pytest.raises(WeightsError, match=naming("vae/config.json", "2,000,000")):
        unpack(pack({"vae/config.json": os.urandom(2_000_000)}))


def rewrite(path: Path, signature: bytes, offset: int, value: bytes) -> Path:
    """Change the last record that begins with ``signature``: what the archive says of its last member."""
    content = bytearray(path.read_bytes())
    place = content.rindex(signature) + offset
    content[place : place + len(value)] = value
    path.write_bytes(content)
    return path


def test_a_member_never_gives_more_than_the_size_it_states(pack, unpack):
    source = rewrite(pack({LAST: os.urandom(9000)}), b"PK\x01\x02", 24, struct.pack("<L", 10))
    with pytest.raises(WeightsError, match=naming("weights.zip")):
        unpack(source)


def test_an_encrypted_archive_is_said_to_be_so(pack, unpack):
    with pytest.raises(WeightsError, match=naming("weights.zip", "encrypted")):
        unpack(rewrite(pack(), b"PK\x01\x02", 8, struct.pack("<H", 1)))


def test_a_damaged_archive_is_an_error(pack, unpack):
    source = pack({LAST: os.urandom(9000)}, method=zipfile.ZIP_STORED)
    content = bytearray(source.read_bytes())
    content[-2000] ^= 1
    source.write_bytes(content)
    with pytest.raises(WeightsError, match=naming("weights.zip", "Bad CRC-32")):
        unpack(source)


def test_an_unknown_compression_is_an_error(pack, unpack):
    source = rewrite(pack(), b"PK\x01\x02", 10, struct.pack("<H", 97))
    with pytest.raises(WeightsError, match=naming("weights.zip")):
        unpack(source)


def test_what_is_no_archive_or_not_there_is_named(tmp_path, unpack):
    with pytest.raises(WeightsError, match=naming("nowhere.zip")):
        unpack(tmp_path / "nowhere.zip")
    (tmp_path / "weights.tar").write_bytes(b"ustar" * 100)
    with pytest.raises(WeightsError, match=naming("weights.tar", "zip")) as raised:
        unpack(tmp_path / "weights.tar")
    assert "Unpack" in raised.value.hint


@pytest.mark.parametrize(
    ("names", "named"),
    [
        ([*NAMES[:2]], "vae/config.json"),
        ([*NAMES, "vae/model.safetensors"], "vae/diffusion_pytorch_model.safetensors"),
        ([*NAMES, LAST, "old/vae/config.json"], "old/vae"),
        (["a/b/c/unet/config.json"], "unet/config.json"),
    ],
)
def test_a_folder_that_lacks_a_part_names_it(tmp_path, names, named):
    for name in names:
        (tmp_path / "found" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "found" / name).write_bytes(b"")
    with (
        pytest.raises(WeightsError, match=naming(tmp_path / "found", named)),
        open_checkpoint(tmp_path / "found", tmp_path),
    ):
        pass


class Harm:
    """What a pickle would do: write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("old_format", [False, True])
@pytest.mark.parametrize("nested", [False, True])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, old_format, nested):
    path, harm = tmp_path / "weights.bin", tmp_path / "harm"
    content = {"weight": torch.zeros(2), "other": [Harm(harm)] if nested else Harm(harm)}
    torch.save(content, path, _use_new_zipfile_serialization=not old_format)
    with (
        pytest.raises(WeightsError, match=naming("the file", "posix.system")),
        open_tensors(path, "the file"),
    ):
        pass
    assert not harm.exists()
    torch.load(path, weights_only=False)
    assert harm.exists()  # so it would have


@pytest.mark.parametrize("content", [pickle.dumps([1, 2]), b"", b"PK\x03\x04 nonsense", b"nonsense"])
def test_a_file_that_is_no_pickle_of_weights_is_an_error(tmp_path, content):
    path = tmp_path / "weights.bin"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=naming("the file")), open_tensors(path, "the file"):
        pass


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"a": 3}, {1: torch.zeros(1)}, torch.zeros(1)])
def test_a_pickle_that_is_no_table_of_tensors_is_an_error(tmp_path, content):
    torch.save(content, tmp_path / "weights.bin")
    with (
        pytest.raises(WeightsError, match=naming("the file")),
        open_tensors(tmp_path / "weights.bin", "the file"),
    ):
        pass


def test_a_damaged_safetensors_file_is_an_error(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file({"a": torch.zeros(100)}, path)
    for content in (path.read_bytes()[:-1], b"", json.dumps({}).encode(), b"\xff" * 100):
        path.write_bytes(content)
        with (
            pytest.raises(WeightsError, match=naming("the file")),
            open_tensors(path, "the file"),
        ):
            pass

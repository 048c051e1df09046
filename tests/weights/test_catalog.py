import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from facts import naming

from any2bokeh.errors import WeightsError
from any2bokeh.settings.weights_settings import ImportSettings
from any2bokeh.weights.catalog import (
    IMAGE_ENCODER,
    SVD_UNET,
    SVD_VAE,
    VIDEOMAE,
    ModelFile,
    find_model,
    load_catalog,
)

ENTRY = """
[[model]]
name = "depth-small"
repository = "owner/name"
license = "Apache-2.0"
purpose = "tests"
files = ["config.json"]
"""


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "models.toml"
        path.write_text(text)
        return load_catalog(path)

    return read


def test_an_entry_in_the_older_spelling_is_read(read):
    assert read(ENTRY.replace("license", "licence")) == read(ENTRY)


DEPTH, VIDEO = "depth-anything/Depth-Anything-V2-", "depth-anything/Video-Depth-Anything-"
SVD = "stabilityai/stable-video-diffusion-img2vid-xt"


def test_the_list_that_ships_names_every_network_and_its_license(monkeypatch):
    monkeypatch.delenv("ANY2BOKEH_MODELS", raising=False)
    catalog = load_catalog()
    assert {name: (model.repository, model.license.split(" (")[0]) for name, model in catalog.items()} == {
        "depth-small": (f"{DEPTH}Small-hf", "Apache-2.0"),
        "depth-base": (f"{DEPTH}Base-hf", "CC-BY-NC-4.0"),
        "depth-large": (f"{DEPTH}Large-hf", "CC-BY-NC-4.0"),
        "depth-video": (f"{VIDEO}Small", "Apache-2.0"),
        "depth-video-base": (f"{VIDEO}Base", "CC-BY-NC-4.0"),
        "depth-video-large": (f"{VIDEO}Large", "CC-BY-NC-4.0"),
        "depth-video-metric": ("depth-anything/Metric-Video-Depth-Anything-Small", "Apache-2.0"),
        "subject-sam2": ("facebook/sam2.1-hiera-tiny", "Apache-2.0"),
        "subject-edgetam": ("yonigozlan/EdgeTAM-hf", "Apache-2.0"),
        "svd-image-encoder": (SVD, "Stability AI's community terms"),
        "svd-unet": (SVD, "Stability AI's community terms"),
        "svd-vae": (SVD, "Stability AI's community terms"),
        "videomae-base": ("MCG-NJU/videomae-base-finetuned-ssv2", "CC-BY-NC-4.0"),
        "any-to-bokeh": ("", "CC-BY-NC-4.0"),
    }
    files = {name: [file.path for file in model.files] for name, model in catalog.items()}
    assert files["depth-small"] == ["config.json", "preprocessor_config.json", "model.safetensors"]
    assert files["svd-image-encoder"] == ["image_encoder/config.json", "image_encoder/model.fp16.safetensors"]
    # Nothing is pinned that is not known.
    pinned = {name: model.revision for name, model in catalog.items() if model.revision != "main"}
    assert pinned == {"depth-video": "a396fdd839642f9bb4d08d54cae9fbf43ca13388"}
    assert all(file.sha256 is file.size_bytes is None for model in catalog.values() for file in model.files)


def test_names_that_the_program_looks_for_are_in_the_list_that_ships(monkeypatch):
    monkeypatch.delenv("ANY2BOKEH_MODELS", raising=False)
    assert {IMAGE_ENCODER, SVD_UNET, SVD_VAE, VIDEOMAE, ImportSettings().name} <= set(load_catalog())


def test_what_is_published_outside_the_hub_says_how_to_get_it(monkeypatch):
    monkeypatch.delenv("ANY2BOKEH_MODELS", raising=False)
    model = load_catalog()["any-to-bokeh"]
    assert (model.repository, model.files) == ("", ())
    assert "https://github.com/vivoCameraResearch/any-to-bokeh" in model.page
    assert "bokeh import-weights" in model.page
    assert "not for commercial use" in model.license


def test_a_list_of_ones_own_may_name_a_repository_for_it(read):
    outside = ENTRY.replace('repository = "owner/name"', 'obtain = "by letter"').replace(
        'files = ["config.json"]', ""
    )
    assert read(outside)["depth-small"].page == "by letter"
    model = read(ENTRY + 'obtain = "by letter"')["depth-small"]
    assert (model.repository, model.obtain) == ("owner/name", "by letter")
    assert model.page == "https://huggingface.co/owner/name"


def test_the_list_inside_an_installed_package_is_read_from_any_working_directory(tmp_path):
    source = Path(sys.modules["any2bokeh"].__file__).parent
    installed = tmp_path / "site" / "any2bokeh"
    shutil.copytree(source, installed, ignore=shutil.ignore_patterns("__pycache__"))
    (installed / "models.toml").write_text(ENTRY.replace("depth-small", "from-the-wheel"))
    program = "from any2bokeh.weights.catalog import load_catalog; print(*load_catalog())"
    process = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout == "from-the-wheel\n"


def test_the_environment_names_another_list(tmp_path, monkeypatch):
    path = tmp_path / "mine.toml"
    path.write_text(ENTRY.replace("depth-small", "mine"))
    monkeypatch.setenv("ANY2BOKEH_MODELS", str(path))
    assert list(load_catalog()) == ["mine"]


def test_pins_are_read(read):
    sha256 = "0123456789abcdef" * 4
    text = ENTRY.replace('["config.json"]', f'[{{ path = "a/b.json", size = 7, sha256 = "{sha256}" }}]')
    model = read(text + 'revision = "v2"')["depth-small"]
    assert model.revision == "v2"
    assert model.files == (ModelFile(path="a/b.json", size_bytes=7, sha256=sha256),)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("[[model]]", "[[model", []),
        ("[[model]]", "[[network]]", ["[[model]]"]),
        ('license = "Apache-2.0"\n', "", ["model 1: license is missing."]),
        ('repository = "owner/name"', 'obtain = "by letter"', ["model 1", "files"]),
        ('repository = "owner/name"', "", ["model 1", "repository"]),
        ("license", "lizenz", ["model 1", "license"]),
        ("purpose", "color = 1\npurpose", ["model 1", "color"]),
        ('"depth-small"', "7", ["model 1", "name", 7]),
        ("depth-small", "Depth Small", ["name", "'Depth Small'"]),
        ("owner/name", "https://owner/name", ["repository", "'https://owner/name'"]),
        ('"tests"', '""', ["purpose", "''"]),
        ('["config.json"]', "[]", ["files", "[]"]),
        ('["config.json"]', "[3]", ["sha256", 3]),
        ("config.json", "../config.json", ["path", "'../config.json'"]),
        ("config.json", "/etc/passwd", ["path", "'/etc/passwd'"]),
        ("config.json", "C:/config.json", ["path", "'C:'", "':'"]),
        ("depth-small", "con", ["name", "'con'"]),
        ("owner/name", "../name", ["repository", "'../name'"]),
        ("purpose", 'revision = "../main"\npurpose', ["revision", "'../main'"]),
        ('"config.json"', "{ size = 3 }", ["files", "path"]),
        ('"config.json"', '{ path = "a", md5 = "b" }', ["files", "md5"]),
        ('"config.json"', '{ path = "a", size = "3" }', ["size of a", "'3'"]),
        ('"config.json"', '{ path = "a", sha256 = "3" }', ["sha256", "'3'"]),
        ("purpose", "revision = 3\npurpose", ["revision", 3]),
    ],
)
def test_a_field_that_is_wrong_is_named(read, tmp_path, old, new, named):
    with pytest.raises(WeightsError, match=naming(tmp_path / "models.toml", *named)):
        read(ENTRY.replace(old, new))


def test_a_model_listed_twice_is_an_error(read):
    with pytest.raises(WeightsError, match=naming("depth-small", "twice")):
        read(ENTRY + ENTRY)


def test_a_list_that_is_not_there_is_named(tmp_path):
    with pytest.raises(WeightsError, match=naming("absent.toml")):
        load_catalog(tmp_path / "absent.toml")


def test_an_unknown_name_lists_the_names_there_are(read):
    catalog = read(ENTRY + ENTRY.replace("depth-small", "depth-base"))
    assert find_model("depth-base", catalog).name == "depth-base"
    with pytest.raises(WeightsError, match=naming("'tiny'", "depth-small, depth-base")):
        find_model("tiny", catalog)

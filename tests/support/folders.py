"""Folders of a test's own, so that caches and networks of whoever runs the tests stay out of it."""

from pathlib import Path

import pytest
from huggingface_hub import constants

from any2bokeh.jit import compiled_folder

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def use_own_folders(root: Path, catalog: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the program keep all its files below ``root``, and know the networks of ``catalog`` alone.

    Compiled code stays where it is: it takes minutes to make, and is the same for all.
    """
    if (compiled := compiled_folder()) and not (root / "cache").exists():
        (root / "cache").mkdir()
        (root / "cache" / "compiled").symlink_to(compiled.parent)
    models = root / "models.toml"
    models.write_text(catalog)
    monkeypatch.setenv("ANY2BOKEH_MODELS", str(models))
    monkeypatch.setenv("ANY2BOKEH_CACHE", str(root / "cache"))
    monkeypatch.setenv("ANY2BOKEH_HOME", str(root / "home"))
    monkeypatch.setenv("TORCH_HOME", str(root / "torch"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(root / "hub"))


def catalog_entry(
    name: str, *files: str, repository: str = "", license: str = "none", purpose: str = "tests"
) -> str:
    """Return the entry of a network in a list of models; by default the tests' own repository of its name."""
    listed = ", ".join(f'"{file}"' for file in files)
    return (
        f'[[model]]\nname = "{name}"\nrepository = "{repository or f"any2bokeh-tests/{name}"}"\n'
        f'license = "{license}"\npurpose = "{purpose}"\nfiles = [{listed}]\n'
    )


def downloaded(root: Path, repository: str) -> Path:
    """Make the folder where a download leaves the files of a repository, still empty."""
    model = root / "hub" / f"models--{repository.replace('/', '--')}"
    folder = model / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(COMMIT)
    return folder

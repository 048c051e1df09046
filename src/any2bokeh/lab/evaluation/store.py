"""Results of cases and methods, kept as they are found, so that a run that was stopped can go on."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from safetensors import SafetensorError
from safetensors.torch import load_file

from any2bokeh import optics, render
from any2bokeh.atomic import partial_file
from any2bokeh.documents import parse_json, read_document
from any2bokeh.errors import VideoError
from any2bokeh.lab import frame_metrics, perturbation
from any2bokeh.lab.evaluation import baselines, frechet, metric_networks, scores
from any2bokeh.lab.evaluation.scores import ClipScores
from any2bokeh.lab.tensor_files import write_tensors
from any2bokeh.motion import flow

FORMAT = 1  # to be raised whenever the same pictures would get other figures, or the file's form changes
# These decide a result: other versions' results are not taken for this one's. Modules and not names of files,
# so that none can be moved and forgotten here.
DECIDING: tuple[ModuleType, ...] = (
    *(render, optics, flow, perturbation),
    *(baselines, frame_metrics, frechet, metric_networks, scores),
)


@dataclass(frozen=True)
class Store:
    """The folder of results; with ``is_fresh``, earlier results are ignored."""

    folder: Path
    is_fresh: bool = False

    def find(self, case: str, method: str, key: str) -> ClipScores | None:
        """Return the result kept under ``key``, or ``None``."""
        path = self._path(case, method)
        if self.is_fresh or not path.is_file():
            return None
        try:
            document = parse_json(read_document(path))
            if document["key"] != key:
                return None
            features = path.with_suffix(".safetensors")
            return ClipScores(
                scores=document["scores"],
                series=document["series"],
                features=load_file(features) if features.is_file() else {},
            )
        except (OSError, ValueError, KeyError, TypeError, SafetensorError):
            return None  # damaged: it is made anew

    def keep(self, case: str, method: str, key: str, scores: ClipScores) -> None:
        """Keep a method's result; the file appears whole. Raises ``VideoError`` if it cannot be written."""
        path = self._path(case, method)
        document = {"key": key, "scores": scores.scores, "series": scores.series}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if scores.features:
                write_tensors(path.with_suffix(".safetensors"), scores.features, error_class=VideoError)
            with partial_file(path, overwrite=True) as partial:
                partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise VideoError(f"{path} cannot be written: {error.strerror}.") from error

    def _path(self, case: str, method: str) -> Path:
        return self.folder / "results" / case / f"{method}.json"


def key_of(facts: Iterable[object]) -> str:
    """Return the key of a result that ``facts`` decide, made by this version of the program."""
    text = "\n".join(map(str, (FORMAT, _program(), *facts)))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _program() -> str:
    """A digest of the modules that decide a result, and of the weights in their packages."""
    digest = hashlib.sha256()
    for path in deciding_files():
        digest.update(path.read_bytes())
    return digest.hexdigest()


def deciding_files() -> list[Path]:
    """Return the sources of ``DECIDING``, of packages those of all their modules."""
    files: list[Path] = []
    for module in DECIDING:
        assert module.__file__ is not None
        source = Path(module.__file__)
        inside = sorted(source.parent.rglob("*")) if source.name == "__init__.py" else [source]
        files += [path for path in inside if path.suffix in (".py", ".safetensors")]
    return files

"""The methods compared: our renderers, with and without some of their parts, and finished clips."""

import glob
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from any2bokeh.depth.cache import cache_key
from any2bokeh.errors import RefocusError
from any2bokeh.lab.evaluation.baselines.baseline import BASELINES, BaselineRenderer
from any2bokeh.lab.evaluation.cases import Case, CaseFrame
from any2bokeh.render.base import Renderer, make_renderer
from any2bokeh.scene import Frame, PictureFormat, Scene
from any2bokeh.settings.evaluation_settings import (
    METHODS,
    ON_REQUEST,
    PERTURBED,
    TRUTH,
    EvaluationSettings,
    MethodName,
    NamedFolder,
    check_method_names,
)
from any2bokeh.settings.render_settings import DiffusionSettings, RendererName, RenderSettings
from any2bokeh.video.decode import frame_times, open_video, probe_video

# Parts that can be taken from the network without training it anew.
ABLATIONS: dict[str, tuple[str, Callable[[DiffusionSettings], DiffusionSettings]]] = {
    "no-mpi": (
        "without attention to the planes of the scene",
        lambda settings: replace(settings, mpi=False),
    ),
    "no-overlap": (
        "with chunks that share no frames",
        lambda settings: replace(settings, overlap=0),
    ),
    "one-frame": (
        "frame by frame, so that its temporal layers see nothing",
        lambda settings: replace(settings, chunk=1, overlap=0),
    ),
}


Draw = Callable[[Iterator[CaseFrame]], Iterator[Frame]]


@dataclass(frozen=True, kw_only=True)
class Method:
    """One row of the comparison.

    ``what`` says in a line how it works; ``make`` gives its drawing function, or raises ``RefocusError`` if
    there is none; ``facts`` gives a string that changes when its results on a case do.
    """

    name: str
    what: str
    make: Callable[[Case], Draw]
    facts: Callable[[Case], str]
    sees_disparity: bool = True
    is_perturbed: bool = False
    is_timed: bool = True

    def perturbed(self) -> "Method":
        """The same method, given disparity with an estimator's mistakes."""
        what = f"{self.what}; given disparity with an estimator's mistakes"
        return replace(self, name=self.name + PERTURBED, what=what, is_perturbed=True)


def unchanged() -> Method:
    """The method that does not blur: the lower bound."""
    return _onlooker("none", "the input, unchanged", lambda frame: frame.scene.sharp)


def ground_truth() -> Method:
    """The ground truth as a method, for the figures that need no ground truth: edges and motion."""
    return _onlooker(TRUTH, "ground truth, for its edges and motion", lambda frame: frame.ground_truth)


@dataclass(frozen=True)
class Choice:
    """The methods that run, and of the others why they do not."""

    methods: tuple[Method, ...]
    left_out: dict[str, str]


def choose_methods(settings: EvaluationSettings, device: torch.device) -> Choice:
    """Return the methods compared on ``device``, in the order of the report."""
    methods: list[Method] = []
    left_out: dict[str, str] = {}
    by_itself = (name for name in METHODS if name not in ON_REQUEST)
    for name in by_itself if settings.methods is None else settings.methods:
        try:
            methods += _methods(name, settings, device)
        except RefocusError as error:
            left_out[name] = f"{error.message} {error.hint}".strip()
    for checkpoint in settings.checkpoints:
        try:
            methods += _network(checkpoint.name, _with_weights(settings, checkpoint), device)
        except RefocusError as error:
            left_out[checkpoint.name] = f"{error.message} {error.hint}".strip()
    methods += [_finished(prediction) for prediction in settings.predictions]
    if settings.ablations:
        left_out |= _without_ablations({method.name for method in methods})
    if settings.perturb:
        seeing = {method.name: method.perturbed() for method in methods if method.sees_disparity}
        methods = [each for one in methods for each in (one, seeing.get(one.name)) if each]
    check_method_names([method.name for method in methods])
    return Choice(tuple(methods), left_out)


def _methods(name: MethodName, settings: EvaluationSettings, device: torch.device) -> list[Method]:
    """A method and the ablations asked for; raises ``RefocusError`` if it cannot run here."""
    if name == "none":
        return [unchanged()]
    if name in BASELINES:
        baseline = BaselineRenderer(name)
        return [
            Method(
                name=name,
                what=BASELINES[name].what,
                make=lambda case: drawn_by(baseline.render),
                facts=lambda case: name,
            )
        ]
    if name == "lens":
        return _lens(settings, device)
    return _network(name, settings, device)


def _lens(settings: EvaluationSettings, device: torch.device) -> list[Method]:
    plain = RenderSettings(renderer="lens", device=settings.device, lens=settings.lens)
    methods = [_rendered("lens", "layers blurred in linear light, without a network", plain, device)]
    best = replace(plain, lens=replace(settings.lens, quality="best"))
    if settings.ablations and best != plain:
        what = "the lens, looking into the frames around as well"
        methods.append(_rendered("lens-best", what, best, device))
    return methods


def _network(name: str, settings: EvaluationSettings, device: torch.device) -> list[Method]:
    """A network: that of a renderer, or the weights that the settings name under another name."""
    renderer: RendererName = "small" if name == "small" else "diffusion"
    diffusion = replace(settings.diffusion, weights=None) if renderer == "small" else settings.diffusion
    plain = RenderSettings(
        renderer=renderer, device=settings.device, dtype=settings.dtype, diffusion=diffusion
    )
    if renderer == "diffusion":
        _check_weights(diffusion.weights, settings, device)
    weights = f", weights {diffusion.weights}" if diffusion.weights else ""
    methods = [_rendered(name, f"the network of --renderer {renderer}{weights}", plain, device)]
    for part, (what, change) in ABLATIONS.items() if settings.ablations and renderer == "diffusion" else ():
        changed = replace(plain, diffusion=change(plain.diffusion))
        methods.append(_rendered(f"{name}-{part}", f"{name}, {what}", changed, device))
    return methods


def _with_weights(settings: EvaluationSettings, checkpoint: NamedFolder) -> EvaluationSettings:
    return replace(settings, diffusion=replace(settings.diffusion, weights=str(checkpoint.folder)))


def _check_weights(weights: str | None, settings: EvaluationSettings, device: torch.device) -> None:
    """Raise ``RefocusError`` if weights for the paper's network are missing, or this machine is too slow."""
    from any2bokeh.render.diffusion.load import find_parts

    find_parts(weights)
    if device.type == "cpu" and settings.methods is None and weights is None:
        raise RefocusError(
            "On a CPU, a frame takes minutes.", hint="Use `methods=diffusion` to run it nevertheless."
        )


def drawn_by(render: Callable[[Iterator[Scene]], Iterator[Frame]]) -> Draw:
    """Return a function that draws the frames of a case with a renderer of scenes."""
    return lambda frames: render(frame.scene for frame in frames)


def _onlooker(name: str, what: str, look: Callable[[CaseFrame], Tensor | None]) -> Method:
    """A method that shows a picture of the case as it is."""

    def draw(frames: Iterator[CaseFrame]) -> Iterator[Frame]:
        for frame in frames:
            picture = look(frame)
            assert picture is not None  # it is asked for where there is one
            yield Frame(picture=picture, pts=frame.scene.pts)

    return Method(
        name=name,
        what=what,
        make=lambda case: draw,
        facts=lambda case: name,
        sees_disparity=False,
        is_timed=False,
    )


def _rendered(name: str, what: str, settings: RenderSettings, device: torch.device) -> Method:
    """A renderer of ours; the one for pictures of the last kind is kept, its network being slow to load."""

    @lru_cache(maxsize=1)
    def make(pictures: PictureFormat, strongest: float | None) -> Renderer:
        return make_renderer(settings, device, pictures, strongest)

    def facts(case: Case) -> str:
        return f"{settings} {device.type} {_checkpoint_facts(settings)}"

    return Method(
        name=name,
        what=what,
        make=lambda case: drawn_by(make(case.pictures, case.strongest).render),
        facts=facts,
    )


def _checkpoint_facts(settings: RenderSettings) -> str:
    """Return a string that changes when the weights of the network do."""
    if settings.renderer == "lens":
        return ""
    if settings.renderer == "small":
        from any2bokeh.render.small.corrected_lens import WEIGHTS

        files = [WEIGHTS]
    else:
        from any2bokeh.render.diffusion.load import find_parts

        folder = find_parts(settings.diffusion.weights).checkpoint.folder
        files = sorted(path for path in folder.rglob("*") if path.is_file())
    states = {path: path.stat() for path in files}
    return " ".join(f"{path} {state.st_size} {state.st_mtime_ns}" for path, state in states.items())


def _finished(prediction: NamedFolder) -> Method:
    return Method(
        name=prediction.name,
        what=f"finished clips in {prediction.folder}",
        make=lambda case: drawn_by(find_finished(prediction, case).render),
        facts=lambda case: cache_key(find_finished(prediction, case).path, {}),
        sees_disparity=False,
        is_timed=False,
    )


def _without_ablations(names: set[str]) -> dict[str, str]:
    """Which of the methods' ablations do not apply, and why."""
    said = {}
    if "lens" in names:
        said["lens without a part"] = "It has no planes, overlap or temporal layers; lens-best adds to it."
    if "small" in names:
        said["small without a part"] = "It is one network; without it remains the lens."
    return said


class PredictionError(RefocusError):
    """A finished clip is missing, or does not have the frames or the size of its case."""


@dataclass(frozen=True)
class FinishedClip:
    """A finished clip as a renderer: each scene gets the next frame of the file, whatever its time stamp."""

    path: Path
    name: str

    def render(self, scenes: Iterator[Scene]) -> Iterator[Frame]:
        """Yield the frames of the file; raises ``RefocusError`` where it cannot be read to the end."""
        with open_video(self.path) as video:
            frames = iter(video)
            for scene in scenes:
                frame = next(frames, None)
                if frame is None:
                    raise PredictionError(f"{self.path} is shorter than its case: frames are damaged.")
                yield Frame(picture=frame.picture, pts=scene.pts)


def find_finished(prediction: NamedFolder, case: Case) -> FinishedClip:
    """Return the finished clip of a case.

    Looked for are, in this order, ``CLIP/bokeh-SETTING.*`` and ``CLIP.SETTING.*`` of a data set, and
    ``STEM.*`` and ``STEM.refocus.*`` of a video. Raises ``PredictionError`` if there is none, or several, or
    if it has another number of frames or another size than the case.
    """
    names = case.prediction_names()
    for name in names:
        found = sorted(prediction.folder.glob(f"{glob.escape(name)}.*"))
        found = [path for path in found if path.name.removesuffix(path.suffix) == Path(name).name]
        if len(found) > 1:
            listed = ", ".join(path.name for path in found)
            raise PredictionError(f"{prediction.folder} has several results of {case.name}: {listed}.")
        if found:
            return _checked(found[0], prediction, case)
    looked_for = " or ".join(f"{name}.*" for name in names)
    raise PredictionError(
        f"{prediction.folder} has no result of {case.name}: looked for a video {looked_for}."
    )


def _checked(path: Path, prediction: NamedFolder, case: Case) -> FinishedClip:
    info, frames = probe_video(path), len(frame_times(path))
    if (info.width, info.height) != (case.pictures.width, case.pictures.height):
        raise PredictionError(
            f"{path} is {info.width}x{info.height},"
            f" and {case.name} {case.pictures.width}x{case.pictures.height}."
        )
    if frames != case.frames:
        raise PredictionError(f"{path} has {frames} frames, and {case.name} {case.frames}.")
    return FinishedClip(path, prediction.name)

"""The lens renderer: one flow for each quality, drawn by the engine that suits the device."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import torch
from torch import Tensor

from any2bokeh.optics.transfer import scene_encoding, to_linear
from any2bokeh.render.lens.engine import Lens, LensEngine
from any2bokeh.render.lens.highlights import (
    FRAMES_AHEAD,
    FRAMES_BEFORE,
    Highlights,
    guesses_highlights,
    with_highlights,
)
from any2bokeh.render.lens.model import IN_FOCUS_PX
from any2bokeh.render.lens.neighbors import REACH, Neighbor, PreparedFrame, with_neighbors
from any2bokeh.render.lens.surroundings import look_around
from any2bokeh.scene import Frame, PictureFormat, Scene, SceneEncoding
from any2bokeh.settings.render_settings import LensSettings

log = logging.getLogger(__name__)


def make_lens(settings: LensSettings, device: torch.device, pictures: PictureFormat) -> "LensRenderer":
    """Return the lens for ``device``: in plain torch on CUDA, else compiled, on the CPU.

    Loops that nobody compiled before are compiled in the background while depth is estimated.
    """
    # Code values of scene light are decoded before the lens and encoded behind it.
    code = scene_encoding(pictures.transfer)
    transfer = "linear" if isinstance(pictures.transfer, SceneEncoding) or code else pictures.transfer
    lens = Lens(settings=settings, transfer=transfer, pixel_aspect=pictures.pixel_aspect)
    # Imported here: plain torch does not need the compiler, whose import takes a second.
    if device.type == "cuda":
        from any2bokeh.render.lens.torch.torch_engine import TorchEngine

        return LensRenderer(TorchEngine(lens, device), code)
    from any2bokeh.render.lens.cpu.compiled_engine import CompiledEngine

    if device.type != "cpu":
        log.info("The lens renders on the CPU: on %s it has not been measured yet.", device)
    engine = CompiledEngine(lens)
    renderer = LensRenderer(engine, code)
    renderer.warm_up(lambda: engine.compile_for(pictures))
    return renderer


class LensRenderer:
    """Blurs each frame as a lens would: by depth, in linear light, near over far."""

    name = "lens"
    work_per_frame = 1.0
    operations_per_frame = None

    def __init__(self, engine: LensEngine, code: SceneEncoding | None = None) -> None:
        """``code`` is how scenes encode light, where that is not the engine's own curve."""
        self._engine, self._lens, self._code = engine, engine.lens, code
        self._warm: Future[None] | None = None

    @property
    def engine(self) -> LensEngine:
        """What draws, once it is warm: it is not for several threads at once."""
        if self._warm is not None:
            warm, self._warm = self._warm, None
            warm.result()
        return self._engine

    def context(self, part: range, frames: int) -> range:
        """Return the part itself and frames around for its lights, and in the best quality its neighbors."""
        before = after = REACH if self._has_neighbors else 0
        if guesses_highlights(self._lens.transfer, self._lens.settings):
            before, after = before + FRAMES_BEFORE, after + FRAMES_AHEAD
        return range(max(0, part.start - before), min(frames, part.stop + after))

    def render(self, scenes: Iterator[Scene]) -> Iterator[Frame]:
        """Yield each scene's refocused frame, on the CPU.

        Scenes are of one clip, one after another. Two are read ahead where lights are guessed, and three more
        in quality "best".
        """
        if self._code is None:
            yield from self._drawn(scenes)
            return
        in_work: deque[tuple[Tensor, Tensor]] = deque()
        for frame in self._drawn(self._decoded(scenes, self._code, in_work)):
            stored, linear = in_work.popleft()
            coded = self._code.encode(frame.picture)
            yield Frame(picture=torch.where(frame.picture == linear, stored, coded), pts=frame.pts)

    def _decoded(
        self, scenes: Iterator[Scene], code: SceneEncoding, in_work: deque[tuple[Tensor, Tensor]]
    ) -> Iterator[Scene]:
        """The scenes in linear light; both pictures of each wait in ``in_work``."""
        for scene in scenes:
            linear = code.decode(scene.sharp)
            in_work.append((scene.sharp, linear))
            yield replace(scene, sharp=linear)

    def _drawn(self, scenes: Iterator[Scene]) -> Iterator[Frame]:
        lit = self._with_highlights(scenes)
        if not self._has_neighbors:
            for scene, lights in lit:
                yield Frame(picture=self._refocus(scene, lights), pts=scene.pts)
            return
        for frame, neighbors in with_neighbors(self._prepare(*one) for one in lit):
            yield Frame(picture=self._refocus_among(frame, neighbors), pts=frame.scene.pts)

    def refocus(self, scene: Scene) -> Tensor:
        """The refocused picture ``3 H W`` of one scene alone; pixels that no blur touches are its own.

        Not for several threads at once: frames share memory.
        """
        return self._refocus(*next(self._with_highlights([scene])))

    @property
    def _has_neighbors(self) -> bool:
        return self._lens.settings.quality == "best"

    def _with_highlights(self, scenes: Iterable[Scene]) -> Iterator[tuple[Scene, Highlights | None]]:
        return with_highlights(scenes, self._lens.transfer, self._lens.settings)

    def _refocus(self, scene: Scene, lights: Highlights | None) -> Tensor:
        coc = self.engine.coc(scene)
        return scene.sharp if _is_in_focus(coc) else self.engine.draw(scene, coc, lights)

    @torch.inference_mode()
    def _prepare(self, scene: Scene, lights: Highlights | None) -> PreparedFrame:
        """The frame as it and its neighbors need it."""
        scale, coc = self._lens.coc_scale(scene), self.engine.coc(scene).clone()
        if _is_in_focus(coc):  # no edges to take apart; without blur, a CoC does not tell its disparity
            linear = to_linear(scene.sharp.to(coc.device), self._lens.transfer)
            disparity = scale.disparity(coc) if scale.px > 0 else scene.disparity[0].to(coc.device)
            return PreparedFrame(scene, scale, linear, linear, coc, disparity)
        linear, matted = self.engine.matte(scene, coc, lights)
        return PreparedFrame(scene, scale, linear, matted, coc, scale.disparity(coc))

    @torch.inference_mode()
    def _refocus_among(self, frame: PreparedFrame, neighbors: list[Neighbor]) -> Tensor:
        """As ``refocus``, with occluded regions and surroundings taken from the frames around."""
        if _is_in_focus(frame.coc):
            return frame.scene.sharp
        around = look_around(frame, neighbors, self._lens.reach)
        return self.engine.draw_among(frame, around, neighbors)

    def warm_up(self, compile_rest: Callable[[], None]) -> None:
        """Render a frame in the background, so that loops are compiled before the first scene comes.

        ``compile_rest`` compiles those that a small frame leaves out.
        """
        thread = ThreadPoolExecutor(1)
        self._warm = thread.submit(self._draw_edges, compile_rest)
        thread.shutdown(wait=False)

    def _draw_edges(self, compile_rest: Callable[[], None]) -> None:
        """Draw edges, one of them a subject's."""
        columns = torch.arange(32) / 32
        disparity = (columns >= 0.5).float().expand(1, 16, 32).contiguous()
        picture = columns.expand(3, 16, 32).contiguous()
        coverage = torch.zeros(1, 16, 32)
        scene = Scene(
            sharp=picture,
            disparity=disparity,
            focus_disparity=0.5,
            blur_strength=1000.0,
            pts=0,
            coverage=coverage,
        )
        self._engine.draw(scene, self._engine.coc(scene), None)
        compile_rest()

    def peak_bytes(self, pictures: PictureFormat) -> int | None:
        """Return the peak memory of a whole run on such pictures; ``None`` where nobody has measured it."""
        return self._engine.peak_bytes(pictures)

    def close(self) -> None:
        """End the threads; nothing is rendered after that. Closing twice is harmless.

        A thread that compiles is not waited for: it ends at its next step, which finds no others.
        """
        self._engine.close()
        if self._warm is not None:
            from any2bokeh.jit import is_compiling  # here: plain torch has nothing to warm up

            if not is_compiling():
                self._warm.exception()


def _is_in_focus(coc: Tensor) -> bool:
    """Whether nothing of a frame is blurred; ``coc`` is ``H W`` [px]."""
    nearest, farthest = coc.aminmax()
    return bool(max(-float(nearest), float(farthest)) < IN_FOCUS_PX)

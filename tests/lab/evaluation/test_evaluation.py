"""Methods on cases with ground truth: figures, failures, results that are kept, and memory."""

import math
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from any2bokeh.errors import DatasetError, VideoError
from any2bokeh.lab.evaluation.cases import Case, CaseFrame, OnProgress, dataset_cases
from any2bokeh.lab.evaluation.evaluation import Source, evaluate
from any2bokeh.lab.evaluation.measurement import CaseResult, Evaluation, shared, with_mistakes
from any2bokeh.lab.evaluation.methods import Method, choose_methods
from any2bokeh.lab.evaluation.metric_networks import Networks, find_networks
from any2bokeh.lab.evaluation.scores import ReferenceFrame
from any2bokeh.lab.evaluation.stills import ReportStills
from any2bokeh.lab.evaluation.store import Store
from any2bokeh.lab.frame_metrics import dis_flow
from any2bokeh.lab.synthesis.dataset import open_dataset
from any2bokeh.progress import ignore
from any2bokeh.scene import Frame, PictureFormat, Scene
from any2bokeh.settings.evaluation_settings import EvaluationSettings, NamedFolder
from any2bokeh.video.lossless import RGB, LosslessWriter

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
Change = Callable[[CaseFrame, int], Tensor]


def method(change: Change, name: str = "made-up", facts: str = "", *, ahead: int = 0) -> Method:
    """A method that draws what ``change`` makes of a frame and its number, after looking some ahead."""

    def draw(frames: Iterator[CaseFrame]) -> Iterator[Frame]:
        waiting: list[CaseFrame] = []
        for number, frame in enumerate(frames):
            waiting.append(frame)
            if number >= ahead:
                yield drawn(waiting.pop(0), number - ahead)
        yield from (drawn(frame, number) for number, frame in enumerate(waiting))

    def drawn(frame: CaseFrame, number: int) -> Frame:
        return Frame(picture=change(frame, number), pts=frame.scene.pts)

    return Method(name=name, what=name, make=lambda case: draw, facts=lambda case: facts)


def evaluation(folder: Path, *methods: Method) -> Evaluation:
    return Evaluation(methods=methods, networks=Networks(), store=Store(folder), picture_bytes=20_000)


def cases(dataset: Path) -> list[Case]:
    return dataset_cases(open_dataset(dataset))


def run(dataset: Path, folder: Path, *methods: Method) -> CaseResult:
    return evaluation(folder, *methods).run(cases(dataset)[1], is_shown=False)


def true(frame: CaseFrame) -> Tensor:
    assert frame.ground_truth is not None
    return frame.ground_truth


def test_the_truth_itself_gets_the_best_of_each_figure(lens_dataset: Path, tmp_path: Path) -> None:
    scores = run(lens_dataset, tmp_path, method(lambda frame, number: true(frame))).scores
    got = scores["made-up"].scores
    assert (got["psnr"], got["ssim"], got["edges"]) == pytest.approx((100, 1, 100))
    assert (got["rm"], got["fd"]) == (0, 0)
    of_truth = scores["truth"].scores
    assert "psnr" not in of_truth
    assert {key: got[key] for key in of_truth} == of_truth


@pytest.mark.parametrize("codes", [1, 10])
def test_an_offset_of_so_many_codes_has_its_psnr_everywhere_and_no_error_of_motion(
    lens_dataset: Path, tmp_path: Path, codes: int
) -> None:
    offset = method(lambda frame, number: true(frame) - codes / 255)
    got = run(lens_dataset, tmp_path, offset).scores["made-up"].scores
    expected = -20 * math.log10(codes / 255)
    assert (got["psnr"], got["edges"]) == pytest.approx((expected, expected), abs=0.01)
    assert got["rm"] == pytest.approx(0, abs=1e-6)


def test_flicker_is_an_error_of_motion_of_its_size(lens_dataset: Path, tmp_path: Path) -> None:
    flicker = method(lambda frame, number: true(frame) - (number % 2) * 10 / 255)
    got = run(lens_dataset, tmp_path, flicker).scores["made-up"].scores
    assert got["rm"] == pytest.approx(10 / 255, rel=1e-3)


def test_what_lags_a_frame_behind_has_the_flow_error_of_things_that_stand(
    lens_dataset: Path, tmp_path: Path
) -> None:
    lagging = method(lambda frame, number: true(frame).roll(-number, dims=2))  # the square stands still
    got = run(lens_dataset, tmp_path, lagging).scores["made-up"].scores
    assert 0.3 < got["fd"] < 1.2


def test_the_lens_equals_the_truth_that_it_drew_and_gather_does_not(
    lens_dataset: Path, tmp_path: Path
) -> None:
    settings = EvaluationSettings(methods=("none", "gather", "lens"), shown=0)
    report = evaluate([Source(path=lens_dataset, settings=settings)], settings, Store(tmp_path), "", ignore)
    figures = report.summary.figures
    assert list(figures) == ["none", "gather", "lens", "truth"]
    assert figures["lens"]["psnr"] > 60 > 40 > figures["gather"]["psnr"] > figures["none"]["psnr"]
    assert figures["none"]["vepi"] == 1
    assert figures["lens"]["seconds"] > 0
    assert not report.failures


def test_what_a_method_failed_on_leaves_the_others_running(lens_dataset: Path, tmp_path: Path) -> None:
    def fail(frame: CaseFrame, number: int) -> Tensor:
        if number == 2:
            raise VideoError("The tape is torn.")
        return true(frame)

    good = method(lambda frame, number: true(frame), "good")
    result = run(lens_dataset, tmp_path, method(fail, "bad"), good)
    assert result.failures == {"bad": "The tape is torn."}
    assert result.scores["good"].scores["psnr"] == pytest.approx(100)
    again = run(lens_dataset, tmp_path, method(fail, "bad"), good)
    assert (again.failures, again.measured) == (result.failures, ())


def test_results_are_kept_until_method_case_or_program_change(lens_dataset: Path, tmp_path: Path) -> None:
    plain = method(lambda frame, number: true(frame), facts="1")
    first = run(lens_dataset, tmp_path, plain)
    assert first.measured == ("made-up", "truth")
    again = run(lens_dataset, tmp_path, plain)
    assert again.measured == ()
    assert again.scores["made-up"].scores == first.scores["made-up"].scores
    assert again.scores["made-up"].series == first.scores["made-up"].series
    changed = method(lambda frame, number: true(frame), facts="2")
    assert run(lens_dataset, tmp_path, changed).measured == ("made-up",)
    [kept] = (tmp_path / "results").rglob("made-up.json")
    kept.write_text("{")  # damaged
    assert run(lens_dataset, tmp_path, changed).measured == ("made-up",)
    fresh = replace(evaluation(tmp_path, changed), store=Store(tmp_path, is_fresh=True))
    assert fresh.run(cases(lens_dataset)[1], is_shown=False).measured == ("made-up", "truth")


def test_pictures_are_made_where_only_figures_are_known(lens_dataset: Path, tmp_path: Path) -> None:
    plain = method(lambda frame, number: true(frame))
    run(lens_dataset, tmp_path, plain)
    case = cases(lens_dataset)[1]
    shown = evaluation(tmp_path, plain).run(case, is_shown=True)
    assert shown.measured == ("none", "made-up", "truth")
    pictures = {path.name for path in (tmp_path / "pictures" / case.name).iterdir()}
    kinds = ("still", "crop", "error", "slice", "slice-error")
    assert {f"{name}.{kind}.webp" for name in shown.measured for kind in kinds} == pictures
    assert evaluation(tmp_path, plain).run(case, is_shown=True).measured == ()


def test_features_of_networks_make_distances_of_sets(
    lens_dataset: Path, tmp_path: Path, videomae: Path
) -> None:
    good = method(lambda frame, number: true(frame), "good")
    bad = method(lambda frame, number: 1 - true(frame), "bad")
    settings = EvaluationSettings(methods=("none",), shown=0)
    networks = find_networks(CPU)
    assert networks.video
    measured = [
        replace(evaluation(tmp_path, good, bad), networks=networks).run(case, is_shown=False)
        for case in cases(lens_dataset)
        for _ in range(2)  # measured, and then read again
    ][1::2]
    from any2bokeh.lab.evaluation.report import summarize

    figures = summarize(measured, ["good", "bad"]).figures
    assert figures["good"]["fvd"] == pytest.approx(0, abs=1e-6)
    assert figures["bad"]["fvd"] > 1e-4
    assert settings.methods == ("none",)


class LongCase(Case):
    """Frames made when they are asked for, and a count of those that are still in memory."""

    name = clip = "long"
    group = ""
    pictures = PictureFormat(height=16, width=24)
    strongest = 8.0
    has_ground_truth = True

    def __init__(self, frames: int) -> None:
        self.frames, self.alive, self.most = frames, 0, 0

    @contextmanager
    def open(self, on_progress: OnProgress = ignore) -> Iterator[Iterator[CaseFrame]]:
        yield map(self._frame, range(self.frames))

    def fingerprint(self) -> str:
        return str(self.frames)

    def prediction_names(self) -> tuple[str, ...]:
        return ("long",)

    def _frame(self, number: int) -> CaseFrame:
        sharp = torch.rand(3, 16, 24)
        disparity = torch.full((1, 16, 24), 0.5)
        scene = Scene(sharp=sharp, disparity=disparity, focus_disparity=0.4, blur_strength=8, pts=number)
        self.alive += 1
        self.most = max(self.most, self.alive)
        weakref.finalize(scene, self._gone)
        return CaseFrame(scene=scene, ground_truth=sharp, mask=torch.ones(1, 16, 24))

    def _gone(self) -> None:
        self.alive -= 1


def test_memory_does_not_grow_with_the_clip(tmp_path: Path) -> None:
    def fail(frame: CaseFrame, number: int) -> Tensor:
        raise VideoError("It never worked.")

    ahead = method(lambda frame, number: frame.scene.sharp, "ahead", ahead=3)
    methods = (ahead, ahead.perturbed(), method(fail, "failing"))
    for frames in (8, 40):
        case = LongCase(frames)
        result = evaluation(tmp_path / str(frames), *methods).run(case, is_shown=False)
        assert len(result.scores["ahead"].series["vepi"]) == frames
        assert set(result.failures) == {"failing"}
        assert case.most <= 12


def test_pictures_for_the_report_keep_a_row_of_each_frame_and_not_the_frame(tmp_path: Path) -> None:
    stills, alive = ReportStills(20), set[int]()
    with LongCase(20).open() as case:
        for number, frame in enumerate(case):
            # The memory of the tensor is that of the array, which lives as long as any part of it is used.
            stored = np.random.default_rng(0).random((3, 16, 24), np.float32)
            alive.add(number)
            weakref.finalize(stored, alive.discard, number)
            stills.add(torch.from_numpy(stored), ReferenceFrame(frame, dis_flow))
            del stored
            assert len(alive) <= 2
    assert stills.pictures()["slice"].shape[2] == 24


def test_items_are_shared_in_order_and_a_consumer_that_is_dropped_holds_nothing() -> None:
    first, second, dropped = shared(iter(range(100)), 3)
    assert [next(first), next(first), next(second)] == [0, 1, 0]
    del dropped
    assert list(first) == list(range(2, 100))
    assert list(second) == list(range(1, 100))


def test_a_case_that_ends_early_fails_as_a_whole(tmp_path: Path) -> None:
    class Torn(LongCase):
        @contextmanager
        def open(self, on_progress: OnProgress = ignore) -> Iterator[Iterator[CaseFrame]]:
            def frames() -> Iterator[CaseFrame]:
                yield from map(self._frame, range(3))
                raise DatasetError("The clip is torn.")

            yield frames()

    for ahead in (0, 2):  # the error comes to light in the case itself, or in a method that looks ahead
        torn = method(lambda frame, number: frame.scene.sharp, ahead=ahead)
        with pytest.raises((DatasetError, VideoError), match=r"torn|3 of"):
            evaluation(tmp_path, torn).run(Torn(5), is_shown=False)
        assert not list(tmp_path.rglob("*.json"))


def test_mistakes_are_the_same_for_a_name_and_leave_the_picture_alone(lens_dataset: Path) -> None:
    [case, *_] = cases(lens_dataset)

    def disparities(name: str) -> list[Tensor]:
        with case.open() as frames:
            pairs = [
                (frame, wrong)
                for frame, wrong in zip(_frames(case), with_mistakes(frames, name), strict=True)
            ]
        for frame, wrong in pairs:
            assert torch.equal(frame.scene.sharp, wrong.scene.sharp)
            assert not torch.equal(frame.scene.disparity, wrong.scene.disparity)
        return [wrong.scene.disparity for _, wrong in pairs]

    one, same, other = disparities("a"), disparities("a"), disparities("b")
    assert all(map(torch.equal, one, same))
    assert not any(map(torch.equal, one, other))


def _frames(case: Case) -> list[CaseFrame]:
    with case.open() as frames:
        return list(frames)


def write_prediction(path: Path, pictures: list[Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _, height, width = pictures[0].shape
    with LosslessWriter(path, (width, height), RGB, Fraction(1, 24), Fraction(24)) as writer:
        for number, picture in enumerate(pictures):
            writer.write_integers((picture * 255).round().to(torch.uint8).numpy(), number)


def prediction_scores(dataset: Path, folder: Path, tmp_path: Path) -> CaseResult:
    settings = EvaluationSettings(methods=(), predictions=(NamedFolder("peer", folder),))
    methods = choose_methods(settings, CPU).methods
    return evaluation(tmp_path / "out", *methods).run(cases(dataset)[1], is_shown=False)


@pytest.mark.parametrize("name", ["000000/bokeh-near-k96.mkv", "000000.near-k96.mkv"])
def test_finished_clips_are_found_under_either_name(lens_dataset: Path, tmp_path: Path, name: str) -> None:
    truth = [true(frame) for frame in _frames(cases(lens_dataset)[1])]
    write_prediction(tmp_path / "peer" / name, truth)
    result = prediction_scores(lens_dataset, tmp_path / "peer", tmp_path)
    assert result.failures == {}
    assert result.scores["peer"].scores["psnr"] == pytest.approx(100)
    assert "seconds" not in result.scores["peer"].scores


def test_a_data_set_is_its_own_best_prediction(lens_dataset: Path, tmp_path: Path) -> None:
    result = prediction_scores(lens_dataset, lens_dataset / "clips", tmp_path)
    assert result.scores["peer"].scores["psnr"] == pytest.approx(100)


def test_finished_clips_that_do_not_fit_are_named(lens_dataset: Path, tmp_path: Path) -> None:
    truth = [true(frame) for frame in _frames(cases(lens_dataset)[1])]
    peer = tmp_path / "peer"
    peer.mkdir()

    def failure() -> str:
        return prediction_scores(lens_dataset, peer, tmp_path).failures["peer"]

    assert "no result of 000000.near-k96" in failure()
    write_prediction(peer / "000000.near-k96.mkv", truth[:3])
    assert "has 3 frames, and 000000.near-k96 4" in failure()
    write_prediction(peer / "000000.near-k96.mkv", [picture[:, :, :90] for picture in truth])
    assert "is 90x64, and 000000.near-k96 96x64" in failure()
    write_prediction(peer / "000000.near-k96.mp4", truth)
    assert "several results" in failure()


def test_a_mask_of_another_size_is_brought_to_that_of_the_picture(lens_dataset: Path) -> None:
    [_, case, *_] = cases(lens_dataset)
    frame = _frames(case)[0]
    small = replace(frame, mask=frame.mask[:, ::2, ::2])
    whole, halved = (ReferenceFrame(one, dis_flow) for one in (frame, small))
    assert torch.equal(whole.in_focus, halved.in_focus)
    assert torch.equal(whole.focus_edges, halved.focus_edges)
    assert whole.focus_edges.any() and not whole.focus_edges.all()

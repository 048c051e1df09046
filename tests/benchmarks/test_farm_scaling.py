"""Scaling on paper, from a report whose numbers are round."""

import pytest
from farm_scaling import Film, Measured, stages_of

REPORT = {
    "seconds": 90.0,
    "clips": [
        {
            "disparity": [
                {"starts": [0, 60], "frames": 100, "seconds": 1.0},
                {"first": 0, "stop": 60, "seconds": 12.0},
                {"first": 60, "stop": 100, "seconds": 8.0},
            ],
            "parts": [{"frames": 50, "seconds": 20.0, "file_bytes": 5_000_000}] * 2,
            "until_join_s": 66.0,
            "join": {"seconds": 10.0, "frames": 100},
        }
    ],
}
FILM = Film(frames=1000, shot_frames=100)


def test_a_report_tells_the_seconds_of_each_stage():
    assert Measured.from_report(REPORT) == Measured(
        start_s=5.0,
        shots_s=0.01,
        disparity_s=0.2,
        frame_s=0.4,
        join_s=0.1,
        frame_bytes=100_000,
        part_frames=50,
    )


@pytest.mark.parametrize(
    ("nodes", "disparity_s", "frames_s"),
    [(1, 200, 400), (4, 60, 100), (8, 40, 60), (10, 20, 40), (20, 20, 20), (1000, 20, 20)],
)
def test_shots_and_parts_are_handed_out_whole(nodes: int, disparity_s: float, frames_s: float):
    found = stages_of(Measured.from_report(REPORT), FILM, nodes)
    assert (found.disparity_s, found.frames_s) == (pytest.approx(disparity_s), pytest.approx(frames_s))
    assert (found.start_s, found.shots_s, found.join_s) == (5, pytest.approx(10), pytest.approx(100))
    assert found.total_s == pytest.approx(115 + disparity_s + frames_s)

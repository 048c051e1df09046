"""Grain in parts of a clip is that of one run, and its noise is measured once for all of them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from films import write_track
from shards import LENS, Hashes, check_equal, settings_for

from any2bokeh import session
from any2bokeh.render.grain.clip_noise import measure_noise
from any2bokeh.run import refocus


@pytest.mark.slow
def test_grain_is_that_of_one_run(tmp_path: Path, hashes: Hashes, monkeypatch: pytest.MonkeyPatch) -> None:
    film, random, measured = tmp_path / "noisy.mkv", np.random.default_rng(3), []
    with av.open(str(film), "w") as container:
        video = container.add_stream("ffv1", rate=24)
        video.width, video.height, video.pix_fmt = 160, 128, "yuv420p"
        for _ in range(12):
            noisy = (128 + random.normal(0, 5, (128, 160, 3))).round().clip(0, 255).astype(np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(noisy, "rgb24")))
        container.mux(video.encode())
    track = write_track(tmp_path / "ramp.mkv", 12, 160, 128)

    def measure(*given: Any) -> Any:
        measured.append(measure_noise(*given))
        return measured[-1]

    monkeypatch.setattr(session, "measure_noise", measure)
    settings = settings_for(track, render=replace(LENS, grain=1.0))
    check_equal(film, settings, hashes, (3,))
    assert len(measured) == 2 and measured[0].is_visible  # by the one run, and once for all shards
    plain, grained = tmp_path / "plain.mkv", tmp_path / "joined-3.mkv"
    refocus(film, plain, settings_for(track))
    assert hashes(plain) != hashes(grained)

"""A clip made in shards, compared with one run."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from any2bokeh.farm.join import join_parts
from any2bokeh.farm.whole_run import make_shard
from any2bokeh.farm.work_folder import Work, read_work
from any2bokeh.run import refocus
from any2bokeh.settings.depth_settings import DepthSettings
from any2bokeh.settings.focus_settings import FocusSettings
from any2bokeh.settings.render_settings import RenderSettings
from any2bokeh.settings.run_settings import Settings
from any2bokeh.settings.values import TimePoint
from any2bokeh.settings.video_settings import EncodeSettings
from any2bokeh.settings.work_settings import ShardNumber

Hashes = Callable[[Path], list[tuple[int, str]]]

LENS = RenderSettings(renderer="lens", device="cpu")
LOSSLESS = EncodeSettings(lossless=True)
HELD = FocusSettings(focus_disparity=0.5, blur_strength=80)


def frame(number: int) -> TimePoint:
    return TimePoint(frame=number)


def settings_for(track: Path | None = None, focus: FocusSettings = HELD, **others: Any) -> Settings:
    depth = others.pop("depth", None) or DepthSettings(track=track, model="compact", size=96, use_cache=False)
    return Settings(**({"render": LENS, "encode": LOSSLESS} | others), focus=focus, depth=depth)


def in_shards(source: Path, target: Path, settings: Settings, folder: Path, count: int) -> Work:
    """Make the shards in an order of their own; the last is made twice."""
    for number in [*range(count, 0, -1), count]:
        work = make_shard(source, target, settings, folder, ShardNumber(number, count))
    return work


def check_equal(source: Path, settings: Settings, hashes: Hashes, counts: tuple[int, ...]) -> None:
    one = source.with_name("one.mkv")
    refocus(source, one, replace(settings, depth=replace(settings.depth, use_cache=False)))
    for count in counts:
        target = source.with_name(f"joined-{count}.mkv")
        work = in_shards(source, target, settings, source.with_name("work"), count)
        result = join_parts(read_work(work.folder))
        assert result.frames == len(hashes(one))
        assert hashes(target) == hashes(one)
        assert not source.with_name("work").exists()

import threading
import time
from collections.abc import Iterator

import pytest

from any2bokeh.video.prefetch import Channel, prefetch


def threads_named(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == name]


def test_items_come_in_order_and_end() -> None:
    with prefetch(range(100), 3) as items:
        assert list(items) == list(range(100))
        assert next(items, None) is None


def test_work_is_done_ahead_but_only_as_far_as_asked() -> None:
    made = []

    def make() -> Iterator[int]:
        for number in range(50):
            made.append(number)
            yield number

    with prefetch(make(), 4) as items:
        deadline = time.monotonic() + 5
        while len(made) < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
        assert made == [0, 1, 2, 3, 4]  # four wait in the queue, one for room in it
        assert next(items) == 0


def test_an_error_is_raised_after_the_items_before_it() -> None:
    def make() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    with prefetch(make(), 4) as items:
        assert next(items) == 1
        with pytest.raises(ValueError, match="broken"):
            next(items)
        assert next(items, None) is None


def test_closing_early_ends_the_thread_and_closes_the_generator_in_it() -> None:
    closed_in = []

    def make() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed_in.append(threading.current_thread().name)

    with prefetch(make(), 2) as items:
        next(items)
    assert closed_in == ["prefetch"]
    assert not threads_named("prefetch")


def test_chained_prefetching_ends_when_the_last_one_is_closed() -> None:
    with prefetch(iter(int, 1), 2) as first, prefetch((item for item in first), 2) as second:
        assert next(second) == 0
    assert not threads_named("prefetch")


def test_a_channel_that_is_closed_takes_nothing_more() -> None:
    channel: Channel[int] = Channel(1)
    assert channel.put(1)
    channel.close()
    assert not channel.put(2)
    channel.finish()
    assert next(channel, None) is None

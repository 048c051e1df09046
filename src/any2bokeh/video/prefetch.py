"""Work that runs ahead in a thread of its own, by a bounded number of items."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

from any2bokeh.closeable import Closeable

T = TypeVar("T")


class Channel(Iterator[T]):
    """A bounded queue from one thread to another that either side can end at any time.

    Taking is iterating: the next item, waiting for it, until the giver has finished; then, if the
    giver finished with an error, that error once.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._finished = False
        self._closed = False
        self._error: BaseException | None = None

    def put(self, item: T) -> bool:
        """Hand over an item, waiting for room; ``False`` if the taker wants no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._size)
            if self._closed:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def finish(self, error: BaseException | None = None) -> None:
        """Say that nothing follows but ``error``, raised at the taker after the last item."""
        with self._changed:
            self._finished, self._error = True, error
            self._changed.notify_all()

    def __next__(self) -> T:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._finished or self._items)
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            error, self._error = self._error, None
        raise error or StopIteration

    def close(self) -> None:
        """Want no more: the giver's ``put`` returns ``False``, what waits is dropped."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()


class Prefetch(Iterator[T], Closeable):
    """The items of an iterable, made ahead in a thread; use it as a context manager.

    What the iterable raises is raised where the items are taken. A generator is closed in the thread
    that ran it, so a file that it has open is used by one thread only.
    """

    def __init__(self, items: Iterable[T], size: int) -> None:
        self._channel: Channel[T] = Channel(size)
        self._thread = threading.Thread(target=self._run, args=(items,), name="prefetch", daemon=True)
        self._thread.start()

    def __next__(self) -> T:
        return next(self._channel)

    def close(self) -> None:
        """Stop making items, and wait until the thread has ended."""
        self._channel.close()
        self._thread.join()

    def _run(self, items: Iterable[T]) -> None:
        try:
            iterator = iter(items)
            try:
                for item in iterator:
                    if not self._channel.put(item):
                        break
            finally:
                if close := getattr(iterator, "close", None):
                    close()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the taker has to hear of it
            self._channel.finish(error)
        else:
            self._channel.finish()


def prefetch(items: Iterable[T], size: int) -> Prefetch[T]:
    """Run ``items`` in a thread that stays at most ``size`` items ahead of the one who takes them."""
    return Prefetch(items, size)

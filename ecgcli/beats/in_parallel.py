"""Work on records by several processes, in bounded memory."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

from ecgcli.errors import EcgError

WORTH_IT = 200_000_000
"""Bytes to read that are worth the seconds which processes take to start; MIT-BIH has half of it."""

MOST = 8
"""Processes at most: each holds a record and some 200 MB of libraries."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(work: Callable[[Item], Result], items: Sequence[Item], size: int) -> Iterator[Result]:
    """What `work` gives for each item, in their order; few of the results are there at a time.

    Args:
        work: a function that can be pickled.
        items: what to work on.
        size: bytes that there are to read; up to `WORTH_IT` this process does all of it.

    Raises:
        EcgError: a process was ended from outside; and what `work` raises.
    """
    workers = min(_cores(), MOST, len(items))
    if workers < 2 or size < WORTH_IT:
        yield from map(work, items)
        return
    left = iter(items)
    running: deque[Future[Result]] = deque()
    # started afresh and not forked: this process may have threads by now
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _end_with_the_first) as pool:
        try:
            running.extend(pool.submit(work, item) for item in islice(left, 2 * workers))
            while running:
                yield running.popleft().result()
                running.extend(pool.submit(work, item) for item in islice(left, 1))
        except BrokenProcessPool as error:
            raise EcgError("a process that was cutting beats has been ended; is memory short?") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _end_with_the_first() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all of them
    threading.Thread(target=_wait_for_the_first, daemon=True).start()


def _wait_for_the_first() -> None:
    first = multiprocessing.parent_process()
    assert first is not None
    first.join()
    os._exit(1)

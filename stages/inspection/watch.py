"""Photographs that arrive in a folder: each as soon as nobody writes it any more."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from stages.inspection.photographs import Photograph, name_of, walk

POLL_SECONDS = 0.5
SETTLE_SECONDS = 1.5  # a file whose length and time of change stay the same for so long is complete

State = tuple[int, int]  # bytes, time of change in ns


def arrivals(
    folder: Path,
    leave_out: Path,
    seconds: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Photograph | None]:
    """Yield the photographs of a folder, those there and those that come, each when it is complete; None: none is now.

    A file that changes after it was yielded is yielded again.

    Args:
        folder: what is looked through every half second, with all folders below.
        leave_out: the folder of results, which is passed over.
        seconds: how long; None: until the process is interrupted. In the end what is still being written is yielded
            with that trouble.
        clock, sleep: seconds that pass.
    """
    base = os.path.abspath(folder)  # noqa: PTH100
    begun = clock()
    pending: dict[str, tuple[State, float]] = {}  # path -> what it was, and since when
    done: dict[str, State | str] = {}
    while True:
        now = clock()
        over = seconds is not None and now - begun >= seconds
        for path, trouble in walk(Path(base), leave_out):
            state = state_of(path)
            if trouble and done.get(path) != trouble:
                done[path] = trouble
                yield Photograph(Path(path), name_of(path, base), trouble)
            if trouble or state is None or done.get(path) == state:
                continue
            if pending.get(path, (None, 0.0))[0] != state:
                pending[path] = (state, now)
            if now - pending[path][1] >= SETTLE_SECONDS:
                done[path] = pending.pop(path)[0]
                yield Photograph(Path(path), name_of(path, base))
            elif over:
                words = "was still being written when the time to watch was over; inspect it again"
                yield Photograph(Path(path), name_of(path, base), words)
        if over:
            return
        yield None
        sleep(POLL_SECONDS)


def state_of(path: str) -> State | None:
    """Return length and time of change of a file; None where it is gone."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns

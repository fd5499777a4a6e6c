"""One function mapped over many items, in their order: by threads of this process, or by the workers of a cluster.

Beyond one machine the engine is Dask (`runtime.cluster`: the address of its scheduler). Why not the others: joblib's
ordered generator (`return_as="generator"`) goes on computing while its results are not fetched, so memory would grow
with the number of items, and its registered back ends for other machines are Dask and Ray anyway; Ray brings services
of its own to every machine. A Dask client has the `submit` and `result` of concurrent.futures: one loop serves both.

Results travel back to the one process that asked for them: what it writes does not depend on who computed it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

from stages.runtime.errors import InputError

CONNECT_SECONDS = 10  # how long a scheduler may take to answer
AHEAD = 2  # items per worker that are computed or wait for their turn

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_order(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int, cluster: str | None = None
) -> Iterator[Result]:
    """Yield work(item) in the order of items, at most 2 x workers items ahead of what was taken.

    Args:
        work: must release Python's lock for threads to help; for a cluster it and its items must be picklable, and
            what it reads must lie under the same path on every machine.
        items: taken one by one as room becomes free.
        workers: threads, where there is no cluster; a cluster says itself how many it has.
        cluster: address of a Dask scheduler such as "tcp://10.0.0.1:8786"; None computes in this process.

    Raises:
        InputError: the cluster cannot be reached, has no worker, or Dask is not installed.
        Exception: whatever `work` raises; items not begun are then given up.
    """
    remaining = iter(items)
    with _engine(workers, cluster) as (submit, capacity):
        ahead: deque[Any] = deque(submit(work, item) for item in islice(remaining, AHEAD * capacity))
        while ahead:
            result = ahead.popleft().result()
            ahead.extend(submit(work, item) for item in islice(remaining, 1))
            yield result


@contextmanager
def _engine(workers: int, cluster: str | None) -> Iterator[tuple[Callable[..., Any], int]]:
    """Yield what submits a call, and how many calls run at a time."""
    if cluster is None:
        pool = ThreadPoolExecutor(workers)
        try:
            yield pool.submit, workers
        finally:
            pool.shutdown(cancel_futures=True)
        return
    client = _connect(cluster)
    try:
        capacity = sum(client.nthreads().values())
        if not capacity:
            raise InputError(f"params.yaml: runtime.cluster: the scheduler at {cluster} has no worker; start some")
        # not pure: two items that look the same to Dask are still two, and nothing is kept once it was taken
        yield lambda work, item: client.submit(work, item, pure=False), capacity
    finally:
        client.close()


def _connect(cluster: str) -> Any:
    try:
        from distributed import Client  # an optional dependency, and half a second to import
    except ImportError:
        raise InputError(
            "params.yaml: runtime.cluster needs Dask; install it (pip install -c constraints.txt -e '.[cluster]')"
        ) from None
    try:
        return Client(cluster, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"params.yaml: runtime.cluster: no Dask scheduler answers at {cluster} ({' '.join(str(error).split())})"
        ) from None

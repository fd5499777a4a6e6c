"""Progress bars for what takes longer than a few seconds; silent when the output is not a terminal."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Iterable[Item], title: str, total: int | None = None) -> Iterator[Item]:
    """Yield `items` unchanged behind a bar on standard error.

    The bar appears after two seconds, and only on a terminal.
    """
    return iter(tqdm(items, desc=title, total=total, disable=None, delay=2.0, leave=False, dynamic_ncols=True))

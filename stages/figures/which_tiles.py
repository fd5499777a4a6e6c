"""Which tiles pictures show: the same ones for the same numbers."""

import numpy as np
from numpy.typing import NDArray


def choose_gallery_tiles(
    probability: NDArray[np.floating], defective: NDArray[np.bool_], threshold: float, count: int
) -> NDArray[np.intp]:
    """Choose the tiles that show best how a classifier does.

    Five of eight rows are defective: one missed where there is any (the one with the median probability), the others
    spread over those found by quantiles of their probability. The rest are good: one false alarm where there is any
    (the most certain one), the others spread over the correct ones. Where one kind has too few tiles, the others fill
    up.

    Args:
        probability: (n,) of a defect.
        defective: (n,) true label.
        threshold: a tile is called defective above it.
        count: rows wanted.

    Returns:
        At most `count` distinct positions: found ones from the most to the least certain, missed ones, false alarms,
        good ones.
    """
    called = probability > threshold
    order = np.argsort(-probability, kind="stable")
    kinds = {
        "found": order[(defective & called)[order]],
        "missed": order[(defective & ~called)[order]],
        "false alarm": order[(~defective & called)[order]],
        "correct": order[(~defective & ~called)[order]],
    }
    have = {kind: len(positions) for kind, positions in kinds.items()}
    want = dict.fromkeys(kinds, 0)
    # filled in the order of interest: first one of each kind, then five in eight defective, then whatever is left
    wishes = ["found", "missed", "false alarm", "correct"]
    wishes += ["found"] * max(0, round(count * 5 / 8) - (2 if have["missed"] else 1))
    wishes += ["correct"] * count + ["found"] * count + ["missed"] * count + ["false alarm"] * count
    for kind in wishes:
        if sum(want.values()) < count and want[kind] < have[kind]:
            want[kind] += 1
    spread = {kind: np.floor(_middles(have[kind], want[kind])).astype(np.intp) for kind in kinds}
    spread["false alarm"] = np.arange(want["false alarm"])
    return np.concatenate([positions[spread[kind]] for kind, positions in kinds.items()])


def choose_methods_tiles(defective: NDArray[np.bool_], count: int) -> tuple[NDArray[np.intp], str]:
    """Choose at most `count` rows spread evenly over the defective ones, or over the good ones where all are good.

    Args:
        defective: (n,) true label of each tile, one tile at least.

    Returns:
        The rows, ascending, and what they are: "defective" or "good".
    """
    wanted = np.flatnonzero(defective if defective.any() else ~defective)
    chosen = wanted[np.linspace(0, len(wanted) - 1, min(len(wanted), count)).astype(int)]
    return chosen, "defective" if defective.any() else "good"


def choose_viewer_tiles(classes: NDArray[np.object_], defective: NDArray[np.bool_], count: int) -> NDArray[np.intp]:
    """Choose tiles to look at: two thirds defective, the kinds in turn, one third good, evenly spread over the rows.

    Args:
        classes: (n,) kind of defect of each test tile, "good" where there is none.
        defective: (n,)
        count: how many to choose; fewer where there are fewer.

    Returns:
        Rows, defective ones first.
    """
    wanted = count - count // 3
    kinds = np.unique(classes[defective])
    groups = [
        (defective & (classes == kind), wanted // len(kinds) + (place < wanted % len(kinds)))
        for place, kind in enumerate(kinds)
    ]
    chosen = []
    for members, share in [*groups, (~defective, count // 3)]:
        rows = np.flatnonzero(members)
        # rounded to the nearest, not cut off as in the gallery
        chosen.append(rows[np.round(_middles(len(rows), min(share, len(rows))) - 0.5).astype(np.intp)])
    return np.concatenate(chosen)


def _middles(available: int, wanted: int) -> NDArray[np.float64]:
    """Return the middles of `wanted` equal parts of 0..available."""
    return (np.arange(wanted) + 0.5) * available / max(wanted, 1)

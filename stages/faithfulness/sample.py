"""Which tiles are perturbed."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.runtime.errors import InputError
from stages.runtime.seeds import derive_seed


def draw_defective(index: pd.DataFrame, count: int, seed: int) -> NDArray[np.intp]:
    """Draw defective test tiles, the same whatever the order of the index.

    Args:
        index: N tiles: tile_id, split, label.
        count: how many to draw; all where there are fewer.
        seed: of the draw.

    Returns:
        (n,) their rows in `index`, sorted by tile id.

    Raises:
        InputError: no test tile is defective.
    """
    ids = index["tile_id"].to_numpy(dtype=object)
    rows = np.flatnonzero((index["split"] == "test") & (index["label"] == "defective"))
    if not rows.size:
        raise InputError("perturb: no test tile is defective; see `split` in params.yaml")
    rows = rows[np.argsort(ids[rows])]
    drawn = np.random.default_rng(derive_seed(seed, "perturb")).permutation(len(rows))[:count]
    return rows[np.sort(drawn)]

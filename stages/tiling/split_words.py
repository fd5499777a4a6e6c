"""What the split stage prints: how the tiles were split, and how many of which are where."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from stages.tiling.settings import Split
from stages.tiling.splits import SPLITS, UNUSED, has_official, official_rows


def split_in_words(index: pd.DataFrame, table: pd.DataFrame, split: Split) -> str:
    """Return e.g. "by group: train 70 good + 30 defective, val ..., test ...; 64 images repeat another's pixels".

    Args:
        index: the tile index.
        table: the split, in the order of `index`.
        split: its parameters.
    """
    how = f"by {split.by}"
    if split.official and has_official(index):
        how += " (official)"
    elif split.official and (parts := sorted({*index["official"]} - {""})):
        how += f" (the publisher's {', '.join(parts)} do not count, since only train and test together do)"
    duplicates = duplicates_in_words(index, split)
    return f"{how}: {counts_in_words(index, table)}" + (f"; {duplicates}" if duplicates else "")


def counts_in_words(index: pd.DataFrame, table: pd.DataFrame) -> str:
    """Return e.g. "train 70 good + 30 defective, val ..., test ...", and how many are unused.

    Args:
        index: the tile index.
        table: the split, in the order of `index`.
    """
    counts = pd.crosstab(table["split"].to_numpy(), index["label"].to_numpy())
    unused = np.count_nonzero(table["split"] == UNUSED)
    counts = counts.reindex(index=list(SPLITS), columns=["good", "defective"], fill_value=0)
    words = [f"{name} {row['good']} good + {row['defective']} defective" for name, row in counts.iterrows()]
    return ", ".join([*words, f"{unused} unused"] if unused else words)


def leaks_in_words(figures: Mapping[str, float]) -> str:
    """Return e.g. "of 840 test images 809 look like a train image turned or mirrored", or "".

    Args:
        figures: what `stages.tiling.leakage.leakage_by_looks` returns.
    """
    words = []
    for whole, total in (("image", "test_images"), ("tile", "test")):
        alike, turned = int(figures[f"alike_{whole}s"]), int(figures[f"turned_{whole}s"])
        found = [f"{alike} look like a train {whole}"] if alike else []
        found += [f"{turned} look like a train {whole} turned or mirrored"] if turned else []
        words += [f"of {int(figures[total])} test {whole}s {', '.join(found)}"] if found else []
    return "; ".join(words)


def duplicates_in_words(index: pd.DataFrame, split: Split) -> str:
    """Return e.g. "64 images repeat another's pixels, 64 official images left out for it", or "".

    Args:
        index: the tile index.
        split: the parameters of the split.
    """
    repeated = int(index.drop_duplicates("source")["pixels_sha"].duplicated().sum())
    words = [f"{repeated} images repeat another's pixels"] if repeated else []
    if split.official and has_official(index):
        kept = np.any(list(official_rows(index, split).values()), axis=0)
        left_out = index.loc[(index["official"] != "").to_numpy() & ~kept, "source"].nunique()
        words += [f"{left_out} official images left out for sharing a unit with a later part"] if left_out else []
    return ", ".join(words)

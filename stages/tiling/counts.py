"""What a set of tiles holds, in numbers for metrics/tile.json."""

from collections.abc import Mapping
from typing import Any

import pandas as pd


def count_tiles(
    index: pd.DataFrame,
    truths: tuple[str, ...],
    skipped: list[dict[str, str]],
    notes: Mapping[str, int],
    not_used: Mapping[str, int],
) -> dict[str, Any]:
    """Return the numbers of images, groups, tiles, defective tiles and tiles of each class, and what is known of them.

    Args:
        index: the tile index.
        truths: kinds of truth that the tiles have.
        skipped: {"file", "reason"} of each image that was left out (`dataset.on_bad_file: skip`).
        not_used: number of files that no image uses, by reason.
        notes: number of images by what was assumed or changed in reading them, or lost in cutting them up.

    Returns:
        `images` and `groups` of which there are tiles; `duplicates`: images whose pixels another one has, too;
        `tiles`, `defective`; `below_threshold`: good tiles that show some annotated defect, but less than
        `tile.defect_threshold`; `classes`: tiles by `defect_class`; `annotation`: tiles by what decided their label
        (mask, boxes or label); `truths`, "" by labels alone; `skipped`: reason by file; `notes`; `not_used`.
    """
    images = index.drop_duplicates("source")
    return {
        "images": len(images),
        "groups": int(index["group"].nunique()),
        "duplicates": int(images["pixels_sha"].duplicated(keep=False).sum()),
        "tiles": len(index),
        "defective": int((index["label"] == "defective").sum()),
        "below_threshold": int(((index["label"] == "good") & (index["defect_px"] > 0)).sum()),
        "classes": index["defect_class"].value_counts().sort_index().to_dict(),
        "annotation": index["annotation"].value_counts().sort_index().to_dict(),
        "truths": ", ".join(truths),  # DVC shows no lists
        "skipped": {item["file"]: item["reason"] for item in skipped},
        "not_used": dict(not_used),
        "notes": dict(sorted(notes.items())),
    }

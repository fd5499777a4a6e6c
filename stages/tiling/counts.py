"""What a set of tiles holds, in numbers for metrics/tile.json and in words."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from stages.datasets.unused import in_words
from stages.records.paths import TILE_METRICS


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
        notes: number of images by what was assumed or changed in reading them, or lost in cutting them up.
        not_used: number of files that no image uses, by reason.

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


def counts_in_words(counts: Mapping[str, Any]) -> str:
    """Return e.g. "360 images, 25200 tiles, 2910 of them defective", and what was left out, assumed or not used.

    Args:
        counts: what `count_tiles` returns.
    """
    words = f"{counts['images']} images, {counts['tiles']} tiles, {counts['defective']} of them defective"
    if counts["skipped"]:
        words += f", {len(counts['skipped'])} bad images left out (see {TILE_METRICS})"
    notes = [f"{count} images {note}" for note, count in counts["notes"].items()]
    return "; ".join([words, *notes, *([in_words(counts["not_used"])] if counts["not_used"] else [])])

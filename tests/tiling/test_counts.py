"""Counts of a set of tiles, by hand."""

import pandas as pd

from stages.tiling.counts import count_tiles


def test_counts_by_hand():
    index = pd.DataFrame(
        {
            "source": ["a", "a", "b", "c", "d"],
            "group": ["g", "g", "g", "h", "i"],
            "pixels_sha": ["1", "1", "2", "1", "3"],
            "label": ["good", "defective", "good", "defective", "defective"],
            "defect_class": ["good", "short", "good", "spur", "short"],
            "annotation": ["mask", "mask", "mask", "boxes", "mask"],
            "defect_px": [0, 9, 2, 5, 8],
        }
    )
    skipped = [{"file": "e.jpg", "reason": "cut"}]
    assert count_tiles(index, ("boxes", "exact"), skipped, {"with b": 1, "with a": 2}, {"hidden": 3}) == {
        "images": 4,
        "groups": 3,
        "duplicates": 2,
        "tiles": 5,
        "defective": 3,
        "below_threshold": 1,
        "classes": {"good": 2, "short": 2, "spur": 1},
        "annotation": {"boxes": 1, "mask": 4},
        "truths": "boxes, exact",
        "not_used": {"hidden": 3},
        "skipped": {"e.jpg": "cut"},
        "notes": {"with a": 2, "with b": 1},
    }

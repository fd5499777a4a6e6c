"""`tile.label_by`: which truth labels tiles."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.datasets.images import Box, SourceImage
from stages.datasets.truths import Annotated
from stages.records.shards import BOXES, EXACT
from stages.runtime.errors import InputError
from stages.tiling.labels import index_line
from stages.tiling.windows import Window

WINDOW = Window(0, 0, 20, 10)  # 200 px


def line(label_by: str, *kinds: str, some_masked: bool = False) -> dict[str, Any]:
    """A box of 5 x 4 px, a tenth of the window, in which 3 px are defect; defective from a tenth."""
    boxes, exact = np.zeros((10, 20), bool), np.zeros((10, 20), bool)
    boxes[2:6, 1:6] = True
    exact[2, 1:4] = True
    truths = {kind: mask for kind, mask in ((BOXES, boxes), (EXACT, exact)) if kind in kinds}
    image = SourceImage(Path("a.png"), "a.png", "a", "hole", boxes=(Box(1, 2, 6, 6, "hole"),), some_masked=some_masked)
    annotated = Annotated(np.zeros((10, 20, 3), np.uint8), image.boxes, truths, {}, None, ())
    return index_line(image, annotated, WINDOW, 0.1, label_by)


@pytest.mark.parametrize(
    ("label_by", "kinds", "label", "defect_px", "annotation"),
    [
        ("auto", (BOXES, EXACT), "good", 3, "mask"),
        ("exact", (BOXES, EXACT), "good", 3, "mask"),
        ("boxes", (BOXES, EXACT), "defective", 20, "boxes"),
        ("auto", (BOXES,), "defective", 20, "boxes"),
        ("boxes", (BOXES,), "defective", 20, "boxes"),
        ("auto", (EXACT,), "good", 3, "mask"),
    ],
)
def test_the_truth_that_decides(
    label_by: str, kinds: tuple[str, ...], label: str, defect_px: int, annotation: str
) -> None:
    found = line(label_by, *kinds)
    assert (found["label"], found["defect_px"], found["annotation"]) == (label, defect_px, annotation)
    assert found["exact_px"] == (3 if EXACT in kinds else -1)  # scored either way


def test_where_only_some_images_have_a_mask_boxes_label_all_tiles() -> None:
    masked, other = (line("auto", *kinds, some_masked=True) for kinds in ((BOXES, EXACT), (BOXES,)))
    assert [found["annotation"] for found in (masked, other)] == ["boxes", "boxes"]
    assert [found["exact_px"] for found in (masked, other)] == [3, -1]
    assert line("exact", BOXES, EXACT, some_masked=True)["annotation"] == "mask"


@pytest.mark.parametrize(("label_by", "kind", "words"), [("boxes", EXACT, "boxes"), ("exact", BOXES, "exact mask")])
def test_a_truth_that_is_not_there_is_refused(label_by: str, kind: str, words: str) -> None:
    with pytest.raises(InputError, match=rf"a.png: has no {words}, by which tile.label_by wants labels; use auto"):
        line(label_by, kind)

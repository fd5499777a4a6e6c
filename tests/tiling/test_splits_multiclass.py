"""Splits of a multiclass task: every class in every split."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stages.runtime.errors import InputError
from stages.tiling.splits import SPLITS, split_tiles
from tests.tiling.test_splits import BY_GROUP, whole


def kinds(groups=12, good=False):
    """Return an index without good tiles: three kinds, of which each group has two."""
    names = ("crazing", "patches", "scratches")
    rows = [
        {"group": f"g{group:02d}", "label": "defective", "defect_class": names[(group + tile % 2) % 3], "tile": tile}
        for group in range(groups)
        for tile in range(10)
    ]
    index = pd.DataFrame(rows)
    index["source"] = index["group"]
    index["tile_id"] = index["group"] + "@" + index["tile"].astype(str)
    if good:
        index.loc[index["tile"] > 6, ["label", "defect_class"]] = "good"
    return whole(index)


@pytest.mark.parametrize("by", ["group", "image", "tile"])
@pytest.mark.parametrize("good", [False, True])
def test_every_class_reaches_every_split(by, good):
    index = kinds(good=good)
    assigned = split_tiles(index, replace(BY_GROUP, by=by), "multiclass")["split"]
    counts = pd.crosstab(index["defect_class"], assigned)
    assert (counts[list(SPLITS)] > 0).all(axis=None)
    assert len(counts) == 3 + good


def test_a_rare_class_that_binary_would_lose_is_shared_out():
    # Only three of 30 groups have the rare kind; every split must get one of them
    index = kinds(groups=30)
    index["defect_class"] = np.where(index["group"].isin(["g03", "g11", "g20"]), "rare", "common")
    for seed in range(4):
        assigned = split_tiles(index, replace(BY_GROUP, seed=seed), "multiclass")["split"]
        assert set(assigned[index["defect_class"] == "rare"]) == set(SPLITS)


def test_a_class_in_too_few_units_is_named():
    index = kinds()
    index.loc[index["group"] == "g04", "defect_class"] = "rare"
    with pytest.raises(InputError, match=r"split: \w+ has no rare tiles with split\.by: group"):
        split_tiles(index, BY_GROUP, "multiclass")


def test_kinds_alone_are_no_binary_task():
    with pytest.raises(InputError, match=r"no tile of this data set is good.*-S task=multiclass"):
        split_tiles(kinds(), BY_GROUP)
    for task in ("binary", "multiclass"):  # neither sends to the other one
        with pytest.raises(InputError, match=r"no tile of this data set is good, and all are of one kind") as refused:
            split_tiles(kinds().assign(defect_class="crazing"), BY_GROUP, task)
        assert "-S task" not in str(refused.value)


def test_without_a_defective_tile_no_task_is_advised_and_the_reason_is_given():
    empty = kinds().assign(defect_class="good", label="good", defect_px=0, width=20, height=10)
    for task in ("binary", "multiclass"):
        with pytest.raises(InputError, match=r"is defective: no annotation marks anything in them") as refused:
            split_tiles(empty, BY_GROUP, task)
        assert "-S task" not in str(refused.value)
        with pytest.raises(InputError, match=r"that is annotated is 0\.02; lower tile\.defect_threshold"):
            split_tiles(empty.assign(defect_px=[4] + [0] * (len(empty) - 1)), BY_GROUP, task)


def test_good_tiles_are_left_out_in_a_multiclass_task_too():
    index = kinds(good=True)
    split = replace(BY_GROUP, good_per_defective=0.25)
    counts = pd.crosstab(split_tiles(index, split, "multiclass")["split"], index["label"])
    assert (counts.loc[list(SPLITS), "good"] == (counts.loc[list(SPLITS), "defective"] * 0.25).round()).all()

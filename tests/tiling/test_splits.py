"""Splits: whole units, shares near the ratios, and the same result for the same tiles in any order."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.runtime.errors import InputError
from stages.tiling.settings import Split
from stages.tiling.split_words import counts_in_words, duplicates_in_words
from stages.tiling.splits import SPLITS, split_tiles, unite

BY_GROUP, BY_IMAGE, BY_TILE = (
    Split(good_per_defective=None, by=by, seed=0, train=0.7, val=0.1, test=0.2) for by in ("group", "image", "tile")
)
CLASSES = ("short", "spur")


def table(groups=14, images=4, tiles=10, seed=0):
    """Return an index of groups x images x tiles, a quarter of them defective, of two classes by image."""
    rng = np.random.default_rng(seed)
    rows = []
    for group in range(groups):
        for image in range(images):
            source = f"g{group:02d}/i{image}.png"
            for tile in range(tiles):
                defective = tile < 2 or rng.random() < 0.1
                rows.append(
                    {
                        "tile_id": f"{source}@{tile},0",
                        "source": source,
                        "group": f"g{group:02d}",
                        "official": "",
                        "pixels_sha": source,
                        "label": "defective" if defective else "good",
                        "defect_class": CLASSES[image % 2] if defective else "good",
                    }
                )
    return whole(pd.DataFrame(rows))


def whole(index):
    """Return an index with the columns that splitting needs, where no pixels are known to be alike."""
    names = [str(number) for number in range(len(index))]
    lacking = {"tile_id": names, "pixels_sha": names, "official": "", "defect_px": 0, "width": 20, "height": 20}
    return index.assign(**{name: values for name, values in lacking.items() if name not in index})


def shares(index, split_table, rows=None):
    chosen = split_table["split"] if rows is None else split_table["split"][rows]
    return [float((chosen == name).mean()) for name in SPLITS]


@pytest.mark.parametrize("split", [BY_GROUP, BY_IMAGE, BY_TILE], ids=lambda split: split.by)
def test_the_order_of_rows_changes_nothing(split):
    index = table()
    expected = split_tiles(index, split).set_index("tile_id")["split"]
    shuffled = index.sample(frac=1, random_state=1).reset_index(drop=True)
    again = split_tiles(shuffled, split)
    assert list(again["tile_id"]) == list(shuffled["tile_id"])
    assert again.set_index("tile_id")["split"].sort_index().equals(expected.sort_index())


@pytest.mark.parametrize("split", [BY_GROUP, BY_IMAGE, BY_TILE], ids=lambda split: split.by)
def test_another_seed_gives_another_split(split):
    index = table()
    other = Split(good_per_defective=None, by=split.by, seed=1, train=0.7, val=0.1, test=0.2)
    assert split_tiles(index, split)["split"].tolist() != split_tiles(index, other)["split"].tolist()


@pytest.mark.parametrize(("split", "column"), [(BY_GROUP, "group"), (BY_IMAGE, "source")])
def test_no_unit_crosses(split, column):
    index = table()
    assert split_tiles(index, split).groupby(index[column])["split"].nunique().max() == 1


def test_tiles_alone_follow_the_ratios_within_every_class():
    index = table()
    assigned = split_tiles(index, BY_TILE)
    for name in ("good", *CLASSES):
        rows = (index["defect_class"] == name).to_numpy()
        assert np.abs(np.subtract(shares(index, assigned, rows), (0.7, 0.1, 0.2))).max() <= 1 / rows.sum()
    assert assigned.groupby(index["source"])["split"].nunique().max() == 3  # the thesis' leak


def test_many_images_come_within_two_points_of_the_ratios():
    index = table(groups=30)
    assigned = split_tiles(index, BY_IMAGE)
    for rows in (None, *((index["defect_class"] == name).to_numpy() for name in ("good", *CLASSES))):
        assert np.abs(np.subtract(shares(index, assigned, rows), (0.7, 0.1, 0.2))).max() <= 0.02


def test_equal_groups_are_shared_out_to_the_nearest_whole():
    # 14 equal groups: 9.8, 1.4 and 2.8 of them
    index = table(groups=14)
    groups = split_tiles(index, BY_GROUP).groupby(index["group"])["split"].first().value_counts()
    assert groups.to_dict() == {"train": 10, "val": 1, "test": 3}


def test_ten_unequal_groups_as_in_hripcb():
    sizes = [10_920, 17_160, 5_940, 7_320, 6_240, 6_480, 6_480, 2_880, 6_000, 7_260]
    index = pd.concat([table(1, 1, size // 60).assign(group=f"{number:02d}") for number, size in enumerate(sizes)])
    index["tile_id"] = index["pixels_sha"] = [str(number) for number in range(len(index))]
    assigned = split_tiles(index.reset_index(drop=True), BY_GROUP)
    assert np.abs(np.subtract(shares(index, assigned), (0.7, 0.1, 0.2))).max() <= 0.03


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=3, max_size=12), st.integers(0, 5))
def test_groups_of_any_extent_never_leave_a_split_empty(groups, seed):
    rows = [
        {"group": str(number), "label": label, "defect_class": label}
        for number, counts in enumerate(groups)
        for label, count in zip(("good", "defective"), counts, strict=True)
        for _ in range(count)
    ]
    index = whole(pd.DataFrame(rows))
    assigned = split_tiles(index, Split(good_per_defective=None, by="group", seed=seed, train=0.7, val=0.1, test=0.2))
    assert set(assigned["split"]) == set(SPLITS)
    assert assigned.groupby(index["group"])["split"].nunique().max() == 1


def test_classes_reach_every_split_where_groups_allow_it():
    # Six groups of good tiles and three groups, one for each split, that alone have defects
    labels = {f"good{number}": "good" for number in range(6)} | {f"bad{number}": "defective" for number in range(3)}
    index = pd.DataFrame(
        [{"group": group, "label": label, "defect_class": label} for group, label in labels.items() for _ in range(10)]
    )
    index = whole(index)
    counts = pd.crosstab(split_tiles(index, BY_GROUP)["split"], index["label"])
    assert (counts > 0).all(axis=None)


def test_fewer_than_three_units_are_refused():
    with pytest.raises(InputError, match=r"split\.by is 'group' but there are only 2"):
        split_tiles(table(groups=2), BY_GROUP)


def test_one_label_only_is_refused():
    index = table()
    with pytest.raises(InputError, match=r"dataset\.name: no tile of this data set is good.*tile\.defect_threshold"):
        split_tiles(index.assign(label="defective"), BY_GROUP)
    with pytest.raises(InputError, match="no tile of this data set is defective"):
        split_tiles(index.assign(label="good"), BY_GROUP)


def test_a_split_that_is_empty_or_has_one_label_only_is_refused():
    index = table(groups=3, images=1, tiles=1).assign(label=["good", "good", "defective"])
    with pytest.raises(InputError, match=r"split: train has no \w+ tiles with split\.by: group; raise split\.train"):
        split_tiles(index, BY_GROUP)
    few = table(groups=1, images=1, tiles=4)
    with pytest.raises(InputError, match=r"split: \w+ has no \w+ tiles with split\.by: tile; raise split\.\w+"):
        split_tiles(few, BY_TILE)


def test_the_description_counts_labels():
    index = pd.DataFrame({"label": ["good", "defective", "good", "good"]})
    assigned = pd.DataFrame({"split": ["train", "train", "test", "train"]})
    expected = "train 2 good + 1 defective, val 0 good + 0 defective, test 1 good + 0 defective"
    assert counts_in_words(index, assigned) == expected


def test_good_tiles_beyond_the_wanted_number_are_unused() -> None:
    index = pd.DataFrame(
        {
            "tile_id": [f"t{i}" for i in range(400)],
            "group": [f"g{i % 10}" for i in range(400)],
            "source": [f"s{i % 20}" for i in range(400)],
            "label": ["defective" if i < 40 else "good" for i in range(400)],
            "defect_class": ["spur" if i < 40 else "good" for i in range(400)],
        }
    ).pipe(whole)
    split = Split(by="tile", seed=0, train=0.5, val=0.25, test=0.25, good_per_defective=2.0)
    counts = pd.crosstab(split_tiles(index, split)["split"].to_numpy(), index["label"].to_numpy())
    # 40 defective tiles at 0.5, 0.25, 0.25 are 20, 10, 10; twice as many good ones stay, 360 - 80 are left out
    assert counts.loc[["train", "val", "test"]].to_numpy().tolist() == [[20, 40], [10, 20], [10, 20]]
    assert counts.loc["unused"].tolist() == [0, 280]
    kept = split_tiles(index, split)
    shuffled = index.sample(frac=1, random_state=1)
    again = split_tiles(shuffled, split).set_index("tile_id")["split"]
    assert (again.loc[kept["tile_id"]].to_numpy() == kept["split"].to_numpy()).all()


def with_columns(index, pixels=None, official=None):
    """Add what images share pixels with, and the publisher's parts, by source image."""
    return index.assign(
        pixels_sha=[(pixels or {}).get(source, source) for source in index["source"]],
        official=[(official or {}).get(source, "") for source in index["source"]],
    )


@pytest.mark.parametrize("by", ["group", "image"])
def test_identical_pixels_stay_together(by):
    # g00 and g05 share an image, so do g05 and g09: all three are one unit by group
    same = {"g00/i0.png": "A", "g05/i1.png": "A", "g05/i2.png": "B", "g09/i3.png": "B"}
    index = with_columns(table(), same)
    for seed in range(8):
        split = replace(BY_GROUP if by == "group" else BY_IMAGE, seed=seed)
        assigned = split_tiles(index, split)["split"]
        assert assigned.groupby(index["pixels_sha"]).nunique().max() == 1
        if by == "group":
            assert assigned[index["group"].isin(["g00", "g05", "g09"])].nunique() == 1
    units = unite(index, by)
    assert len(np.unique(units)) == (14 - 2 if by == "group" else 14 * 4 - 2)
    assert set(units[index["group"] == "g09"]) >= ({"g00"} if by == "group" else {"g05/i2.png"})


def test_images_of_their_own_pixels_unite_nothing():
    index = table()
    assert np.array_equal(unite(index, "group"), index["group"])
    assert np.array_equal(unite(index, "tile"), index["tile_id"])
    assert duplicates_in_words(index, BY_GROUP) == ""


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=30))
def test_units_are_the_components_of_shared_pixels(members):
    index = pd.DataFrame({"group": [f"g{group}" for group, _ in members], "pixels_sha": [f"p{p}" for _, p in members]})
    names = index["group"].to_numpy().copy()
    for _ in members:  # the smallest name spreads until nothing changes
        for column in ("group", "pixels_sha"):
            names = pd.Series(names).groupby(index[column].to_numpy()).transform("min").to_numpy()
    assert unite(index, "group").tolist() == names.tolist()


def publishers(groups=20):
    """Return an index of one image a group, the last quarter of them the publisher's test images."""
    index = table(groups=groups, images=1)
    sources = sorted(index["source"].unique())
    parts = {source: "test" if number >= 15 else "train" for number, source in enumerate(sources)}
    return index, parts


@pytest.mark.parametrize("by", ["group", "image", "tile"])
def test_the_publishers_test_images_are_the_test_split(by):
    index, parts = publishers()
    index = with_columns(index, official=parts)
    split = replace(BY_GROUP, by=by)
    assigned = split_tiles(index, split)["split"]
    assert ((assigned == "test") == (index["official"] == "test")).all()
    share = (assigned[index["official"] == "train"] == "val").mean()
    assert share == pytest.approx(0.2, abs=0.01)  # 3 of 15
    other = split_tiles(index, replace(split, official_val=0.4))["split"]
    assert (other[index["official"] == "train"] == "val").mean() == pytest.approx(0.4, abs=0.01)
    mixed = split_tiles(index, replace(split, official=False))["split"]
    assert ((mixed == "test") != (index["official"] == "test")).any()


@pytest.mark.parametrize("by", ["group", "image", "tile"])
def test_a_training_image_identical_to_a_test_image_is_unused(by):
    index, parts = publishers()
    index = with_columns(index, {"g03/i0.png": "A", "g17/i0.png": "A", "g05/i0.png": "B", "g06/i0.png": "B"}, parts)
    split = replace(BY_GROUP, by=by)
    assigned = split_tiles(index, split)["split"]
    assert set(assigned[index["source"] == "g03/i0.png"]) == {"unused"}
    assert set(assigned[index["source"] == "g17/i0.png"]) == {"test"}
    assert (assigned == "unused").sum() == 10
    assert duplicates_in_words(index, split) == (
        "2 images repeat another's pixels, 1 official images left out for sharing a unit with a later part"
    )
    assert counts_in_words(index, pd.DataFrame({"split": assigned})).endswith(", 10 unused")


@pytest.mark.parametrize("by", ["group", "image", "tile"])
def test_the_publishers_validation_images_are_validation(by):
    index, parts = publishers()
    parts |= {f"g{number:02d}/i0.png": "val" for number in range(11, 15)}
    same = {"g03/i0.png": "A", "g12/i0.png": "A", "g13/i0.png": "B", "g17/i0.png": "B"}
    index = with_columns(index, same, parts)
    split = replace(BY_GROUP, by=by)
    assigned = split_tiles(index, split)["split"]
    left_out = index["source"].isin(["g03/i0.png", "g13/i0.png"])  # like a picture of val, like one of test
    assert (assigned[left_out] == "unused").all()
    assert (assigned[~left_out] == index["official"][~left_out]).all()
    assert "2 official images left out for sharing a unit" in duplicates_in_words(index, split)
    assert split_tiles(index, replace(split, official_val=0.4))["split"].equals(assigned)


def test_a_validation_part_without_a_label_is_refused_in_the_publishers_name():
    index, parts = publishers()
    parts["g14/i0.png"] = "val"
    index = with_columns(index, official=parts)
    index.loc[index["official"] == "val", ["label", "defect_class"]] = "good"
    with pytest.raises(
        InputError, match=r"val has no defective tiles in the publisher's parts.*set split\.official to false"
    ):
        split_tiles(index, BY_GROUP)


def test_train_and_validation_without_test_are_one_set():
    """As NEU-DET comes."""
    index, parts = publishers()
    index = with_columns(index, official={source: "val" if part == "test" else part for source, part in parts.items()})
    assert set(split_tiles(index, BY_GROUP)["split"]) == {"train", "val", "test"}

"""Splitting tiles into train, validation and test: grouped, stratified by class, without duplicates across splits.

Every unit (a group, a source image or a tile) goes to one split as a whole; see `stages.tiling.assignment` for how
units are shared out. A publisher's own train and test images are respected.
"""

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stages.runtime.errors import InputError
from stages.runtime.params import Task
from stages.tiling.assignment import assign_units, chance, cut_by_class, make_strata
from stages.tiling.settings import Split

SPLITS = ("train", "val", "test")
UNUSED = "unused"
UNIT_COLUMN = {"group": "group", "image": "source"}


def split_tiles(index: pd.DataFrame, split: Split, task: Task = "binary") -> pd.DataFrame:
    """Return the split of every tile.

    `by: tile` is the thesis' way: each class' tiles in random order, cut at the ratios; neighbouring tiles of one
    image then lie in different splits. `by: group` and `by: image` keep a unit together, units that share
    pixel-identical images being one, and search for the assignment whose shares come near the ratios.

    Where the publisher has put images in train and test and `official` is true, his test images are the test split.
    His validation images are validation; where he has none, `official_val` of his training images becomes it. Images
    for training that are one unit with one for validation or testing (by tile: that have its pixels) are `unused`, and
    those for validation that are with one for testing. With `good_per_defective`, each split keeps that many good
    tiles per defective one, drawn by chance; the others are `unused`.

    Args:
        index: the tile index, see `stages.records.tiles.INDEX_COLUMNS`.
        split: the section of params.yaml.
        task: every split must hold both labels (binary) or every class (multiclass).

    Returns:
        A table with `stages.records.tiles.SPLIT_COLUMNS`, in the order of `index`.

    Raises:
        InputError: too few units, or a split would lack a label or class.
    """
    needed = _needed(index, task)
    official = split.official and has_official(index)
    if official:
        assigned = _follow_publisher(index, split, needed)
    else:
        ratios = {"train": split.train, "val": split.val, "test": split.test}
        assigned = _assign(index, split, needed, ratios)
    assigned = _leave_out_good(index, assigned, split)
    _check_each_split(index[needed].to_numpy(dtype=str), assigned, split, official)
    return pd.DataFrame({"tile_id": index["tile_id"].to_numpy(), "split": assigned})


def unite(index: pd.DataFrame, by: str) -> np.ndarray:
    """Return the unit of every tile: what goes to one split as a whole.

    Groups (or images) are nodes of a graph, and so is every `pixels_sha`; each image joins the two that it belongs to.
    A unit is a connected component: groups with pixel-identical images are one. By tile nothing is united.

    Args:
        index: the tile index of n tiles.
        by: group, image or tile.

    Returns:
        (n,) str: the smallest name of a group, image or tile in the unit.
    """
    if by == "tile":
        return index["tile_id"].to_numpy(dtype=str)
    names, codes = np.unique(index[UNIT_COLUMN[by]].to_numpy(dtype=str), return_inverse=True)
    shas, sha_codes = np.unique(index["pixels_sha"].to_numpy(dtype=str), return_inverse=True)
    nodes = len(names) + len(shas)
    joins = coo_array((np.ones(len(codes)), (codes, len(names) + sha_codes)), shape=(nodes, nodes))
    _, components = connected_components(joins, directed=False)
    first = np.full(nodes, nodes)
    np.minimum.at(first, components[: len(names)], np.arange(len(names)))  # names are sorted
    return names[first[components[codes]]]


def has_official(index: pd.DataFrame) -> bool:
    """Return whether the publisher has put images in train and test."""
    return {"train", "test"} <= set(index["official"])


def _needed(index: pd.DataFrame, task: Task) -> str:
    """Return the column of which every split must hold every value: label or defect_class.

    Raises:
        InputError: there are fewer than two of them.
    """
    labels, kinds = set(index["label"]), index["defect_class"].nunique()
    if "defective" not in labels:
        raise InputError(
            f"params.yaml: dataset.name: no tile of this data set is defective{_why_good(index)}; without one there is "
            "nothing to learn"
        )
    if task == "multiclass" and kinds >= 2:
        return "defect_class"
    if task == "binary" and "good" in labels:
        return "label"
    no_good = "params.yaml: dataset.name: no tile of this data set is good"
    if kinds >= 2:
        raise InputError(
            f"{no_good}, and a binary task needs both labels; use -S task=multiclass to tell its {kinds} kinds of "
            "defect apart, or add good images (see tile.mode and tile.defect_threshold)"
        )
    raise InputError(
        f"{no_good}, and all are of one kind, so no task can tell anything apart; add good images, or see tile.mode "
        "(windows beside a defect are good) and tile.defect_threshold"
    )


def _why_good(index: pd.DataFrame) -> str:
    """Return what keeps every tile from being defective."""
    share = float((index["defect_px"] / (index["width"] * index["height"])).max())
    if share <= 0:
        return ": no annotation marks anything in them; see dataset.root"
    return f": the largest share of one that is annotated is {share:.3g}; lower tile.defect_threshold"


def _assign(index: pd.DataFrame, split: Split, needed: str, ratios: dict[str, float]) -> np.ndarray:
    """Return the split of every row; `ratios` says which splits there are, and the share of each."""
    units = unite(index, split.by)
    names, codes = np.unique(units, return_inverse=True)
    if len(names) < len(ratios):
        raise InputError(
            f"params.yaml: split.by is {split.by!r} but there are only {len(names)} of them; {', '.join(ratios)} need "
            "at least one each: add images or use split.by: image"
        )
    if split.by == "tile":
        numbers = cut_by_class(index, list(ratios.values()), split.seed)
    else:
        strata = make_strata(index, codes, len(names), needed)
        numbers = assign_units(strata, names, np.array(list(ratios.values())), split.seed, split.by)[codes]
    return np.array(list(ratios), dtype=object)[numbers]


def _follow_publisher(index: pd.DataFrame, split: Split, needed: str) -> np.ndarray:
    """Return the split of every row as the publisher's parts say; a validation part is drawn where he has none."""
    rows = official_rows(index, split)
    assigned = np.full(len(index), UNUSED, dtype=object)
    for name, chosen in rows.items():
        assigned[chosen] = name
    if not rows["val"].any():
        ratios = {"train": 1 - split.official_val, "val": split.official_val}
        assigned[rows["train"]] = _assign(index[rows["train"]], split, needed, ratios)
    return assigned


def official_rows(index: pd.DataFrame, split: Split) -> dict[str, np.ndarray]:
    """Return which tiles each split gets of the publisher's parts: without those that share a unit with a later part.

    Args:
        index: the tile index of n tiles.
        split: its `by` says what a unit is; by tile it is an image.

    Returns:
        train, val and test -> (n,) bool.
    """
    official = index["official"].to_numpy(dtype=str)
    units = unite(index, "image" if split.by == "tile" else split.by)
    rows: dict[str, np.ndarray] = {}
    taken = np.zeros(len(index), bool)
    for name in reversed(SPLITS):  # test first: it stays whole
        rows[name] = (official == name) & ~taken
        taken |= np.isin(units, units[official == name])
    return rows


def _leave_out_good(index: pd.DataFrame, assigned: np.ndarray, split: Split) -> np.ndarray:
    """Return the splits with the good tiles beyond `good_per_defective` unused, drawn by chance."""
    if split.good_per_defective is None:
        return assigned
    assigned = assigned.copy()
    good = index["label"].to_numpy(dtype=str) == "good"
    keys = np.array([chance(split.seed, "sample", tile_id) for tile_id in index["tile_id"]])
    for name in SPLITS:
        inside = assigned == name
        rows = np.flatnonzero(inside & good)
        kept = max(1, round(split.good_per_defective * np.count_nonzero(inside & ~good)))
        assigned[rows[np.argsort(keys[rows])][kept:]] = UNUSED
    return assigned


def _check_each_split(classes: np.ndarray, assigned: np.ndarray, split: Split, official: bool) -> None:
    """Raise an `InputError` where a split lacks one of the classes."""
    for name in SPLITS:
        for wanted in np.unique(classes):
            if not ((assigned == name) & (classes == wanted)).any():
                lacking = f"params.yaml: split: {name} has no {wanted} tiles"
                if official:
                    raise InputError(
                        f"{lacking} in the publisher's parts with split.by: {split.by}; set split.official to false, "
                        "raise split.official_val where he has no validation part, or add images"
                    )
                raise InputError(
                    f"{lacking} with split.by: {split.by}; raise split.{name}, add images or keep less together "
                    "(split.by: image)"
                )

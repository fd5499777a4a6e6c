"""Assigning tiles to train, validation and test: grouped, stratified by class, and the same whatever the row order.

Every unit (a group, a source image or a tile) goes to one split as a whole. Chance comes from SHA-256 over seed and
unit name, not from a random stream, so neither the order of rows nor a library version changes a split.
"""

from hashlib import sha256

import numpy as np
import pandas as pd

from stages.runtime.errors import InputError
from stages.runtime.params import Split

SPLITS = ("train", "val", "test")
UNUSED = "unused"
UNIT_COLUMN = {"group": "group", "image": "source", "tile": "tile_id"}

_ATTEMPTS = 64
_LACKING_COST = 1000.0  # more than any distance from the ratios: both labels in every split come first
_GOOD_ENOUGH = 0.01  # largest deviation of a split's share of all and of defective tiles at which the search ends


def split_tiles(index: pd.DataFrame, split: Split) -> pd.DataFrame:
    """Return the table tile_id, split in the order of `index`.

    `by: tile` is the thesis' way: each class' tiles in random order, cut at the ratios; neighbouring tiles of one
    image then lie in different splits. `by: group` and `by: image` keep a unit together and search for the assignment
    whose shares come near the ratios (see `_assign_units`). With `good_per_defective`, each split keeps that many good
    tiles per defective one, drawn by chance; the others are `unused`.

    Raises:
        InputError: fewer than three units, or a split would be empty or have only one label.
    """
    labels = index["label"].to_numpy(dtype=str)
    _check_both_labels(labels)
    column = UNIT_COLUMN[split.by]
    units = np.unique(index[column].to_numpy(dtype=str))
    if len(units) < len(SPLITS):
        raise InputError(
            f"params.yaml: split.by is {split.by!r} but there are only {len(units)} of them; train, val and test need "
            "at least one each: add images or use split.by: image"
        )
    assigned = _cut_by_class(index, split) if split.by == "tile" else _assign_units(index, column, units, split)
    assigned = _leave_out_good(index, assigned, split)
    table = pd.DataFrame({"tile_id": index["tile_id"].to_numpy(), "split": assigned})
    _check_each_split(labels, assigned, split)
    return table


def describe_split(index: pd.DataFrame, table: pd.DataFrame) -> str:
    """Return e.g. "train 70 good + 30 defective, val ..., test ..."."""
    counts = pd.crosstab(table["split"].to_numpy(), index["label"].to_numpy())
    counts = counts.reindex(index=list(SPLITS), columns=["good", "defective"], fill_value=0)
    return ", ".join(f"{name} {row['good']} good + {row['defective']} defective" for name, row in counts.iterrows())


def _leave_out_good(index: pd.DataFrame, assigned: np.ndarray, split: Split) -> np.ndarray:
    if split.good_per_defective is None:
        return assigned
    assigned = assigned.copy()
    good = index["label"].to_numpy(dtype=str) == "good"
    keys = np.array([_chance(split.seed, "sample", tile_id) for tile_id in index["tile_id"]])
    for name in SPLITS:
        inside = assigned == name
        rows = np.flatnonzero(inside & good)
        kept = max(1, round(split.good_per_defective * np.count_nonzero(inside & ~good)))
        assigned[rows[np.argsort(keys[rows])][kept:]] = UNUSED
    return assigned


def _cut_by_class(index: pd.DataFrame, split: Split) -> np.ndarray:
    tile_ids = index["tile_id"].to_numpy(dtype=str)
    classes = index["defect_class"].to_numpy(dtype=str)
    keys = np.array([_chance(split.seed, "tile", tile_id) for tile_id in tile_ids])
    bounds = np.cumsum([split.train, split.val])
    assigned = np.empty(len(index), dtype=object)
    for name in np.unique(classes):
        rows = np.flatnonzero(classes == name)
        rows = rows[np.argsort(keys[rows])]
        first, second = (round(bound * len(rows)) for bound in bounds)
        assigned[rows[:first]], assigned[rows[first:second]], assigned[rows[second:]] = SPLITS
    return assigned


def _assign_units(index: pd.DataFrame, column: str, units: np.ndarray, split: Split) -> np.ndarray:
    """Return the split of every row, assigning whole units.

    Each attempt puts the units, large ones first and equal ones in random order, where they lower `_cost` most, then
    moves single units as long as that lowers it further, both labels in every split first. The first attempt within
    one percentage point of the ratios is taken, else the best of 64; so another seed gives another split of about the
    same quality where there are enough units.
    """
    codes = np.searchsorted(units, index[column].to_numpy(dtype=str))
    shares = _unit_shares(index, codes, len(units))
    ratios = np.array([split.train, split.val, split.test])
    best, best_cost = np.zeros(len(units), np.int64), np.inf
    for attempt in range(_ATTEMPTS):
        keys = np.array([_chance(split.seed, f"{split.by}/{attempt}", unit) for unit in units])
        # Later attempts blur the order of magnitudes, so that few units of unlike extent are tried in many orders.
        extents = shares[:, 0] if attempt == 0 else np.round(np.log2(shares[:, 0]))
        order = np.lexsort((keys, -extents))
        choice, cost = _greedy(shares, ratios, order)
        if cost < best_cost:
            best, best_cost = choice, cost
        if _deviation(shares, ratios, best) <= _GOOD_ENOUGH:
            break
    return np.array(SPLITS, dtype=object)[best[codes]]


def _unit_shares(index: pd.DataFrame, codes: np.ndarray, units: int) -> np.ndarray:
    """Return (units, strata): which part of all tiles, of good, of defective and of each defect class a unit holds."""
    labels, classes = index["label"].to_numpy(dtype=str), index["defect_class"].to_numpy(dtype=str)
    strata = [np.ones(len(index), bool), labels == "good", labels == "defective"]
    strata += [classes == name for name in np.unique(classes[labels == "defective"])]
    counts = np.stack([np.bincount(codes[rows], minlength=units) for rows in strata], axis=1)
    return counts / np.maximum(counts.sum(axis=0), 1)


def _cost(held: np.ndarray, ratios: np.ndarray, lacking_cost: float = 0.0) -> np.ndarray:
    """Return how far splits are from the ratios; `held` (..., 3, strata) is the share of each stratum in each split.

    sum over splits s of (held_s - r_s)^2 / r_s, weighted 1 for all, good and defective tiles and 1 / classes for each
    defect class, plus `lacking_cost` for every split without good and every split without defective tiles.
    """
    weights = np.full(held.shape[-1], 1.0)
    weights[3:] = 1 / max(held.shape[-1] - 3, 1)
    distance = (held - ratios[:, None]) ** 2 / ratios[:, None]
    lacking = (held[..., 1:3] <= 1e-12).sum(axis=(-1, -2))
    return (distance.sum(axis=-2) * weights).sum(axis=-1) + lacking_cost * lacking


def _greedy(shares: np.ndarray, ratios: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the split number of every unit and the cost, for one order of units."""
    held = np.zeros((len(SPLITS), shares.shape[1]))
    choice = np.zeros(len(shares), np.int64)
    places = np.eye(len(SPLITS))[:, :, None]  # (candidate split, split, 1)
    for unit in order:
        choice[unit] = int(np.argmin(_cost(held + places * shares[unit], ratios)))
        held[choice[unit]] += shares[unit]
    for _ in range(len(SPLITS)):  # passes; the first finds nearly all there is to find
        moved = False
        for unit in order:
            without = held.copy()
            without[choice[unit]] -= shares[unit]
            costs = _cost(without + places * shares[unit], ratios, _LACKING_COST)
            target = int(np.argmin(costs))
            empties = np.count_nonzero(choice == choice[unit]) == 1
            if costs[target] < costs[choice[unit]] - 1e-12 and not empties:
                held = without + places[target] * shares[unit]
                choice[unit] = target
                moved = True
        if not moved:
            break
    return _fill_empty(choice, order), float(_cost(held, ratios, _LACKING_COST))


def _fill_empty(choice: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Give an empty split the smallest unit of the split that has most units; there are at least three units."""
    for split in range(len(SPLITS)):
        if not (choice == split).any():
            crowded = np.bincount(choice, minlength=len(SPLITS)).argmax()
            choice[next(unit for unit in order[::-1] if choice[unit] == crowded)] = split
    return choice


def _deviation(shares: np.ndarray, ratios: np.ndarray, choice: np.ndarray) -> float:
    held = np.stack([shares[choice == number, :3].sum(axis=0) for number in range(len(SPLITS))])
    return float(np.abs(held - ratios[:, None]).max())


def _chance(seed: int, purpose: str, name: str) -> int:
    return int.from_bytes(sha256(f"{seed}/split/{purpose}/{name}".encode()).digest()[:7], "big")


def _check_both_labels(labels: np.ndarray) -> None:
    for label in ("good", "defective"):
        if not (labels == label).any():
            raise InputError(
                f"params.yaml: dataset.name: no tile of this data set is {label}, and a classifier needs both labels; "
                "see tile.defect_threshold and tile.mode"
            )


def _check_each_split(labels: np.ndarray, assigned: np.ndarray, split: Split) -> None:
    for name in SPLITS:
        for label in ("good", "defective"):
            if not ((assigned == name) & (labels == label)).any():
                raise InputError(
                    f"params.yaml: split: {name} has no {label} tiles with split.by: {split.by}; raise split.{name}, "
                    "add images or keep less together (split.by: image)"
                )

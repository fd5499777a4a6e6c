"""Sharing units out to splits by ratio and class, the same whatever the order of rows.

Chance comes from SHA-256 over seed and unit name, not from a random stream, so neither the order of rows nor a library
version changes a split.
"""

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import pandas as pd

_ATTEMPTS = 64
_LACKING_COST = 1000.0  # more than any distance from the ratios: every needed class in every split comes first
_GOOD_ENOUGH = 0.01  # largest deviation of a split's share of all tiles and of each needed class, to end the search


@dataclass(frozen=True)
class Strata:
    """What units hold of all tiles, of each label and of each defect class.

    Attributes:
        shares: (units, strata), the part of each stratum's tiles that a unit holds, 0..1; the first stratum is all.
        weights: (strata,), how much a stratum's distance from the ratios counts: 1 for all and for each label,
            1 / classes for each defect class.
        needed: (strata,), True where every split must have some.
    """

    shares: np.ndarray
    weights: np.ndarray
    needed: np.ndarray


def make_strata(index: pd.DataFrame, codes: np.ndarray, units: int, needed: str) -> Strata:
    """Return what units hold of all tiles, of each label and of each defect class.

    Args:
        index: the tile index of n tiles; label and defect_class are used.
        codes: (n,) int: the number of each tile's unit, 0 to units - 1.
        units: how many there are.
        needed: the column of which every split must have every value, label or defect_class.
    """
    labels, classes = index["label"].to_numpy(dtype=str), index["defect_class"].to_numpy(dtype=str)
    found = [label for label in ("good", "defective") if (labels == label).any()]
    kinds = np.unique(classes[labels == "defective"])
    rows = [np.ones(len(index), bool), *(labels == label for label in found), *(classes == kind for kind in kinds)]
    counts = np.stack([np.bincount(codes[chosen], minlength=units) for chosen in rows], axis=1)
    weights = [1.0] * (1 + len(found)) + [1 / max(len(kinds), 1)] * len(kinds)
    of_class = needed == "defect_class"
    wanted = [False, *(label == "good" or not of_class for label in found), *[of_class] * len(kinds)]
    return Strata(counts / np.maximum(counts.sum(axis=0), 1), np.array(weights), np.array(wanted))


def assign_units(strata: Strata, units: np.ndarray, ratios: np.ndarray, seed: int, purpose: str) -> np.ndarray:
    """Return the split of every unit, by search for shares near the ratios.

    Each attempt puts the units, large ones first and equal ones in random order, where they lower `_cost` most, then
    moves single units as long as that lowers it further, every needed class in every split first. The first attempt
    within one percentage point of the ratios is taken, else the best of 64; so another seed gives another split of
    about the same quality where there are enough units.

    Args:
        strata: what the units hold.
        units: (units,) their names; at least as many as splits.
        ratios: (splits,) share of each split, sum 1.
        seed: of chance.
        purpose: what a unit is, so that another kind of unit gets other chance.

    Returns:
        (units,) int64: the place of each unit's split in `ratios`.
    """
    best, best_cost = np.zeros(len(units), np.int64), np.inf
    for attempt in range(_ATTEMPTS):
        keys = np.array([chance(seed, f"{purpose}/{attempt}", unit) for unit in units])
        # Later attempts blur the order of magnitudes, so that few units of unlike extent are tried in many orders.
        extents = strata.shares[:, 0] if attempt == 0 else np.round(np.log2(strata.shares[:, 0]))
        order = np.lexsort((keys, -extents))
        choice, cost = _greedy(strata, ratios, order)
        if cost < best_cost:
            best, best_cost = choice, cost
        if _deviation(strata, ratios, best) <= _GOOD_ENOUGH:
            break
    return best


def cut_by_class(index: pd.DataFrame, ratios: list[float], seed: int) -> np.ndarray:
    """Return the split of every tile: each class' tiles in random order, cut at the ratios.

    Args:
        index: the tile index of n tiles; tile_id and defect_class are used.
        ratios: share of each split, sum 1.
        seed: of chance.

    Returns:
        (n,) int64: the place of each tile's split in `ratios`.
    """
    tile_ids = index["tile_id"].to_numpy(dtype=str)
    classes = index["defect_class"].to_numpy(dtype=str)
    keys = np.array([chance(seed, "tile", tile_id) for tile_id in tile_ids])
    bounds = np.cumsum(ratios[:-1])
    assigned = np.empty(len(index), np.int64)
    for name in np.unique(classes):
        rows = np.flatnonzero(classes == name)
        rows = rows[np.argsort(keys[rows])]
        cuts = [round(bound * len(rows)) for bound in bounds]
        for number, part in enumerate(np.split(rows, cuts)):
            assigned[part] = number
    return assigned


def chance(seed: int, purpose: str, name: str) -> int:
    """Return 56 bits that look random and depend on nothing but the three arguments.

    Args:
        seed: `split.seed`.
        purpose: what the number is for; each purpose has numbers of its own.
        name: of the unit or tile.
    """
    return int.from_bytes(sha256(f"{seed}/split/{purpose}/{name}".encode()).digest()[:7], "big")


def _cost(held: np.ndarray, ratios: np.ndarray, strata: Strata, lacking_cost: float = 0.0) -> np.ndarray:
    """Return how far splits are from the ratios; `held` (..., splits, strata) is what part of a stratum a split holds.

    sum over splits s and strata c of w_c (held_sc - r_s)^2 / r_s, plus `lacking_cost` for every split without a needed
    stratum.
    """
    distance = (held - ratios[:, None]) ** 2 / ratios[:, None]
    lacking = (held[..., strata.needed] <= 1e-12).sum(axis=(-1, -2))
    return (distance.sum(axis=-2) * strata.weights).sum(axis=-1) + lacking_cost * lacking


def _greedy(strata: Strata, ratios: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the split number of every unit and the cost, for one order of units."""
    shares = strata.shares
    held = np.zeros((len(ratios), shares.shape[1]))
    choice = np.zeros(len(shares), np.int64)
    places = np.eye(len(ratios))[:, :, None]  # (candidate split, split, 1)
    for unit in order:
        choice[unit] = int(np.argmin(_cost(held + places * shares[unit], ratios, strata)))
        held[choice[unit]] += shares[unit]
    for _ in range(len(ratios)):  # passes; the first finds nearly all there is to find
        moved = False
        for unit in order:
            without = held.copy()
            without[choice[unit]] -= shares[unit]
            costs = _cost(without + places * shares[unit], ratios, strata, _LACKING_COST)
            target = int(np.argmin(costs))
            empties = np.count_nonzero(choice == choice[unit]) == 1
            if costs[target] < costs[choice[unit]] - 1e-12 and not empties:
                held = without + places[target] * shares[unit]
                choice[unit] = target
                moved = True
        if not moved:
            break
    return _fill_empty(choice, order, len(ratios)), float(_cost(held, ratios, strata, _LACKING_COST))


def _fill_empty(choice: np.ndarray, order: np.ndarray, splits: int) -> np.ndarray:
    """Give an empty split the smallest unit of the split that has most units; there are as many units as splits."""
    for split in range(splits):
        if not (choice == split).any():
            crowded = np.bincount(choice, minlength=splits).argmax()
            choice[next(unit for unit in order[::-1] if choice[unit] == crowded)] = split
    return choice


def _deviation(strata: Strata, ratios: np.ndarray, choice: np.ndarray) -> float:
    """Return the largest distance of a split's share of all tiles, or of a needed stratum, from its ratio."""
    held = np.stack([strata.shares[choice == number].sum(axis=0) for number in range(len(ratios))])
    judged = strata.needed.copy()
    judged[0] = True
    return float(np.abs(held[:, judged] - ratios[:, None]).max())

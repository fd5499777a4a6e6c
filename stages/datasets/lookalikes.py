"""Pictures that look the same, as they are or turned and mirrored: found by small signatures, not by names or bytes.

Copies of a picture, turned by a quarter and saved again, have other bytes and other pixels. Means over 10 x 10 blocks
survive both: on 4,470 published steel images (NEU-Seg) copies lie within 0.75 grey levels of one another (root of the
mean square) and within 3% of their contrast; of all other pairs none is nearer than 2 and 15%.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from scipy.spatial import cKDTree

SIDE = 10  # blocks along each side of a picture
MAX_DIFFERENCE = 1.0  # root mean square of the difference of two signatures, grey levels
MAX_SHARE_OF_CONTRAST = 0.05  # and as a share of their contrast: flat pictures are near one another without being alike
MIN_CONTRAST = 1.0  # grey levels, standard deviation of a signature; with less a picture is blank and like every other
NEAREST = 64  # candidates for each picture; more are alike by chance only where nearly all pictures are
PAIRS_AT_A_TIME = 8192
STEP = 256  # steps a grey level, to which means are rounded: the same file whatever the machine adds up first


@dataclass(frozen=True)
class Alike:
    """Pairs of pictures that look the same.

    Attributes:
        first, second: (pairs,) int, rows of the two sets.
        as_is: (pairs,) bool: without turning.
        turned: (pairs,) bool: after a turn by 90, 180 or 270 degrees, a reflection, or both. A pattern that is
            symmetric itself may look the same in both ways.
    """

    first: np.ndarray
    second: np.ndarray
    as_is: np.ndarray
    turned: np.ndarray


def signature(pixels: np.ndarray) -> np.ndarray:
    """Return the mean grey levels of 10 x 10 blocks of a picture, (10, 10) float32, rounded to 1/256.

    Blocks are exact tenths of a side; a pixel that two of them share counts for both by its part. So the signature of a
    turned picture is the turned signature.

    Args:
        pixels: H W 3 uint8 RGB; a side may be shorter than 10.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float64)
    means = _tenths(grey.shape[0]) @ grey @ _tenths(grey.shape[1]).T
    return (np.round(means * STEP) / STEP).astype(np.float32)


def find_alike(found: np.ndarray, among: np.ndarray) -> Alike:
    """Return which signatures look like which others under the eight turns and reflections of a square.

    Alike means: after one of them the root mean square of the difference is at most 1 grey level and at most 5% of the
    smaller contrast (standard deviation of a signature). Blank pictures (contrast under 1) are like nothing.

    Candidates are found without comparing all with all: the mean of a signature over the eight, and the length of what
    is left, are the same for all copies, and two signatures differ in them by no more than they differ at all. For each
    the 64 nearest are looked at, in pieces, so that memory does not grow with the square of their number.

    Args:
        found: (n, 10, 10) float32.
        among: (m, 10, 10) float32.

    Returns:
        The pairs, sorted by row of `found`; an array given twice has each picture as its own copy.
    """
    (rows, found), (other_rows, among) = _not_blank(found), _not_blank(among)
    first, second = _candidates(found, among)
    pieces = range(0, len(first), PAIRS_AT_A_TIME)
    ways = [
        _compare(found[first[at : at + PAIRS_AT_A_TIME]], among[second[at : at + PAIRS_AT_A_TIME]]) for at in pieces
    ]
    as_is = np.concatenate([way[0] for way in ways] or [np.zeros(0, bool)])
    turned = np.concatenate([way[1] for way in ways] or [np.zeros(0, bool)])
    kept = as_is | turned
    return Alike(rows[first[kept]], other_rows[second[kept]], as_is[kept], turned[kept])


def symmetries(signatures: np.ndarray) -> list[np.ndarray]:
    """Return (n, 10, 10) signatures turned by 0, 90, 180, 270 degrees, and the four of their reflection."""
    return [np.rot90(way, turn, axes=(1, 2)) for way in (signatures, signatures.swapaxes(1, 2)) for turn in range(4)]


@cache
def _tenths(length: int) -> np.ndarray:
    """Return (10, length): how much of each pixel of a side lies in each tenth of it, as shares that add up to 1."""
    edges = np.arange(SIDE + 1)[:, None] * length / SIDE
    pixel = np.arange(length)[None]
    inside = np.minimum(edges[1:], pixel + 1) - np.maximum(edges[:-1], pixel)
    return np.maximum(inside, 0) * SIDE / length


def _not_blank(signatures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows = np.flatnonzero(signatures.std(axis=(1, 2)) >= MIN_CONTRAST)
    return rows, signatures[rows]


def _candidates(found: np.ndarray, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not (len(found) and len(among)):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    reach = SIDE * MAX_DIFFERENCE * 1.001  # of the sum over 100 blocks; more than what rounding takes away
    nearest = np.arange(1, min(NEAREST, len(among)) + 1)
    distances, rows = cKDTree(_invariants(among)).query(_invariants(found), nearest, distance_upper_bound=reach)
    first, place = np.nonzero(np.isfinite(distances))
    return first, rows[first, place]


def _invariants(signatures: np.ndarray) -> np.ndarray:
    """Return (n, 16): what turning and reflecting leave as it is, in distances never larger than those between them."""
    mean = np.asarray(np.mean(symmetries(signatures), axis=0, dtype=np.float32))
    rest = np.linalg.norm((signatures - mean).reshape(len(signatures), -1), axis=1)
    corner = mean[:, : SIDE // 2, : SIDE // 2]  # the other three repeat it
    rows, columns = np.triu_indices(SIDE // 2)  # and so does one half of it
    weights = np.sqrt(np.where(rows == columns, 4, 8))
    return np.column_stack([corner[:, rows, columns] * weights, rest])


def _compare(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    contrast = np.minimum(first.std(axis=(1, 2)), second.std(axis=(1, 2)))
    limit = np.minimum(MAX_DIFFERENCE, MAX_SHARE_OF_CONTRAST * contrast)
    near = [np.sqrt(np.mean((way - second) ** 2, axis=(1, 2))) <= limit for way in symmetries(first)]
    return near[0], np.any(near[1:], axis=0)

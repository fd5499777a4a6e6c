"""The data of the report's viewer: test tiles with their truths, and the heatmaps of every model, method and setting.

Heatmaps stay at native resolution, one byte a cell: scaled to 0..255 between their own minimum and maximum, which is
what the thesis' rule does with them anyway. Enlarging and colouring is left to the browser.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

JPEG_QUALITY = 88


@dataclass(frozen=True)
class ViewerTile:
    """One test tile: id, label, kind of defect, pixels (px, px, 3) uint8 RGB, and truths (px, px) bool by kind."""

    tile_id: str
    label: str
    defect_class: str
    image: NDArray[np.uint8]
    truths: Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class ViewerMaps:
    """The heatmaps (T, S, h, w) of one model and method for the same tiles, and where their cells lie in a tile."""

    values: NDArray[np.float32]
    fusions: Sequence[str]
    discards: Sequence[float]
    cell_px: float
    offset_px: float


@dataclass(frozen=True)
class ViewerModel:
    """One model: its family, the probability of a defect (T,), and its maps by method, its own method first."""

    family: str
    probability: NDArray[np.float64]
    methods: Mapping[str, ViewerMaps]


def choose_viewer_tiles(classes: NDArray[np.object_], defective: NDArray[np.bool_], count: int) -> NDArray[np.intp]:
    """Choose tiles to look at: two thirds defective, the kinds in turn, one third good, evenly spread over the rows.

    Args:
        classes: (n,) kind of defect of each test tile, "good" where there is none.
        defective: (n,)
        count: how many to choose; fewer where there are fewer.

    Returns:
        Rows, defective ones first.
    """
    wanted = count - count // 3
    kinds = np.unique(classes[defective])
    chosen: list[int] = []
    for place, kind in enumerate(kinds):
        rows = np.flatnonzero(defective & (classes == kind))
        share = wanted // len(kinds) + (place < wanted % len(kinds))
        chosen += _spread(rows, share)
    good = _spread(np.flatnonzero(~defective), count // 3)
    return np.array([*chosen, *good], np.intp)


def viewer_data(
    tiles: Sequence[ViewerTile], models: Mapping[str, ViewerModel], probability_threshold: float
) -> dict[str, Any]:
    """Return what viewer.js reads, ready for JSON; binary parts are base64.

    Args:
        probability_threshold: at or below it a tile counts as good, and the rule of the scores shows nothing.
    """
    return {
        "probability_threshold": probability_threshold,
        "px": tiles[0].image.shape[0] if tiles else 0,
        "tiles": [_tile(tile) for tile in tiles],
        "models": {
            name: {
                "family": model.family,
                "probability": [float(value) for value in model.probability],
                "methods": {method: _maps(maps) for method, maps in model.methods.items()},
            }
            for name, model in models.items()
        },
    }


def to_bytes(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Scale each map of (..., h, w) to 0..255 by its own minimum and maximum; a constant map becomes 0."""
    low = values.min(axis=(-2, -1), keepdims=True)
    span = values.max(axis=(-2, -1), keepdims=True) - low
    scaled = (values - low) / np.where(span > 0, span, 1) * 255
    return np.round(scaled).astype(np.uint8)


def _spread(rows: NDArray[np.intp], count: int) -> list[int]:
    count = min(count, len(rows))
    return [int(rows[round((place + 0.5) * len(rows) / count - 0.5)]) for place in range(count)]


def _tile(tile: ViewerTile) -> dict[str, Any]:
    return {
        "id": tile.tile_id,
        "label": tile.label,
        "kind": tile.defect_class,
        "image": _picture(
            ".jpg", cv2.cvtColor(tile.image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        ),
        "truths": {kind: _text(np.packbits(truth)) for kind, truth in tile.truths.items()},
    }


def _maps(maps: ViewerMaps) -> dict[str, Any]:
    return {
        "height": maps.values.shape[2],
        "width": maps.values.shape[3],
        "cell_px": maps.cell_px,
        "offset_px": maps.offset_px,
        "fusions": list(maps.fusions),
        "discards": list(maps.discards),
        "values": _text(to_bytes(maps.values)),
    }


def _picture(suffix: str, pixels: NDArray[np.uint8], options: list[int]) -> str:
    encoded, data = cv2.imencode(suffix, pixels, options)
    assert encoded, suffix
    return f"data:image/jpeg;base64,{_text(data)}"


def _text(data: NDArray[np.uint8]) -> str:
    return base64.b64encode(np.ascontiguousarray(data).tobytes()).decode("ascii")

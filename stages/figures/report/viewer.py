"""Section "Look": a viewer of test tiles with their truths, and the heatmaps of every model, method and setting.

Heatmaps stay at native resolution, one byte a cell: scaled to 0..255 between their own minimum and maximum, which is
what the thesis' rule does with them anyway. Enlarging and colouring is left to the browser.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.figures.tile_pictures import TilePictures
from stages.runtime.errors import InputError

TEMPLATE = Path(__file__).with_name("viewer.html")
TRUTHS = {"boxes": "boxes (blue outline)", "exact": "exact masks (orange outline)"}
JPEG_QUALITY = 88


@dataclass(frozen=True)
class ViewerMaps:
    """The heatmaps (n, S, h, w) of one model and method for n tiles, and where their cells lie in a tile."""

    values: NDArray[np.float32]
    fusions: Sequence[str]  # S
    discards: Sequence[float]  # S
    cell_px: float
    offset_px: float


@dataclass(frozen=True)
class ViewerModel:
    """One model: its family, the probability of a defect (n,), and its maps by method, its own method first.

    The probability is NaN where the model knows no good tile; every tile counts as defective then.
    """

    family: str
    probability: NDArray[np.float64]
    methods: Mapping[str, ViewerMaps]


def section(
    index: pd.DataFrame,
    tiles: TilePictures,
    models: Mapping[str, ViewerModel],
    intensity_threshold: float,
    probability_threshold: float,
) -> str:
    """Return the viewer's controls, and the data that viewer.js shows by them.

    Args:
        index: the n tiles' lines of the index: tile_id, label, defect_class.
        tiles: the same ones' pixels and truths.
        intensity_threshold: 0..255, where the slider begins. It goes in steps of 1 through it, also where that is no
            whole number.
        probability_threshold: at or below it a tile counts as good, and the rule of the scores shows nothing.

    Raises:
        InputError: n is 0.
    """
    if not len(index):
        raise InputError("no test tile has heatmaps; run the split, train and explain stages again")
    boxes = "".join(
        f'<label><input type="checkbox" id="viewer-truth-{kind}" checked> {TRUTHS[kind]}</label>'
        for kind in tiles.truths
    )
    # inside a script element the text </script would end it; JSON may write < as an escape
    data = json.dumps(viewer_data(index, tiles, models, probability_threshold), separators=(",", ":"), allow_nan=False)
    return TEMPLATE.read_text(encoding="utf-8").format(
        truths=boxes,
        threshold=f"{intensity_threshold:.9g}",
        lowest=f"{intensity_threshold % 1:.9g}",
        data=data.replace("<", "\\u003c"),
    )


def viewer_data(
    index: pd.DataFrame, tiles: TilePictures, models: Mapping[str, ViewerModel], probability_threshold: float
) -> dict[str, Any]:
    """Return what viewer.js reads, ready for JSON; binary parts are base64. Arguments are those of `section`."""
    return {
        "px": tiles.images.shape[1],
        "tiles": [
            {
                "id": line["tile_id"],
                "label": line["label"],
                "kind": line["defect_class"],
                "image": _jpeg(tiles.images[place]),
                "truths": {kind: _base64(np.packbits(truth[place])) for kind, truth in tiles.truths.items()},
            }
            for place, line in enumerate(index.to_dict("records"))
        ],
        "models": {
            name: {
                "family": model.family,
                "probability": np.nan_to_num(model.probability, nan=1.0).tolist(),
                "methods": {method: _maps(maps) for method, maps in model.methods.items()},
            }
            for name, model in models.items()
        },
        "probability_threshold": probability_threshold,
    }


def to_bytes(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Scale each map of (..., h, w) to 0..255 by its own minimum and maximum; a constant map becomes 0."""
    low = values.min(axis=(-2, -1), keepdims=True)
    span = values.max(axis=(-2, -1), keepdims=True) - low
    scaled = (values - low) / np.where(span > 0, span, 1) * 255
    return np.round(scaled).astype(np.uint8)


def _maps(maps: ViewerMaps) -> dict[str, Any]:
    return {
        "height": maps.values.shape[2],
        "width": maps.values.shape[3],
        "cell_px": maps.cell_px,
        "offset_px": maps.offset_px,
        "fusions": list(maps.fusions),
        "discards": list(maps.discards),
        "values": _base64(to_bytes(maps.values)),
    }


def _jpeg(image: NDArray[np.uint8]) -> str:
    """Return an RGB picture as the address of its own data."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    encoded, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert encoded
    return f"data:image/jpeg;base64,{_base64(data)}"


def _base64(data: NDArray[np.uint8]) -> str:
    return base64.b64encode(np.ascontiguousarray(data).tobytes()).decode("ascii")

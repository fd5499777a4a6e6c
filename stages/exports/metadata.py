"""What an exported file says of itself: JSON under the key "defectlens" of its metadata. Standard library only.

Writer and reader share these dataclasses; a field is a key. docs/export.md has them as a table.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from stages.runtime.convert import build_record
from stages.runtime.errors import InputError

FORMAT_VERSION = 1  # of the keys below and of the graph's inputs and outputs; readers refuse a larger one
AGAIN = "export it again"


@dataclass(frozen=True)
class Cut:
    """How photographs become tiles: the section `tile` of params.yaml that the model was trained by."""

    px: int  # side of a tile: height and width of the input
    overlap_px: int
    mode: str  # window | resize
    border: str  # drop | shift


@dataclass(frozen=True)
class Heatmap:
    """What the output `heatmap` is, and where its cells lie in the tile (`stages.metrics.geometry`)."""

    method: str  # cam | rollout | novelty
    name: str  # of the explanation in the tables of score and rank: cam, rollout_max, ...
    fusion: str  # min | mean | max, or the method's name where nothing is fused
    discard: float  # share of the smallest attentions set to 0; of novelty the weight of the distance to good tiles
    normalise: str | None  # where attention is rolled out: rows | published
    rows: int
    columns: int
    cell_px: float  # side of a cell in pixels of the tile
    offset_px: float  # cell (i, j) has its centre at x = (j + 0.5) cell_px + offset_px, y likewise


@dataclass(frozen=True)
class Thresholds:
    """From numbers to calls. What a threshold was chosen by: validation (tiles) | params (params.yaml)."""

    decision: float  # a tile is called defective when its calibrated probability of a defect is above it
    decision_from: str
    heatmap_level: float  # 0..255: a pixel is lit when the map, scaled by its own extremes to 0..255, is above it
    heatmap_level_from: str


@dataclass(frozen=True)
class Statistics:
    """How a value is distributed over the reference tiles."""

    mean: float
    std: float  # population
    quantiles: dict[str, float]  # "0.01" ... "0.99"


@dataclass(frozen=True)
class Reference:
    """What is usual: statistics of tiles that the model was not trained on, for whoever watches for drift."""

    split: str  # val
    tiles: int
    probability: Statistics  # of a defect, calibrated
    lit_share: Statistics  # share of cells above `heatmap_level`; 0 where a tile is called good
    brightness: Statistics  # mean grey, 0..1
    sharpness: Statistics  # variance of the Laplacian of the grey picture, 0..255
    feature_distance: Statistics  # of a tile's features f: sqrt(mean_c ((f_c - mean_c) / std_c)^2)
    feature_mean: tuple[float, ...]  # (C,)
    feature_std: tuple[float, ...]  # (C,) > 0


@dataclass(frozen=True)
class Metadata:
    """All of it."""

    format_version: int
    model: str  # its name in params.yaml
    family: str  # cnn | vit
    architecture: str  # timm's name
    task: str  # binary | multiclass
    classes: tuple[str, ...]  # good and defective, or those of the logits in their order
    dataset: str
    tile: Cut
    heatmap: Heatmap
    thresholds: Thresholds
    temperature: float  # that logits are divided by
    precision: str  # float32 | float16 | int8
    reference: Reference
    versions: dict[str, str]  # of what exported it: python, torch, timm, onnx, onnxruntime
    weights_sha256: str  # of data/models/<model>/model.safetensors, which the file was made from


def metadata_text(metadata: Metadata) -> str:
    """Return the metadata as JSON with sorted keys."""
    return json.dumps(asdict(metadata), sort_keys=True, allow_nan=False, ensure_ascii=False)


def parse_metadata(text: str | None, file: Path) -> Metadata:
    """Return the metadata of a file.

    Args:
        text: what stands under `stages.exports.seal.METADATA_KEY`; None where nothing does.
        file: that it is of.

    Raises:
        InputError: there is none, it was written by a newer version, or a key is missing, unknown or of another type.
    """
    try:
        content = json.loads(text or "")
        version = content["format_version"]
    except (ValueError, TypeError, KeyError):
        raise InputError(f"{file}: has no metadata of stage export; {AGAIN}") from None
    if not isinstance(version, int) or version > FORMAT_VERSION:
        known = f"this version reads up to {FORMAT_VERSION}"
        raise InputError(f"{file}: has format version {version!r}, {known}; update this program")
    metadata: Metadata = build_record(Metadata, content, file, AGAIN)
    return metadata

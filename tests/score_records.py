"""Eight tiles of 16 px and their heatmaps on disk, small enough to work every score out by hand."""

import json

import numpy as np
import pandas as pd

from stages.heatmaps.photographs import write_about
from stages.records.paths import maps_folder, tiles_folder

PX = 16
# tile      0     1     2     3   |  4     5     6     7
SPLITS = ["val"] * 4 + ["test"] * 4
DEFECTIVE = np.array([1, 1, 0, 0, 1, 1, 0, 0], bool)
LOGITS = np.array([2, 1, -1, -2, 3, 2, 1, -3], np.float32)
TILE_IDS = [f"board.jpg@{x},0" for x in range(8)]


def corner(place: int) -> np.ndarray:
    """Return a PX x PX mask with one 4 x 4 corner set: 0 upper left, 1 upper right, 2 lower left, 3 lower right."""
    mask = np.zeros((PX, PX), bool)
    top, left = (place // 2) * (PX - 4), (place % 2) * (PX - 4)
    mask[top : top + 4, left : left + 4] = True
    return mask


def write_tiles(params, truths=("boxes", "exact")) -> None:
    """Write eight tiles; every defective one has its defect in the upper left corner."""
    folder = tiles_folder(params.dataset_name)
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    np.save(folder / "images-0000.npy", rng.integers(0, 256, (8, PX, PX, 3), dtype=np.uint8))
    boxes = DEFECTIVE[:, None, None] & corner(0)
    exact = boxes.copy()
    exact[:, 2:] = False  # the upper half of the box
    for kind, truth in (("boxes", boxes), ("exact", exact)):
        if kind in truths:
            np.save(folder / f"{kind}-0000.npy", np.packbits(truth, axis=2))
    labels = np.where(DEFECTIVE, "defective", "good")
    pd.DataFrame(
        {
            "tile_id": TILE_IDS,
            "source": "board.jpg",
            "group": "board",
            "official": "",
            "pixels_sha": "",
            "x": np.arange(8, dtype=np.int32),
            "y": np.zeros(8, np.int32),
            "width": np.full(8, PX, np.int32),
            "height": np.full(8, PX, np.int32),
            "defect_px": boxes.sum(axis=(1, 2)).astype(np.int32),
            "exact_px": exact.sum(axis=(1, 2)).astype(np.int32),
            "label": labels,
            "defect_class": np.where(DEFECTIVE, "short", "good"),
            "annotation": "boxes" if "boxes" in truths else "mask" if truths else "label",
            "shard": np.zeros(8, np.int32),
            "row": np.arange(8, dtype=np.int32),
        }
    ).to_parquet(folder / "index.parquet", index=False)


def write_maps(params, model: str, family: str = "cnn", order=tuple(range(8))) -> None:
    """Write heatmaps at tile resolution, so that no interpolation blurs what is expected.

    CNN: bright in the upper left corner, except on tile 5 (lower right).
    ViT, each at discard 0.0 and 0.9: min is constant; mean is right; max is right on validation tiles only at 0.9 and
    on test tiles only at 0.0.
    """
    folder = maps_folder(model)
    folder.mkdir(parents=True, exist_ok=True)
    right, wrong = corner(0), corner(3)
    if family == "cnn":
        settings = [("cam", "cam", 0.0)]
        maps = np.stack([[wrong if tile == 5 else right] for tile in range(8)])
    else:
        settings = [
            (f"{fusion}_{discard}", fusion, discard) for fusion in ("min", "mean", "max") for discard in (0.0, 0.9)
        ]
        flat = np.ones_like(right)
        maps = np.stack(
            [
                [flat, flat, right, right, *((wrong, right) if SPLITS[tile] == "val" else (right, wrong))]
                for tile in range(8)
            ]
        )
    rows = list(order)
    method = "cam" if family == "cnn" else "rollout"
    np.save(folder / f"{method}.npy", maps[rows].astype(np.float16))
    labels = np.where(DEFECTIVE, "defective", "good")
    index = pd.DataFrame({"tile_id": TILE_IDS, "split": SPLITS, "label": labels, "logit": LOGITS})
    index.iloc[rows].to_parquet(folder / "index.parquet", index=False)
    described = [{"name": name, "fusion": fusion, "discard": discard} for name, fusion, discard in settings]
    methods = {method: {"cell_px": 1, "offset_px": 0, "settings": described}}
    content = {"model": model, "family": family, "order": [method], "methods": methods}
    (folder / "settings.json").write_text(json.dumps(content), encoding="utf-8")
    write_about(folder, "its tiles are in two splits")


def rewrite_index(model, **columns):
    path = maps_folder(model) / "index.parquet"
    pd.read_parquet(path).assign(**columns).to_parquet(path, index=False)

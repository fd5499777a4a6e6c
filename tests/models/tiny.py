"""What the tests of training share: tiles in memory, a recipe, a project folder that trains in a second."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml

from stages.classification.calibration import probabilities
from stages.classification.measures import classification_scores, multiclass_scores
from stages.models.batches import Labelled
from stages.models.cnn import CamClassifier
from stages.models.vit import RolloutClassifier
from stages.models.weights import Classifier
from stages.runtime.seeds import seed_everything
from stages.training.engine import start_engine
from stages.training.loop import Fitted, fit
from stages.training.settings import Training
from tests.dependencies import REPOSITORY

CPU = torch.device("cpu")
HALF = (0.5, 0.5, 0.5)
RECIPE = Training(
    lr=0.01, weight_decay=0.0, batch=8, accumulate=1, precision=32, epochs=3, early_stop_patience=None,
    good_per_defective=None, loss_weight="none", frozen_stages=0, ema_decay=0.0, warmup_epochs=0,
    plateau_factor=0.1, plateau_patience=1, weights="none", seed=0,
)  # fmt: skip


@dataclass(frozen=True)
class MemoryTiles:
    pixels: np.ndarray

    @property
    def index(self) -> pd.DataFrame:
        return pd.DataFrame({"tile_id": [f"tile{i}" for i in range(len(self.pixels))]})

    def images(self, positions: np.ndarray) -> np.ndarray:
        return self.pixels[positions]


def striped_pixels(codes: np.ndarray, seed: int) -> np.ndarray:
    """Noise; tiles of class 1 have a bright bar across, of class 2 a dark block, wherever."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 120, (len(codes), 32, 32, 3), dtype=np.uint8)
    for i, code in enumerate(codes):
        place = random.integers(4, 28)
        if code == 1:
            pixels[i, place : place + 6] = 250
        if code == 2:
            pixels[i, 4:28, 4:28] = 0
    return pixels


def striped_tiles(count: int, seed: int, classes: int = 2) -> Labelled:
    codes = (np.arange(count) + 1) % classes
    return Labelled(MemoryTiles(striped_pixels(codes, seed)), codes, ("good", "defective", "hole")[:classes])


def binary_scores(logits: np.ndarray, codes: np.ndarray) -> dict[str, float]:
    return classification_scores(probabilities(logits, 1.0)[:, 1], codes == 1, 0.5)


def class_scores(logits: np.ndarray, codes: np.ndarray) -> dict[str, Any]:
    return multiclass_scores(probabilities(logits, 1.0), codes, tuple("abc"[: logits.shape[1]]))


def tiny_model(family: str = "cnn", neurons: int = 1) -> Classifier:
    if family == "cnn":
        return CamClassifier("test_efficientnet", 16, HALF, HALF, neurons=neurons)
    return RolloutClassifier("test_vit", 32, HALF, HALF, neurons=neurons)


def trained(family: str = "cnn", recipe: Training = RECIPE, classes: int = 2) -> tuple[Classifier, Fitted]:
    seed_everything(recipe.seed, CPU)
    model = tiny_model(family, 1 if classes == 2 else classes)
    scores = binary_scores if classes == 2 else class_scores
    train, val = striped_tiles(48, 1, classes), striped_tiles(16, 2, classes)
    return model, fit(model, family, train, val, recipe, scores, start_engine(CPU, recipe.precision), "tiny")


def tiny_project(
    folder: Path, models: dict[str, Any], training: dict[str, Any], tiles: int = 24, **sections: Any
) -> None:
    """Write params.yaml, tiles and a split: three classes of 32 px tiles, two thirds of them to train on."""
    content = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    content["models"] = models
    content["model"] |= {"epochs": 4, "batch": 4, "weights": "none", "good_per_defective": None} | training
    for name, values in sections.items():
        content[name] = content[name] | values if isinstance(values, dict) else values
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    codes = np.arange(tiles) % 3
    shards, splits = folder / "data/tiles/boards", folder / "data/splits"
    shards.mkdir(parents=True)
    splits.mkdir()
    np.save(shards / "images-0000.npy", striped_pixels(codes, 0))
    ids = [f"board.jpg@{x},0" for x in range(tiles)]
    index = pd.DataFrame({"tile_id": ids, "source": "board.jpg", "group": "board", "annotation": "label"})
    index["official"] = index["pixels_sha"] = ""
    index["defect_class"] = np.array(["good", "bar", "hole"])[codes]
    index["label"] = np.where(codes == 0, "good", "defective")
    for column in ("x", "y", "width", "height", "defect_px", "exact_px", "shard"):
        index[column] = np.zeros(tiles, np.int32)
    index["row"] = np.arange(tiles, dtype=np.int32)
    index.to_parquet(shards / "index.parquet", index=False)
    split = ["train"] * (tiles * 2 // 3) + ["val"] * (tiles - tiles * 2 // 3)
    pd.DataFrame({"tile_id": ids, "split": split}).to_parquet(splits / "boards.parquet", index=False)

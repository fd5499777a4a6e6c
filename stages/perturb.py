"""Does the model use what its heatmaps mark? Deletion, insertion and sufficiency on a sample of defective test tiles.

Needs no mask. Reads data/models/<model>, data/maps/<model>, data/scores/<model> (which settings) and the tiles. Writes
metrics/perturb/<model>.json, data/perturb/<model>.parquet (tile by tile) and plots/perturb/<model>.csv (curves).
"""

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from stages.explainers.methods import defect_target
from stages.faithfulness.settings import Perturb
from stages.heatmaps.maps import MethodMaps, open_maps
from stages.metrics.controls import random_map
from stages.metrics.faithfulness import (
    Predict,
    curve_area,
    faithfulness_scores,
    filled,
    kept_probability,
    ordered,
    perturbation_curves,
    relevance_ranks,
    top_pixels,
)
from stages.metrics.geometry import upsample
from stages.metrics.thesis import thesis_prediction
from stages.models.batches import to_images
from stages.models.trained import load_classifier
from stages.models.weights import Classifier
from stages.records.files import new_file, write_csv, write_json
from stages.records.paths import (
    maps_folder,
    metrics_file,
    model_folder,
    perturb_file,
    plot_file,
    scores_folder,
    tiles_folder,
)
from stages.records.tiles import Tiles, open_tiles
from stages.runtime.command import run_model_stage
from stages.runtime.device import choose_device
from stages.runtime.errors import InputError
from stages.runtime.params import Params, Runtime
from stages.runtime.progress import progress
from stages.runtime.seeds import derive_seed
from stages.scores.scores import CLUSTERS, Row, open_rows

CURVE_COLUMNS = ("row", "map", "curve", "fill", "fraction", "probability")


def perturb(params: Params, name: str) -> str:
    """Perturb tiles for the chosen rows of the model `name`; return the line to print."""
    rule = params.read(Perturb)
    model, description = load_classifier(model_folder(name))
    device = choose_device(params.read(Runtime).device)
    model.to(device)
    maps, tiles = open_maps(maps_folder(name)), open_tiles(tiles_folder(params.dataset_name))
    rows, best = open_rows(scores_folder(name))
    places = _sample(maps.index, rule.tiles, rule.seed)
    positions = maps.positions_in(tiles)[places]
    pixels = tiles.images(positions)
    predict = _predictor(model, description.classes, pixels, rule.batch, device)
    about = tiles.index.iloc[positions][["tile_id", "source", "group"]].reset_index(drop=True)
    clusters = about[CLUSTERS[params.value("rank.cluster", str)]]

    wanted = {key: row for key, row in rows.items() if not row.control and (rule.methods == "all" or key == best)}
    tables, curves = [], []
    content: dict[str, dict[str, Any]] = {}
    work = [(key, fill) for key in wanted for fill in rule.fills]
    for key, fill in progress(work, f"perturb {name}"):
        own, chance = _heatmaps(maps.methods[wanted[key].method], wanted[key], places, tiles, rule.seed)
        kept = thesis_prediction(own, np.ones(len(own)), params.value("score.intensity_threshold", float), 0)
        columns, lines = _perturbed(pixels, own, chance, kept, filled(pixels, fill), rule.steps, predict)
        content.setdefault(key, {})[fill] = {
            **faithfulness_scores(columns, clusters),
            "undefined": int(np.isnan(columns["deletion"]).sum()),
        }
        tables.append(about.assign(row=key, best=key == best, fill=fill, **columns))
        curves += [(key, source, curve, fill, *point) for source, curve, point in lines]
    with new_file(perturb_file(name)) as temporary:
        pd.concat(tables).to_parquet(temporary, index=False)
    write_csv(plot_file("perturb", name, ".csv"), CURVE_COLUMNS, curves)
    write_json(metrics_file("perturb", name), {name: {**content, "tiles": len(places)}})
    said = "; ".join(
        f"{fill}: deletion {own['deletion']['value']:.3f}, insertion {own['insertion']['value']:.3f}, "
        f"sufficiency {own['sufficiency']['value']:.3f}"
        for fill, own in content[best].items()
    )
    return f"perturb {name}, {best}, {len(places)} tiles, {said}"


def _sample(index: pd.DataFrame, count: int, seed: int) -> NDArray[np.intp]:
    """Draw defective test tiles, the same for all models; return their rows in the maps, sorted by tile id."""
    ids = index["tile_id"].to_numpy(dtype=object)
    defective = ((index["split"] == "test") & (index["label"] == "defective")).to_numpy(bool)
    candidates = np.flatnonzero(defective)
    if not candidates.size:
        raise InputError("perturb: no test tile is defective; see `split` in params.yaml")
    candidates = candidates[np.argsort(ids[candidates])]
    drawn = np.random.default_rng(derive_seed(seed, "perturb")).permutation(len(candidates))[:count]
    return candidates[np.sort(drawn)]


@torch.inference_mode()
def _probabilities(model: Classifier, pixels: NDArray[np.uint8], batch: int, device: torch.device) -> NDArray:
    """Return (n, K) the probability of each class; binary: of good and of defective."""
    logits = torch.cat([model(to_images(part, device)).logits.float() for part in _batches(pixels, batch)])
    if logits.ndim == 1:
        logits = torch.stack([torch.zeros_like(logits), logits], dim=1)
    return logits.double().softmax(dim=1).cpu().numpy()


def _batches(pixels: NDArray[np.uint8], batch: int) -> list[NDArray[np.uint8]]:
    return [pixels[start : start + batch] for start in range(0, len(pixels), batch)]


def _predictor(
    model: Classifier, classes: tuple[str, ...], pixels: NDArray[np.uint8], batch: int, device: torch.device
) -> Predict:
    """Return the function that perturbed tiles are put to: binary: the probability of a defect, whatever was predicted;
    of several classes, that of the kind of defect which the whole tile was explained for.
    """
    targets = [defect_target(model, to_images(part, device), classes) for part in _batches(pixels, batch)]
    explained = np.ones(len(pixels), np.intp)
    if isinstance(targets[0], torch.Tensor):
        explained = np.concatenate([target.cpu().numpy() for target in targets])  # type: ignore[union-attr]
    return lambda tiles: _probabilities(model, tiles, batch, device)[np.arange(len(tiles)), explained]


def _heatmaps(
    method: MethodMaps, row: Row, places: NDArray[np.intp], tiles: Tiles, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the heatmaps of a row at tile size, and a random map on the same grid."""
    native = method.read(places)[:, row.setting]
    chance = random_map(list(method.tile_ids[places]), native.shape[1], native.shape[2], seed)
    own, random = (upsample(cells, tiles.px, method.cell_px, method.offset_px) for cells in (native, chance))
    return own, random


def _perturbed(
    pixels: NDArray[np.uint8],
    own: NDArray[np.float32],
    chance: NDArray[np.float32],
    kept: NDArray[np.bool_],
    fill: NDArray[np.uint8],
    steps: int,
    predict: Predict,
) -> tuple[dict[str, NDArray], list[tuple[str, str, tuple[float, float]]]]:
    """Return the columns of each tile, and the points of the mean curves: map, curve, (fraction, probability).

    Both means are over the tiles whose own heatmap orders pixels: the random map's too, so that two lines compare.
    The random region keeps as many pixels of each tile as the heatmap's, so that only its place differs.
    """
    columns = {"probability": predict(pixels), "kept_px": kept.sum(axis=(1, 2))}
    lines, counted = [], ordered(own)
    same_area = top_pixels(relevance_ranks(chance), columns["kept_px"])
    for source, prefix, heatmaps, region in (("own", "", own, kept), ("random", "random_", chance, same_area)):
        for curve, points in perturbation_curves(pixels, heatmaps, fill, steps, predict).items():
            columns[prefix + curve] = curve_area(points)
            means = points[counted].mean(axis=0) if counted.any() else np.full(steps + 1, np.nan)
            lines += [(source, curve, (step / steps, float(mean))) for step, mean in enumerate(means)]
        columns[f"{prefix}kept"] = kept_probability(pixels, region, fill, predict)
    return columns, lines


if __name__ == "__main__":
    run_model_stage(perturb, "Delete and insert the pixels that a model's heatmaps mark, and follow its probability.")

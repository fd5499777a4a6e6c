"""What the score, time and perturb stages leave of a few tiles, small enough to work every rank out by hand."""

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd

from stages.metrics.histograms import Histograms
from stages.metrics.table import PixelHistograms, metrics_of
from stages.models.settings import Model
from stages.ranking.settings import Rank
from stages.records.files import write_json
from stages.records.paths import RANK_METRICS, RANK_PLOT, metrics_file, perturb_file, scores_folder
from stages.runtime.params import read_params
from stages.scores.scores import Explanation, ImageHistograms, write_scores
from tests.parameters import but

BOARDS = 6
TILES = [f"board{n}.jpg@{x},0" for n in range(BOARDS) for x in range(2)]
WOBBLE = np.repeat([0, 0, 1, -1, 1, -1], 2)  # of the pixels found on each tile, so that boards differ


def tiles(hits, tp):
    """Twelve tiles of 100 px, two a board: 10 px of truth each, about `tp` of them found and as many false alarms.

    Args:
        hits: of the pointing game, repeated over the boards.
        tp: on average; an even number of boards has one more or one less.
    """
    found = tp + WOBBLE
    counts = {"tp": found, "fp": found, "fn": 10 - found, "tn": 90 - found}
    return counts | {"pointing_game": np.resize(np.array(hits, float), len(TILES))}


def pooled_f1(tp):
    """Return 2 tp / (2 tp + fp + fn) of `tiles`."""
    return 2 * tp / (2 * tp + 10)


def write_model(
    model, rows, family, truths=("boxes",), ids=TILES, latency_ms=10.0, gain=0.1, beats=True, histograms=None
):
    """Write a model's records.

    Args:
        rows: name of the row -> columns of `tiles`; `cam`, or else `rollout_<fusion>`, is the model's own.
        latency_ms: of every row, or name of the row -> its own.
        gain: over a random map, the same for deletion and insertion; its standard deviation over boards is 0.01.
        beats: whether its rows beat the controls.
        histograms: name of the row -> (images, bins) histograms of inside and outside.
    """
    index = pd.DataFrame({"tile_id": ids, "source": [name.split("@")[0] for name in ids]})
    index["group"] = [name[:6] for name in ids]
    own = "cam" if family == "cnn" or "cam" in rows else "rollout"
    described, tables, settings = {}, [], {}
    for name, columns in rows.items():
        is_own = name.startswith(own)
        method, fusion = (name.split("_")[0], name.split("_")[-1]) if "rollout" in name or is_own else (name, name)
        described[name] = Explanation(method, fusion, 0.5, 0, False, is_own, dict.fromkeys(truths, beats))
        part = pd.DataFrame(columns)[: len(ids)]
        tables += [part.assign(truth=truth, row=name, tile_id=ids) for truth in truths]
        median_ms = latency_ms[name] if isinstance(latency_ms, dict) else latency_ms
        settings.setdefault(method, {}).setdefault(fusion, {})["0.5"] = {"median_ms": median_ms}
    table = pd.concat(tables) if tables else None
    kept, pooled = _histograms(index, truths, histograms or {})
    write_scores(
        scores_folder(model), table, index.assign(defective=True), described, next(iter(rows), ""), kept, pooled
    )
    write_json(metrics_file("time", model), {model: {"settings": settings}})
    write_gains(model, index, gain)


def write_gains(model, index, gain):
    """Write what perturb says of the model's best row."""
    own = gain + 0.01 * WOBBLE[: len(index)]
    areas = {"deletion": 0.5 - own, "random_deletion": 0.5, "insertion": 0.5 + own, "random_insertion": 0.5}
    path = perturb_file(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.concat([index.assign(fill=fill, best=True, **areas) for fill in ("mean", "blur")]).to_parquet(path)


def _histograms(index, truths, histograms):
    kept, pooled = [], {truth: {} for truth in truths}
    sources = np.unique(index["source"].to_numpy(dtype=object))
    for truth in truths:
        for row, (inside, outside) in histograms.items():
            kept += [ImageHistograms(truth, row, scale, sources, inside, outside, inside) for scale in ("raw", "gated")]
            whole = Histograms(inside.sum(axis=0), outside.sum(axis=0), inside.sum(axis=0))
            pooled[truth][row] = {name: float(own.of(whole)) for name, own in metrics_of(PixelHistograms).items()}
    return kept, pooled


def write_all(**options):
    """Write two CNNs and a ViT: `down` is the best, then `full`; of the ViT `rollout_mean`, as good as `full` in F1."""
    rows = {
        "rollout_min": tiles([math.nan], 2),
        "rollout_mean": tiles([1, 0, 0, 0], 4),
        "rollout_max": tiles([0], 3),
    }
    down = {"cam": tiles([1], 5), "gradcam": tiles([0], 8)}
    write_model("full", {"cam": tiles([1, 0], 4)}, "cnn", latency_ms=10.0, **options)
    write_model("down", down, "cnn", latency_ms={"cam": 12.0, "gradcam": 15.0}, **options)
    of_fusion = {"rollout_min": 13.0, "rollout_mean": 11.0, "rollout_max": 14.0}
    write_model("deit", rows, "vit", latency_ms=of_fusion, gain=0.2, **options)


def small_params():
    """Return the repository's parameters with two CNNs and a ViT, ranked by F1 and the pointing game against boxes."""
    models = {"full": Model("cnn"), "down": Model("cnn"), "deit": Model("vit")}
    return with_rank(but(read_params(), models=models), truth="boxes", metrics=("f1", "pointing_game"), resamples=200)


def with_rank(params, **changes):
    """Return parameters with other values in section `rank`."""
    return but(params, rank=replace(params.read(Rank), **changes))


def ranking():
    """Return metrics/rank.json."""
    return json.loads(RANK_METRICS.read_text())


def lines(path):
    """Return the lines of a CSV."""
    with path.open() as file:
        return list(csv.DictReader(file))


def rank_line(model, metric):
    """Return the line of plots/rank.csv."""
    return next(row for row in lines(RANK_PLOT) if (row["model"], row["metric"]) == (model, metric))

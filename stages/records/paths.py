"""Where every record lives, relative to the repository root (the folder that DVC runs stages in)."""

import os
from pathlib import Path

CHECKED = Path("data/check.json")  # says that params.yaml was checked
TILE_METRICS = Path("metrics/tile.json")
SPLIT_METRICS = Path("metrics/split.json")
RANK_METRICS = Path("metrics/rank.json")
RANKING = Path("data/ranking/ranking.json")  # the record that the report is made from
EXPORT_FOLDER = Path("data/export")  # <model>.onnx of every model that is exported, no other file
EXPORT_METRICS = Path("metrics/export")  # <model>.json of the same
CARD_PLOT = Path("plots/card.png")
RANK_PLOT = Path("plots/rank.csv")
TRUTHS_PLOT = Path("plots/truths.csv")
LATENCY_PLOT = Path("plots/latency.csv")
PHOTOGRAPHS_PLOT = Path("plots/photographs.csv")
REPORT = Path("plots/report.html")


def raw_folder(dataset_name: str) -> Path:
    """Return the folder that the download stage fills: data/raw/<name>."""
    return Path("data/raw") / dataset_name


def tiles_folder(dataset_name: str) -> Path:
    """Return the folder of tile shards and their index: data/tiles/<name>."""
    return Path("data/tiles") / dataset_name


def split_file(dataset_name: str) -> Path:
    """Return the table tile id -> train | val | test: data/splits/<name>.parquet."""
    return Path("data/splits") / f"{dataset_name}.parquet"


def model_folder(model: str) -> Path:
    """Return the folder of weights and description: data/models/<model>."""
    return Path("data/models") / model


def checkpoint_folder(model: str, run: str) -> Path:
    """Return the folder of an unfinished training: data/checkpoints/<model>-<run>, `run` a hash of what defines it.

    In the repository itself (`DVC_ROOT`) also where DVC runs an experiment in a temporary copy, which goes when killed.
    """
    return Path(os.environ.get("DVC_ROOT", ".")) / "data/checkpoints" / f"{model}-{run}"


def tune_folder(study: str) -> Path:
    """Return the folder of a search on this machine: data/tune/<study>, `study` a name that hashes what defines it.

    In the repository itself (`DVC_ROOT`), as `checkpoint_folder`.
    """
    return Path(os.environ.get("DVC_ROOT", ".")) / "data/tune" / study


def tuned_file(model: str) -> Path:
    """Return the values of a search that a model trains with: data/tuned/<model>.json."""
    return Path("data/tuned") / f"{model}.json"


def training_lock(model: str, kind: str = "") -> Path:
    """Return the lock on a model's outputs in this copy of the repository: data/checkpoints/<model>.lock.

    Of another training beside that of the model `kind` says which: data/checkpoints/<model>.<kind>.lock.
    """
    return Path("data/checkpoints") / f"{model}{f'.{kind}' if kind else ''}.lock"


def supervised_folder(model: str) -> Path:
    """Return the folder of the reference that was taught where defects are: data/supervised/<model>."""
    return Path("data/supervised") / model


def left_out_file(folder: Path) -> Path:
    """Return the file that says, in the folder of a reference that was not made, why."""
    return folder / "left_out.json"


def maps_folder(model: str) -> Path:
    """Return the folder of heatmaps and logits: data/maps/<model>."""
    return Path("data/maps") / model


def scores_folder(model: str) -> Path:
    """Return the folder of scores tile by tile: data/scores/<model>."""
    return Path("data/scores") / model


def perturb_file(model: str) -> Path:
    """Return the table of deletion, insertion and sufficiency tile by tile: data/perturb/<model>.parquet."""
    return Path("data/perturb") / f"{model}.parquet"


def metrics_file(stage: str, model: str) -> Path:
    """Return the metrics of one stage and model: metrics/<stage>/<model>.json."""
    return Path("metrics") / stage / f"{model}.json"


def plot_file(kind: str, model: str, suffix: str) -> Path:
    """Return the plot data or picture of one model: plots/<kind>/<model><suffix>."""
    return Path("plots") / kind / f"{model}{suffix}"

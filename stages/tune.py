"""Stage tune: search learning rate and batch of one model; `lr: tuned` lets stage train take what it found.

Every trial is a training as stage train does it, judged on the validation tiles. Off where `tune.trials` is 0.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stages.records.files import write_csv, write_json
from stages.records.paths import metrics_file, plot_file, split_file, tiles_folder
from stages.runtime.command import run_model_stage
from stages.runtime.params import Params
from stages.training.tuning import Tune

COLUMNS = ("model", "trial", "lr", "batch", "epochs", "val_accuracy", "val_average_precision", "val_loss", "state")


def tune(params: Params, name: str) -> str:
    """Search for the model `name`, write the best values and all trials, and return the line to print."""
    found: Mapping[str, Any] = {"trials": 0}
    # one row in any case: `dvc plots show` cannot read a table without
    rows: Sequence[Mapping[str, Any]] = [{"state": "off"}]
    tune = params.read(Tune)
    if tune.trials:
        found, rows = _search(params, name)
    lines = [[name, *(row.get(key, "") for key in COLUMNS[1:])] for row in rows]
    write_csv(plot_file("tune", name, ".csv"), COLUMNS, lines)
    write_json(
        metrics_file("tune", name), {name: dict(found)}, exact=True
    )  # training takes the learning rate from there
    if not tune.trials:
        return f"tune {name}: off (tune.trials is 0)"
    return (
        f"tune {name}: best of {found['trials']} trials ({found['pruned']} pruned, {found['failed']} failed): "
        f"lr {found['lr']:.3g}, batch {found['batch']}, validation accuracy {found['val_accuracy']:.4f}"
    )


def _search(params: Params, name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the summary of the search and a row per trial."""
    # These import for seconds, for which a search that is off need not wait.
    from stages.classification.calibration import UNCALIBRATED, probabilities
    from stages.classification.measures import validation_scores
    from stages.models.batches import labelled
    from stages.records.tiles import open_tiles
    from stages.training.search import search_model, summary, table

    tiles = open_tiles(tiles_folder(params.dataset_name), split_file(params.dataset_name))
    train_tiles, val_tiles = (labelled(tiles, split, params.task) for split in ("train", "val"))

    def scores(logits: np.ndarray, codes: np.ndarray) -> dict[str, Any]:
        return validation_scores(probabilities(logits, UNCALIBRATED), codes, train_tiles.classes, params.task)

    trials = search_model(params, name, train_tiles, val_tiles, scores)
    return summary(trials, params.read(Tune).objective, name), table(trials)


if __name__ == "__main__":
    run_model_stage(tune, __doc__)

"""Stage tune: search learning rate and batch of one model; `lr: tuned` lets stage train take what it found.

Every trial is a training as stage train does it, judged on the validation tiles. Off where `tune.trials` is 0.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from stages.records.files import write_csv, write_json
from stages.records.paths import metrics_file, plot_file
from stages.runtime.command import run_model_stage
from stages.runtime.params import Params
from stages.training.tuning import Tune

COLUMNS = ("model", "trial", "lr", "batch", "epochs", "val_accuracy", "val_average_precision", "val_loss", "state")


def tune(params: Params, name: str) -> str:
    """Search for the model `name`, write the best values and all trials, and return the line to print."""
    tune = params.read(Tune)
    found: Mapping[str, Any] = {"trials": 0}
    rows: Sequence[Mapping[str, Any]] = [{"state": "off"}]  # `dvc plots show` cannot read a table without a row
    line = f"tune {name}: off (tune.trials is 0)"
    if tune.trials:
        from stages.training.initial import train_and_val_tiles
        from stages.training.search import search_model
        from stages.training.search_results import summary, trial_rows

        trials = search_model(params, name, *train_and_val_tiles(params))
        found, rows = summary(trials, tune.objective, name), trial_rows(trials)
        line = (
            f"tune {name}: best of {found['trials']} trials ({found['pruned']} pruned, {found['failed']} failed): "
            f"lr {found['lr']:.3g}, batch {found['batch']}, validation accuracy {found['val_accuracy']:.4f}"
        )
    lines = [[name, *(row.get(key, "") for key in COLUMNS[1:])] for row in rows]
    write_csv(plot_file("tune", name, ".csv"), COLUMNS, lines)
    write_json(metrics_file("tune", name), {name: found}, exact=True)  # training takes the learning rate from there
    return line


if __name__ == "__main__":
    run_model_stage(tune, __doc__)

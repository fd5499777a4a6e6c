"""Stage supervise: a reference beside one model: its network, taught by the truth of train tiles where the defect is.

Off unless `explain.references` has `supervised`. Stage train, and so the model itself, knows nothing of it. Writes
data/supervised/<model>: the network as train writes it and training.json; or left_out.json with the reason.
"""

from contextlib import ExitStack
from typing import Any

from stages.records.files import write_json
from stages.records.folders import new_folder
from stages.records.paths import left_out_file, supervised_folder
from stages.runtime.command import run_model_stage
from stages.runtime.params import Params, Runtime


def supervise(params: Params, name: str) -> str:
    """Train the reference of the model `name`; return the line to print ("" but in one process)."""
    from stages.training.supervised import annotated_tiles
    from stages.training.wanted import wants_supervised

    tiles = annotated_tiles(params) if wants_supervised(params) else "explain.references does not have it"
    if not isinstance(tiles, str):
        return _train(params, name, tiles)
    with new_folder(supervised_folder(name)) as temporary:
        write_json(left_out_file(temporary), {"reason": tiles})
    return f"supervise {name}: left out, {tiles}"


def _train(params: Params, name: str, tiles: Any) -> str:
    from stages.models.trained import save_classifier
    from stages.runtime.device import choose_device
    from stages.training.engine import start_engine
    from stages.training.settings import read_training, tuned_keys
    from stages.training.supervised import teach, training_record
    from stages.training.tuning import tuned_values

    training = read_training(params, name, tuned_values(tuned_keys(params, name), name))
    runtime = params.read(Runtime)
    fabric = start_engine(choose_device(runtime.device), training.precision, runtime.devices, runtime.nodes)
    with ExitStack() as held:
        taught = teach(params, name, training, tiles, fabric, held)
        if not fabric.is_global_zero:
            return ""
        record = training_record(training, taught.fitted, tiles)
        save_classifier(supervised_folder(name), taught.model, taught.description, record)
        taught.checkpoint.remove()
    return (
        f"supervise {name}: best epoch {record['best_epoch']} of {training.epochs}, by the "
        f"{' and '.join(record['truths'])} of {record['annotated_train_tiles']} defective train tiles"
    )


if __name__ == "__main__":
    run_model_stage(supervise, __doc__)

"""Stage supervise: a reference beside one model: its network, taught by the truth of train tiles where the defect is.

Off unless `explain.references` has `supervised`. Stage train, and so the model itself, knows nothing of it. Writes
data/supervised/<model>: the network as train writes it and training.json; or left_out.json with the reason.
"""

from contextlib import ExitStack
from functools import partial
from typing import Any

from stages.records.files import write_json
from stages.records.folders import new_folder
from stages.records.paths import left_out_file, supervised_folder, training_lock
from stages.runtime.command import run_model_stage
from stages.runtime.params import Params, Runtime


def supervise(params: Params, name: str) -> str:
    """Train the reference of the model `name`; return the line to print ("" but in one process)."""
    from stages.training.supervised import annotated_tiles, is_wanted

    tiles = annotated_tiles(params) if is_wanted(params) else "explain.references does not have it"
    if not isinstance(tiles, str):
        return _train(params, name, tiles)
    with new_folder(supervised_folder(name)) as temporary:
        write_json(left_out_file(temporary), {"reason": tiles})
    return f"supervise {name}: left out, {tiles}"


def _train(params: Params, name: str, tiles: Any) -> str:
    from stages.models.trained import save_classifier
    from stages.runtime.device import choose_device
    from stages.training.checkpoint import Checkpoint, locked_checkpoint
    from stages.training.engine import in_first_process, start_engine
    from stages.training.identity import hash_tiles, hash_training
    from stages.training.initial import seeded_classifier
    from stages.training.loop import fit
    from stages.training.settings import read_training, tuned_keys
    from stages.training.supervised import SUPERVISED, cell_task, training_record
    from stages.training.tuning import tuned_values

    training = read_training(params, name, tuned_values(tuned_keys(params, name), name))
    runtime = params.read(Runtime)
    fabric = start_engine(choose_device(runtime.device), training.precision, runtime.devices, runtime.nodes)
    train_tiles, val_tiles = tiles
    model, description = seeded_classifier(params, name, training, train_tiles, fabric.device, by_cells=True)
    cells = cell_task(model, description.px, train_tiles, val_tiles)

    def lock_checkpoint(held: ExitStack) -> Checkpoint:
        hashes = hash_tiles(params.dataset_name, *train_tiles.tiles.truths)
        training_hash = hash_training(description, training, fabric, hashes, "cells")
        return held.enter_context(locked_checkpoint(name, training_hash, training_lock(name, SUPERVISED)))

    with ExitStack() as held:
        checkpoint = in_first_process(fabric, partial(lock_checkpoint, held))
        family, title = description.architecture.family, f"{name} {SUPERVISED}"
        fitted = fit(model, family, train_tiles, val_tiles, training, fabric, title, checkpoint, cells=cells)
        if not fabric.is_global_zero:
            return ""
        record = training_record(training, fitted, tiles)
        save_classifier(supervised_folder(name), model, description, record)
        checkpoint.remove()
    return (
        f"supervise {name}: best epoch {fitted.best.epoch} of {training.epochs}, by the "
        f"{' and '.join(record['truths'])} of {record['annotated_train_tiles']} defective train tiles"
    )


if __name__ == "__main__":
    run_model_stage(supervise, __doc__)

"""Stage train: fit one model on the train tiles and keep its best epoch on the validation tiles."""

from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial

from stages.records.files import write_csv, write_json
from stages.records.paths import metrics_file, model_folder, plot_file, training_lock
from stages.runtime.command import run_model_stage
from stages.runtime.params import Params, Runtime


def train(params: Params, name: str) -> str:
    """Train the model `name`; write weights, metrics and curves; return the line to print ("" but in one process)."""
    from stages.classification.calibration import calibrate
    from stages.models.trained import save_classifier
    from stages.runtime.device import choose_device
    from stages.training.checkpoint import Checkpoint, locked_checkpoint
    from stages.training.engine import in_first_process, start_engine
    from stages.training.identity import hash_tiles, hash_training
    from stages.training.initial import seeded_classifier, train_and_val_tiles
    from stages.training.loop import fit
    from stages.training.results import CONFUSION, CURVES, confusion_rows, curve_rows, training_metrics
    from stages.training.settings import read_training, tuned_keys
    from stages.training.tuning import tuned_values

    tuned = tuned_keys(params, name)
    training = read_training(params, name, tuned_values(tuned, name))
    runtime = params.read(Runtime)
    fabric = start_engine(choose_device(runtime.device), training.precision, runtime.devices, runtime.nodes)
    train_tiles, val_tiles = train_and_val_tiles(params)
    model, description = seeded_classifier(params, name, training, train_tiles, fabric.device)
    family, origin = description.architecture.family, description.origin

    def lock_checkpoint(held: ExitStack) -> Checkpoint:
        training_hash = hash_training(description, training, fabric, hash_tiles(params.dataset_name))
        return held.enter_context(locked_checkpoint(name, training_hash, training_lock(name)))

    with ExitStack() as held:
        checkpoint = in_first_process(fabric, partial(lock_checkpoint, held))
        fitted = fit(model, family, train_tiles, val_tiles, training, fabric, name, checkpoint)
        if not fabric.is_global_zero:
            return ""
        calibration = calibrate(fitted.val_logits, val_tiles.codes)
        save_classifier(model_folder(name), model, replace(description, **asdict(calibration)))
        write_csv(plot_file("curves", name, ".csv"), CURVES, curve_rows(fitted))
        write_csv(plot_file("confusion", name, ".csv"), CONFUSION, confusion_rows(fitted, val_tiles))
        metrics = training_metrics(model, fitted, calibration, val_tiles)
        metrics |= {"pretrained": origin.pretrained, "batch": training.batch}
        if tuned:
            metrics["tuned"] = ", ".join(tuned)
        write_json(metrics_file("train", name), {name: metrics})
        checkpoint.remove()
    return (
        f"train {name}: best epoch {fitted.best.epoch} of {training.epochs}, validation average precision "
        f"{fitted.best.val_average_precision:.3f}, weights from {origin.source}"
    )


if __name__ == "__main__":
    run_model_stage(train, __doc__)

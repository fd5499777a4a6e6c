"""Sections "Classifiers", "Search" and "Time": tables of what stages train, tune and time say of every model."""

from collections.abc import Mapping, Sequence
from typing import Any

from stages.figures.report.elements import table
from stages.records.files import read_json
from stages.records.paths import metrics_file
from stages.runtime.errors import InputError

Metrics = Mapping[str, Mapping[str, Any]]  # model -> its part of metrics/<stage>/<model>.json
SEARCH_COLUMNS = {  # key in metrics/tune -> its column, as in the thesis' tables 3.2 and 3.3
    "lr": "learning rate",
    "batch": "batch",
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
    "trials": "trials",
    "pruned": "of them pruned",
}


def read_metrics(stage: str, models: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return model -> what a stage measured of it.

    Raises:
        InputError: a file is missing or broken, or says nothing of its model.
    """
    found = {}
    for model in models:
        path = metrics_file(stage, model)
        if (content := read_json(path).get(model)) is None:
            raise InputError(f"{path}: says nothing of {model}; run the {stage} stage again")
        found[model] = content
    return found


def training_table(trained: Metrics) -> str:
    """Return a table of metrics/train."""
    return table("Training", {model: _flat(values) for model, values in trained.items()})


def time_table(timed: Metrics) -> str:
    """Return a table of the medians in metrics/time, and of their ratios to the median of the forward pass alone."""
    rows = {
        model: {key: value for key, value in _flat(values).items() if key.endswith((".median_ms", ".ratio"))}
        for model, values in timed.items()
    }
    return table("Milliseconds of single images", rows)


def searched_models(models: Sequence[str]) -> list[str]:
    """Return the models whose learning rate and batch were searched for."""
    files = {model: metrics_file("tune", model) for model in models}
    return [model for model, file in files.items() if file.is_file() and read_json(file).get(model, {}).get("trials")]


def search_table(models: Sequence[str]) -> str:
    """Return a table of the best trial of each searched model, "" where there is none.

    The accuracy on test tiles is of the trial only where the model was trained with its values, and else left out.
    """
    rows = {}
    for model, best in read_metrics("tune", searched := searched_models(models)).items():
        rows[model] = {title: best.get(key) for key, title in SEARCH_COLUMNS.items()}
        if _trained_as_found(model):
            scores = read_metrics("score", [model])[model]
            rows[model]["test accuracy"] = scores.get("classification", {}).get("accuracy")
    return table("Best trial on validation tiles", rows) if searched else ""


def _trained_as_found(model: str) -> bool:
    return read_metrics("train", [model])[model].get("tuned") == "lr, batch"


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one: {"a": {"b": 1}} -> {"a.b": 1}."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found

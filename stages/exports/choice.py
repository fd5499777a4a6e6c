"""Which models are exported."""

from collections.abc import Mapping, Sequence
from typing import Any

from stages.exports.settings import ALL, BEST, Export

CRITERIA = ("val_average_precision", "val_accuracy")  # of metrics/train; the second where the first is undefined


def chosen_models(export: Export, names: Sequence[str], trained: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the models to export, in the order of params.yaml.

    Args:
        export: the section of params.yaml, its names known.
        names: every model of params.yaml.
        trained: name -> what metrics/train says of it; read for `best` alone.
    """
    if export.models == ALL:
        return tuple(names)
    if export.models == BEST:
        return (best_classifier({name: trained[name] for name in names}),)
    return tuple(name for name in names if name in export.models)


def best_classifier(trained: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the model with the highest average precision on validation tiles, of equal ones the first.

    Where one of them has none (no defective tile, or nothing but those) the accuracy there decides between all.

    >>> best_classifier({"a": {"val_average_precision": 0.8}, "b": {"val_average_precision": 0.9}})
    'b'
    """
    for criterion in CRITERIA:
        values = {name: metrics.get(criterion) for name, metrics in trained.items()}
        known = {name: value for name, value in values.items() if value is not None}
        if len(known) == len(values):
            return max(known, key=lambda name: known[name])
    return next(iter(trained))

"""Which models are exported."""

from collections.abc import Mapping, Sequence
from typing import Any

from stages.exports.settings import ALL, BEST, Export
from stages.runtime.errors import InputError

CRITERIA = ("val_average_precision", "val_accuracy")  # of metrics/train; the second where the first is undefined


def chosen_models(
    export: Export,
    names: Sequence[str],
    trained: Mapping[str, Mapping[str, Any]],
    why_not: Mapping[str, str | None],
) -> tuple[str, ...]:
    """Return the models to export, in the order of params.yaml.

    Args:
        export: the section of params.yaml, its names known.
        names: every model of params.yaml.
        trained: name -> what metrics/train says of it; read for `best` alone.
        why_not: name -> why it cannot be exported, in one line, or None. `best` looks among those that can, and is
            nothing where there are none.

    Raises:
        InputError: a model that is asked for by name, or by `all`, cannot be exported.
    """
    if export.models == BEST:
        able = {name: trained[name] for name in names if why_not[name] is None}
        return (best_classifier(able),) if able else ()
    chosen = tuple(name for name in names if export.models == ALL or name in export.models)
    for name in chosen:
        if reason := why_not[name]:
            raise InputError(reason)
    return chosen


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

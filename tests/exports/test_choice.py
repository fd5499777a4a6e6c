"""Which models are exported."""

from typing import Any

import pytest

from stages.exports.choice import best_classifier, chosen_models
from stages.exports.settings import Export, refuse_unknown_models
from stages.runtime.errors import InputError
from stages.runtime.params import Params

TRAINED: dict[str, dict[str, Any]] = {
    "a": {"val_average_precision": 0.9, "val_accuracy": 0.7},
    "b": {"val_average_precision": 0.95, "val_accuracy": 0.6},
    "c": {"val_average_precision": 0.95, "val_accuracy": 0.99},
}


@pytest.mark.parametrize(
    ("models", "expected"), [("best", ("b",)), ("all", ("a", "b", "c")), (["c", "a"], ("a", "c")), (["b"], ("b",))]
)
def test_models_are_chosen(models: Any, expected: tuple[str, ...]) -> None:
    assert chosen_models(Export(models), ["a", "b", "c"], TRAINED, dict.fromkeys("abc")) == expected


def test_best_is_one_that_a_graph_can_hold_and_others_are_refused_by_name() -> None:
    why_not = {"a": None, "b": "b cannot", "c": None}
    assert chosen_models(Export("best"), ["a", "b", "c"], TRAINED, why_not) == ("c",)
    assert chosen_models(Export("best"), ["b"], TRAINED, why_not) == ()
    with pytest.raises(InputError, match=r"^b cannot$"):
        chosen_models(Export("all"), ["a", "b", "c"], TRAINED, why_not)


def test_where_average_precision_is_undefined_for_one_accuracy_decides_between_all() -> None:
    assert best_classifier(TRAINED | {"d": {"val_average_precision": None, "val_accuracy": 0.8}}) == "c"
    assert best_classifier({"a": {}, "b": {}}) == "a"


@pytest.mark.parametrize("models", ["worst", [], 3, None, ["a", 1], {"a": 1}])
def test_what_is_no_choice_is_refused(models: Any) -> None:
    with pytest.raises(InputError, match=r"export\.models is .*; use best, all, or a list"):
        Params({"export": {"models": models}}).read(Export)


def test_an_unknown_model_or_precision_is_refused() -> None:
    with pytest.raises(InputError, match=r"export\.models has 'z', which `models` has not: a, b"):
        refuse_unknown_models(Export(["a", "z"]), ["a", "b"])
    with pytest.raises(InputError, match=r"export\.precision is 'int4'; use one of float32, float16, int8"):
        Params({"export": {"precision": "int4"}}).read(Export)

"""How a model is trained: `model`, `family` and `models.<name>` of params.yaml, merged into one recipe.

The family's value counts, over it the model's own, over both that of `model` where it is not null: so
`-S model.lr=2e-4` sets every model, and null leaves every model its own value. `lr` and `batch` may be `tuned` instead
of a number: what stage tune found.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal, get_args

from stages.models.settings import MODEL_KEYS, Head, Model, Weights
from stages.runtime.convert import above, at_least, between, build, convert, expect_mapping, hints_of, reject_unknown
from stages.runtime.errors import InputError
from stages.runtime.params import Family, Params

TUNED = "tuned"  # stands for a value: the best that stage tune found
TUNABLE = ("lr", "batch")
BETWEEN_SEEDS = {"seed", "of"}  # what a model and its repeats may differ in
Values = dict[str, Any]


@dataclass(frozen=True)
class Training:
    """What training one model needs; in `model` and `models.<name>` every value may be null (not given)."""

    lr: Annotated[float, above(0)]
    weight_decay: Annotated[float, at_least(0)]
    batch: Annotated[int, at_least(1)]
    accumulate: Annotated[int, at_least(1)]
    precision: Literal[32, "bf16"]
    epochs: Annotated[int, at_least(1)]
    early_stop_patience: Annotated[int, at_least(1)] | None
    good_per_defective: Annotated[float, above(0)] | None
    loss_weight: Literal["none", "balanced"]
    frozen_stages: Annotated[int, at_least(0)]
    ema_decay: Annotated[float, between(0, 1)]
    warmup_epochs: Annotated[int, at_least(0)]
    plateau_factor: Annotated[float, above(0), between(0, 1)]
    plateau_patience: Annotated[int, at_least(0)]
    weights: Weights
    seed: Annotated[int, between(0, 2**63)]


def read_model(params: Params, name: str) -> Model:
    """Return what `models.<name>` says of the model itself.

    Raises:
        InputError: a value has the wrong type or is out of its range, or the family is missing.
    """
    entry = params.models[name]
    own = {key: value for key, value in entry.items() if key in MODEL_KEYS}
    everywhere = expect_mapping(params.get("head"), "head")
    build(Head, everywhere, "head")  # what is wrong in the section is named as such
    here = expect_mapping(own.pop("head", {}), f"models.{name}.head")
    own["head"] = _head(params.families[name], everywhere, here, f"models.{name}.head")
    model: Model = build(Model, own, f"models.{name}")
    return model


def _head(family: Family, everywhere: Values, here: Values, where: str) -> Head:
    """Return the head of one model, without what the section `head` (everywhere) says for those of another kind.

    Raises:
        InputError: the model's own entry (here) asks for what it cannot have.
    """
    alone, both = build(Head, here, where), build(Head, {**everywhere, **here}, where)
    if family == "cnn":
        if alone.reads != Head.reads:
            raise InputError(f"params.yaml: {where}.reads is {alone.reads}; a CNN has no tokens; leave it out")
        return replace(both, reads=Head.reads)
    if both.reads == "patch_tokens":
        return both
    if replace(alone, reads=Head.reads) != Head():
        raise InputError(
            f"params.yaml: {where}: a ViT reads its class token and has no map to pool; add reads: patch_tokens"
        )
    return Head()


def read_training(params: Params, name: str, tuned: Mapping[str, Any] | None = None) -> Training:
    """Return the recipe of a model.

    Args:
        params: what params.yaml says.
        name: a key of `models`.
        tuned: the values of those that `tuned_keys` names.

    Raises:
        InputError: a value is missing in all three places, of the wrong type or out of its range; or the model repeats
            another one (`of`) and differs from it in more than its seed.
    """
    _refuse_other_recipe(params, name)
    where = f"models.{name} (with family.{params.families[name]} and model)"
    training: Training = build(Training, _merged(params, name) | dict(tuned or {}), where)
    return training


def tuned_keys(params: Params, name: str) -> list[str]:
    """Return which values of a model's recipe are to be those that stage tune found."""
    values = _merged(params, name)
    return [key for key in TUNABLE if values.get(key) == TUNED]


def _merged(params: Params, name: str) -> Values:
    families = expect_mapping(params.get("family"), "family")
    reject_unknown(families, get_args(Family), "family")
    family = params.families[name]
    if family not in families:
        raise InputError(f"params.yaml: family.{family} is missing")
    entry = {key: value for key, value in params.models[name].items() if key not in MODEL_KEYS}
    return (
        _given(families[family], f"family.{family}")
        | _given(entry, f"models.{name}")
        | _given(params.get("model"), "model")
    )


def _given(values: Any, where: str) -> Values:
    """Check values of which any may be absent or null, and return those that are neither."""
    hints = hints_of(Training)
    reject_unknown(expect_mapping(values, where), hints, where)
    return {
        key: value if key in TUNABLE and value == TUNED else convert(value, hints[key], f"{where}.{key}")
        for key, value in values.items()
        if value is not None
    }


def _refuse_other_recipe(params: Params, name: str) -> None:
    """Refuse a repeat that is its model with more than the seed changed: they are averaged under one name."""
    first = next(first for first, names in params.seeds.items() if name in names)
    values = {model: asdict(read_model(params, model)) | _merged(params, model) for model in params.seeds[first]}
    for other in values:
        if other != name and values[other]["seed"] == values[name]["seed"]:
            repeat, of = (other, name) if name == first else (name, other)
            raise InputError(
                f"params.yaml: models.{repeat} has seed {values[name]['seed']}, as {of} has; repeats need seeds of "
                "their own (and model.seed null)"
            )
    for key in sorted({*values[name], *values[first]} - BETWEEN_SEEDS):
        value, expected = values[name].get(key), values[first].get(key)
        if value != expected:
            raise InputError(
                f"params.yaml: models.{name}: {key} is {value!r}, but {expected!r} for {first}, which it repeats (of); "
                "only the seed may differ"
            )

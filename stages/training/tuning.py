"""The search for hyper-parameters: what params.yaml says of it, and how training takes what it found."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from stages.records.files import read_json
from stages.records.paths import metrics_file, tuned_file
from stages.runtime.convert import DISTINCT, above, at_least, between
from stages.runtime.errors import InputError
from stages.training.settings import TUNED

DATABASE = r"postgresql(\+psycopg)?://[^\s/]*/[^\s/?]+(\?\S*)?"

Bounds = Annotated[tuple[Annotated[float, above(0)], ...], DISTINCT]


@dataclass(frozen=True)
class RateBounds:
    """The learning rates of each family, [lowest, highest], drawn log-uniformly."""

    cnn: Bounds
    vit: Bounds

    def __post_init__(self) -> None:
        for family in ("cnn", "vit"):
            bounds = getattr(self, family)
            if len(bounds) != 2 or bounds[0] > bounds[1]:
                raise InputError(f"params.yaml: tune.lr.{family} is {list(bounds)}; expected [lowest, highest]")


@dataclass(frozen=True)
class Tune:
    """How learning rate and batch are searched for; trials 0: not at all."""

    trials: Annotated[int, at_least(0)]
    random_trials: Annotated[int, at_least(1)]
    lr: RateBounds
    batch: Annotated[tuple[Annotated[int, at_least(1)], ...], DISTINCT]
    objective: Literal["val_accuracy", "val_average_precision"]
    epochs: Annotated[int, at_least(1)] | None
    prune: bool
    seed: Annotated[int, between(0, 2**63)]
    storage: str | None

    def __post_init__(self) -> None:
        if self.storage is not None and not re.fullmatch(DATABASE, self.storage):
            raise InputError(  # without the value: it may hold a password
                "params.yaml: tune.storage is not the address of a PostgreSQL database; expected "
                "postgresql+psycopg://user@host/database, or null for a file of this machine"
            )


def found_values(keys: list[str], name: str) -> dict[str, Any]:
    """Return what stage tune found for the model `name`, of the given keys alone (none: nothing is read).

    Raises:
        InputError: there is no result, or no trial was asked for.
    """
    if not keys:
        return {}
    path = metrics_file("tune", name)
    found = read_json(path).get(name, {})
    if any(key not in found for key in keys):
        raise InputError(
            f"params.yaml: {keys[0]} of {name} is {TUNED!r}, but {path} has no trial; set tune.trials to how many "
            "there shall be (the thesis: 10)"
        )
    return {key: found[key] for key in keys}


def tuned_values(keys: list[str], name: str) -> dict[str, Any]:
    """Return what stage adopt took over for the model `name`: a value for each of the keys (none: nothing is read).

    Raises:
        InputError: it is missing, or of other keys.
    """
    if not keys:
        return {}
    path = tuned_file(name)
    values = read_json(path)
    if set(values) != set(keys):
        raise InputError(
            f"{path}: has {', '.join(values) or 'no value'}, but {', '.join(keys)} of {name} "
            f"{'is' if len(keys) == 1 else 'are'} {TUNED!r} in params.yaml; run the adopt stage (`dvc repro`)"
        )
    return values

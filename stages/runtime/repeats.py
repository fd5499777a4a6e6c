"""One model under several seeds: entries of `models` that say `of` which other one they repeat."""

from collections.abc import Mapping
from typing import Any, Protocol

from stages.runtime.errors import InputError

MAY_DIFFER = {"seed", "of", "training"}  # the last is merged into the values


class Entry(Protocol):
    """What is asked of an entry of `models`."""

    @property
    def family(self) -> str:
        """cnn | vit."""

    @property
    def of(self) -> str | None:
        """The model that this one repeats under another seed; None: it is a model of its own."""


def seeds_of(models: Mapping[str, Entry]) -> dict[str, list[str]]:
    """Return model -> itself and its repeats under other seeds, for every model that repeats no other."""
    firsts = [name for name, model in models.items() if model.of is None]
    return {first: [first, *(name for name, model in models.items() if model.of == first)] for first in firsts}


def check_repeats(models: Mapping[str, Entry], values: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that every repeat is its model under another seed and nothing else: they are averaged under one name.

    Args:
        models: entries of `models`.
        values: of each model everything that decides what is trained, `seed` among it, and what `MAY_DIFFER`.

    Raises:
        InputError: one is not.
    """
    firsts = seeds_of(models)
    for name, model in models.items():
        if model.of is not None and model.of not in firsts:
            known = ", ".join(firsts)
            raise InputError(
                f"params.yaml: models.{name}.of is {model.of!r}; expected a model that repeats no other: {known}"
            )
        if model.of is not None and models[model.of].family != model.family:
            raise InputError(f"params.yaml: models.{name}.of is {model.of!r}, which is of another family")
    for first, names in firsts.items():
        of_seed: dict[Any, str] = {}
        for name in names:
            seed = values[name]["seed"]
            if seed in of_seed:
                raise InputError(
                    f"params.yaml: models.{name} has seed {seed}, as {of_seed[seed]} has; repeats need seeds of "
                    "their own (and model.seed null)"
                )
            of_seed[seed] = name
            for key in sorted({*values[name], *values[first]} - MAY_DIFFER):
                own, expected = (values[model].get(key) for model in (name, first))
                if own != expected:
                    raise InputError(
                        f"params.yaml: models.{name}: {key} is {own!r}, but {expected!r} for {first}, which it repeats "
                        "(of); only the seed may differ"
                    )

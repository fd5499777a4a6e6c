"""One model under several seeds: entries of `models` that say `of` which other one they repeat."""

from collections.abc import Mapping
from typing import Protocol

from stages.runtime.errors import InputError


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


def check_repeats(models: Mapping[str, Entry]) -> None:
    """Check that every repeat is of a model of its own and of its family.

    Raises:
        InputError: one is not.
    """
    firsts = seeds_of(models)
    for name, model in models.items():
        if model.of is None:
            continue
        if model.of not in firsts:
            known = ", ".join(firsts)
            raise InputError(
                f"params.yaml: models.{name}.of is {model.of!r}; expected a model that repeats no other: {known}"
            )
        if models[model.of].family != model.family:
            raise InputError(f"params.yaml: models.{name}.of is {model.of!r}, which is of another family")

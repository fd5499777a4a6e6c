"""Whether the supervised reference is wanted at all, which stage supervise alone asks."""

from typing import Annotated

from stages.runtime.convert import EMPTY_TOO
from stages.runtime.params import Params

SUPERVISED = "supervised"  # in explain.references


def wants_supervised(params: Params) -> bool:
    """Return whether `explain.references` has the network that is taught where defects are."""
    wanted: tuple[str, ...] = params.value("explain.references", Annotated[tuple[str, ...], EMPTY_TOO])
    return SUPERVISED in wanted

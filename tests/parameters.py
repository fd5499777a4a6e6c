"""Params for tests: those of the repository with some sections or values changed."""

from dataclasses import asdict, is_dataclass
from typing import Any

from stages.runtime.params import Params


def but(params: Params, **sections: Any) -> Params:
    """Return params with other sections: dataclasses, or values as YAML gives them."""
    return Params({**params.content, **{name: _plain(value) for name, value in sections.items()}})


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value

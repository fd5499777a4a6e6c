"""Mappings as read from YAML -> dataclasses, with every key, type and range checked and named when wrong.

A field's annotation says its type, and its range where types cannot: `Annotated[int, at_least(1)]`.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from stages.runtime.errors import InputError


@dataclass(frozen=True)
class Range:
    """What values are allowed: a test, and the words that a message says it with."""

    words: str
    allows: Callable[[Any], bool]


def at_least(low: float) -> Range:
    """Allow numbers of `low` or more."""
    return Range(f"{low} or more", lambda value: value >= low)


def above(low: float) -> Range:
    """Allow numbers greater than `low`."""
    return Range(f"more than {low}", lambda value: value > low)


def between(low: float, high: float) -> Range:
    """Allow numbers of `low` or more and less than `high`."""
    return Range(f"{low} or more and less than {high}", lambda value: low <= value < high)


FRACTION = Range("a fraction from 0 to 1", lambda value: 0 <= value <= 1)
EMPTY_TOO = Range("a list, or []", lambda values: True)  # of a list, which else has at least one value
DISTINCT = Range("no value twice", lambda values: len(set(values)) == len(values))


def build(kind: Any, values: Any, where: str) -> Any:
    """Build the dataclass `kind` from a mapping.

    Args:
        kind: the dataclass; fields without a default must be given, unless they may be None.
        values: what YAML gave.
        where: the dotted name of this mapping in params.yaml, "" for the whole file.

    Raises:
        InputError: a key is unknown or missing, or a value has the wrong type or is out of its range.
    """
    values = expect_mapping(values, where)
    hints = hints_of(kind)
    reject_unknown(values, hints, where)
    built = {}
    for field in dataclasses.fields(kind):
        place = f"{where}.{field.name}" if where else field.name
        if field.name in values:
            built[field.name] = convert(values[field.name], hints[field.name], place)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            if type(None) not in typing.get_args(hints[field.name]):
                raise InputError(f"params.yaml: {place} is missing")
            built[field.name] = None
    return kind(**built)


def build_record(kind: Any, values: Any, file: Path, again: str) -> Any:
    """Build the dataclass `kind` from what `dataclasses.asdict` made of one: every field is there and no other.

    Args:
        kind: the dataclass; those inside it are read in the same way.
        values: what JSON gave.
        file: where it came from.
        again: what to do about a wrong file.

    Raises:
        InputError: a field is missing, unknown or of another type.
    """
    try:
        _expect_every_field(kind, values, "")
        return build(kind, values, "")
    except InputError as error:
        raise InputError(f"{file}: {str(error).removeprefix('params.yaml: ')}; {again}") from None


def _expect_every_field(kind: Any, values: Any, where: str) -> None:
    for name, hint in hints_of(kind).items():
        place = f"{where}.{name}" if where else name
        if name not in expect_mapping(values, where):
            raise InputError(f"{place} is missing")
        if dataclasses.is_dataclass(hint):
            _expect_every_field(hint, values[name], place)


def hints_of(kind: Any) -> dict[str, Any]:
    """Return the annotations of a dataclass, ranges included."""
    return typing.get_type_hints(kind, include_extras=True)


def expect_mapping(values: Any, where: str) -> dict[Any, Any]:
    """Return `values` if it is a mapping, else raise an `InputError`."""
    if not isinstance(values, dict):
        raise InputError(f"params.yaml: {where or 'the file'} is {values!r}; expected a mapping of names to values")
    return values


def reject_unknown(values: Iterable[Any], known: Collection[str], where: str) -> None:
    """Raise an `InputError` that names the first key that is not known, and those that are."""
    for key in values:
        if key not in known:
            place = f"{where}.{key}" if where else str(key)
            raise InputError(f"params.yaml: {place} is not known; known here: {', '.join(known)}")


def convert(value: Any, hint: Any, where: str) -> Any:
    """Return `value` as the annotated type, or raise an `InputError` naming the parameter.

    Numeric text becomes a float where a float is expected: PyYAML reads `2e-05`, which `-S model.lr=2e-5` writes, as
    text, although DVC (YAML 1.2) means a number.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated and EMPTY_TOO in arguments and isinstance(value, list | tuple) and not value:
        return ()
    if origin is Annotated:
        converted = convert(value, arguments[0], where)
        for allowed in arguments[1:]:
            if not allowed.allows(converted):
                raise InputError(f"params.yaml: {where} is {value!r}; expected {allowed.words}")
        return converted
    if origin in (types.UnionType, typing.Union):  # the only unions here are with None
        if value is None:
            return None
        return convert(value, next(argument for argument in arguments if argument is not type(None)), where)
    if origin is Literal:
        if value not in arguments or isinstance(value, bool):
            raise InputError(f"params.yaml: {where} is {value!r}; use one of {', '.join(map(str, arguments))}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple) or not value:
            raise InputError(f"params.yaml: {where} is {value!r}; expected a list of at least one value")
        return tuple(convert(item, arguments[0], f"{where}[{index}]") for index, item in enumerate(value))
    if origin is dict or hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        return value if type(value) is hint else build(hint, value, where)
    return _convert_scalar(value, hint, where)


def _convert_scalar(value: Any, hint: type, where: str) -> Any:
    words = {float: "a number", int: "a whole number", str: "text", bool: "true or false"}
    if hint is bool and isinstance(value, bool):
        return value
    if not isinstance(value, bool):
        if hint is not float and isinstance(value, hint):
            return value
        if hint is float and isinstance(value, int | float | str):
            try:
                number = float(value)
            except (ValueError, OverflowError):
                number = math.nan
            if math.isfinite(number):
                return number
    raise InputError(f"params.yaml: {where} is {value!r}; expected {words[hint]}")

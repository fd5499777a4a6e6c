"""Tables between stages: parquet files whose columns are described once and checked when they are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from stages.records.files import new_file
from stages.runtime.errors import InputError


@dataclass(frozen=True)
class Column:
    """A column of a table on disk."""

    kind: Literal["text", "int32"]
    meaning: str


def write_table(path: Path, table: pd.DataFrame, columns: Mapping[str, Column]) -> pd.DataFrame:
    """Write a table as it is described and return it so.

    Args:
        path: the parquet file to make.
        table: has all of the columns, in any order.
        columns: name -> column, in the order in which they are written.

    Raises:
        InputError: the disk is full, or the folder cannot be written.
    """
    integers = {name: column.kind for name, column in columns.items() if column.kind != "text"}
    table = table[list(columns)].astype(integers)
    with new_file(path) as temporary:
        table.to_parquet(temporary, index=False)
    return table


def read_table(
    path: Path,
    stage: str,
    only: list[tuple[str, str, str]] | None = None,
    columns: Mapping[str, Column] | None = None,
) -> pd.DataFrame:
    """Read a parquet table.

    Args:
        path: the file.
        stage: the stage that makes it, for messages.
        only: conditions (column, "==", value) on the lines that are read; None for all.
        columns: name -> column that the table must have; None: not checked.

    Raises:
        InputError: the file is missing or broken, or one of the columns is missing or of another type.
    """
    again = f"run the {stage} stage again"
    try:
        table = pd.read_parquet(path, filters=only)
    except FileNotFoundError:
        raise InputError(f"{path}: missing; run the {stage} stage (`dvc repro`)") from None
    except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors
        raise InputError(f"{path}: not readable ({' '.join(str(error).split())}); {again}") from None
    for name, column in (columns or {}).items():
        if name not in table:
            raise InputError(f"{path}: column {name} is missing; {again}")
        found = "text" if pd.api.types.is_string_dtype(table[name]) else str(table[name].dtype)
        if found != column.kind:
            raise InputError(f"{path}: column {name} is {found}, expected {column.kind}; {again}")
    return table

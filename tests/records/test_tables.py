"""Tables: written in the order and types that are described, refused when read with others."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from stages.records.tables import Column, read_table, write_table
from stages.runtime.errors import InputError

COLUMNS = {"name": Column("text", "what it is called"), "count": Column("int32", "how many there are")}


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame({"count": [3, 1], "more": [0.5, 1.5], "name": ["a", "b"]}, index=[7, 9])


def test_columns_are_those_described_in_their_order(tmp_path: Path, table: pd.DataFrame) -> None:
    written = write_table(tmp_path / "a.parquet", table, COLUMNS)
    assert list(written) == ["name", "count"] and written["count"].dtype == np.int32
    assert pq.read_schema(tmp_path / "a.parquet").names == ["name", "count"]
    read = read_table(tmp_path / "a.parquet", "tile", columns=COLUMNS)
    pd.testing.assert_frame_equal(read, written.reset_index(drop=True))
    assert read_table(tmp_path / "a.parquet", "tile", [("name", "==", "b")])["count"].tolist() == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


def test_another_table_is_refused(tmp_path: Path, table: pd.DataFrame) -> None:
    path = tmp_path / "a.parquet"
    for changed, message in (
        (table.drop(columns="count"), "column count is missing"),
        (table, "column count is int64, expected int32"),
        (table.astype({"count": "int32"}).assign(name=1.5), "column name is float64, expected text"),
        (table.assign(count="3"), "column count is text, expected int32"),
    ):
        changed.to_parquet(path)
        with pytest.raises(InputError, match=rf"a\.parquet: {message}; run the tile stage again"):
            read_table(path, "tile", columns=COLUMNS)
        read_table(path, "tile")


def test_missing_and_broken_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.parquet: missing; run the tile stage \(`dvc repro`\)"):
        read_table(tmp_path / "a.parquet", "tile")
    (tmp_path / "a.parquet").write_bytes(b"cut")
    with pytest.raises(InputError, match=r"a\.parquet: not readable \(.*\); run the tile stage again"):
        read_table(tmp_path / "a.parquet", "tile")

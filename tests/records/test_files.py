"""Records on disk: all or nothing, the same bytes for the same content."""

import errno
import json
import math
from pathlib import Path

import numpy as np
import pytest

from stages.records.files import new_file, read_json, rounded, write_csv, write_json
from stages.records.folders import new_folder
from stages.runtime.errors import InputError


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_appears_only_when_complete(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "table.csv"
    with new_file(path) as temporary:
        assert temporary.suffix == ".csv"  # writers that choose a format by the suffix
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert entries(path.parent) == ["table.csv"]


def test_an_error_leaves_the_earlier_file_and_no_temporary(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), new_file(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert entries(tmp_path) == ["table.csv"]


@pytest.mark.parametrize("new", [new_file, new_folder])
def test_a_full_disk_is_one_clear_line(tmp_path: Path, new) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "tiles"
    with pytest.raises(InputError, match=r"tiles: cannot be written \(.*No space left on device\)"), new(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert entries(tmp_path) == []


@pytest.mark.parametrize("new", [new_file, new_folder])
def test_a_file_in_the_place_of_the_folder_above_is_one_clear_line(tmp_path: Path, new) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "data").touch()
    with pytest.raises(InputError, match="tiles: cannot be written"), new(tmp_path / "data" / "tiles"):
        pass


def test_other_errors_of_the_work_keep_their_name(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError), new_folder(tmp_path / "raw"):
        raise TimeoutError("the server does not answer")


def test_json_is_sorted_rounded_and_ends_with_a_newline(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"b": {"f1": 1 / 3, "tiles": 12}, "a": [True, None, "x", -0.0]})
    assert path.read_text().split("\n") == [
        "{",
        '  "a": [',
        "    true,",
        "    null,",
        '    "x",',
        "    0.0",
        "  ],",
        '  "b": {',
        '    "f1": 0.33333,',
        '    "tiles": 12',
        "  }",
        "}",
        "",
    ]


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        (0.567264, 0.56726),  # of 0.1 and more: five decimals
        (12.3456789, 12.34568),
        (123456789.123456, 123456789.12346),
        (0.0567264, 0.056726),  # of less: five digits
        (0.05, 0.05),
        (0.0999999999, 0.1),
        (3e-6, 3e-6),
        (-1.23456789e-9, -1.2346e-9),
        (5e-324, 5e-324),
        (0.1, 0.1),
        (1e22, 1e22),
        (0.0, 0.0),
    ],
)
def test_five_decimals_or_five_digits_whichever_is_more(tmp_path: Path, number: float, kept: float) -> None:
    assert rounded(number) == kept == rounded(kept)
    assert abs(rounded(number) - number) <= 5e-6  # never coarser than five decimals
    write_json(tmp_path / "a.json", {"value": np.float64(number)})
    assert read_json(tmp_path / "a.json") == {"value": kept}
    write_csv(tmp_path / "a.csv", ["value", "other"], [[number, np.float32(0.5)]])
    header, row = (tmp_path / "a.csv").read_text().splitlines()
    assert header == "value,other" and row == f"{kept!r},0.5"


def test_a_table_has_no_more_digits_of_float32_than_of_float64_and_counts_are_whole(tmp_path: Path) -> None:
    rows = [
        [np.float32(1 / 3), np.int64(10**15 + 1), 10**15 + 1, True],
        [math.nan, math.inf, None, "a"],
        [-0.0, 0, 1, 2],
    ]
    write_csv(tmp_path / "a.csv", "abcd", rows)
    assert (
        tmp_path / "a.csv"
    ).read_text() == "a,b,c,d\n0.33333,1000000000000001,1000000000000001,True\n,,,a\n0.0,0,1,2\n"


def test_numbers_keep_every_digit_where_asked(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"lr": 1.2345678901234567e-5, "loss": float("nan")}, exact=True)
    assert read_json(tmp_path / "a.json") == {"lr": 1.2345678901234567e-5, "loss": None}


def test_the_same_content_in_another_order_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    write_json(one, {"a": 1.0, "b": 2})
    write_json(two, {"b": 2, "a": 1.0})
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_an_undefined_number_becomes_null(tmp_path: Path, value: float) -> None:
    write_json(tmp_path / "metrics.json", {"model": {"f1": value}})
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"model": {"f1": None}}


def test_numpy_scalars_keep_their_kind(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"tiles": np.int64(3), "good": np.bool_(True), "f1": np.float32(0.5)})
    assert path.read_text() == '{\n  "f1": 0.5,\n  "good": true,\n  "tiles": 3\n}\n'


def test_what_cannot_be_written_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert read_json(path) == {"a": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not readable as JSON"), ("[1]", "expected a JSON object, found list"), (None, "missing; run the stage")],
)
def test_a_record_that_cannot_be_read_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "model.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=rf"model\.json: {message}"):
        read_json(path)

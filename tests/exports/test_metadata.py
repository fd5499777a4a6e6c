"""Metadata: what is written is what is read; anything else is one line."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from stages.exports.metadata import (
    Cut,
    Heatmap,
    Metadata,
    Reference,
    Statistics,
    Thresholds,
    metadata_text,
    parse_metadata,
)
from stages.runtime.errors import InputError

STATISTICS = Statistics(0.5, 0.1, {"0.5": 0.5})
METADATA = Metadata(
    format_version=1, model="net", family="cnn", architecture="test_efficientnet", task="binary",
    classes=("good", "defective"), dataset="boards", tile=Cut(112, 2, "window", "drop"),
    heatmap=Heatmap("cam", "cam", "cam", 0.0, None, 4, 4, 32.0, 0.0),
    thresholds=Thresholds(0.4, "validation", 101.0, "validation"), temperature=0.9, precision="float32",
    reference=Reference("val", 3, *[STATISTICS] * 5, (0.1, 0.2), (0.3, 0.4)),
    versions={"torch": "2"}, weights_sha256="0" * 64,
)  # fmt: skip
FILE = Path("a.onnx")


def test_what_is_written_is_read() -> None:
    text = metadata_text(METADATA)
    assert parse_metadata(text, FILE) == METADATA
    assert list(json.loads(text)) == sorted(json.loads(text))


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", "3"])
def test_no_metadata_is_one_line(text: str | None) -> None:
    with pytest.raises(InputError, match=r"a\.onnx: has no metadata of stage export"):
        parse_metadata(text, FILE)


def test_a_newer_version_is_refused_before_its_keys_are_looked_at() -> None:
    with pytest.raises(InputError, match=r"format version 2, this version reads up to 1; update"):
        parse_metadata('{"format_version": 2, "new": true}', FILE)


def test_a_key_too_few_or_too_many_is_named() -> None:
    content = json.loads(metadata_text(METADATA))
    with pytest.raises(InputError, match=r"a\.onnx: strange is not known"):
        parse_metadata(json.dumps(content | {"strange": 1}), FILE)
    del content["tile"]["px"]
    with pytest.raises(InputError, match=r"a\.onnx: tile\.px is missing"):
        parse_metadata(json.dumps(content), FILE)


def test_undefined_numbers_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        metadata_text(replace(METADATA, temperature=float("nan")))

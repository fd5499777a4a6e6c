"""The seal of an exported file: what protobuf reads of it, and that no byte can be lost or changed unnoticed."""

import hashlib
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from stages.exports.seal import METADATA_KEY, SEAL_KEY, check_seal, metadata_entry, sealed
from stages.runtime.errors import InputError

JSON = '{"model": "größe", "long": "' + "x" * 300 + '"}'  # longer than one byte of length can say


def small_graph() -> bytes:
    value = helper.make_tensor_value_info("a", TensorProto.FLOAT, [1])
    result = helper.make_tensor_value_info("b", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Relu", ["a"], ["b"])], "small", [value], [result])
    return helper.make_model(graph).SerializeToString()


def test_protobuf_reads_the_metadata_and_the_graph_as_they_were() -> None:
    model = onnx.ModelProto.FromString(sealed(small_graph(), JSON))
    entries = {entry.key: entry.value for entry in model.metadata_props}
    assert list(entries) == [METADATA_KEY, SEAL_KEY] and entries[METADATA_KEY] == JSON
    del model.metadata_props[:]
    assert model.SerializeToString() == small_graph()
    onnx.checker.check_model(model)


def test_an_entry_is_what_protobuf_writes() -> None:
    model = onnx.ModelProto()
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, JSON
    assert metadata_entry(METADATA_KEY, JSON) == model.SerializeToString()


def test_the_last_87_bytes_are_the_hash_of_all_before(tmp_path: Path) -> None:
    content = sealed(small_graph(), JSON)
    prefix = b"\x72\x55\x0a\x11defectlens_sha256\x12\x40"
    assert content[-87:] == prefix + hashlib.sha256(content[:-87]).hexdigest().encode()
    file = tmp_path / "a.onnx"
    file.write_bytes(content)
    check_seal(file)


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    content, file = sealed(small_graph(), JSON), tmp_path / "a.onnx"
    for place in range(len(content)):
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(InputError, match=r"a\.onnx: (was changed|no file of stage export)"):
            check_seal(file)


@pytest.mark.parametrize("lost", [1, 50, 87, 88, 300])
def test_a_cut_file_is_noticed(tmp_path: Path, lost: int) -> None:
    (tmp_path / "a.onnx").write_bytes(sealed(small_graph(), JSON)[:-lost])
    with pytest.raises(InputError, match="no file of stage export, or its end is missing"):
        check_seal(tmp_path / "a.onnx")


@pytest.mark.parametrize("content", [b"", b"short", small_graph(), b"\x00" * 1000])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(InputError, match="no file of stage export"):
        check_seal(tmp_path / "a.onnx")


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"b\.onnx: cannot be read"):
        check_seal(tmp_path / "b.onnx")

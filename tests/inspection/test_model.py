"""A model file that cannot be trusted is refused before anything is made."""

import PIL.Image
import pytest

from stages.exports.seal import sealed
from stages.runtime.errors import InputError
from tests.inspection.command import run
from tests.inspection.line_models import metadata, plate, write_model

pytest.importorskip("onnxruntime")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    PIL.Image.fromarray(plate(50, 70)).save(tmp_path / "in" / "a.png")
    return tmp_path / "in"


@pytest.mark.parametrize("damage", ["text", "empty", "cut", "changed", "threshold", "newer", "key", "none"])
def test_a_model_that_cannot_be_trusted(folder, tmp_path, damage):
    path = write_model(tmp_path / "m.onnx")
    content = path.read_bytes()
    words = {
        "text": "no file of stage export",
        "empty": "no file of stage export",
        "cut": "no file of stage export, or its end is missing",
        "changed": "was changed after it was exported",
        "threshold": "was changed after it was exported",
        "newer": "has format version 2, this version reads up to 1; update",
        "key": "heatmap.*export it again",
        "none": "cannot be read",
    }
    if damage == "text":
        path.write_text("no model")
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut":
        path.write_bytes(content[:-20])
    elif damage == "changed":
        path.write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])
    elif damage == "threshold":
        path.write_bytes(content.replace(b'"decision": 0.5', b'"decision": 0.9'))
    elif damage == "newer":
        write_model(path, format_version=2)
    elif damage == "key":
        write_model(path, heatmap={key: value for key, value in metadata()["heatmap"].items() if key != "rows"})
    else:
        path.unlink()
    with pytest.raises(InputError, match=words[damage]):
        run(folder, "--model", path, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_whose_graph_is_no_graph(folder, tmp_path):
    (tmp_path / "m.onnx").write_bytes(sealed(b"\x08\x07nonsense", "{}"))
    with pytest.raises(InputError, match=r"m\.onnx: onnxruntime cannot open it"):
        run(folder, "--model", tmp_path / "m.onnx", "--out", tmp_path / "out")

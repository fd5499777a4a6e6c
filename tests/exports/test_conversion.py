"""Smaller numbers inside the file: the same outputs, and what they do to calls and maps."""

from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest

from stages.exports.conversion import conversion_effects, map_ious
from stages.exports.graph import INPUT, OUTPUTS, build_graph
from stages.exports.metadata import Heatmap, Thresholds
from stages.exports.onnx_file import open_graph, serialised, to_onnx
from stages.exports.precision import convert
from stages.exports.settings import Precision
from stages.records.tiles import Tiles
from tests.exports.small import TINY_CNN, TINY_VIT, classifier, explanation_of, pictures


def test_iou_of_lit_pixels_by_hand() -> None:
    before = np.array([[True, True, False], [False, True, True], [False, False, False]])
    after = np.array([[True, False, False], [False, True, True], [False, False, False]])
    found = map_ious(before, after)
    assert found[:2].tolist() == [0.5, 1.0] and np.isnan(found[2])


class TilesInMemory(Tiles):
    """Three tiles of 4 px, the last two defective in their upper left pixel."""

    truths = ("boxes",)  # type: ignore[assignment]
    labels = np.array([False, True, True])  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__(Path("nowhere"), pd.DataFrame({"tile_id": list("abc")}))

    def truth(self, kind: str, positions: np.ndarray) -> np.ndarray:
        found = np.zeros((len(positions), 4, 4), bool)
        found[:, 0, 0] = True
        return found


def test_what_a_conversion_did_by_hand() -> None:
    _, description = classifier(TINY_CNN, 32)
    description = type(description)(**{**vars(description), "px": 4})
    maps = np.array([[[1.0, 0], [0, 0]]] * 3)
    before = {"probability": np.array([0.1, 0.9, 0.8]), "heatmap": maps}
    moved = maps.copy()
    moved[2] = [[0, 0], [0, 1]]
    after = {"probability": np.array([0.6, 0.9, 0.2]), "heatmap": moved}
    heatmap, thresholds = Heatmap("cam", "cam", "cam", 0.0, None, 2, 2, 2.0, 0.0), Thresholds(0.5, "", 127.0, "")
    # the centre of the highest cell of 2 x 2 px is its first pixel or its last: the truth is enlarged to hold both
    found = conversion_effects(before, after, TilesInMemory(), description, heatmap, thresholds)
    assert found["before"]["accuracy"] == 1 and found["after"]["accuracy"] == pytest.approx(1 / 3)
    assert found["before"]["average_precision"] == 1 and found["after"]["average_precision"] == pytest.approx(5 / 6)
    assert found["maps"] == {"map_iou": 0.5, "defective_tiles": 2}  # the same on one, elsewhere on the other
    assert found["after"]["pointing_game"] == found["before"]["pointing_game"] / 2


@pytest.mark.parametrize("architecture", [TINY_CNN, TINY_VIT], ids=["cnn", "vit"])
@pytest.mark.parametrize(("precision", "share"), [("float16", 0.7), ("int8", 0.6)])
def test_a_converted_graph_is_smaller_takes_and_gives_the_same_and_stays_close(
    architecture: object, precision: Precision, share: float
) -> None:
    model, description = classifier(architecture, 64)  # type: ignore[arg-type]
    explanation = explanation_of(description.architecture.family)
    whole = to_onnx(build_graph(model, description, explanation, "rows"), 64, OUTPUTS)
    batches = [pictures(8, 64, seed) for seed in range(2)]
    small = convert(whole, precision, batches)
    assert len(serialised(small)) < share * len(serialised(whole))
    assert [(value.name, value.type.tensor_type.elem_type) for value in small.graph.input] == [
        (INPUT, onnx.TensorProto.UINT8)
    ]
    expected, found = (open_graph(serialised(each))(pictures(3, 64, 9)) for each in (whole, small))
    for name in OUTPUTS:
        assert found[name].dtype == np.float32 and found[name].shape == expected[name].shape
        scale = np.abs(expected[name]).max()
        assert 0 < np.abs(found[name] - expected[name]).max() < 0.25 * scale, name
    assert serialised(convert(whole, precision, batches)) == serialised(small)


def test_float32_is_the_graph_itself() -> None:
    model, description = classifier(TINY_CNN, 32)
    whole = to_onnx(build_graph(model, description, explanation_of("cnn"), "rows"), 32, OUTPUTS)
    assert convert(whole, "float32", []) is whole

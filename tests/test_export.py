"""Stage export on a tiny data set: what it writes, what it refuses, and that nothing is left behind."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from stages.export import export
from stages.exports.metadata import parse_metadata
from stages.exports.seal import METADATA_KEY, check_seal
from stages.models.batches import to_images
from stages.models.trained import load_classifier
from stages.records.files import write_json
from stages.records.paths import split_file, tiles_folder
from stages.records.tiles import open_tiles
from stages.runtime.errors import InputError
from stages.runtime.params import Params, read_params
from stages.scores.scores import Explanation
from stages.train import train
from tests.exports.small import explanation_of
from tests.models.tiny import CPU, tiny_project
from tests.parameters import but

NETS = {
    "net": {"family": "cnn", "arch": "test_efficientnet", "stride": 16},
    "vit": {"family": "vit", "arch": "test_vit"},
}


def scored(model: str, explanation: Explanation, level: float | None = 101.0) -> None:
    """Write what stage score leaves and export reads: the chosen explanation, and its threshold."""
    name = "cam" if explanation.method == "cam" else f"{explanation.method}_{explanation.fusion}"
    rows = {"best": name, "order": [name], "rows": {name: asdict(explanation)}, "pooled": {}}
    write_json(Path(f"data/scores/{model}/rows.json"), rows, exact=True)
    truths = {} if level is None else {"boxes": {name: {"thresholds": {"validation_threshold": level}}}}
    write_json(Path(f"metrics/score/{model}.json"), {model: {"classification": {}} | truths})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    tiny_project(folder, NETS, {"epochs": 1})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for model in NETS:
            train(read_params(), model)
    return folder


@pytest.fixture
def params(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    monkeypatch.chdir(trained)
    scored("net", explanation_of("cnn"))
    scored("vit", explanation_of("vit", "max", 0.5), None)
    return read_params()


def choosing(params: Params, **changes: Any) -> Params:
    return but(params, export=params.get("export") | changes)


def test_every_chosen_model_is_a_sealed_file_that_says_the_same_as_pytorch(params: Params) -> None:
    line = export(choosing(params, models="all"))
    assert line.startswith("export: net (") and "PyTorch" in line
    validation = open_tiles(tiles_folder("boards"), split_file("boards")).select("val")
    pixels = validation.images(np.arange(len(validation)))
    for model in NETS:
        file = Path(f"data/export/{model}.onnx")
        check_seal(file)
        session = onnxruntime.InferenceSession(file)
        metadata = parse_metadata(session.get_modelmeta().custom_metadata_map[METADATA_KEY], file)
        probability, logits, heatmap, features = session.run(None, {"tiles": pixels})
        classifier, description = load_classifier(Path(f"data/models/{model}"))
        np.testing.assert_allclose(logits, classifier(to_images(pixels, CPU)).logits.detach(), atol=1e-4)
        expected = 1 / (1 + np.exp(-logits / (description.temperature or 1)))
        np.testing.assert_allclose(probability, expected, atol=1e-6)
        assert metadata.model == model and metadata.reference.tiles == len(pixels) == 8
        assert (metadata.heatmap.rows, metadata.heatmap.columns) == heatmap.shape[1:]
        assert len(metadata.reference.feature_mean) == features.shape[1]
        assert metadata.reference.probability.mean == pytest.approx(probability.mean(), rel=1e-5)
        assert metadata.thresholds.decision == description.threshold and metadata.dataset == "boards"
        assert metadata.tile.px == 32 and metadata.tile.overlap_px == params.get("tile")["overlap_px"]
        found = json.loads(Path(f"metrics/export/{model}.json").read_text())[model]
        assert found["parity"]["tiles"] == 8 and found["parity"]["probability"] < 1e-4
        assert "conversion" not in found
    assert metadata.heatmap.name == "rollout_max" and metadata.heatmap.discard == 0.5
    assert (metadata.thresholds.heatmap_level, metadata.thresholds.heatmap_level_from) == (127.0, "params")


def test_the_best_is_exported_alone_and_what_was_chosen_before_goes(params: Params) -> None:
    export(choosing(params, models=["vit"]))
    for model, value in (("net", 0.5), ("vit", 0.4)):
        write_json(Path(f"metrics/train/{model}.json"), {model: {"val_average_precision": value}})
    export(params)
    assert [file.name for file in Path("data/export").iterdir()] == ["net.onnx"]
    assert [file.name for file in Path("metrics/export").iterdir()] == ["net.json"]
    metadata = onnxruntime.InferenceSession("data/export/net.onnx").get_modelmeta().custom_metadata_map[METADATA_KEY]
    assert json.loads(metadata)["thresholds"]["heatmap_level"] == 101
    first = Path("data/export/net.onnx").read_bytes()
    export(params)
    assert Path("data/export/net.onnx").read_bytes() == first


def test_a_smaller_precision_says_what_it_did(params: Params) -> None:
    assert export(choosing(params, models=["net"], precision="int8")).endswith("PyTorch's before they were converted")
    found = json.loads(Path("metrics/export/net.json").read_text())["net"]
    assert found["precision"] == "int8" and set(found["conversion"]) == {"before", "after", "maps"}
    assert 0 <= found["conversion"]["maps"]["map_iou"] <= 1
    assert found["conversion"]["after"]["pointing_game"] is None  # no truth in this data set


def test_a_graph_that_differs_is_not_written(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    export(choosing(params, models=["net"]))
    before = Path("data/export/net.onnx").read_bytes()
    from stages.exports import exported

    wrong = exported.open_graph
    monkeypatch.setattr(exported, "open_graph", lambda content: shifted(wrong(content)))
    with pytest.raises(InputError, match=r"data/export/net\.onnx: not written: its heatmap differs from PyTorch's by"):
        export(choosing(params, models=["net"]))
    assert Path("data/export/net.onnx").read_bytes() == before
    assert {file.name for file in Path("data/export").iterdir()} == {"net.onnx"}


def shifted(run: Any) -> Any:
    def moved(tiles: np.ndarray) -> dict[str, np.ndarray]:
        found = run(tiles)
        return found | {"heatmap": found["heatmap"][:, ::-1]}

    return moved


@pytest.mark.parametrize(
    ("explanation", "models", "message"),
    [
        (Explanation("gradcam", "gradcam", 0.0, 0, False, True, {}), ["net"], "net is explained by 'gradcam'"),
        (explanation_of("cnn"), ["nett"], r"export\.models has 'nett', which `models` has not: net, vit"),
    ],
)
def test_what_cannot_be_exported_is_one_line(
    params: Params, explanation: Explanation, models: list[str], message: str
) -> None:
    scored("net", explanation)
    with pytest.raises(InputError, match=message):
        export(choosing(params, models=models))


def test_a_setting_that_params_no_longer_has_is_one_line(params: Params) -> None:
    scored("vit", explanation_of("vit", "max", 0.7))
    with pytest.raises(InputError, match=r"explain makes no rollout of max, discard 0\.7, which score chose"):
        export(choosing(params, models=["vit"]))

"""Real exported files at the line: what inspect says of a photograph is what the graph says of its tiles."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import PIL.Image
import pytest

from stages.export import export
from stages.inspection.model import open_model
from stages.metrics.thesis import scale_to_255
from stages.records.files import write_json
from stages.runtime.params import read_params
from stages.scores.scores import Explanation
from stages.train import train
from tests.inspection.command import photographs, regions, run
from tests.models.tiny import striped_pixels, tiny_project
from tests.parameters import but

PX = 32
LEVEL = 100.0
CNN = {"family": "cnn", "arch": "test_efficientnet", "stride": 16}
VIT = {"family": "vit", "arch": "test_vit"}


def exported(folder: Path, entry: dict[str, Any], explanation: Explanation, task: str) -> Path:
    """Train and export one model; return its file."""
    tiny_project(folder, {"net": entry}, {"epochs": 1, "warmup_epochs": 0})
    params = read_params()
    tile = params.get("tile") | {"px": PX, "overlap_px": 0}
    methods = {family: [explanation.method] for family in ("cnn", "vit")}
    explain = params.get("explain") | {"methods": methods, "batch": 4}
    settings = {"models": ["net"], "precision": "float32", "tiles": 4}
    params = but(params, task=task, tile=tile, explain=explain, export=settings)
    train(params, "net")
    name = "net's"
    content = {"best": name, "order": [name], "rows": {name: asdict(explanation)}, "pooled": {}}
    write_json(Path("data/scores/net/rows.json"), content, exact=True)
    chosen = {"boxes": {name: {"thresholds": {"validation_threshold": LEVEL}}}}
    write_json(Path("metrics/score/net.json"), {"net": chosen})
    assert export(params).startswith("export: net (")
    return Path("data/export/net.onnx")


@pytest.mark.parametrize(
    ("entry", "explanation", "task"),
    [
        (VIT, Explanation("rollout", "max", 0.5, 0, False, True, {}), "binary"),
        (CNN, Explanation("cam", "cam", 0.0, 0, False, True, {}), "multiclass"),
        (CNN, Explanation("novelty", "novelty", 2.0, 0, False, True, {}), "binary"),
    ],
    ids=["rollout", "several kinds", "novelty"],
)
def test_a_real_file_says_at_the_line_what_its_graph_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: dict[str, Any], explanation: Explanation, task: str
) -> None:
    monkeypatch.chdir(tmp_path)
    file = exported(tmp_path, entry, explanation, task)
    tiles = striped_pixels(np.array([0, 1, 2, 1, 0, 2]), 5)
    pixels = tiles.reshape(2, 3, PX, PX, 3).swapaxes(1, 2).reshape(2 * PX, 3 * PX, 3)  # two rows of three
    Path("in").mkdir()
    PIL.Image.fromarray(pixels).save("in/a.png")
    probability, _, heatmap, _ = onnxruntime.InferenceSession(file).run(None, {"tiles": tiles})
    metadata = open_model(file).metadata
    classes = metadata.classes
    assert metadata.heatmap.method == explanation.method and metadata.heatmap.discard == explanation.discard
    assert (metadata.heatmap.normalise is None) == (explanation.method != "rollout")
    of_defect = probability if task == "binary" else 1 - probability[:, classes.index("good")]
    called = of_defect > metadata.thresholds.decision

    code = run("in", "--model", file, "--out", "out", "--all-tiles", "--min-area-px", 1)
    assert code == int(called.any())
    found = photographs(Path("out"))["a.png"]
    assert found["tiles"] == 6 and found["defective_tiles"] == called.sum()
    assert found["probability"] == pytest.approx(of_defect.max(), abs=1e-5)
    kinds = sorted(set(classes) - {"good"})
    likeliest = np.array([kinds[0]] * 6)
    if task == "multiclass":
        assert kinds == ["bar", "hole"]
        likeliest = np.array(kinds)[probability[:, [classes.index(kind) for kind in kinds]].argmax(axis=1)]
    rows = regions(Path("out"))
    assert rows
    for row in rows:
        tile = int(row["peak_y"]) // PX * 3 + int(row["peak_x"]) // PX
        assert row["kind"] == likeliest[tile]
        assert float(row["score"]) == pytest.approx(of_defect[tile], abs=1e-5)
    # the hottest cell of each map that is not even is lit, so its tile has a region
    scaled = scale_to_255(heatmap)
    lit = {tile for tile in range(6) if (scaled[tile] > LEVEL).any()}
    with PIL.Image.open("out/overlays/a.png.png") as picture:
        drawn = np.asarray(picture).reshape(2, PX, 3, PX).swapaxes(1, 2).reshape(6, PX, PX)
    assert {tile for tile in range(6) if (drawn[tile] > LEVEL).any()} >= lit
    assert len(lit) >= 5

"""The table of results, from records small enough to write its lines by hand."""

import csv
import json
from pathlib import Path

import pytest

from stages.tools import result_table
from stages.tools.result_table import HEAD, read_run, table


def scores(
    f1: float | None, beats: bool | None = None, control: bool = False, discard: float = 0.0
) -> dict[str, object]:
    own: dict[str, object] = {
        "f1": f1,
        "discard": discard,
        "pointing_game": 0.5,
        "tile_average_precision": 0.25,
        "aupro": 0.12345,
        "gated_aupro": None,
        "thresholds": {"validation_iou": 0.4},
        "of_grid_truth": {"f1": 0.666},
    }
    return own if control else own | {"beats_controls": beats}


def write_csv(path: Path, columns: list[str], *lines: tuple[object, ...]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *lines])


def write_run(folder: Path, seeds: int = 1) -> Path:
    """Write a CNN and a ViT with one truth, whose best control is behind the ViT; return its metrics/."""
    (folder / "metrics/score").mkdir(parents=True)
    (folder / "plots").mkdir()
    cnn = {"cam": scores(0.5, True), "gradcam": scores(0.9, True), "random_map": scores(0.1, control=True)}
    cnn["cam_blur"] = scores(0.6, control=True)  # the model's own map
    vit = {"rollout_max": scores(0.3, False, discard=0.8), "edge_map": scores(0.2, control=True)}
    vit["centre_prior"] = scores(None, control=True)
    for model, rows, ap in (("net", cnn, 0.75), ("deit", vit, 1.0)):
        content = {model: {"classification": {"average_precision": ap}, "exact": rows, "good_tiles": {}}}
        (folder / f"metrics/score/{model}.json").write_text(json.dumps(content))
    ranking = {"cnn": {"net": {"seeds": seeds}}, "vit": {"deit_fmax": {"seeds": seeds}}}
    (folder / "metrics/rank.json").write_text(json.dumps(ranking))
    write_csv(
        folder / "plots/latency.csv",
        ["truth", "model", "classifier", "explanation"],
        ("exact", "net", "net", "cam"),
        ("exact", "deit_fmax", "deit", "rollout_max"),
    )
    write_csv(
        folder / "plots/truths.csv",
        ["truth", "model", "metric", "value", "low", "high", "clusters"],
        ("exact", "net", "f1", 0.5, 0.41, 0.62, 12),
        ("exact", "net", "pointing_game", 0.5, 0.3, 0.7, 11),
        ("exact", "deit_fmax", "f1", 0.3, "", "", 1),
    )
    return folder / "metrics"


def test_a_line_for_each_ranked_row_and_one_for_the_best_control(tmp_path):
    assert table(read_run(write_run(tmp_path))).splitlines() == [
        *HEAD,
        "| `net` | 0.750 | exact | 0.500 (0.410 to 0.620; 12) | 0.400 | 0.500 (0.300 to 0.700) | 0.250 | 0.123 | - "
        "| 0.67 | yes |",
        "| `deit` max, discard 0.8 | 1.000 | exact | 0.300 | 0.400 | 0.500 | 0.250 | 0.123 | - | 0.67 | no |",
        "| best control: edge_map (deit) |  | exact | 0.200 | 0.400 | 0.500 | 0.250 | 0.123 | - | 0.67 |  |",
    ]


def test_references_of_the_best_model_come_last_and_are_no_control(tmp_path):
    metrics = write_run(tmp_path)
    file = metrics / "score/net.json"
    content = json.loads(file.read_text())
    own = content["net"]
    own["exact"] |= {"nearest_good": scores(0.4, control=True), "supervised": scores(0.8, control=True)}
    own["exact"]["perfect_map"] = {
        name: value for name, value in scores(0.9, control=True).items() if name not in ("thresholds", "of_grid_truth")
    }
    own["references"] = {"nearest_good": {"average_precision": 0.7}, "supervised": {"average_precision": 0.95}}
    file.write_text(json.dumps(content))
    write_csv(
        metrics.parent / "plots/latency.csv",
        ["truth", "model", "classifier", "explanation", "place"],
        ("exact", "net", "net", "cam", 1),
        ("exact", "deit_fmax", "deit", "rollout_max", 2),
    )
    with (metrics.parent / "plots/truths.csv").open("a", newline="", encoding="utf-8") as truths:
        csv.writer(truths).writerow(("exact", "net supervised", "f1", 0.8, 0.75, 0.85, 12))
    *_, control, good, taught, perfect = table(read_run(metrics)).splitlines()
    assert control.startswith("| best control: edge_map (deit) |")
    assert good.startswith("| no defect seen: nearest_good (net) | 0.700 | exact | 0.400 | 0.400 |")
    assert taught.startswith("| annotation: supervised (net) | 0.950 | exact | 0.800 (0.750 to 0.850; 12) | 0.400 |")
    assert perfect.startswith("| perfect map of the grid (net) |  | exact | 0.900 | - | 0.500 |")
    assert perfect.endswith("| 1.00 |  |")


def test_runs_that_it_cannot_tell_are_refused(tmp_path):
    with pytest.raises(ValueError, match="several seeds"):
        read_run(write_run(tmp_path / "seeds", seeds=3))
    metrics = write_run(tmp_path / "mixed")
    write_csv(tmp_path / "mixed/plots/latency.csv", ["truth", "model"], ("exact", "other"))
    with pytest.raises(ValueError, match="of two runs"):
        read_run(metrics)


def test_the_command_prints_or_writes(tmp_path, monkeypatch, capsys):
    metrics, page = write_run(tmp_path), tmp_path / "page.md"
    page.write_text("# A\n<!-- results: a -->\n<!-- /results -->\n")
    monkeypatch.setattr("sys.argv", ["result_table", "--metrics", str(metrics)])
    result_table.main([page])
    assert capsys.readouterr().out == table(read_run(metrics))
    monkeypatch.setattr("sys.argv", ["result_table", "--metrics", str(metrics), "--name", "a"])
    result_table.main([page])
    assert table(read_run(metrics)) in page.read_text()
    monkeypatch.setattr("sys.argv", ["result_table", "--metrics", str(metrics), "--name", "b"])
    with pytest.raises(SystemExit):
        result_table.main([page])
    assert "no page has <!-- results: b -->" in capsys.readouterr().err

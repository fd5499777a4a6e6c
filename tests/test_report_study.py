"""Stage report of a study: every printed table and figure in its place, ours beside; nothing where none is named."""

import csv
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import stages.report as stage
from stages.datasets.settings import Dataset
from stages.figures.report.published import PRINTED
from stages.figures.settings import Report
from stages.models.settings import Model
from stages.ranking.record import write_ranking
from stages.ranking.score_tables import COLUMNS
from stages.records.files import write_csv, write_json
from stages.records.paths import maps_folder, metrics_file, plot_file
from stages.runtime.params import read_params
from tests.figures.html import Tables
from tests.figures.rankings import estimate, ranking, standing
from tests.figures.test_templates import filled, setting, trial
from tests.parameters import but
from tests.score_records import write_maps, write_tiles
from tests.test_report import CLASSIFIER, TIME, section

CNNS = ["EfficientNetV2_s", "EfficientNetV2_s_d", "MobileNetV3_large", "MobileNetV3_large_d"]
DEIT, VIT = "DeiT_tiny_patch16_224", "ViT_tiny_patch16_224"
DISCARDS = (0.0, 0.2, 0.6, 0.8, 0.9)
BOTH = {  # study -> data set, tables, figures in the order of print
    "thesis_pcb": ("pcb", "3_2 3_4 3_5", ["3.2", "3.4", "3.6", "3.7", "3.10", "3.11", "3.12"]),
    "thesis_gid": ("gid", "3_3 3_6 3_7", ["3.3", "3.5", "3.8", "3.9"]),
}


def study(params, name, data_set):
    dataset = replace(params.read(Dataset), name=data_set)
    return but(params, report=Report(name), dataset=dataset)


def write_rollout(params, model):
    """Write five discard ratios of each fusion: mean is bright where the truth is, the others are flat."""
    write_maps(params, model, family="vit")
    folder = maps_folder(model)
    settings = [(fusion, discard) for fusion in ("min", "mean", "max") for discard in DISCARDS]
    maps = np.zeros((8, len(settings), 16, 16), np.float16)
    maps[:, 5:10, :4, :4] = 1
    np.save(folder / "rollout.npy", maps)
    described = [{"name": f"{own}_{discard}", "fusion": own, "discard": discard} for own, discard in settings]
    methods = {"rollout": {"cell_px": 1, "offset_px": 0, "settings": described}}
    write_json(folder / "settings.json", {"model": model, "family": "vit", "order": ["rollout"], "methods": methods})


def write_numbers(model, train, truth="boxes"):
    pixels = dict.fromkeys(COLUMNS, 0.125) | {"discard": 0.6}
    rows = {"cam": pixels | {"discard": 0.0}} | {f"rollout_{own}": pixels for own in ("min", "mean", "max")}
    write_json(metrics_file("score", model), {model: {"classification": CLASSIFIER, truth: rows}})
    write_json(metrics_file("time", model), {model: {"forward": TIME, "settings": {"cam": {"cam": {"0": TIME}}}}})
    write_json(metrics_file("train", model), {model: train})
    write_json(metrics_file("tune", model), {model: {"trials": 2}})
    write_csv(plot_file("confusion", model, ".csv"), ("actual", "predicted", "tiles"), [("good", "good", 1000)])


@pytest.fixture
def params(tmp_path, monkeypatch):
    real = read_params()
    monkeypatch.chdir(tmp_path)
    return but(real, models={name: Model("cnn") for name in CNNS} | {DEIT: Model("vit"), VIT: Model("vit")})


def write_thesis(params, monkeypatch, plots_of=(DEIT, VIT)):
    """Write what a run of the thesis leaves behind: one model has the printed scores, the others are 0.1 above."""
    write_tiles(params)
    truth = "boxes" if params.dataset_name == "pcb" else "exact"
    train = {"lr": 0.002, "batch": 32, "val_loss": 0.08, "val_accuracy": 0.984, "tuned": "lr, batch"}
    for model in params.models:
        write_numbers(model, train, truth)
        write_rollout(params, model) if model in (DEIT, VIT) else write_maps(params, model)
    numbers = printed_rows("3_4" if params.dataset_name == "pcb" else "3_6")
    lines = []
    for name, line in numbers.items():
        shift = 0.0 if name == "MobileNetV3_large" else 0.1
        scores = {m: (float(line[t]) + shift, float(line[t]) + shift - 0.05, float(line[t]) + shift + 0.05)
                  for m, t in COLUMNS.items()}  # fmt: skip
        model, _, fusion = name.partition("_f")
        family, row = ("vit", f"rollout_{fusion}") if fusion else ("cnn", "cam")
        more = {"family": family, "name": name, "average_rank": estimate(2.5, 2.0, 3.0)}
        lines.append(standing(truth, model, row, scores, **more))
    write_ranking(ranking(*lines, truth=truth))
    settings = [
        setting(own, discard, metric, 0.3, kind, part)
        for own in ("min", "mean", "max")
        for discard in DISCARDS
        for metric, kind, part in (("f1", truth, "test"), ("f1", truth, "val"), ("aupro", truth, "test"))
    ]
    plots = {
        f"plots/settings/{name}.csv": [{"type": "vega", "content": filled("settings", settings, "discard", "value")}]
        for name in plots_of
    }
    for name in ("EfficientNetV2_s_d", VIT):
        spec = filled("trials", [trial(1, 1e-3, 32, 0.97), trial(2, 2e-3, 64, 0.98)], "lr", "val_accuracy")
        plots[f"plots/tune/{name}.csv"] = [{"type": "vega", "content": spec}]
    monkeypatch.setattr("stages.figures.report.plots.ask_dvc", lambda *_: {"data": plots})


def printed_rows(number):
    with (PRINTED / f"thesis_table_{number}.csv").open(newline="", encoding="utf-8") as file:
        return {line.pop("Model"): line for line in csv.DictReader(file)}


def parts(html):
    """Return title -> HTML of every table and figure of the study."""
    found = re.split(r"<h3>([^<]+)</h3>", html)
    return dict(zip(found[1::2], found[2::2], strict=True))


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Return study -> the section of a whole run of the thesis."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        real = read_params()
        models = {name: Model("cnn") for name in CNNS} | {DEIT: Model("vit"), VIT: Model("vit")}
        for name, (data_set, _, _) in BOTH.items():
            patch.chdir(tmp_path_factory.mktemp(name))
            run = study(but(real, models=models), name, data_set)
            write_thesis(run, patch)
            stage.report(run)
            found[name] = section("study")
    return found


@pytest.mark.parametrize("name", BOTH)
def test_every_printed_table_and_figure_of_the_thesis_is_there(pages, name):
    _, numbers, figures = BOTH[name]
    shown = pages[name]
    assert "Not there" not in shown and "Not in this run" not in shown
    tables = Tables(shown).tables
    assert len(tables) == 3
    for number, table in zip(numbers.split(), tables, strict=True):
        expected = printed_rows(number)
        heading, *rows = table
        assert [cell["heading"] for cell in heading] == ["Model", *next(iter(expected.values()))]
        assert [row[0]["heading"] for row in rows] == list(expected)
        for (_, *cells), values in zip(rows, expected.values(), strict=True):
            assert [cell.get("printed", "") for cell in cells] == list(values.values())
            assert all("ours" in cell for cell in cells if "printed" in cell)
    assert [title.removeprefix("Figure ") for title in parts(shown) if title.startswith("Figure")] == figures
    for title, html in parts(shown).items():
        assert not title.startswith("Figure") or "<figure>" in html, title


def test_a_value_inside_and_one_outside_our_interval_are_marked_so(pages):
    _, scores, ranks = Tables(pages["thesis_pcb"]).tables
    rows = {row[0]["heading"]: row[1:] for row in scores[1:]}
    inside, outside = rows["MobileNetV3_large"][0], rows["EfficientNetV2_s"][0]
    assert inside == {
        "class": "within",
        "printed": "0.5214",
        "mark": "\u2713",
        "ours": "0.5214",
        "note": "0.4714 to 0.5714",
    }
    assert (outside["class"], outside["mark"], outside["ours"]) == ("above", "\u25b2", "0.5652")
    # 7 of 8 test tiles are called rightly: an interval from 0.47
    assert rows["MobileNetV3_large"][6] == {
        "class": "within", "printed": "0.9815", "mark": "\u2713", "ours": "0.8750", "note": "0.4735 to 0.9968",
    }  # fmt: skip
    average = {row[0]["heading"]: row[-1] for row in ranks[1:]}
    assert average["EfficientNetV2_s"]["class"] == "within"  # 3
    assert average["MobileNetV3_large"]["class"] == "below"  # 3.3
    assert "166 values are printed" in pages["thesis_pcb"]


def test_the_settings_figure_has_the_test_scores_of_the_tables_alone(pages):
    figure = parts(pages["thesis_pcb"])["Figure 3.10"]
    assert figure.count("<figure>") == 2 and "DeiT_tiny_patch16_224: scores" in figure
    assert figure.count(">0.300</text>") == 2 * 3 * len(DISCARDS)
    assert ">aupro</text>" not in figure


def test_what_was_not_run_is_said_and_the_rest_is_shown(params, monkeypatch):
    few = but(params, models={"MobileNetV3_large": Model("cnn"), DEIT: Model("vit")})
    run = study(few, "thesis_pcb", "pcb")
    write_thesis(run, monkeypatch, plots_of=(DEIT,))
    lines = (standing("boxes", "MobileNetV3_large", "cam", dict.fromkeys(COLUMNS, (0.5, 0.4, 0.6))),)
    write_ranking(ranking(*lines))
    stage.report(run)
    found = parts(section("study"))
    assert found["Table 3.2"].count("not run") == 4 * 5
    assert "EfficientNetV2_s_d was not run" in found["Figure 3.2"]
    assert (
        "Not in this run: EfficientNetV2_s CAM, EfficientNetV2_s_d CAM, MobileNetV3_large_d CAM" in found["Figure 3.7"]
    )
    assert "<figure>" in found["Figure 3.6"] and "<figure>" in found["Figure 3.12"]
    assert "ViT_tiny_patch16_224 was not run" in found["Figure 3.10"]


def test_without_a_name_nothing_of_a_study_is_shown(params, pages, monkeypatch):
    run = study(params, None, "pcb")
    write_thesis(run, monkeypatch)
    stage.report(run)
    text = stage.REPORT.read_text(encoding="utf-8")
    assert 'id="study"' not in text and "Table 3.5" not in text
    assert "Table 3.4 of the thesis" in section("published-values")


def test_a_study_of_another_data_set_is_refused_in_its_place(params, monkeypatch):
    run = study(params, "thesis_pcb", "pcb")
    write_thesis(run, monkeypatch)
    other = study(params, "thesis_gid", "pcb")
    assert "not there: Study" in stage.report(other)
    assert 'id="published-values"' not in stage.REPORT.read_text(encoding="utf-8")
    assert "report.study is thesis_gid, which is of gid, but dataset.name is pcb; use null" in section("study")


@pytest.mark.parametrize(("name", "data_set"), [("paper_casting", "casting"), ("paper_neu_det", "neu_det")])
def test_the_tables_and_figures_of_the_paper(params, name, data_set, monkeypatch):
    few = but(params, models={"VGG16": Model("cnn"), "ViT_small_DINO": Model("vit")})
    run = study(few, name, data_set)
    write_tiles(run)
    for model, family in run.families.items():
        write_numbers(model, {})
        write_maps(run, model, family)
        # one method under the names of all: what matters here is which columns a figure has
        methods = ["occlusion", "gradcam"] if family == "cnn" else ["rollout", "lrp"]
        folder = maps_folder(model)
        maps = np.load(folder / ("cam.npy" if family == "cnn" else "rollout.npy"))[:, :1]
        described = {}
        for method in methods:
            np.save(folder / f"{method}.npy", maps)
            own = {"name": method, "fusion": "mean" if method == "rollout" else method, "discard": 0.6}
            described[method] = {"cell_px": 1, "offset_px": 0, "settings": [own]}
        write_json(folder / "settings.json", {"family": family, "order": methods, "methods": described})
    write_ranking(ranking())
    monkeypatch.setattr("stages.figures.report.plots.ask_dvc", lambda *_: {"data": {}})
    stage.report(run)
    found = parts(section("study"))
    assert list(found) == ["Table 1", "Table 2", "Figure 1", "Figure 2"]
    assert "Not there" not in section("study") and "Not in this run" not in section("study")
    for number, values in (("1", 3), ("2", 3)):
        ((_, *rows),) = Tables(found[f"Table {number}"]).tables
        printed = [cell["printed"] for row in rows for cell in row[1:]]
        with (PRINTED / f"paper_table_{number}.csv").open(newline="", encoding="utf-8") as file:
            expected = [value for line in csv.DictReader(file) for value in list(line.values())[2:] if value]
        assert printed == expected and len(printed) == 2 * 2 * values
    assert "7.5 forward passes" not in found["Table 2"] and "12.5 \u00b1 0.5" in found["Table 2"]
    who = "VGG16" if name == "paper_casting" else "ViT_small_DINO"
    # of the test tiles the third is good and called defective by its logit of 1
    assert f"Test tiles that {who} calls wrongly. From above: good called defective." in found["Figure 2"]


def test_where_no_tile_is_called_wrongly_the_figure_says_so(params, monkeypatch):
    few = but(params, models={"VGG16": Model("cnn"), "ViT_small_DINO": Model("vit")})
    run = study(few, "paper_casting", "casting")
    write_tiles(run)
    for model, family in run.families.items():
        write_numbers(model, {})
        write_maps(run, model, family)
        file = maps_folder(model) / "index.parquet"
        index = pd.read_parquet(file)
        index.assign(logit=np.where(index["label"] == "good", -2.0, 2.0).astype(np.float32)).to_parquet(
            file, index=False
        )
    file = maps_folder("VGG16") / "cam.npy"
    file.rename(file.with_name("gradcam.npy"))
    own = {"cell_px": 1, "offset_px": 0, "settings": [{"name": "gradcam", "fusion": "gradcam", "discard": 0}]}
    content = {"family": "cnn", "order": ["gradcam"], "methods": {"gradcam": own}}
    write_json(maps_folder("VGG16") / "settings.json", content)
    write_ranking(ranking())
    monkeypatch.setattr("stages.figures.report.plots.ask_dvc", lambda *_: {"data": {}})
    stage.report(run)
    assert "Not there: VGG16 calls no test tile wrongly" in parts(section("study"))["Figure 2"]

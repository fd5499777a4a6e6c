"""Stage report on records on disk, and its page in a real browser."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import stages.report as stage
from stages.datasets.settings import Dataset
from stages.models.settings import Model
from stages.ranking.record import write_ranking
from stages.ranking.score_tables import COLUMNS
from stages.records.files import write_json
from stages.records.paths import RANKING, REPORT, maps_folder, metrics_file, plot_file
from stages.runtime.errors import InputError
from stages.runtime.params import read_params
from stages.scoring.settings import Score
from tests.figures.rankings import NAN, ranking, standing
from tests.parameters import but
from tests.score_records import write_maps, write_tiles

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SPEC = {
    "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
    "title": {"text": "A curve"},
    "data": {"values": [{"x": 1, "y": 2}, {"x": 2, "y": 3}]},
    "mark": "line",
    "encoding": {"x": {"field": "x", "type": "quantitative"}, "y": {"field": "y", "type": "quantitative"}},
}


STANDINGS = (
    standing("boxes", "net", "cam", {"f1": (0.5, 0.25, 0.75)}, behind=(0.0, 0.0, 0.0)),
    standing(
        *("boxes", "vit", "rollout_max", {"f1": (0.375, 0.25, 0.5)}, 2, (0.125, -0.125, 0.25)),
        family="vit",
        name="vit_fmax",
        told_apart="no",
    ),
    standing("boxes", "vit", "rollout_min", {"f1": (NAN, NAN, NAN, 0)}, 3, family="vit", name="vit_fmin"),
)
TIME = {"median_ms": 12.5, "mean_ms": 12.5, "std_ms": 0.5}
SLOWER = {"median_ms": 14.5, "mean_ms": 15.5, "std_ms": 0.5}
CLASSIFIER = {
    "tiles": 8,
    "defective_tiles": 2,
    "average_precision": 0.75,
    "accuracy": 0.875,
    "precision": 0.5,
    "recall": 1,
}


def write_scores(model, value=0.125, **more):
    """Write what score says of a model, as far as the report reads it."""
    pixels = dict.fromkeys(COLUMNS, value) | {"beats_controls": True}
    rows = dict.fromkeys(("cam", "rollout_min", "rollout_max"), pixels)
    write_json(metrics_file("score", model), {model: {"classification": CLASSIFIER, "boxes": rows} | more})


def section(title):
    """Return the HTML of one section of the report."""
    text = REPORT.read_text(encoding="utf-8")
    return text.split(f'<section id="{title}"')[1].split("</section>")[0]


@pytest.fixture
def params(tmp_path, monkeypatch):
    real = read_params()
    monkeypatch.chdir(tmp_path)
    return but(real, models={"net": Model("cnn"), "vit": Model("vit")})


@pytest.fixture
def results(params, monkeypatch):
    """Write what the other stages leave behind."""
    write_tiles(params)
    write_maps(params, "net")
    write_maps(params, "vit", family="vit")
    for model in params.models:
        write_json(metrics_file("train", model), {model: {"best_epoch": 2, "lr": 5e-4}})
        fused = {"cam": {"cam": {"0": TIME}}} if model == "net" else {"rollout": {"max": {"0": SLOWER, "0.5": TIME}}}
        write_json(metrics_file("time", model), {model: {"forward": TIME, "settings": fused}})
        write_scores(model)
    write_ranking(ranking(*STANDINGS))
    picture = plot_file("gallery", "net", ".png")
    picture.parent.mkdir(parents=True)
    cv2.imwrite(str(picture), np.zeros((8, 8, 3), np.uint8))
    plots = {"data": {"plots/curve.csv": [{"type": "vega", "content": SPEC}]}}
    monkeypatch.setattr("stages.figures.report.plots.ask_dvc", lambda *_: plots)
    return params


def test_the_page_has_every_part(results):
    line = stage.report(results)
    text = REPORT.read_text(encoding="utf-8")
    assert "not there" not in line
    assert "Not there" not in text
    for part in (
        "net explained by CAM finds the place best by average rank: F1 0.500 (95% interval 0.250 to 0.750).",
        "0.125 behind in F1 (95% interval -0.125 to 0.250): chance may explain it.",
        "of its alarms 50% are right, and it finds 100% of the 2 defective ones among 8 test tiles",
        "best CNN net; best ViT vit_fmax",
        "Nothing is published for boards; the two studies have casting, gid, neu_det, pcb.",
        "1: 0.500 (0.250 to 0.750)",
        "Scores against boxes, 95% intervals over up to 12 clusters",
        "A curve",
        "12.5",
    ):
        assert part in text, part


def named(params, data_set):
    return but(params, dataset=replace(params.read(Dataset), name=data_set))


def test_the_thesis_values_stand_beside_ours(results):
    stage.report(named(results, "pcb"))
    published = section("published-values")
    assert "Table 3.4 of the thesis" in published
    assert '<th scope="row">MobileNetV3_large, the thesis</th><td>0.5214</td>' in published
    assert f'<th scope="row">net, ours</th>{"<td>0.125</td>" * 6}<td>0.875</td>' in published
    assert "vit_fmax, ours" in published


def test_a_row_of_several_seeds_has_their_means(results):
    write_scores("again", value=0.375)
    models = results.models | {"again": Model("cnn", of="net")}
    for kind in ("train", "time"):
        write_json(metrics_file(kind, "again"), {"again": {}})
    write_maps(results, "again")
    write_ranking(ranking(standing("boxes", "net again", "cam", {"f1": (0.25,)})))
    stage.report(named(but(results, models=models), "pcb"))
    assert f'<th scope="row">net, ours</th>{"<td>0.250</td>" * 6}' in section("published-values")


def test_the_papers_values_stand_beside_ours(results):
    stage.report(named(results, "casting"))
    published = section("published-values")
    assert '<th scope="row">ViT (ViT-S/16 DINO), the paper</th><td>99.58</td>' in published
    assert '<th scope="row">net, ours</th><td>87.50</td><td>50.00</td><td>100.00</td>' in published
    assert "<td>51.0 ± 1.6</td>" in published and "<td>12.5 ± 0.5</td>" in published
    assert "<td>15.5 ± 0.5 (max, discard 0)</td>" in published  # of a fused method one setting, and it says which
    write_scores("net", multiclass={"accuracy": 0.5, "recall": {"patches": 0.25, "scratches": 1.0}, "tiles": 8})
    stage.report(named(results, "neu_det"))
    assert '<th scope="row">net, ours</th><td>50.00</td><td>-</td><td>62.50</td>' in section("published-values")


def test_without_annotated_areas_nothing_is_ranked_and_that_is_said(results):
    write_ranking(ranking())
    assert "not there" not in stage.report(results)
    assert "Nothing could be ranked: the data set has no annotated area." in section("verdict")


def test_the_same_results_give_the_same_page(results):
    stage.report(results)
    first = REPORT.read_bytes()
    stage.report(results)
    assert REPORT.read_bytes() == first


def test_what_is_missing_is_said_and_the_rest_is_drawn(results, monkeypatch):
    RANKING.unlink()
    metrics_file("time", "vit").unlink()
    shutil.rmtree(maps_folder("vit"))

    def refuse(*_):
        raise InputError("dvc plots show: no repository")

    monkeypatch.setattr("stages.figures.report.plots.ask_dvc", refuse)
    line = stage.report(results)
    text = REPORT.read_text(encoding="utf-8")
    assert line.endswith("not there: Verdict, Look, Ranking, Whole photographs, Time, Plots")
    assert "Nothing is published for boards" in text
    assert "data/maps/vit/index.parquet: missing" in text


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: `apt install chromium` runs this test")
@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_in_a_browser(results, width):
    """It opens without a network and without an error, fits a phone, and the viewer answers mouse and keys."""
    from playwright.sync_api import sync_playwright

    stage.report(results)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": width, "height": 844}, offline=True).new_page()
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(REPORT.resolve().as_uri())
        page.wait_for_selector("#viewer[data-ready]", timeout=10_000)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("figure svg").count() == 1
        says = page.locator("#viewer-says")
        assert says.inner_text().startswith("board.jpg@4,0: defective (short). Probability of a defect 0.953.")
        # the CNN's map has one bright corner of 4 x 4 of 16 x 16 pixels
        assert "Above the threshold: 6.3 %" in says.inner_text()
        assert page.locator("#viewer-discard").is_disabled()

        assert page.locator("#viewer-threshold-value").inner_text() == "127"
        page.select_option("#viewer-tile", "3")
        assert ": good. Probability of a defect 0.047, not above 0.5: the rule of the scores" in says.inner_text()
        page.select_option("#viewer-tile", "0")

        page.select_option("#viewer-model", "vit")
        page.select_option("#viewer-fusion", "max")
        page.locator("#viewer-discard").fill("1")
        assert page.locator("#viewer-discard-value").inner_text() == "0.9"
        before = page.locator("#viewer-canvas").screenshot()
        page.locator("#viewer-discard").fill("0")
        assert page.locator("#viewer-canvas").screenshot() != before
        page.focus("#viewer-canvas")
        page.keyboard.press("ArrowRight")
        assert page.locator("#viewer-tile").input_value() == "1"
        browser.close()
        assert errors == []


def test_the_viewer_has_the_thresholds_of_the_scores(results):
    changed = replace(results.read(Score), intensity_threshold=60.0, probability_threshold=0.9)
    stage.report(but(results, score=changed))
    text = REPORT.read_text(encoding="utf-8")
    assert 'id="viewer-threshold" min="0" max="255" step="1" value="60"' in text
    assert re.search(r'"probability_threshold":0.9[,}]', text)


def test_what_a_model_left_that_is_no_longer_in_params_is_not_read(results):
    stage.report(results)
    before = REPORT.read_bytes()
    for folder in ("data/maps", "metrics/score", "metrics/time", "metrics/train", "metrics/tune", "plots/gallery"):
        file = Path(folder) / "gone"
        file.parent.mkdir(parents=True, exist_ok=True)
        for suffix in (".json", ".csv", ".png"):
            file.with_suffix(suffix).write_text("not to be read", encoding="utf-8")
    stage.report(results)
    assert REPORT.read_bytes() == before


def test_a_search_has_its_table_and_its_plot_and_where_there_was_none_neither(results, monkeypatch):
    plots = {"data": {f"plots/tune/{name}.csv": [{"type": "vega", "content": SPEC}] for name in ("net", "vit")}}
    monkeypatch.setattr("stages.figures.report.plots.ask_dvc", lambda *_: plots)
    for name in results.models:
        write_json(metrics_file("tune", name), {name: {"trials": 0}})
    stage.report(results)
    assert "Best trial" not in (text := REPORT.read_text(encoding="utf-8")) and "A curve" not in text

    found = {"trials": 10, "pruned": 3, "lr": 7.12e-5, "batch": 64, "val_loss": 0.25, "val_accuracy": 0.9375}
    write_json(metrics_file("tune", "vit"), {"vit": found}, exact=True)
    write_json(metrics_file("score", "vit"), {"vit": {"classification": {"accuracy": 0.8765}}})
    stage.report(results)
    text = REPORT.read_text(encoding="utf-8")
    assert text.count("<figcaption>A curve") == 1
    row = '<th scope="row">vit</th><td>7.12e-05</td><td>64</td><td>0.250</td><td>0.938</td><td>10</td><td>3</td>'
    assert f"{row}</tr>" in text  # the model on the test tiles was trained with other values
    write_json(metrics_file("train", "vit"), {"vit": {"tuned": "lr, batch"}})
    stage.report(results)
    assert f"{row}<td>0.876</td></tr>" in REPORT.read_text(encoding="utf-8")

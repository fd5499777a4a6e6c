"""Stage draw on a tiny data set, heatmaps and scores on disk, in the format that tile, explain and score write."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages import draw as stage
from stages.figures.gallery import Gallery
from stages.figures.settings import Draw
from stages.records.paths import maps_folder, plot_file, tiles_folder
from stages.runtime.errors import InputError
from stages.runtime.params import Params
from stages.score import score
from stages.scoring.settings import Score
from tests.parameters import but
from tests.score_records import corner, rewrite_index, write_maps, write_tiles

PICTURES = ("gallery", "methods")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the stage hands over to be drawn: gallery -> (content, title), methods -> (tiles, heatmaps, title)."""
    handed: dict[str, Any] = {}

    def keep_gallery(path: Path, gallery: Gallery, title: str) -> None:
        handed["gallery"] = (gallery, title)

    def keep_methods(path: Path, *content: Any) -> None:
        handed["methods"] = content

    monkeypatch.setattr("stages.figures.gallery.draw_gallery", keep_gallery)
    monkeypatch.setattr("stages.figures.methods.draw_methods", keep_methods)
    return handed


def answers(gallery: Gallery) -> list[str]:
    return [gallery.answer(row) for row in range(len(gallery.tiles))]


def scored(params: Params, model: str, **maps: Any) -> Params:
    write_maps(params, model, **maps)
    score(params, model)
    return params


def test_both_pictures_are_there_and_small_whatever_order_explain_wrote(params: Params) -> None:
    write_tiles(params)
    found = []
    for order in (range(8), [5, 0, 7, 2, 6, 1, 4, 3]):
        line = stage.draw(scored(params, "vit", family="vit", order=list(order)), "vit")
        found.append([plot_file(name, "vit", ".png").read_bytes() for name in PICTURES])
    assert line == "draw vit: 4 test tiles in the gallery, 2 by every method"
    assert found[0] == found[1]
    assert all(1000 < len(picture) < 400_000 for picture in found[0])


def test_the_gallery_shows_test_tiles_under_the_chosen_setting(params: Params, drawn: dict[str, Any]) -> None:
    write_tiles(params)
    scored(params, "vit", family="vit")
    described = json.loads(Path("data/scores/vit/rows.json").read_text())
    assert described["best"] == "rollout_mean"
    described["best"] = "rollout_max"  # for which validation chose 0.9, wrong on test tiles
    Path("data/scores/vit/rows.json").write_text(json.dumps(described))
    stage.draw(params, "vit")
    gallery, title = drawn["gallery"]
    assert title == "vit, rollout_max, discard 0.9"
    # test tiles 4 to 7: found twice, a false alarm, a good one; the most certain of the found first
    assert answers(gallery) == ["found", "found", "false alarm", "correct"]
    assert gallery.probability == pytest.approx([0.953, 0.881, 0.731, 0.047], abs=1e-3)
    assert [gallery.peak(row) for row in range(4)] == ["peak off box, off mask"] * 2 + [""] * 2
    assert (gallery.heatmaps.round() == corner(3)).all()  # lower right
    assert (gallery.predictions == (corner(3) & np.array([1, 1, 1, 0], bool)[:, None, None])).all()
    assert (gallery.tiles.truths["boxes"][0] == corner(0)).all() and not gallery.tiles.truths["boxes"][2].any()
    images = np.load(tiles_folder(params.dataset_name) / "images-0000.npy")
    assert (gallery.tiles.images == images[4:8]).all()


def test_both_thresholds_are_those_of_the_scores(params: Params, drawn: dict[str, Any]) -> None:
    write_tiles(params)
    scored(params, "net")
    heat = np.load(maps_folder("net") / "cam.npy")
    heat[:, :, 8:12, 8:12] = 0.25  # 64 of 255
    np.save(maps_folder("net") / "cam.npy", heat)
    stage.draw(params, "net")
    assert drawn["gallery"][0].predictions.sum(axis=(1, 2)).tolist() == [16, 16, 16, 0]
    changed = replace(params.read(Score), intensity_threshold=60.0, probability_threshold=0.9)
    stage.draw(but(params, score=changed), "net")
    gallery = drawn["gallery"][0]
    assert answers(gallery) == ["found", "missed", "correct", "correct"]
    assert gallery.predictions.sum(axis=(1, 2)).tolist() == [32, 0, 0, 0]


def test_as_many_tiles_as_params_say(params: Params, drawn: dict[str, Any]) -> None:
    write_tiles(params)
    scored(params, "net")
    stage.draw(but(params, draw=replace(params.read(Draw), gallery_tiles=2, methods_tiles=1)), "net")
    assert (len(drawn["gallery"][0].tiles), len(drawn["methods"][0])) == (2, 1)


def test_every_method_has_a_column_under_the_setting_that_validation_chose(
    params: Params, drawn: dict[str, Any]
) -> None:
    write_tiles(params)
    scored(params, "vit", family="vit")
    rows = json.loads(Path("data/scores/vit/rows.json").read_text())
    Path("data/scores/vit/rows.json").write_text(json.dumps(rows | {"best": "rollout_max"}))
    stage.draw(params, "vit")
    tiles, heatmaps, title = drawn["methods"]
    assert title == "vit: explanation methods on defective test tiles"
    assert list(heatmaps) == ["rollout max_0.9"]
    assert (heatmaps["rollout max_0.9"].values == corner(3)).all()  # wrong on both test tiles
    assert tiles.truths["exact"].sum(axis=(1, 2)).tolist() == [8, 8]


def test_where_all_test_tiles_are_good_the_picture_says_so(params: Params, drawn: dict[str, Any]) -> None:
    write_tiles(params)
    scored(params, "net")
    index = tiles_folder(params.dataset_name) / "index.parquet"
    pd.read_parquet(index).assign(label="good").to_parquet(index, index=False)
    stage.draw(params, "net")
    tiles, _, title = drawn["methods"]
    assert len(tiles) == 4 and title == "net: explanation methods on good test tiles"


def test_a_data_set_with_labels_only_and_a_model_of_defects_alone(params: Params) -> None:
    write_tiles(params, truths=())
    scored(params, "vit", family="vit")
    rewrite_index("vit", logit=np.float32("nan"), predicted="short")
    settings = maps_folder("vit") / "settings.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"classes": ["short", "open"]}))
    np.save(maps_folder("vit") / "logits.npy", np.zeros((8, 2), np.float32))
    stage.draw(params, "vit")
    assert all(plot_file(name, "vit", ".png").stat().st_size for name in PICTURES)


def test_without_a_test_tile_there_is_nothing_to_draw(params: Params) -> None:
    write_tiles(params)
    scored(params, "net")
    rewrite_index("net", split="val")
    with pytest.raises(InputError, match="data/maps/net: there is no test tile"):
        stage.draw(params, "net")
    assert not Path("plots/gallery").exists()


@pytest.mark.parametrize(("fusions", "title"), [(("max", "mean"), "novelty mean_0.0"), (("max",), "novelty max_0.9")])
def test_other_methods_have_the_fusion_of_the_best_where_they_have_it(
    params: Params, drawn: dict[str, Any], fusions: tuple[str, ...], title: str
) -> None:
    write_tiles(params)
    scored(params, "vit", family="vit")
    rows = json.loads(Path("data/scores/vit/rows.json").read_text())
    settings = json.loads((maps_folder("vit") / "settings.json").read_text())
    settings["methods"]["novelty"] = {**settings["methods"]["rollout"], "varies": "weight"}
    settings["order"].append("novelty")
    (maps_folder("vit") / "settings.json").write_text(json.dumps(settings))
    (maps_folder("vit") / "novelty.npy").write_bytes((maps_folder("vit") / "rollout.npy").read_bytes())
    with pytest.raises(InputError, match=r"data/maps/vit: has maps of novelty, which has no scores; run the score"):
        stage.draw(params, "vit")
    for fusion in fusions:
        chosen = {**rows["rows"][f"rollout_{fusion}"], "method": "novelty", "own": False}
        rows["rows"][f"novelty_{fusion}"], rows["order"] = chosen, [*rows["order"], f"novelty_{fusion}"]
    Path("data/scores/vit/rows.json").write_text(json.dumps(rows))
    assert rows["best"] == "rollout_mean"
    stage.draw(params, "vit")
    assert list(drawn["methods"][1]) == ["rollout mean_0.0", title]

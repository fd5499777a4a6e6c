"""Stage perturb on a model whose probability is known: it looks at one corner of the tile and nothing else."""

import csv
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from torch import nn

from stages import perturb as stage
from stages import score
from stages.faithfulness.settings import Perturb
from stages.models import trained
from stages.models.outputs import Outputs
from stages.ranking.settings import Rank
from stages.runtime.errors import InputError
from stages.runtime.params import read_params
from tests.parameters import but
from tests.score_records import PX, write_maps, write_tiles


class LooksAtTheCorner(nn.Module):
    """Sure of a defect where the upper left corner is white, of none where it is grey or darker."""

    def forward(self, images):
        return Outputs(40 * (images[:, :, :4, :4].mean(dim=(1, 2, 3)) - 0.75), None)


@pytest.fixture
def params(tmp_path, monkeypatch):
    real = read_params()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trained, "load_classifier", lambda folder: (LooksAtTheCorner(), SimpleNamespace(task="binary")))
    params = but(real, perturb=replace(real.read(Perturb), tiles=2, steps=4, batch=3))
    write_tiles(params)
    images = np.zeros((8, PX, PX, 3), np.uint8)
    images[:, :4, :4] = 255
    np.save(score.tiles_folder(params.dataset_name) / "images-0000.npy", images)
    write_maps(params, "net")
    score.score(params, "net")
    return params


def result():
    return json.loads(stage.metrics_file("perturb", "net").read_text())["net"]


def test_the_map_that_marks_what_the_model_uses_is_faithful_and_the_other_is_not(params):
    line = stage.perturb(params, "net")
    table = pd.read_parquet(stage.perturb_file("net"))
    assert list(table["fill"]) == ["mean"] * 2 + ["blur"] * 2
    assert set(table["row"]) == {"cam"}
    assert table["best"].all()
    right, wrong = (table[(table["tile_id"] == f"board.jpg@{x},0") & (table["fill"] == "mean")].iloc[0] for x in (4, 5))
    assert right["probability"] == wrong["probability"] == pytest.approx(1, abs=1e-4)
    # Of four steps the first takes 64 of 256 pixels, the marked corner among them: 1 0 0 0 0, and 0 1 1 1 1 back.
    assert right["deletion"] == pytest.approx(0.125, abs=1e-3)
    assert right["insertion"] == pytest.approx(0.875, abs=1e-3)
    assert right["kept"] == pytest.approx(1, abs=1e-4)
    assert right["kept_px"] == wrong["kept_px"] == 16
    assert wrong["kept"] == pytest.approx(0, abs=1e-4)  # another corner stays
    own = result()["cam"]["mean"]
    assert own["sufficiency"]["value"] == pytest.approx(0.5, abs=1e-4)
    assert (own["sufficiency"]["low"], own["sufficiency"]["clusters"]) == (None, 1)  # both tiles are of one image
    assert own["undefined"] == 0
    assert result()["tiles"] == 2
    assert line.startswith("perturb net, cam, 2 tiles, mean: deletion ")


@pytest.mark.parametrize(("cluster", "column"), [("image", "source"), ("group", "group")])
def test_intervals_are_of_the_clusters_that_rank_names(params, cluster, column):
    path = score.tiles_folder(params.dataset_name) / "index.parquet"
    index = pd.read_parquet(path)
    index[column] = index["tile_id"]  # each tile a cluster by that name, all together by the other
    index.to_parquet(path)
    for rank_by in ("image", "group"):
        stage.perturb(but(params, rank=replace(params.read(Rank), cluster=rank_by)), "net")
        own = result()["cam"]["mean"]["deletion"]
        assert own["clusters"] == (2 if rank_by == cluster else 1)
        assert (own["low"] is None) == (rank_by != cluster)


def test_curves_are_written_for_the_map_and_the_random_one(params):
    stage.perturb(params, "net")
    with stage.plot_file("perturb", "net", ".csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * 2 * 5  # fills, maps, curves, points
    first = next(r for r in rows if (r["map"], r["curve"], r["fill"]) == ("own", "deletion", "mean"))
    assert (first["fraction"], float(first["probability"])) == ("0.0", pytest.approx(1, abs=1e-4))


def test_the_same_seed_gives_the_same_bytes(params):
    outputs = []
    for _ in range(2):
        stage.perturb(params, "net")
        files = (
            stage.metrics_file("perturb", "net"),
            stage.perturb_file("net"),
            stage.plot_file("perturb", "net", ".csv"),
        )
        outputs.append([file.read_bytes() for file in files])
    assert outputs[0] == outputs[1]


def test_a_constant_map_orders_nothing_and_is_counted(params):
    maps = np.load(score.maps_folder("net") / "cam.npy")
    np.save(score.maps_folder("net") / "cam.npy", np.ones_like(maps))
    stage.perturb(params, "net")
    own = result()["cam"]["mean"]
    assert own["undefined"] == 2
    assert own["deletion"]["value"] is None
    assert own["sufficiency"]["value"] is None  # nothing is kept


def test_bad_input_is_named(params):
    index = score.maps_folder("net") / "index.parquet"
    pd.read_parquet(index).assign(label="good").to_parquet(index)
    with pytest.raises(InputError, match=r"no test tile is defective"):
        stage.perturb(params, "net")
    (score.scores_folder("net") / "rows.json").unlink()
    with pytest.raises(InputError, match=r"rows.json: missing"):
        stage.perturb(params, "net")

"""Heatmaps on disk: what is read, and what a broken folder says."""

import json

import numpy as np
import pandas as pd
import pytest

from stages.heatmaps.maps import open_maps
from stages.runtime.errors import InputError


@pytest.fixture
def folder(tmp_path):
    values = np.arange(3 * 2 * 2 * 2, dtype=np.float16).reshape(3, 2, 2, 2)
    np.save(tmp_path / "rollout.npy", values)
    index = {"tile_id": ["a", "b", "c"], "split": "test", "label": "good", "logit": np.float32(0)}
    pd.DataFrame(index).to_parquet(tmp_path / "index.parquet", index=False)
    settings = [{"name": f"mean_{ratio}", "fusion": "mean", "discard": ratio} for ratio in (0.0, 0.9)]
    describe(tmp_path, settings)
    return tmp_path


def describe(folder, settings):
    methods = {"rollout": {"cell_px": 8, "offset_px": 3.5, "settings": settings}}
    content = {"model": "vit", "family": "vit", "order": ["rollout"], "methods": methods}
    (folder / "settings.json").write_text(json.dumps(content), encoding="utf-8")


def test_open_and_read_rows_in_any_order(folder):
    opened = open_maps(folder)
    maps = opened.primary
    assert (opened.family, list(opened.methods)) == ("vit", ["rollout"])
    assert (maps.names, maps.fusions, maps.discards) == (("mean_0.0", "mean_0.9"), ("mean", "mean"), (0.0, 0.9))
    assert (maps.cell_px, maps.offset_px) == (8, 3.5)
    read = maps.read(np.array([2, 0]))
    assert read.dtype == np.float32
    assert read[:, 1, 0, 0].tolist() == [20, 4]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_heatmap_that_is_not_finite_is_named(folder, value):
    maps = np.load(folder / "rollout.npy")
    maps[1, 1, 0, 1] = value
    np.save(folder / "rollout.npy", maps)
    opened = open_maps(folder).primary
    assert opened.read(np.array([0, 2])).shape == (2, 2, 2, 2)
    with pytest.raises(InputError, match=r"rollout.npy: the heatmap of tile b is not finite"):
        opened.read(np.array([0, 1]))


def test_a_broken_folder_is_named(folder):
    describe(folder, [{"fusion": "mean"}])
    with pytest.raises(InputError, match=r"settings.json: not as explain writes it"):
        open_maps(folder)
    describe(folder, [{"name": "cam", "fusion": "cam", "discard": 0}])
    with pytest.raises(InputError, match=r"rollout.npy: has shape \(3, 2, 2, 2\), expected tiles x 1 settings"):
        open_maps(folder)

    (folder / "rollout.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match=r"rollout.npy: not readable"):
        open_maps(folder)
    (folder / "rollout.npy").unlink()
    with pytest.raises(InputError, match=r"rollout.npy: missing; run the explain stage"):
        open_maps(folder)

    (folder / "settings.json").unlink()
    with pytest.raises(InputError, match=r"settings.json: missing"):
        open_maps(folder)
    pd.DataFrame({"tile_id": ["a"]}).to_parquet(folder / "index.parquet")
    with pytest.raises(InputError, match=r"index.parquet: column label is missing"):
        open_maps(folder)


def test_what_varies_and_what_is_a_control(folder):
    opened = open_maps(folder)
    assert not opened.primary.control and opened.words_for("rollout", "min", 0.9) == ", discard 0.9"
    described = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    described["methods"]["rollout"] |= {"control": True, "varies": "weight"}
    (folder / "settings.json").write_text(json.dumps(described), encoding="utf-8")
    opened = open_maps(folder)
    assert opened.primary.control and opened.words_for("rollout", "rollout", 2.0) == ", weight 2"
    del described["methods"]["rollout"]["varies"]
    (folder / "settings.json").write_text(json.dumps(described), encoding="utf-8")
    assert open_maps(folder).words_for("rollout", "rollout", 0.0) == ""

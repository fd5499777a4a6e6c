"""Stage score of a classifier of several classes: how many test tiles it puts into the right one."""

import json

import numpy as np
import pandas as pd
import pytest

from stages import score as stage
from stages.runtime.errors import InputError
from tests.score_records import rewrite_index, write_maps, write_tiles
from tests.test_score import scored


def write_class_logits(model, classes, called):
    """Make a binary model's maps those of a classifier of `classes` that is certain that tile i is `called[i]`."""
    folder = stage.maps_folder(model)
    logits = np.zeros((8, len(classes)), np.float32)
    logits[np.arange(8), [classes.index(name) for name in called]] = 100
    np.save(folder / "logits.npy", logits)
    described = json.loads((folder / "settings.json").read_text())
    (folder / "settings.json").write_text(json.dumps(described | {"classes": classes}))
    rewrite_index(model, predicted=np.array(called, dtype=object))


def test_a_classifier_of_several_classes(params):
    write_tiles(params)
    index = pd.read_parquet(stage.tiles_folder(params.dataset_name) / "index.parquet")
    actual = ["short", "open", "good", "good", "short", "open", "good", "good"]  # the last four are for testing
    index.assign(defect_class=actual).to_parquet(stage.tiles_folder(params.dataset_name) / "index.parquet", index=False)
    called = ["good", "good", "good", "good", "short", "short", "good", "open"]
    for order in (range(8), [5, 0, 7, 2, 6, 1, 4, 3]):
        write_maps(params, "net", order=list(order))
        write_class_logits("net", ["good", "open", "short"], [called[tile] for tile in order])
        line = stage.score(params, "net")
        assert scored("net")["multiclass"] == {
            "accuracy": 0.5,
            # good: 2 / 3 (recall 1/2, precision 1); open: 0; short: 2 / 3 (recall 1, precision 1/2)
            "f1": round((2 / 3 + 0 + 2 / 3) / 3, 5),
            # good: one before all others, one tied with three: (1 + 2/4) / 2; open: tied with all but one, 1/4;
            # short: one of two, 1/2
            "average_precision": round((0.75 + 0.25 + 0.5) / 3, 5),
            "recall": {"good": 0.5, "open": 0.0, "short": 1.0},
            "tiles": 4,
            "confusion": {
                "good": {"good": 1, "open": 1, "short": 0},
                "open": {"good": 0, "open": 0, "short": 1},
                "short": {"good": 0, "open": 0, "short": 1},
            },
        }
        assert line.startswith("score net, cam: accuracy 0.5000 of 3 classes on 4 test tiles; against boxes f1 ")


def test_a_classifier_that_knows_no_good_tile(params):
    write_tiles(params)
    write_maps(params, "net")
    write_class_logits("net", ["good", "short"], ["short"] * 8)
    rewrite_index("net", logit=np.full(8, np.nan))  # every tile counts as defective
    stage.score(params, "net")
    assert scored("net")["good_tiles"]["cam"]["fixed"]["tiles_with_region"] == 1.0


def test_class_logits_that_cannot_be_used(params):
    write_tiles(params)
    write_maps(params, "net")
    write_class_logits("net", ["good", "open"], ["open"] * 8)
    with pytest.raises(InputError, match=r"has tiles of class 'short'; known: good, open"):
        stage.score(params, "net")
    file = stage.maps_folder("net") / "logits.npy"
    write_class_logits("net", ["good", "short"], ["short"] * 8)
    np.save(file, np.where(np.load(file) > 0, np.nan, 0))
    with pytest.raises(InputError, match=r"logits.npy: a logit is not finite"):
        stage.score(params, "net")
    np.save(file, np.zeros((8, 3), np.float32))
    with pytest.raises(InputError, match=r"logits.npy: has shape \(8, 3\), expected 8 tiles x 2 classes"):
        stage.score(params, "net")
    file.unlink()
    with pytest.raises(InputError, match=r"logits.npy: missing; run the explain stage"):
        stage.score(params, "net")
    assert not stage.metrics_file("score", "net").exists()

"""Scores on disk: histograms of images come back as they were, one explanation at a time."""

import math

import numpy as np
import pandas as pd
import pytest

from stages.runtime.errors import InputError
from stages.scores.scores import Explanation, ImageHistograms, open_scores, write_scores

TILES = pd.DataFrame(
    {"tile_id": ["a@0", "a@1", "b@0"], "source": ["a", "a", "b"], "group": ["g", "g", "h"], "defective": True}
)
ROW = Explanation("cam", "cam", 0.0, 0, False, True, {"boxes": True})
POOLED = {"boxes": {"cam": {"aupro": 0.25, "pixel_auroc": math.nan}}}


def histograms(row="cam", sources=("a", "b"), bins=3):
    rng = np.random.default_rng(len(row))
    inside, outside = rng.integers(0, 2**20, (2, len(sources), bins))
    regions = rng.random((len(sources), bins))
    return ImageHistograms("boxes", row, "raw", np.array(sources, dtype=object), inside, outside, regions)


def written(folder, *images):
    table = pd.DataFrame({"truth": "boxes", "row": "cam", "tile_id": TILES["tile_id"], "tp": [1, 2, 3]})
    write_scores(folder, table, TILES, {"cam": ROW}, "cam", images, POOLED)
    return open_scores(folder)


def test_what_was_written_is_read(tmp_path):
    own = histograms()
    kept = written(tmp_path / "net", own, histograms("rollout_max", bins=5))
    sources, parts = kept.histograms("boxes", "cam", "raw")
    assert sources.tolist() == ["a", "b"]
    np.testing.assert_array_equal(parts["inside"], own.inside)
    np.testing.assert_array_equal(parts["outside"], own.outside)
    np.testing.assert_allclose(parts["regions"], own.regions, rtol=1e-7)
    assert kept.histograms("boxes", "rollout_max", "raw")[1]["inside"].shape == (2, 5)
    pooled = kept.pooled("boxes", "cam")
    assert pooled["aupro"] == 0.25 and math.isnan(pooled["pixel_auroc"])


def test_the_same_scores_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        written(tmp_path / name, histograms(), histograms("rollout_max"))
    one, two = ((tmp_path / name / "histograms.parquet").read_bytes() for name in ("one", "two"))
    assert one == two


def test_without_truth_there_are_none(tmp_path):
    write_scores(tmp_path / "net", None, TILES, {"cam": ROW}, "cam")
    assert open_scores(tmp_path / "net").truths == ()


def test_missing_and_foreign_histograms_are_errors(tmp_path):
    kept = written(tmp_path / "net", histograms(sources=("a", "c")))
    for row in ("cam", "gradcam"):
        with pytest.raises(InputError, match=rf"histograms\.parquet: {row} against boxes has other images"):
            kept.histograms("boxes", row, "raw")
    with pytest.raises(InputError, match=r"rows\.json: no pooled scores of gradcam against boxes; run the score stage"):
        kept.pooled("boxes", "gradcam")
    (tmp_path / "net" / "histograms.parquet").unlink()
    with pytest.raises(InputError, match=r"histograms\.parquet: missing"):
        kept.histograms("boxes", "cam", "raw")

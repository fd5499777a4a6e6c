"""An explanation's scores over clusters: the same as of the tiles drawn, whichever way a score is made."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from stages.metrics.clusters import RESAMPLES_AT_ONCE, tile_sums
from stages.metrics.histograms import Histograms
from stages.metrics.pixel_counts import pixel_scores
from stages.metrics.table import COUNTS, METRICS, PIXEL_SCORES, PixelCounts, PixelHistograms, metrics_of
from stages.ranking.cluster_scores import cluster_parts

SOURCES = np.array(["b", "a", "b", "d", "c", "a"], dtype=object)  # of six tiles; a and b belong together
GROUPS = {"a": "x", "b": "x", "c": "y", "d": "z"}


@pytest.fixture(scope="module")
def kept():
    """Six tiles of four images in three groups."""
    rng = np.random.default_rng(0)
    tiles = pd.DataFrame({"source": SOURCES, "group": [GROUPS[source] for source in SOURCES]})
    names = [masks + name for masks in ("", "validation_") for name in COUNTS]
    columns = {name: rng.integers(0, 100, 6) for name in names}
    columns |= {"pointing_game": np.array([1, 0, math.nan, 1, math.nan, 0])}
    parts = {name: rng.integers(0, 9, (4, 16)) * 1.0 for name in ("inside", "outside", "regions")}
    parts["inside"][3] = parts["regions"][3] = 0  # image d has no truth
    whole = Histograms(*(parts[name].sum(axis=0) for name in ("inside", "outside", "regions")))
    exact = {name: float(own.of(whole)) + 2e-4 for name, own in metrics_of(PixelHistograms).items()}
    return SimpleNamespace(
        tiles=tiles,
        columns=lambda truth, row: columns,
        histograms=lambda truth, row, scale: (np.array(["a", "b", "c", "d"], dtype=object), parts),
        pooled=lambda truth, row: exact,
    )


def test_pixel_scores_of_resamples_are_those_of_the_tiles_drawn(kept):
    counts = np.stack([kept.columns("", "")[name] for name in COUNTS], axis=1)
    draws = np.array([[1, 1, 1], [0, 2, 1], [3, 0, 0]])
    for metric in PIXEL_SCORES:
        parts = cluster_parts(metric, kept, "boxes", "cam", "group")
        assert parts.names.tolist() == ["x", "y", "z"]
        times = draws[:, [0, 0, 0, 2, 1, 0]]  # of each tile
        expected = [pixel_scores(np.repeat(counts, own, axis=0))[metric] for own in times]
        np.testing.assert_allclose(parts.scores(draws), expected, rtol=1e-12)
        assert parts.value == pytest.approx(expected[0], rel=1e-12)


def test_the_threshold_of_validation_has_counts_of_its_own(kept):
    columns = kept.columns("", "")
    tp, fp, fn, _ = (columns["validation_" + name].sum() for name in COUNTS)
    assert cluster_parts("validation_iou", kept, "boxes", "cam", "source").value == pytest.approx(tp / (tp + fp + fn))


def test_a_mean_counts_the_tiles_where_it_is_defined(kept):
    parts = cluster_parts("pointing_game", kept, "boxes", "cam", "source")  # a: 0 0; b: 1; c: none; d: 1
    assert parts.value == 2 / 4
    assert (parts.weights > 0).tolist() == [True, True, False, True]
    np.testing.assert_array_equal(parts.scores([[2, 1, 0, 0], [0, 0, 5, 0]]), [1 / 5, math.nan])
    np.testing.assert_allclose(parts.without_each(), [2 / 2, 1 / 3, 2 / 4, 1 / 3])


@pytest.mark.parametrize("metric", metrics_of(PixelHistograms))
def test_histograms_of_clusters_add_up(kept, metric):
    _, parts = kept.histograms("", "", "")
    own = METRICS[metric]
    for cluster, images in (("source", [[0], [1], [2], [3]]), ("group", [[0, 1], [2], [3]])):
        found = cluster_parts(metric, kept, "boxes", "cam", cluster)
        every = np.random.default_rng(1).integers(0, 3, (RESAMPLES_AT_ONCE + 3, len(images)))
        every[:2] = 1
        every[1, 0] = 0
        scores = found.scores(every)
        assert scores[0] == pytest.approx(found.value, abs=1e-12) == pytest.approx(kept.pooled("", "")[metric])
        assert found.without_each()[0] == scores[1]
        for weights, score in zip(every[-5:], scores[-5:], strict=True):
            times = np.zeros(4)
            for place, members in enumerate(images):
                times[members] = weights[place]
            drawn = Histograms(*(times @ parts[name] for name in ("inside", "outside", "regions")))
            expected = float(own.of(drawn)) + 2e-4  # moved by what the coarse bins miss on all tiles
            assert score == pytest.approx(min(expected, 1), abs=1e-12) or (math.isnan(score) and math.isnan(expected))
    assert cluster_parts(metric, kept, "boxes", "cam", "source").weights[3] == 0


def test_every_metric_of_the_table_is_made_of_something(kept):
    for metric, own in METRICS.items():
        if not isinstance(own, PixelHistograms) and (isinstance(own, PixelCounts) or metric in kept.columns("", "")):
            above, below = tile_sums(metric, kept.columns("", ""))
            assert above.shape == below.shape == (6,) and (above <= below).all()
    with pytest.raises(ValueError, match="aupro is made of histograms"):
        tile_sums("aupro", kept.columns("", ""))

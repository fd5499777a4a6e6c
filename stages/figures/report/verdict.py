"""The verdict in plain sentences: which model and explanation finds the place best, how surely, and which classifier to
believe.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

WORDS = {"boxes": "boxes", "exact": "exact masks"}

Row = Mapping[str, Any]  # a line of plots/latency.csv, undefined values NaN
Scores = Mapping[str, Mapping[str, Any]]  # model -> its part of metrics/score/<model>.json


def verdict_sentences(
    standing: Sequence[Row], truth: str, scores: Scores, seeds: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return one paragraph per truth, the one that is ranked by first, and one per classifier that is best in them.

    The best row is the one that rank puts first; it is held against the next one of another model, where there is
    another.

    Args:
        standing: every row against every truth.
        truth: that the ranking goes by.
        scores: of every model in `standing`, and of its repeats under other seeds.
        seeds: model -> itself and those repeats.
    """
    truths = sorted({str(row["truth"]) for row in standing}, key=lambda name: (name != truth, name))
    said, classifiers = [], []
    for kind in truths:
        rows = sorted((row for row in standing if row["truth"] == kind), key=lambda row: row["place"])
        first, *others = rows
        if math.isnan(first["value"]):
            said.append(f"Against {WORDS[kind]} no score is defined.")
            continue
        others = [row for row in others if not math.isnan(row["value"])]
        others = [row for row in others if row["classifier"] != first["classifier"]] or others
        said.append(" ".join(filter(None, (_best(first, kind), _next(others), _controls(first)))))
        classifiers.append(str(first["classifier"]))
    return said + [_classifier(name, [scores[own] for own in seeds[name]]) for name in dict.fromkeys(classifiers)]


def _best(row: Row, kind: str) -> str:
    of = f", mean of {row['seeds']:g} seeds" if row["seeds"] > 1 else ""
    return (
        f"Against {WORDS[kind]}, {row['classifier']} explained by {_words(row['explanation'])} finds the place best by "
        f"average rank: {_words(row['metric'])} {row['value']:.3f}{of}{_interval(row['low'], row['high'])}."
    )


def _next(others: Sequence[Row]) -> str:
    if not others:
        return ""
    row = others[0]
    who, metric = f"{row['classifier']} by {_words(row['explanation'])}", _words(row["metric"])
    by = f"{row['behind']:.3f} behind" if row["behind"] >= 0 else f"{-row['behind']:.3f} ahead"
    low, high = row["behind_low"], row["behind_high"]
    ends = (low, high) if row["behind"] >= 0 else (-high, -low)
    apart = f"The next, {who}, is {by} in {metric}{_interval(*ends)}"
    if row["told_apart"] == "too few":
        return f"{apart}; so few clusters of tiles ({row['clusters']:g}) do not say how surely."
    if row["told_apart"] not in ("yes", "no"):
        return f"{apart}, which no interval can tell apart."
    return f"{apart}: {'more than chance explains' if row['told_apart'] == 'yes' else 'chance may explain it'}."


def _controls(row: Row) -> str:
    beaten, seeds = row["beats_controls"], row["seeds"]
    if math.isnan(beaten):
        return ""
    if beaten == seeds:
        return "No control that knows nothing of defects scores as high."
    where = "" if seeds == 1 else f" in {seeds - beaten:g} of {seeds:g} seeds"
    good = f"But a control that knows nothing of defects scores as high{where}"
    return f"{good}: it is not shown that the model looks there."


def _classifier(name: str, seeds: Sequence[Mapping[str, Any]]) -> str:
    of = f"{name} (means of {len(seeds)} seeds)" if len(seeds) > 1 else name
    if "multiclass" in seeds[0]:
        several = [own["multiclass"] for own in seeds]
        return (
            f"The classifier of {of} names the right one of {len(several[0]['recall'])} classes for "
            f"{_mean(several, 'accuracy'):.2%} of {several[0]['tiles']:,} test tiles."
        )
    binary = [own["classification"] for own in seeds]
    tiles, defective = binary[0]["tiles"], binary[0]["defective_tiles"]
    if not 0 < defective < tiles:
        return (
            f"Whether the classifier of {of} can be believed these {tiles:,} test tiles do not tell: "
            f"{'all' if defective else 'none'} of them are defective."
        )
    precision = _mean(binary, "precision")
    alarms = "it calls none defective" if precision is None else f"of its alarms {precision:.0%} are right"
    return (
        f"The classifier of {of}: {alarms}, and it finds {_mean(binary, 'recall'):.0%} of the {defective:,} "
        f"defective ones among {tiles:,} test tiles (average precision {_mean(binary, 'average_precision'):.3f}; "
        f"guessing gives {defective / tiles:.3f})."
    )


def _mean(seeds: Sequence[Mapping[str, Any]], score: str) -> float | None:
    """Return the mean over the seeds where the score is defined; None where it is in none."""
    known = [own[score] for own in seeds if own[score] is not None]
    return fmean(known) if known else None


def _interval(low: float, high: float) -> str:
    return "" if math.isnan(low) else f" (95% interval {low:.3f} to {high:.3f})"


def _words(name: str) -> str:
    return {"f1": "F1", "jaccard": "IoU", "cam": "CAM", "gradcam": "GradCAM"}.get(name, name.replace("_", " "))

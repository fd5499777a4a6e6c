"""The verdict in plain sentences: which model and explanation finds the place best, how surely, and which classifier to
believe.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

WORDS = {"boxes": "boxes", "exact": "exact masks"}

Row = Mapping[str, Any]  # a line of plots/latency.csv, undefined values NaN
Scores = Mapping[str, Mapping[str, Any]]  # model -> its part of metrics/score/<model>.json


def verdict_sentences(standing: Sequence[Row], truth: str, scores: Scores) -> list[str]:
    """Return one paragraph per truth, the one that is ranked by first, and one per classifier that is best in them.

    The best row is held against the best one of another model, where there is another.

    Args:
        standing: every row against every truth.
        truth: that the ranking goes by.
        scores: of every model in `standing`.
    """
    truths = sorted({str(row["truth"]) for row in standing}, key=lambda name: (name != truth, name))
    said, classifiers = [], []
    for kind in truths:
        rows = [row for row in standing if row["truth"] == kind and not math.isnan(row["value"])]
        if not rows:
            said.append(f"Against {WORDS[kind]} no score is defined.")
            continue
        first, *others = sorted(rows, key=lambda row: -row["value"])
        others = [row for row in others if row["classifier"] != first["classifier"]] or others
        control = scores[first["classifier"]][kind][first["explanation"]].get("beats_controls")
        said.append(" ".join(filter(None, (_best(first, kind), _next(others), _controls(control)))))
        classifiers.append(str(first["classifier"]))
    return said + [_classifier(name, scores[name]) for name in dict.fromkeys(classifiers)]


def _best(row: Row, kind: str) -> str:
    return (
        f"Against {WORDS[kind]}, {row['classifier']} explained by {_words(row['explanation'])} finds the place best: "
        f"{_words(row['metric'])} {row['value']:.3f}{_interval(row['low'], row['high'])}."
    )


def _next(others: Sequence[Row]) -> str:
    if not others:
        return ""
    row = others[0]
    who = f"{row['classifier']} by {_words(row['explanation'])}"
    apart = f"The next, {who}, is {row['behind']:.3f} behind{_interval(row['behind_low'], row['behind_high'])}"
    if math.isnan(row["behind_low"]):
        return f"{apart}; there are too few groups of tiles to say how surely."
    return f"{apart}: {'more than chance explains' if row['behind_low'] > 0 else 'chance may explain it'}."


def _controls(beats: bool | None) -> str:
    if beats is None:
        return ""
    if beats:
        return "No control that knows nothing of defects scores as high."
    return "But a control that knows nothing of defects scores as high: it is not shown that the model looks there."


def _classifier(name: str, scores: Mapping[str, Any]) -> str:
    if "multiclass" in scores:
        own = scores["multiclass"]
        return (
            f"The classifier of {name} names the right one of {len(own['recall'])} classes for {own['accuracy']:.2%} "
            f"of {own['tiles']:,} test tiles."
        )
    own = scores["classification"]
    tiles, defective = own["tiles"], own["defective_tiles"]
    if not 0 < defective < tiles:
        return (
            f"Whether the classifier of {name} can be believed these {tiles:,} test tiles do not tell: "
            f"{'all' if defective else 'none'} of them are defective."
        )
    precision, recall = own["precision"], own["recall"]
    alarms = "It calls none defective" if precision is None else f"Of its alarms {precision:.0%} are right"
    return (
        f"The classifier of {name}: {alarms[0].lower()}{alarms[1:]}, and it finds {recall:.0%} of the {defective:,} "
        f"defective ones among {tiles:,} test tiles (average precision {own['average_precision']:.3f}; "
        f"guessing gives {defective / tiles:.3f})."
    )


def _interval(low: float, high: float) -> str:
    return "" if math.isnan(low) else f" (95% interval {low:.3f} to {high:.3f})"


def _words(name: str) -> str:
    return {"f1": "F1", "jaccard": "IoU", "cam": "CAM", "gradcam": "GradCAM"}.get(name, name.replace("_", " "))

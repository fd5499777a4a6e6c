"""Section "Verdict", in plain sentences: which model and explanation finds the place best, how surely, and which
classifier to believe.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from stages.figures.report.elements import paragraph

TRUTHS = {"boxes": "boxes", "exact": "exact masks"}

Standing = Mapping[str, Any]  # fields of `stages.ranking.record.Standing`
Metrics = Mapping[str, Mapping[str, Any]]  # model -> its part of metrics/score/<model>.json


def section(ranking: Mapping[str, Any], scores: Metrics) -> str:
    """Return the verdict's sentences, and rank's own sentence with every score, folded up.

    Args:
        ranking: fields of `stages.ranking.record.Ranking`.
        scores: of every model in it.
    """
    if not ranking["standings"]:
        return paragraph("Nothing could be ranked: the data set has no annotated area.", "verdict")
    sentences = [paragraph(text, "verdict") for text in verdict_sentences(ranking, scores)]
    sentences += [paragraph(text, "verdict") for text in filter(None, [ranking["around"]])]
    summary = "<summary>CNN against ViT, in every score</summary>"
    return "\n".join([*sentences, f"<details>{summary}{paragraph(ranking['sentence'])}</details>"])


def verdict_sentences(ranking: Mapping[str, Any], scores: Metrics) -> list[str]:
    """Return one paragraph per truth, the one that is ranked by first, and one per classifier that is best in them.

    The best explanation is the one that rank puts first; it is held against the next one of another model, where there
    is another. Scores are in the first metric of the ranking. Arguments are those of `section`.
    """
    standings, metric = ranking["standings"], ranking["metrics"][0]
    sentences: list[str] = []
    classifiers: dict[str, Sequence[str]] = {}  # classifier -> itself and its repeats under other seeds
    for truth in sorted({row["truth"] for row in standings}, key=lambda name: (name != ranking["truth"], name)):
        first, *others = sorted((row for row in standings if row["truth"] == truth), key=lambda row: row["place"])
        if math.isnan(first["scores"][metric]["value"]):
            sentences.append(f"Against {TRUTHS[truth]} no score is defined.")
            continue
        others = [row for row in others if not math.isnan(row["scores"][metric]["value"])]
        others = [row for row in others if _classifier_of(row) != _classifier_of(first)] or others
        parts = (_best(first, metric), *(_next(row, metric) for row in others[:1]), *_controls(first))
        sentences.append(" ".join(parts))
        classifiers.setdefault(_classifier_of(first), first["explanation"]["models"])
    believed = [_classifier(name, [scores[model] for model in models]) for name, models in classifiers.items()]
    return sentences + believed


def _classifier_of(row: Standing) -> str:
    return str(row["explanation"]["models"][0])


def _best(row: Standing, metric: str) -> str:
    score, seeds = row["scores"][metric], len(row["explanation"]["models"])
    who = f"{_classifier_of(row)} explained by {_words(row['explanation']['explanation'])}"
    mean = f", mean of {seeds} seeds" if seeds > 1 else ""
    value = f"{_words(metric)} {score['value']:.3f}{mean}{_interval(score['low'], score['high'])}"
    return f"Against {TRUTHS[row['truth']]}, {who} finds the place best by average rank: {value}."


def _next(row: Standing, metric: str) -> str:
    who = f"{_classifier_of(row)} by {_words(row['explanation']['explanation'])}"
    behind, low, high = (row["behind"][name] for name in ("value", "low", "high"))
    if behind >= 0:
        distance = f"{behind:.3f} behind in {_words(metric)}{_interval(low, high)}"
    else:
        distance = f"{-behind:.3f} ahead in {_words(metric)}{_interval(-high, -low)}"
    clusters = row["scores"][metric]["clusters"]
    sureness = {
        "yes": ": more than chance explains.",
        "no": ": chance may explain it.",
        "too few": f"; so few clusters of tiles ({clusters}) do not say how surely.",
    }
    return f"The next, {who}, is {distance}" + sureness.get(row["told_apart"], ", which no interval can tell apart.")


def _controls(row: Standing) -> list[str]:
    """Return a sentence on the controls, maps that know nothing of defects; none where there is no control."""
    beaten, seeds = row["controls_beaten"], len(row["explanation"]["models"])
    if beaten is None:
        return []
    if beaten == seeds:
        return ["No control that knows nothing of defects scores as high."]
    where = "" if seeds == 1 else f" in {seeds - beaten} of {seeds} seeds"
    if "_guided" in row["explanation"]["explanation"]:
        good = f"But a control scores as high{where}"
        return [f"{good}: it is not shown that the model looks there, or that the refinement is more than smoothing."]
    good = f"But a control that knows nothing of defects scores as high{where}"
    return [f"{good}: it is not shown that the model looks there."]


def _classifier(name: str, seeds: Sequence[Mapping[str, Any]]) -> str:
    of = f"{name} (means of {len(seeds)} seeds)" if len(seeds) > 1 else name
    if "multiclass" in seeds[0]:
        several = [scores["multiclass"] for scores in seeds]
        return (
            f"The classifier of {of} names the right one of {len(several[0]['recall'])} classes for "
            f"{_mean(several, 'accuracy'):.2%} of {several[0]['tiles']:,} test tiles."
        )
    binary = [scores["classification"] for scores in seeds]
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
    known = [scores[score] for scores in seeds if scores[score] is not None]
    return fmean(known) if known else None


def _interval(low: float, high: float) -> str:
    return "" if math.isnan(low) else f" (95% interval {low:.3f} to {high:.3f})"


def _words(name: str) -> str:
    return {"f1": "F1", "jaccard": "IoU", "cam": "CAM", "gradcam": "GradCAM"}.get(name, name.replace("_", " "))

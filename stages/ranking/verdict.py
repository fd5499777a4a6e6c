"""The verdict: which explanation is best, overall and of each family, and the best CNN against the best ViT."""

from collections.abc import Mapping, Sequence
from typing import Any

from stages.ranking.average_ranks import BEST_BY, improvement_percent
from stages.ranking.differences import differences_in_words, family_difference
from stages.ranking.estimates import Estimates
from stages.ranking.record import FAMILIES, Standing

NOTHING = "the data set has no annotated area (boxes or masks), so there is nothing to rank by"


def verdict(
    truth: str, standings: Mapping[str, Sequence[Standing]], estimates: Mapping[str, Estimates]
) -> dict[str, Any]:
    """Return what metrics/rank.json says as `verdict`; its `sentence` is the same in words.

    Args:
        truth: that the ranking goes by.
        standings: truth -> of all explanations; empty where the data set has no annotated area.
        estimates: truth -> their scores, in the same order.
    """
    if not standings:
        return {"truth": truth, **{f"best_{family}": None for family in FAMILIES}}
    ranked = sorted(standings[truth], key=lambda standing: standing.place)
    content: dict[str, Any] = {"truth": truth, "best_by": BEST_BY, "best": ranked[0].explanation.name}
    words = []
    for family, title in FAMILIES.items():
        rows = [standing for standing in ranked if standing.explanation.family == family]
        content[f"best_{family}"] = rows[0].explanation.name if rows else None
        if rows:
            average = f"average rank {rows[0].average_rank.value:.2f} of {len(rows)}"
            words.append(f"best {title} {rows[0].explanation.name} ({average})")
        else:
            words.append(f"no {title} to rank")
    if content["best_cnn"] and content["best_vit"]:
        values = [_best(ranked, family).values for family in FAMILIES]
        content["improvement_percent"] = improvement_percent(*values)
        content["cnn_minus_vit"] = {}
        for kind, against in standings.items():
            content["cnn_minus_vit"][kind], text = _best_cnn_minus_best_vit(against, estimates[kind])
            words.append(text)
    undefined = sum(standing.undefined for standing in ranked)
    if undefined:
        words.append(f"undefined values, ranked last: {undefined}")
    return content | {"sentence": "; ".join(words)}


def _best(standings: Sequence[Standing], family: str) -> Standing:
    """Return the standing of a family that has the best place."""
    rows = (standing for standing in standings if standing.explanation.family == family)
    return min(rows, key=lambda standing: standing.place)


def _best_cnn_minus_best_vit(standings: Sequence[Standing], estimates: Estimates) -> tuple[dict[str, Any], str]:
    """Compare the two in every metric, for metrics/rank.json and in words; the same two throughout."""
    cnn, vit = (_best(standings, family) for family in FAMILIES)
    places = [standings.index(cnn)], [standings.index(vit)]
    differences = {metric: family_difference(estimates, *places, at) for at, metric in enumerate(cnn.scores)}
    names = {"cnn": cnn.explanation.name, "vit": vit.explanation.name}
    content = names | {metric: difference.content for metric, difference in differences.items()}
    text = f"{names['cnn']} - {names['vit']} against {cnn.truth}: {differences_in_words(differences)}"
    return content, text

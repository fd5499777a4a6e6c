"""Rankings to be reported, made by hand."""

import math
from dataclasses import asdict

from stages.ranking.record import Estimate, RankedExplanation, Ranking, Standing

NAN = math.nan


def estimate(value=NAN, low=NAN, high=NAN, clusters=12):
    return Estimate(value, low, high, clusters)


def standing(truth, models, explanation, scores, place=1, behind=(NAN, NAN, NAN), **more):
    """Return how one explanation stands.

    Args:
        models: the classifier and its other seeds, with spaces between.
        scores: metric -> arguments of `estimate`.
        more: other fields than those of a single explanation that beats its controls; family and name too.
    """
    seeds = tuple(models.split())
    family, name = more.pop("family", "cnn"), more.pop("name", seeds[0])
    fields = {
        "between_seeds": dict.fromkeys(scores, NAN),
        "ranks": dict.fromkeys(scores, place),
        "average_rank": estimate(float(place), float(place), float(place)),
        "best_in_resamples": NAN,
        "best_overall_in_resamples": NAN,
        "best_of_classifier": True,
        "on_front": True,
        "controls_beaten": len(seeds),
        "told_apart": "",
    }
    return Standing(
        truth=truth,
        explanation=RankedExplanation(name, family, seeds, explanation, 12.5),
        scores={metric: estimate(*values) for metric, values in scores.items()},
        place=place,
        behind=estimate(*behind),
        **fields | more,
    )


def ranking(*standings, truth="boxes", sentence="best CNN net; best ViT vit_fmax"):
    metrics = tuple(standings[0].scores) if standings else ("f1",)
    return Ranking(truth, metrics, standings, sentence)


def fields(*standings, **more):
    """Return a ranking as sections of the report take it."""
    return asdict(ranking(*standings, **more))

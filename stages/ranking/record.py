"""The record of a ranking, data/ranking/ranking.json: what rank found, with every digit.

metrics/rank.json and the tables in plots/ are made from it (`stages.ranking.outputs`) and rounded for people to read;
stages that go on from a ranking read this file.
"""

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stages.records.files import read_json, write_json
from stages.records.paths import RANKING
from stages.runtime.errors import InputError

FAMILIES = {"cnn": "CNN", "vit": "ViT"}  # in the order in which they are ranked -> as people write them

OWN, NEAREST_GOOD, SUPERVISED = "own", "nearest_good", "supervised"  # the model's map, and what stands around it


@dataclass(frozen=True)
class Estimate:
    """A number and its 95% interval."""

    value: float  # NaN where it is undefined
    low: float  # NaN where there is no interval
    high: float
    clusters: int  # how many clusters of test tiles (source images or groups) it rests on


@dataclass(frozen=True)
class RankedExplanation:
    """What a line of the ranking is: one explanation of one model, under all of the model's training seeds."""

    name: str  # of the line: <model>, of a fused rollout <model>_f<fusion>, of another method <model>_<explanation>
    family: str  # cnn | vit
    models: tuple[str, ...]  # the model and its repeats under other seeds, as params.yaml names them
    explanation: str  # its name in data/scores/<model> and metrics/score/<model>.json: cam, rollout_min, ...
    latency_ms: float  # of one image, forward pass and explanation; the median over the seeds

    @property
    def classifier(self) -> str:
        """The model, of its seeds the first."""
        return self.models[0]


@dataclass(frozen=True)
class Standing:
    """How one explanation stands against one truth. Scores are means over the training seeds."""

    truth: str  # boxes | exact
    explanation: RankedExplanation
    scores: dict[str, Estimate]  # metric -> score 0..1, higher is better
    between_seeds: dict[str, float]  # metric -> standard deviation over the seeds (n - 1); NaN for a single one
    ranks: dict[str, int]  # metric -> rank within the family, 1 is best
    average_rank: Estimate  # mean of the ranks; low and high: where the middle 95% of resamples of clusters lie
    best_in_resamples: float  # share of resamples in which it is the best of its family; NaN with too few clusters
    best_overall_in_resamples: float  # the same among both families
    place: int  # among both families, 1 is best
    best_of_classifier: bool  # no other explanation of the same model has a better place
    on_front: bool  # none is both faster and better in the first metric (Pareto front)
    controls_beaten: int | None  # in how many seeds it beats every control; None where there is no control
    behind: Estimate  # how far it is behind place 1 in the first metric, paired; below 0 where it is ahead
    told_apart: str  # yes (that interval excludes 0) | no | too few (clusters) | "" (no interval, or place 1 itself)
    photographs: dict[str, Estimate] = field(default_factory=dict)  # metric -> score; empty: none was scored

    @property
    def values(self) -> dict[str, float]:
        """Metric -> score, NaN where it is undefined."""
        return {metric: score.value for metric, score in self.scores.items()}

    @property
    def undefined(self) -> int:
        """How many of the scores are undefined."""
        return sum(math.isnan(value) for value in self.values.values())


@dataclass(frozen=True)
class Bracket:
    """Where the best explanation of one classifier stands between its references, against one truth."""

    truth: str  # boxes | exact
    classifier: str  # the model, of its seeds the first
    line: str  # name of that explanation in the ranking
    scores: dict[str, dict[str, Estimate]]  # metric -> own | nearest_good | supervised -> score, of those there are
    perfect: dict[str, float]  # metric -> score of the truth itself on the grid of the model's maps
    places: dict[str, dict[str, Estimate]]  # metric -> name of a fraction of `stages.ranking.brackets` -> what it is
    left_out: dict[str, str]  # reference that was asked for -> why it is not there


@dataclass(frozen=True)
class Ranking:
    """What rank found."""

    truth: str  # that the ranking goes by: rank.truth of params.yaml
    metrics: tuple[str, ...]  # that count, in the order of rank.metrics; every mapping of metrics has this order
    standings: tuple[Standing, ...]  # truth by truth, in the order of params.yaml; empty where there is no truth
    sentence: str  # the verdict in words
    brackets: tuple[Bracket, ...] = ()  # truth by truth; empty where `explain.references` asked for none
    around: str = ""  # the same of the best explanation, in words

    @property
    def truths(self) -> list[str]:
        """What explanations were scored against; not empty but for a data set without annotated areas."""
        return list(dict.fromkeys(standing.truth for standing in self.standings))

    def against(self, truth: str) -> list[Standing]:
        """Return the standings against one truth, in the order of params.yaml."""
        return [standing for standing in self.standings if standing.truth == truth]


def write_ranking(ranking: Ranking, path: Path = RANKING) -> None:
    """Write the record; undefined numbers are null, and without brackets there is no word of them."""
    content = asdict(ranking)
    write_json(
        path, {key: value for key, value in content.items() if value or key not in ("brackets", "around")}, exact=True
    )


def read_ranking(path: Path = RANKING) -> Ranking:
    """Read the record; null becomes NaN again.

    Raises:
        InputError: the file is missing, or not as `write_ranking` writes it.
    """
    content = read_json(path)
    try:
        metrics = tuple(content["metrics"])
        standings = tuple(_standing(fields, metrics) for fields in content["standings"])
        brackets = tuple(_bracket(fields, metrics) for fields in content.get("brackets", ()))
        return Ranking(**content | {"metrics": metrics, "standings": standings, "brackets": brackets})
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: not as rank writes it ({error!r}); run the rank stage again") from None


def _standing(fields: dict[str, Any], metrics: tuple[str, ...]) -> Standing:
    """Return a standing as it was before it was written: JSON has its keys sorted, lists for tuples, null for NaN."""
    explanation = fields["explanation"]
    restored = {
        "explanation": RankedExplanation(**explanation | {"models": tuple(explanation["models"])}),
        "scores": {metric: _estimate(fields["scores"][metric]) for metric in metrics},
        "between_seeds": {metric: _number(fields["between_seeds"][metric]) for metric in metrics},
        "ranks": {metric: fields["ranks"][metric] for metric in metrics},
        "photographs": {metric: _estimate(score) for metric, score in fields["photographs"].items()},
        **{name: _estimate(fields[name]) for name in ("average_rank", "behind")},
        **{name: _number(fields[name]) for name in ("best_in_resamples", "best_overall_in_resamples")},
    }
    return Standing(**fields | restored)


def _bracket(fields: dict[str, Any], metrics: tuple[str, ...]) -> Bracket:
    """Return a bracket as it was before it was written."""
    restored = {
        "perfect": {metric: _number(fields["perfect"][metric]) for metric in metrics},
        **{
            name: {metric: {key: _estimate(own) for key, own in fields[name][metric].items()} for metric in metrics}
            for name in ("scores", "places")
        },
    }
    return Bracket(**fields | restored)


def _estimate(fields: dict[str, Any]) -> Estimate:
    return Estimate(**{name: _number(value) for name, value in fields.items()})


def _number(value: Any) -> Any:
    return math.nan if value is None else value

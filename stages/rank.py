"""Stage rank: the models by where they look, within each family: tables 3.5 and 3.7 of the thesis, with intervals.

Reads data/scores/<model>, metrics/time/<model>.json and data/perturb/<model>.parquet of every model in params.yaml.
Writes data/ranking/ranking.json, and for people metrics/rank.json and plots/rank.csv, truths.csv, latency.csv
and photographs.csv.
`--table FILE.csv` ranks a table of scores instead.
"""

import argparse
from itertools import chain
from pathlib import Path

from stages.ranking.record import Ranking, write_ranking
from stages.records.files import read_json, write_json
from stages.records.paths import RANK_METRICS, metrics_file
from stages.runtime.command import report
from stages.runtime.params import Params, read_params


def rank(params: Params) -> str:
    """Write the ranking; return the verdict as the line to print."""
    from stages.ranking.brackets import brackets_of, verdict_of
    from stages.ranking.estimates import estimate_against
    from stages.ranking.gains import compare_gains, read_gains
    from stages.ranking.outputs import metrics_by_family, write_plots
    from stages.ranking.photographs import with_photographs
    from stages.ranking.scored_models import open_all_scores
    from stages.ranking.settings import Rank
    from stages.ranking.standings import explanations_to_rank, standings_against
    from stages.ranking.verdict import NOTHING, verdict
    from stages.scores.scores import CLUSTERS

    rule, models, seeds, families = params.read(Rank), list(params.models), params.seeds, params.families
    scores = open_all_scores(models, rule)
    truths = scores[models[0]].truths
    times = {model: read_json(metrics_file("time", model)) for model in models}
    fills = params.value("perturb.fills", tuple[str, ...])
    gains, gains_line = compare_gains(read_gains(models), seeds, families, fills, CLUSTERS[rule.cluster])

    ranked = explanations_to_rank(scores, seeds, families, rule.methods, times) if truths else []
    estimates = {truth: estimate_against(truth, ranked, scores, rule) for truth in truths}
    standings = {truth: standings_against(truth, rule.metrics, ranked, estimates[truth], scores) for truth in truths}
    standings = {truth: with_photographs(own, scores, rule) for truth, own in standings.items()}
    found = verdict(rule.truth, standings, estimates)
    sentence = found.get("sentence", NOTHING)
    every = tuple(chain(*standings.values()))
    brackets = brackets_of(every, scores, rule)
    references = verdict_of(brackets, standings, rule.metrics[0])
    found |= {"references": references} if references else {}
    ranking = Ranking(rule.truth, rule.metrics, every, sentence, brackets, references.get("sentence", ""))

    write_ranking(ranking)
    write_plots(ranking)
    write_json(RANK_METRICS, {**metrics_by_family(ranking), "verdict": found, "faithfulness": gains})
    around = f". {ranking.around}" if ranking.around else ""
    return f"rank{f' by {rule.truth}' if truths else ''}: {sentence}{gains_line}{around}"


def _main() -> None:
    parser = argparse.ArgumentParser(description="Rank all models within their family by their localisation scores.")
    parser.add_argument("--table", type=Path, help="rank the rows of this CSV (columns of table 3.4) and print them")
    table = parser.parse_args().table
    report(lambda: rank(read_params()) if table is None else _rank_table(table))


def _rank_table(path: Path) -> str:
    from stages.ranking.score_tables import rank_table

    return rank_table(path)


if __name__ == "__main__":
    _main()

"""Rank the models by where they look, within each family: tables 3.5 and 3.7 of the thesis, with intervals.

Reads data/scores/<model>, metrics/time/<model>.json and data/perturb/<model>.parquet of every model in params.yaml.
Writes metrics/rank.json and plots/rank.csv, truths.csv and latency.csv. `--table FILE.csv` ranks a table of scores
instead.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from stages.metrics.clusters import ClusterParts, cluster_parts
from stages.metrics.faithfulness import GAIN_BOUNDS, GAINS, gain_parts, order_flips
from stages.metrics.intervals import draw_clusters
from stages.metrics.table import METRICS
from stages.ranking.comparison import Estimates, contest, contests_line, estimate
from stages.ranking.ranks import BEST_BY, Ranked, improvement_percent, in_one_order, rank_family
from stages.ranking.score_tables import rank_table_text, read_score_table
from stages.ranking.settings import Rank
from stages.ranking.standing import (
    LATENCY_COLUMNS,
    RANK_COLUMNS,
    TRUTHS_COLUMNS,
    Entry,
    latency_lines,
    rank_lines,
    row_content,
    truth_lines,
)
from stages.records.files import read_json, write_csv, write_json
from stages.records.paths import (
    LATENCY_PLOT,
    RANK_METRICS,
    RANK_PLOT,
    TRUTHS_PLOT,
    metrics_file,
    perturb_file,
    scores_folder,
)
from stages.records.tables import read_table
from stages.runtime.command import report
from stages.runtime.errors import InputError
from stages.runtime.params import Params, read_params
from stages.scores.scores import CLUSTERS, Explanation, Scores, open_scores

FAMILIES = {"cnn": "CNN", "vit": "ViT"}

PLOTS = {RANK_PLOT: RANK_COLUMNS, TRUTHS_PLOT: TRUTHS_COLUMNS, LATENCY_PLOT: LATENCY_COLUMNS}


def rank(params: Params) -> str:
    """Write the ranking; return the verdict as the line to print."""
    rule, scores = params.read(Rank), _read(params)
    first = next(iter(scores.values()))
    gains, gains_line = _faithfulness(params)
    if not first.truths:
        for path, columns in PLOTS.items():
            write_csv(path, columns, [])
        nothing = {"truth": rule.truth, **{f"best_{family}": None for family in FAMILIES}}
        write_json(RANK_METRICS, {**{family: {} for family in FAMILIES}, "verdict": nothing, "faithfulness": gains})
        return "rank: the data set has no annotated area (boxes or masks), so there is nothing to rank by" + gains_line
    entries = _entries(params, scores)
    by_truth = {truth: _estimates(params, scores, entries, truth) for truth in first.truths}
    ranked_by = {truth: _ranked(entries, own, rule.metrics) for truth, own in by_truth.items()}
    orders = {truth: in_one_order(ranked.values(), rule.metrics) for truth, ranked in ranked_by.items()}
    ranked, estimates, names = ranked_by[rule.truth], by_truth[rule.truth], list(entries)
    latency_ms = np.array([_latency_ms(entry, scores) for entry in entries.values()])
    content = row_content(ranked, entries, rule.truth, estimates, latency_ms)
    verdict, line = _verdict(ranked_by, orders, names, by_truth, params)
    write_csv(RANK_PLOT, RANK_COLUMNS, rank_lines(ranked, content, names, estimates))
    write_csv(TRUTHS_PLOT, TRUTHS_COLUMNS, truth_lines(entries, by_truth, rule.metrics))
    write_csv(LATENCY_PLOT, LATENCY_COLUMNS, latency_lines(entries, by_truth, orders, rule.metrics[0], latency_ms))
    write_json(RANK_METRICS, {**content, "verdict": verdict, "faithfulness": gains})
    return line + gains_line


def _estimates(params: Params, scores: Mapping[str, Scores], entries: Mapping[str, Entry], truth: str) -> Estimates:
    rule = params.read(Rank)
    column = CLUSTERS[rule.cluster]
    parts = [
        [
            [cluster_parts(metric, scores[model], truth, entry.row, column) for metric in rule.metrics]
            for model in entry.models
        ]
        for entry in entries.values()
    ]
    clusters = next(iter(scores.values())).tiles[column].nunique()
    return estimate(parts, draw_clusters(clusters, rule.resamples, rule.seed))


def _ranked(entries: Mapping[str, Entry], estimates: Estimates, metrics: Sequence[str]) -> dict[str, list[Ranked]]:
    rows = {name: dict(zip(metrics, own, strict=True)) for name, own in zip(entries, estimates.values, strict=True)}
    of = {family: {name: rows[name] for name in rows if entries[name].family == family} for family in FAMILIES}
    return {family: rank_family(table, metrics) for family, table in of.items()}


def rank_table(path: Path) -> str:
    """Rank a table in the shape of table 3.4 within its families; return the ranks as CSV, columns of table 3.5."""
    tables = read_score_table(path)
    rows = [row for table in tables.values() for row in rank_family(table, list(next(iter(table.values()), {})))]
    by_name = {row.name: row for row in rows}
    ordered = {name: by_name[name] for table in tables.values() for name in table}
    ranks = {name: row.ranks for name, row in ordered.items()}
    return rank_table_text(ranks, {name: row.average_rank for name, row in ordered.items()})


def _read(params: Params) -> dict[str, Scores]:
    """Open the scores of every model and check that they are of the same tiles and truths, and that these will do."""
    scores = {model: open_scores(scores_folder(model)) for model in params.models}
    (_, first), *others = scores.items()
    for _, other in others:
        if list(other.tiles["tile_id"]) != list(first.tiles["tile_id"]) or other.truths != first.truths:
            raise InputError(
                f"{other.folder}: scored on {len(other.tiles)} tiles against {', '.join(other.truths) or 'nothing'}, "
                f"but {first.folder} on {len(first.tiles)} against {', '.join(first.truths) or 'nothing'} or on other "
                "tiles; run the explain and score stages again for both"
            )
    if not first.truths:
        return scores
    rule = params.read(Rank)
    if rule.truth not in first.truths:
        raise InputError(
            f"params.yaml: rank.truth is {rule.truth!r}, but {first.folder} has only {', '.join(first.truths)}; "
            f"use -S rank.truth={first.truths[0]}"
        )
    for metric in rule.metrics:
        if metric not in METRICS:
            raise InputError(f"params.yaml: rank.metrics has {metric!r}; known: {', '.join(METRICS)}")
    return scores


def _entries(params: Params, scores: Mapping[str, Scores]) -> dict[str, Entry]:
    """Name the rows: a CNN's own method gives <model>, a ViT's <model>_f<fusion>, any other <model>_<method>."""
    entries = {}
    for model, seeds in params.seeds.items():
        family = params.families[model]
        for key, row in scores[model].rows.items():
            if row.control or not (row.own or params.read(Rank).methods == "all"):
                continue
            name = f"{model}_f{row.fusion}" if family == "vit" else model
            for seed in seeds:
                if key not in scores[seed].rows:
                    raise InputError(f"{scores[seed].folder}: has no {key}, which {model} has; explain it again")
            of_seeds = [scores[seed].rows[key].beats_controls for seed in seeds]
            beats = {truth: [own.get(truth) for own in of_seeds] for truth in scores[model].truths}
            entries[name if row.own else f"{model}_{key}"] = Entry(family, seeds, key, beats)
    return entries


def _latency_ms(entry: Entry, scores: Mapping[str, Scores]) -> float:
    """Return the median over seeds of one forward pass with the row's explanation, in the setting that each chose."""
    return median(_measured_ms(model, scores[model].rows[entry.row]) for model in entry.models)


def _measured_ms(model: str, row: Explanation) -> float:
    path, discard = metrics_file("time", model), f"{row.discard:g}"
    measured = read_json(path).get(model)
    try:
        return float(measured["settings"][row.method][row.fusion][discard]["median_ms"])  # type: ignore[index]
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path}: nothing measured of {row.method}, fusion {row.fusion}, discard {discard} ({error!r}); run the "
            "time stage again"
        ) from None


def _verdict(
    ranked_by: Mapping[str, Mapping[str, list[Ranked]]],
    orders: Mapping[str, list[str]],
    names: list[str],
    by_truth: Mapping[str, Estimates],
    params: Params,
) -> tuple[dict[str, Any], str]:
    """Return the best of all and of each family, and by every truth its best CNN against its best ViT; one line."""
    rule = params.read(Rank)
    truth, metrics, ranked = rule.truth, rule.metrics, ranked_by[rule.truth]
    verdict: dict[str, Any] = {"truth": truth, "best_by": BEST_BY, "best": orders[truth][0]}
    parts = []
    for family, title in FAMILIES.items():
        rows = ranked[family]
        verdict[f"best_{family}"] = rows[0].name if rows else None
        best = [f"best {title} {row.name} (average rank {row.average_rank:.2f} of {len(rows)})" for row in rows[:1]]
        parts += best or [f"no {title} to rank"]
    if all(ranked.values()):
        best_cnn, best_vit = ranked["cnn"][0], ranked["vit"][0]
        verdict["improvement_percent"] = improvement_percent(best_cnn.values, best_vit.values, metrics)
        verdict["cnn_minus_vit"] = {}
        for kind, estimates in by_truth.items():
            cnn, vit = (names.index(ranked_by[kind][family][0].name) for family in FAMILIES)
            contests = {metric: contest(estimates, [cnn], [vit], place) for place, metric in enumerate(metrics)}
            described = {metric: own.content for metric, own in contests.items()}
            verdict["cnn_minus_vit"][kind] = {"cnn": names[cnn], "vit": names[vit], **described}
            parts.append(f"{names[cnn]} - {names[vit]} against {kind}: {contests_line(contests)}")
    undefined = sum(row.undefined for rows in ranked.values() for row in rows)
    if undefined:
        parts.append(f"undefined values, ranked last: {undefined}")
    return verdict | {"sentence": "; ".join(parts)}, f"rank by {truth}: " + "; ".join(parts)


def _faithfulness(params: Params) -> tuple[dict[str, Any], str]:
    """Compare the families' gains over a random map under each fill; say where the fill flips their order."""
    fills, tables, seeds = params.value("perturb.fills", tuple[str, ...]), {}, params.seeds
    for model in params.models:
        table = read_table(perturb_file(model), "perturb")
        tables[model] = table[table["best"]].sort_values("tile_id", kind="stable")
    first = next(iter(tables.values()))
    for model, table in tables.items():
        if list(table["tile_id"]) != list(first["tile_id"]):
            raise InputError(f"{perturb_file(model)}: other tiles than the other models'; run the perturb stages again")
    of = {family: [model for model in seeds if params.families[model] == family] for family in FAMILIES}
    if not all(of.values()):
        return {}, ""
    names = {f"{curve}_{fill}": (curve, fill) for curve in GAINS for fill in fills}
    clusters = first[first["fill"] == fills[0]][CLUSTERS[params.read(Rank).cluster]]

    def parts(model: str) -> list[ClusterParts]:
        of_fill = {fill: tables[model][tables[model]["fill"] == fill] for fill in fills}
        return [gain_parts(of_fill[fill], curve, clusters) for curve, fill in names.values()]

    gains = [[parts(seed) for seed in own] for own in seeds.values()]
    estimates = estimate(gains, draw_clusters(clusters.nunique(), 0, 0), GAIN_BOUNDS)
    places = {family: [list(seeds).index(model) for model in models] for family, models in of.items()}
    contests = {name: contest(estimates, places["cnn"], places["vit"], place) for place, name in enumerate(names)}
    flips = order_flips({name: own.verdict for name, own in contests.items()}, fills)
    content = {
        "cnn": ", ".join(of["cnn"]),
        "vit": ", ".join(of["vit"]),
        **{name: own.content for name, own in contests.items()},
        "fill_flips_order": flips,
    }
    flipped = ", ".join(f"{curve} {said}" for curve, said in flips.items())
    return content, f"; gain over random, mean CNN - mean ViT: {contests_line(contests)}; the fill flips it: {flipped}"


def _main() -> None:
    parser = argparse.ArgumentParser(description="Rank all models within their family by their localisation scores.")
    parser.add_argument("--table", type=Path, help="rank the rows of this CSV (columns of table 3.4) and print them")
    table = parser.parse_args().table
    report(lambda: rank(read_params()) if table is None else rank_table(table))


if __name__ == "__main__":
    _main()

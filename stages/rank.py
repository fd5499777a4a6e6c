"""Rank the models by where they look, within each family: tables 3.5 and 3.7 of the thesis.

Reads metrics/score/<model>.json of every model in params.yaml. Writes metrics/rank.json and plots/rank.csv.
"""

import csv
import math
from collections.abc import Mapping
from typing import Any

from stages.metrics.localisation import SCORES
from stages.metrics.ranking import Ranked, improvement_percent, rank_family
from stages.runtime.command import run_stage
from stages.runtime.errors import InputError
from stages.runtime.params import Params
from stages.runtime.paths import RANK_METRICS, RANK_PLOT, metrics_file
from stages.runtime.records import DECIMALS, new_file, read_json, write_json

FAMILIES = {"cnn": "CNN", "vit": "ViT"}

Table = dict[str, dict[str, float]]  # row -> metric -> value


def rank(params: Params) -> str:
    """Write the ranking; return the verdict as the line to print."""
    metrics = params.rank.metrics
    for metric in metrics:
        if metric not in SCORES:
            raise InputError(f"params.yaml: rank.metrics has {metric!r}; known: {', '.join(SCORES)}")
    if len(set(metrics)) < len(metrics):
        raise InputError(f"params.yaml: rank.metrics names a metric twice: {', '.join(metrics)}")
    tables = _read(params)
    ranked = {family: rank_family(table, metrics) for family, table in tables.items()}
    verdict, line = _verdict(ranked, params)
    content: dict[str, Any] = {
        family: {
            row.name: {"ranks": row.ranks, "average_rank": row.average_rank, "undefined": row.undefined} for row in rows
        }
        for family, rows in ranked.items()
    }
    _write_plot(ranked)
    write_json(RANK_METRICS, content | {"verdict": verdict})
    return line


def _read(params: Params) -> dict[str, Table]:
    """Collect the rows of both families: a CNN gives one, a ViT one per fusion mode, named as in the thesis."""
    tables: dict[str, Table] = {family: {} for family in FAMILIES}
    for model, entry in params.models.items():
        path = metrics_file("score", model)
        scored = read_json(path).get(model)
        if not isinstance(scored, dict):
            raise InputError(f"{path}: has no {model!r}; run the score stage of this model again")
        truths = [kind for kind in scored if kind != "classification"]
        if truths and params.rank.truth not in truths:
            raise InputError(
                f"params.yaml: rank.truth is {params.rank.truth!r}, but {path} has only {', '.join(truths)}; "
                f"use -S rank.truth={truths[0]}"
            )
        for fusion, values in scored.get(params.rank.truth, {}).items():
            name = f"{model}_f{fusion}" if entry.family == "vit" else model
            try:
                tables[entry.family][name] = {
                    metric: math.nan if values[metric] is None else float(values[metric]) for metric in SCORES
                }
            except (KeyError, TypeError, ValueError) as error:
                raise InputError(f"{path}: not as score writes it ({error!r}); run the score stage again") from None
    return tables


def _verdict(ranked: Mapping[str, list[Ranked]], params: Params) -> tuple[dict[str, Any], str]:
    """Return the best of each family, the improvement of the best CNN over the best ViT, and this as one line."""
    verdict: dict[str, Any] = {"truth": params.rank.truth}
    parts = []
    for family, title in FAMILIES.items():
        rows = ranked[family]
        verdict[f"best_{family}"] = rows[0].name if rows else None
        if rows:
            parts.append(f"best {title} {rows[0].name} (average rank {rows[0].average_rank:.2f} of {len(rows)})")
        else:
            parts.append(f"no {title} to rank")
    if not any(ranked.values()):
        return verdict, "rank: the data set has no annotated area (boxes or masks), so there is nothing to rank by"
    if all(ranked.values()):
        best_cnn, best_vit = ranked["cnn"][0].values, ranked["vit"][0].values
        verdict["improvement_percent"] = improvement_percent(best_cnn, best_vit, params.rank.metrics)
        changes = ", ".join(
            f"{metric} {'undefined' if math.isnan(change) else f'{change:+.2f} %'}"
            for metric, change in verdict["improvement_percent"].items()
        )
        parts.append(f"CNN over ViT: {changes}")
    undefined = sum(row.undefined for rows in ranked.values() for row in rows)
    if undefined:
        parts.append(f"undefined values, ranked last: {undefined}")
    return verdict, f"rank by {params.rank.truth}: " + "; ".join(parts)


def _write_plot(ranked: Mapping[str, list[Ranked]]) -> None:
    """Write one line per row and metric, and one for the average rank, which has no value; undefined is empty."""
    with new_file(RANK_PLOT) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("family", "model", "metric", "rank", "value"))
        for family, rows in ranked.items():
            for row in rows:
                for metric, place in row.ranks.items():
                    value = row.values[metric]
                    text = "" if math.isnan(value) else round(value, DECIMALS)
                    writer.writerow((family, row.name, metric, place, text))
                writer.writerow((family, row.name, "average", round(row.average_rank, DECIMALS), ""))


if __name__ == "__main__":
    run_stage(rank, "Rank all models within their family by their localisation scores.")

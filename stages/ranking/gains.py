"""Faithfulness of the families: how much more than a random map their best explanations mark what the models use."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from stages.metrics.clusters import ClusterParts
from stages.metrics.faithfulness import GAIN_BOUNDS, GAINS, gain_parts, order_flips
from stages.ranking.differences import differences_in_words, family_difference
from stages.ranking.estimates import estimate
from stages.ranking.record import FAMILIES
from stages.records.paths import perturb_file
from stages.records.tables import read_table
from stages.runtime.errors import InputError


def read_gains(models: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return model -> what perturb says of its best explanation: a line per fill and test tile.

    Raises:
        InputError: a table is missing or broken, or of other tiles than the others.
    """
    tables = {}
    for model in models:
        table = read_table(perturb_file(model), "perturb")
        tables[model] = table[table["best"]].sort_values("tile_id", kind="stable")
        if list(tables[model]["tile_id"]) != list(tables[models[0]]["tile_id"]):
            raise InputError(f"{perturb_file(model)}: other tiles than the other models'; run the perturb stages again")
    return tables


def compare_gains(
    tables: Mapping[str, pd.DataFrame],
    seeds: Mapping[str, Sequence[str]],
    families: Mapping[str, str],
    fills: Sequence[str],
    cluster: str,
) -> tuple[dict[str, Any], str]:
    """Compare the families' mean gains over a random map under each fill; say whether the fill decides who leads.

    Args:
        tables: of every model, as `read_gains` returns them.
        seeds: model -> itself and its repeats under other seeds.
        families: model -> cnn | vit.
        fills: what removed pixels are replaced by.
        cluster: column that names the cluster of a tile.

    Returns:
        What metrics/rank.json says as `faithfulness`, and the same in words; nothing where a family has no model.
    """
    members = {family: [model for model in seeds if families[model] == family] for family in FAMILIES}
    if not all(members.values()):
        return {}, ""
    names = [f"{curve}_{fill}" for curve in GAINS for fill in fills]

    def parts_of(model: str) -> list[ClusterParts]:
        of_fill = {fill: tables[model][tables[model]["fill"] == fill] for fill in fills}
        return [gain_parts(of_fill[fill], curve, of_fill[fill][cluster]) for curve in GAINS for fill in fills]

    no_resamples = np.empty((0, tables[next(iter(seeds))][cluster].nunique()))
    gains = estimate([[parts_of(seed) for seed in models] for models in seeds.values()], no_resamples, GAIN_BOUNDS)
    cnns, vits = ([list(seeds).index(model) for model in members[family]] for family in FAMILIES)
    differences = {name: family_difference(gains, cnns, vits, at) for at, name in enumerate(names)}
    flips = order_flips({name: difference.better for name, difference in differences.items()}, fills)
    content = {
        **{family: ", ".join(models) for family, models in members.items()},
        **{name: difference.content for name, difference in differences.items()},
        "fill_flips_order": flips,
    }
    flipped = ", ".join(f"{curve} {answer}" for curve, answer in flips.items())
    return content, (
        f"; gain over random, mean CNN - mean ViT: {differences_in_words(differences)}; the fill flips it: {flipped}"
    )

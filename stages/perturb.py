"""Stage perturb: does the model use what its heatmaps mark? Deletion, insertion and sufficiency on a sample of tiles.

Needs no mask. Reads data/models/<model>, data/maps/<model>, data/scores/<model> (which settings) and the tiles. Writes
metrics/perturb/<model>.json, data/perturb/<model>.parquet (tile by tile) and plots/perturb/<model>.csv (curves).
"""

from typing import Any

from stages.records.paths import (
    maps_folder,
    metrics_file,
    model_folder,
    perturb_file,
    plot_file,
    scores_folder,
    tiles_folder,
)
from stages.runtime.command import run_model_stage
from stages.runtime.params import Params, Runtime


def perturb(params: Params, name: str) -> str:
    """Perturb tiles by the chosen explanations of the model `name`; return the line to print."""
    import pandas as pd

    from stages.faithfulness.perturbed import CURVE_COLUMNS, mark, perturb_tiles
    from stages.faithfulness.probability import make_predict
    from stages.faithfulness.sample import draw_defective
    from stages.faithfulness.settings import Perturb
    from stages.heatmaps.maps import open_maps
    from stages.metrics.faithfulness import faithfulness_scores, filled
    from stages.models.trained import load_classifier
    from stages.records.files import new_file, write_csv, write_json
    from stages.records.tiles import open_tiles
    from stages.runtime.device import choose_device
    from stages.runtime.progress import progress
    from stages.scores.scores import CLUSTERS, open_explanations

    rule, threshold = params.read(Perturb), params.value("score.intensity_threshold", float)
    model, description = load_classifier(model_folder(name))
    device = choose_device(params.read(Runtime).device)
    model.to(device)
    maps, tiles = open_maps(maps_folder(name)), open_tiles(tiles_folder(params.dataset_name))
    explanations, best = open_explanations(scores_folder(name))
    rows = draw_defective(maps.index, rule.tiles, rule.seed)
    positions = maps.positions_in(tiles)[rows]
    pixels, about = tiles.images(positions), tiles.index.iloc[positions][["tile_id", "source", "group"]]
    about = about.reset_index(drop=True)
    clusters = about[CLUSTERS[params.value("rank.cluster", str)]]
    predict = make_predict(model, description, pixels, rule.batch, device)
    probability = predict(pixels)

    chosen = {key: of for key, of in explanations.items() if not of.beside and (rule.methods == "all" or key == best)}
    tables, curves = [], []
    scores: dict[str, dict[str, Any]] = {}
    for key, fill in progress([(key, fill) for key in chosen for fill in rule.fills], f"perturb {name}"):
        if fill == rule.fills[0]:
            maps_of = maps.methods[chosen[key].method]
            marked = mark(maps_of, chosen[key].setting, rows, tiles.px, threshold, rule.seed)
        columns, points = perturb_tiles(pixels, probability, marked, filled(pixels, fill), rule.steps, predict)
        scores.setdefault(key, {})[fill] = faithfulness_scores(columns, clusters)
        tables.append(about.assign(row=key, best=key == best, fill=fill, **columns))
        curves += [(key, point.map, point.curve, fill, point.fraction, point.probability) for point in points]
    with new_file(perturb_file(name)) as temporary:
        pd.concat(tables).to_parquet(temporary, index=False)
    write_csv(plot_file("perturb", name, ".csv"), CURVE_COLUMNS, curves)
    write_json(metrics_file("perturb", name), {name: {**scores, "tiles": len(rows)}})
    kinds = ("deletion", "insertion", "sufficiency")
    words = [
        f"{fill}: " + ", ".join(f"{kind} {of_fill[kind]['value']:.3f}" for kind in kinds)
        for fill, of_fill in scores[best].items()
    ]
    return f"perturb {name}, {best}, {len(rows)} tiles, {'; '.join(words)}"


if __name__ == "__main__":
    run_model_stage(perturb, "Delete and insert the pixels that a model's heatmaps mark, and follow its probability.")

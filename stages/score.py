"""Stage score: one model: its classifier, and where its heatmaps point, by every method, setting and truth.

Reads data/maps/<model> and the tiles, never a model. Writes metrics/score/<model>.json (what people compare),
data/scores/<model> (tile by tile: what rank makes intervals of), and in plots: settings/<model>.csv (every setting),
strata/ (by kind and area of the defect), thresholds/ (by threshold) and froc/ (whole photographs).
"""

from functools import partial

from stages.records.paths import maps_folder, metrics_file, plot_file, scores_folder, tiles_folder
from stages.runtime.command import run_model_stage
from stages.runtime.params import Params


def score(params: Params, model: str) -> str:
    """Write the scores and tables of one model; return the line to print."""
    from stages.heatmaps.maps import open_maps
    from stages.records.files import write_csv, write_json
    from stages.records.tiles import open_tiles
    from stages.runtime.progress import progress
    from stages.scores.scores import write_scores
    from stages.scoring import summary, tables
    from stages.scoring.choice import choose_explanations
    from stages.scoring.classifier import classifier_scores
    from stages.scoring.froc import FROC_COLUMNS, find_in_photographs
    from stages.scoring.images import image_histograms
    from stages.scoring.measure import all_scores, measure
    from stages.scoring.methods import grid_truths, methods_of
    from stages.scoring.references import perfect_scores, tile_scores_of, with_perfect
    from stages.scoring.settings import Score
    from stages.scoring.thresholding import alarm_levels, by_thresholds, choose_levels
    from stages.scoring.tiles import join_tiles

    rule = params.read(Score)
    maps, all_tiles = open_maps(maps_folder(model)), open_tiles(tiles_folder(params.dataset_name))
    tiles = join_tiles(maps, all_tiles)
    classifier = classifier_scores(maps, tiles, rule.probability_threshold)
    methods = methods_of(maps, tiles, rule.seed)

    # validation tiles choose settings and thresholds; test tiles are scored by what was chosen
    watch = {part: partial(progress, title=f"score {model}, {part}") for part in ("validation", "test", "photographs")}
    validation = measure(methods, tiles, "val", rule, watch=watch["validation"])
    val_scores = all_scores(validation)
    explanations, best = choose_explanations(methods, val_scores, tiles.truths, rule.choose_by)
    chosen = choose_levels(explanations, validation, tiles.truths)
    alarms = alarm_levels(explanations, chosen, tiles.truths, rule)
    test = measure(methods + grid_truths(methods, tiles), tiles, "test", rule, alarms, watch["test"])
    test_scores = all_scores(test)
    thresholded = by_thresholds(explanations, test, chosen, rule)
    found = find_in_photographs(maps, all_tiles, explanations, alarms, rule, watch["photographs"])

    content = summary.explanation_scores(explanations, methods, tiles, test, test_scores, thresholded, rule)
    explanations = summary.with_controls(explanations, content)
    perfect = perfect_scores(maps, methods, test_scores)
    references = tile_scores_of(maps, methods, tiles, rule.probability_threshold)
    settings = tables.setting_lines(methods, {"val": val_scores, "test": test_scores})
    write_csv(plot_file("settings", model, ".csv"), tables.SETTINGS_COLUMNS, settings)
    strata = tables.stratum_lines(explanations, test, tiles)
    write_csv(plot_file("strata", model, ".csv"), tables.STRATA_COLUMNS, strata)
    curves = tables.threshold_lines(thresholded, chosen, rule)
    write_csv(plot_file("thresholds", model, ".csv"), tables.THRESHOLDS_COLUMNS, curves)
    write_csv(plot_file("froc", model, ".csv"), FROC_COLUMNS, found.points)
    write_scores(
        scores_folder(model),
        tables.tile_table(explanations, test, thresholded, tiles),
        tables.tile_index(tiles),
        explanations,
        best,
        image_histograms(explanations, methods, test, tiles),
        summary.pooled_scores(content),
        {"perfect": perfect, "left_out": maps.left_out} if references else None,
        found.record,
    )
    more = {"good_tiles": summary.good_tile_alarms(explanations, tiles, test, rule), "photographs": found.content}
    write_json(metrics_file("score", model), {model: with_perfect(content, perfect) | classifier | more | references})
    return summary.line(model, maps, best, explanations[best], content, classifier) + found.words(best)


if __name__ == "__main__":
    run_model_stage(score, "Score one model's classifier and heatmaps on validation and test tiles.")

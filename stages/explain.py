"""Stage explain: the heatmaps of one model for every validation and test tile in every setting, and its logits."""

from stages.records.paths import maps_folder, model_folder, split_file, supervised_folder, tiles_folder
from stages.runtime.command import run_model_stage
from stages.runtime.params import Params, Runtime

BATCHES_KEPT = 16  # a killed run loses the work on so many at most


def explain(params: Params, name: str) -> str:
    """Explain the model `name`; write what `stages.heatmaps` describes, going on where a killed run stopped."""
    from stages.explainers.batches import explain_batches
    from stages.explainers.explainer import learn_from, prepare_explainers, save_learned
    from stages.explainers.methods import Explain, methods_left_out
    from stages.explainers.references import kept_words, prepare_references
    from stages.explainers.run import explain_fingerprint
    from stages.heatmaps.new_maps import NewMaps
    from stages.heatmaps.photographs import photographs_folder, rest_of_photographs, write_about
    from stages.models.batches import in_order
    from stages.models.trained import load_classifier
    from stages.records.folders import resumable_folder
    from stages.records.tiles import open_tiles
    from stages.runtime.device import choose_device
    from stages.runtime.progress import progress

    parameters, device = params.read(Explain), choose_device(params.read(Runtime).device)
    model, description = load_classifier(model_folder(name))
    dataset = params.dataset_name
    all_tiles = open_tiles(tiles_folder(dataset), split_file(dataset))
    references = prepare_references(model, description, parameters, all_tiles, supervised_folder(name))
    explainers = prepare_explainers(model, description, parameters) + list(references.explainers)
    for explainer in explainers:
        explainer.to(device)
    explainers = learn_from(all_tiles, explainers, description, device)
    tiles = all_tiles.select(("val", "test"))
    rest, left_out = rest_of_photographs(all_tiles, parameters.photographs != "none")
    run = explain_fingerprint(name, parameters, dataset, tiles, device)
    with resumable_folder(maps_folder(name), run) as folder:
        save_learned(folder, explainers)
        parts = [(folder, tiles, explainers)]
        if rest is not None:
            few = explainers if parameters.photographs == "all" else explainers[:1]
            parts.append((photographs_folder(folder), rest, few))
        written = []
        for place, of, by in parts:
            place.mkdir(exist_ok=True)
            maps = NewMaps(place, len(of))
            batches = [rows for rows in in_order(of, parameters.batch) if rows[0] >= maps.done]
            watched = progress(batches, f"explain {name}")
            maps.fill(explain_batches(by, description, of, watched, device), BATCHES_KEPT)
            written.append((maps, of.index[["tile_id", "split", "label"]], by))
        for maps, index, by in written:  # quick, and last: a killed run goes on in what is not finished
            content = {
                "model": name,
                "family": description.architecture.family,
                "order": [explainer.name for explainer in by],
                "methods": {explainer.name: explainer.record for explainer in by},
            } | ({"left_out": references.left_out} if references.left_out else {})
            maps.finish(index, description.classes, content)
        write_about(folder, left_out)
    made = ", ".join(f"{explainer.name} x {len(explainer.settings)}" for explainer in explainers)
    more = f" and {len(rest)} more of test photographs" if rest is not None else ""
    without = methods_left_out(parameters, description.architecture) | references.left_out
    return f"explain {name}: {len(tiles)} tiles{more}, {made}{kept_words(explainers, without)}"


if __name__ == "__main__":
    run_model_stage(explain, __doc__)

"""Stage export: the best model, or those that params.yaml names, as one file each that runs without PyTorch.

Writes data/export/<model>.onnx (docs/export.md) and metrics/export/<model>.json: how far its numbers are from
PyTorch's.
One stage for all models: which is best is known only when all are trained, and a model that is not chosen has no file.
"""

from stages.records.paths import (
    EXPORT_FOLDER,
    EXPORT_METRICS,
    metrics_file,
    model_folder,
    scores_folder,
    split_file,
    tiles_folder,
)  # fmt: skip
from stages.runtime.command import run_stage
from stages.runtime.params import Params


def export(params: Params) -> str:
    """Export every chosen model: all files, or none; return the line to print."""
    from stages.explainers.methods import Explain
    from stages.exports.choice import chosen_models
    from stages.exports.chosen import why_no_graph
    from stages.exports.exported import export_model
    from stages.exports.settings import Export, refuse_unknown_models
    from stages.exports.source import read_source
    from stages.models.trained import read_description
    from stages.records.files import read_json, write_json
    from stages.records.folders import new_folder
    from stages.records.tiles import open_tiles
    from stages.runtime.progress import progress

    section, models = params.read(Export), list(params.models)
    refuse_unknown_models(section, models)
    trained = {model: read_json(metrics_file("train", model)).get(model, {}) for model in models}
    explain = params.read(Explain)
    why_not = {
        model: why_no_graph(scores_folder(model), read_description(model_folder(model)), explain) for model in models
    }
    chosen = chosen_models(section, models, trained, why_not)
    dataset = params.dataset_name
    tiles = open_tiles(tiles_folder(dataset), split_file(dataset))
    validation = tiles.select("val")
    made = {}
    with new_folder(EXPORT_FOLDER) as files, new_folder(EXPORT_METRICS) as metrics:
        for model in progress(chosen, "export"):
            source = read_source(params, model, model_folder(model), scores_folder(model), tiles)
            content, found = export_model(source, validation, section)
            (files / f"{model}.onnx").write_bytes(content)
            write_json(metrics / f"{model}.json", {model: found})
            made[model] = found
    if not made:
        return f"export: no file, because no model can be exported: {why_not[models[0]]}"
    sizes = ", ".join(f"{model} ({found['megabytes']:.1f} MB)" for model, found in made.items())
    furthest = max(max(found["parity"][name] for name in ("probability", "heatmap")) for found in made.values())
    compared = "" if section.precision == "float32" else " before they were converted"
    plain = "" if explain.refine == "none" else "; maps are those before explain.refine"
    agree = f"probability and map within {furthest:.1g} of PyTorch's{compared}"
    return f"export: {sizes}, {section.precision}; {agree}{plain}"


if __name__ == "__main__":
    run_stage(export, __doc__)

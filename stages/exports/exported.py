"""One trained model as the bytes of its file and the metrics of its export."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.explainers.good_tiles import has_cam
from stages.exports.conversion import conversion_effects
from stages.exports.graph import ATTENTION, OUTPUTS, build_graph
from stages.exports.metadata import FORMAT_VERSION, Heatmap, Metadata, metadata_text
from stages.exports.onnx_file import Run, open_graph, serialised, to_onnx, without_outputs
from stages.exports.origin import versions
from stages.exports.parity import compare, refuse_different
from stages.exports.precision import convert
from stages.exports.reference import picture_statistics, reference_of
from stages.exports.seal import sealed
from stages.exports.settings import Export
from stages.exports.source import Source
from stages.models.batches import in_order
from stages.records.tiles import Tiles


def export_model(source: Source, validation: Tiles, export: Export) -> tuple[bytes, dict[str, Any]]:
    """Return the content of a model's file, and its metrics.

    Args:
        source: what the file is made from.
        validation: tiles to compare and to calibrate on.
        export: the section of params.yaml.

    Raises:
        InputError: the graph does not compute what PyTorch computes.
    """
    description, explanation, batch = source.description, source.explanation, source.explainer.parameters.batch
    model, normalise = source.explainer.model, source.explainer.parameters.normalise
    discards = explanation.method == "rollout" and explanation.discard > 0
    graph = build_graph(model, description, explanation, normalise, discards, source.explainer.learned)
    watched = to_onnx(graph, description.px, (*OUTPUTS, ATTENTION) if discards else OUTPUTS)
    whole = without_outputs(watched, [ATTENTION])
    run = open_graph(serialised(whole))
    some = evenly(validation, export.tiles, batch)
    parity = compare(
        run, open_graph(serialised(watched)) if discards else None, graph, source.explainer, description, some
    )
    refuse_different(description.model, parity)

    content = serialised(convert(whole, export.precision, some))
    outputs, pictures = outputs_of(open_graph(content), validation, batch)
    heatmap = _heatmap(source, outputs["heatmap"].shape[1:])
    metadata = _metadata(source, export, heatmap, outputs, pictures)
    metrics: dict[str, Any] = {
        "precision": export.precision,
        "explanation": source.name,
        "discard": explanation.discard,
        "parity": asdict(parity),
        "thresholds": asdict(source.thresholds),
    }
    if export.precision != "float32":
        before, _ = outputs_of(run, validation, batch)
        metrics["conversion"] = conversion_effects(before, outputs, validation, description, heatmap, source.thresholds)
    file = sealed(content, metadata_text(metadata))
    return file, metrics | {"megabytes": len(file) / 1e6}


def evenly(tiles: Tiles, count: int, batch: int) -> list[NDArray[np.uint8]]:
    """Return the pixels of `count` tiles spread evenly over all, in batches; all where there are fewer."""
    positions = np.unique(np.linspace(0, len(tiles) - 1, min(count, len(tiles))).round().astype(np.int64))
    return [tiles.images(positions[start : start + batch]) for start in range(0, len(positions), batch)]


def outputs_of(run: Run, tiles: Tiles, batch: int) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
    """Return the graph's outputs for all tiles, and statistics of their pictures."""
    computed = list(_computed(run, tiles, batch))
    return tuple(  # type: ignore[return-value]
        {name: np.concatenate([part[side][name] for part in computed]) for name in computed[0][side]} for side in (0, 1)
    )


def _computed(run: Run, tiles: Tiles, batch: int) -> Iterator[tuple[dict[str, NDArray], dict[str, NDArray]]]:
    for positions in in_order(tiles, batch):
        pixels = tiles.images(positions)
        yield run(pixels), picture_statistics(pixels)


def _heatmap(source: Source, grid: tuple[int, ...]) -> Heatmap:
    explanation, explainer = source.explanation, source.explainer
    normalise = None if has_cam(explainer.model) else explainer.parameters.normalise
    rows, columns = map(int, grid)
    return Heatmap(
        method=explanation.method,
        name=source.name,
        fusion=explanation.fusion,
        discard=explanation.discard,
        normalise=normalise,
        rows=rows,
        columns=columns,
        cell_px=explainer.cell_px,
        offset_px=explainer.offset_px,
    )


def _metadata(
    source: Source, export: Export, heatmap: Heatmap, outputs: dict[str, NDArray], pictures: dict[str, NDArray]
) -> Metadata:
    description = source.description
    return Metadata(
        format_version=FORMAT_VERSION,
        model=description.model,
        family=description.architecture.family,
        architecture=description.architecture.arch,
        task=description.task,
        classes=description.classes,
        dataset=source.dataset,
        tile=source.cut,
        heatmap=heatmap,
        thresholds=source.thresholds,
        temperature=1.0 if description.temperature is None else description.temperature,
        precision=export.precision,
        reference=reference_of(outputs, pictures, description.classes, source.thresholds),
        versions=versions(),
        weights_sha256=source.weights_sha256,
    )

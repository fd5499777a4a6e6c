"""What a run found: summary.json, regions.csv, coco.json, the last line, and the exit code."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stages.datasets.names import escaped
from stages.inspection.drift import Tally, run_flags
from stages.inspection.model import GOOD as GOOD_CLASS
from stages.inspection.model import LineModel
from stages.inspection.one_photograph import DEFECTIVE, FAILED, GOOD, Finding
from stages.inspection.results import COCO, MARK, REGIONS, SUMMARY
from stages.inspection.settings import Options
from stages.records.files import write_csv, write_json

EXIT_CODES = {GOOD: 0, DEFECTIVE: 1, FAILED: 2}
REGION_PLACE = ("x", "y", "width", "height", "area_px", "peak", "score", "peak_x", "peak_y")
REGION_COLUMNS = ("photograph", "region", "kind", *REGION_PLACE)


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 0 where all are good, 1 where one is defective, 2 where one failed."""
    return max((EXIT_CODES[finding.verdict] for finding in findings), default=0)


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Sort: defective ones, failed ones, good ones; in each the most probable defect first, then by name."""
    order = {DEFECTIVE: 0, FAILED: 1, GOOD: 2}
    return sorted(
        findings, key=lambda each: (order[each.verdict], -(each.probability or 0.0), escaped(each.photograph.name))
    )


def last_line(findings: Sequence[Finding], tally: Tally, model: LineModel, folder: Path) -> str:
    """Return what a run ends with: how many are what, how many are unlike training, and whether all have moved."""
    counts = _counts(findings)
    words = f"{len(findings)} photographs: " + ", ".join(f"{counts[name]} {name}" for name in (DEFECTIVE, GOOD, FAILED))
    words += f"; {counts['regions']} regions; {folder}"
    if tally.flagged:
        words += f"; {tally.flagged} unlike training"
    moved = run_flags(tally, model.metadata.reference)
    return words + (f"; this run has moved away from training: {'; '.join(moved)}" if moved else "")


def write_tables(
    folder: Path, findings: Sequence[Finding], tally: Tally, model: LineModel, options: Options, finished: bool
) -> None:
    """Write regions.csv, coco.json, and last the summary.

    Args:
        folder: of results.
        findings: in any order; they are written by name.
        tally: of the run.
        finished: False while photographs are still to come.

    Raises:
        InputError: the disk is full.
    """
    sorted_findings = sorted(findings, key=lambda each: escaped(each.photograph.name))
    write_csv(folder / REGIONS, REGION_COLUMNS, _region_lines(sorted_findings))
    write_json(folder / COCO, _coco(sorted_findings, model.metadata.classes))
    metadata = model.metadata
    content = {
        "made_by": MARK,
        "finished": finished,
        "exit_code": exit_code(findings),
        "model": {
            "name": metadata.model,
            "dataset": metadata.dataset,
            "weights_sha256": metadata.weights_sha256,
            "precision": metadata.precision,
            "sha256": model.sha256,
            "decision_threshold": metadata.thresholds.decision,
            "heatmap_level": metadata.thresholds.heatmap_level,
        },
        "options": asdict(options),
        "counts": _counts(findings),
        "drift": {
            "photographs_unlike_training": tally.flagged,
            "run": run_flags(tally, metadata.reference),
            "mean_probability": tally.probability / tally.tiles if tally.tiles else math.nan,
            "lit_share": tally.lit / tally.tiles if tally.tiles else math.nan,
        },
        "photographs": [_line(finding) for finding in sorted_findings],
    }
    write_json(folder / SUMMARY, content)


def _counts(findings: Sequence[Finding]) -> dict[str, int]:
    verdicts = [finding.verdict for finding in findings]
    counts = {name: verdicts.count(name) for name in EXIT_CODES}
    return counts | {"regions": sum(len(finding.regions) for finding in findings)}


def _line(finding: Finding) -> dict[str, Any]:
    return {
        "name": escaped(finding.photograph.name),
        "verdict": finding.verdict,
        "reason": finding.reason and escaped(finding.reason),
        "probability": finding.probability,
        "regions": len(finding.regions),
        "width": finding.width,
        "height": finding.height,
        "ms": finding.ms,
        "drift": finding.drift,
        "overlay": finding.overlay and escaped(finding.overlay),
        **finding.numbers,
    }


def _region_lines(findings: Iterable[Finding]) -> Iterable[tuple[object, ...]]:
    for finding in findings:
        for number, region in enumerate(finding.regions, 1):
            values = (getattr(region, name) for name in REGION_COLUMNS[2:])
            yield (escaped(finding.photograph.name), number, *values)


def _coco(findings: Sequence[Finding], classes: Sequence[str]) -> dict[str, Any]:
    """Return COCO's object detection format; a segmentation is the outer outline, `area` leaves holes out."""
    kinds = [name for name in classes if name != GOOD_CLASS]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image, finding in enumerate((each for each in findings if each.width), 1):
        file = escaped(finding.photograph.name)
        images.append({"id": image, "file_name": file, "width": finding.width, "height": finding.height})
        for region in finding.regions:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": kinds.index(region.kind) + 1,
                    "bbox": [region.x, region.y, region.width, region.height],
                    "segmentation": [[side for corner in region.polygon for side in corner]],
                    "area": region.area_px,
                    "iscrowd": 0,
                    "score": region.score,
                    "peak": region.peak,
                }
            )
    categories = [{"id": number, "name": name} for number, name in enumerate(kinds, 1)]
    return {"images": images, "annotations": annotations, "categories": categories}

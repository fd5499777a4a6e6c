"""The page for the person at the line: one HTML file beside the pictures that it shows; it fetches nothing else."""

import json
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from stages.datasets.names import escaped
from stages.inspection.model import LineModel
from stages.inspection.one_photograph import Finding
from stages.inspection.results import PAGE
from stages.inspection.summary import worst_first
from stages.records.files import new_file, rounded

HERE = Path(__file__).parent


def write_page(folder: Path, findings: Sequence[Finding], model: LineModel, line: str) -> None:
    """Write the page.

    Args:
        folder: of results.
        findings: in any order; the page shows the worst first.
        line: what the run ended with, or where it stands.

    Raises:
        InputError: the disk is full.
    """
    data = {
        "decision": rounded(model.metadata.thresholds.decision),
        "photographs": [_entry(finding) for finding in worst_first(findings)],
    }
    # "<" as JSON's escape, so that nothing in a file's name can end the script that holds it
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    template, style, script = ((HERE / name).read_text("utf-8") for name in ("page.html", "page.css", "page.js"))
    title = f"Inspection by {model.metadata.model}"
    page = template.format(title=escape(title), style=style, script=script, line=escape(escaped(line)), data=text)
    with new_file(folder / PAGE) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _entry(finding: Finding) -> dict[str, object]:
    return {
        "name": escaped(finding.photograph.name),
        "verdict": finding.verdict,
        "probability": None if finding.probability is None else rounded(finding.probability),
        "reason": finding.reason and escaped(finding.reason),
        "drift": finding.drift,
        "width": finding.width,
        "height": finding.height,
        "picture": _address(finding.picture),
        "overlay": _address(finding.overlay),
        "regions": [
            {
                "box": [region.x, region.y, region.width, region.height],
                "area": region.area_px,
                "peak": rounded(region.peak),
                "score": rounded(region.score),
                "kind": region.kind,
            }
            for region in finding.regions
        ],
    }


def _address(file: str | None) -> str | None:
    """Return a file beside the page as a relative address; its bytes count, whatever letters they are."""
    return file and quote(os.fsencode(file))

"""The pipeline as a diagram for docs/design.md: `python -m stages.tools.diagram` writes it there.

It is what `dvc dag --mermaid` says, with the stages of all models drawn as one and without arrows that follow from
others (tile -> train follows from tile -> split -> train).
"""

import argparse
import re
import subprocess
import sys

import yaml

from stages.tools.pages import DOCS, REPOSITORY, replace_part

PAGE = DOCS / "design.md"
BLOCK = re.compile(r"```mermaid\n.*?```\n", re.DOTALL)
Arrows = set[tuple[str, str]]


def pipeline_diagram() -> str:
    """Return the Mermaid block of this repository's pipeline."""
    command = [sys.executable, "-m", "dvc", "dag", "--mermaid"]
    text = subprocess.run(command, cwd=REPOSITORY, check=True, text=True, stdout=subprocess.PIPE).stdout
    return mermaid_block(text, list(yaml.safe_load((REPOSITORY / "dvc.yaml").read_text(encoding="utf-8"))["stages"]))


def mermaid_block(text: str, order: list[str]) -> str:
    """Return the Mermaid block for what `dvc dag --mermaid` printed, with stages in the given order."""
    names = dict(re.findall(r'(node\d+)\["([^"]+)"\]', text))
    stages = {node: name.split("@")[0] for node, name in names.items()}
    arrows = {(stages[start], stages[end]) for start, end in re.findall(r"(node\d+)-->(node\d+)", text)}
    per_model = {name.split("@")[0] for name in names.values() if "@" in name}
    lines = [f'    {stage}["{stage}, each model"]' for stage in order if stage in per_model]
    shown = sorted(without_shortcuts(arrows), key=lambda arrow: [order.index(stage) for stage in arrow])
    lines += [f"    {start} --> {end}" for start, end in shown]
    return "\n".join(["```mermaid", "flowchart LR", *lines, "```", ""])


def without_shortcuts(arrows: Arrows) -> Arrows:
    """Return the arrows that no longer way replaces."""

    def reaches(start: str, end: str) -> bool:
        return any(middle == end or reaches(middle, end) for first, middle in arrows if first == start)

    def longer_way(start: str, end: str) -> bool:
        return any(first == start and middle != end and reaches(middle, end) for first, middle in arrows)

    return {(start, end) for start, end in arrows if not longer_way(start, end)}


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    replace_part(PAGE, BLOCK, pipeline_diagram())

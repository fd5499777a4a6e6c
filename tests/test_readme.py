"""The README says what is there: its diagram is generated, its links and make targets exist."""

import re

import pytest
import torch

from stages.models.registry import ARCHITECTURES
from tests import model_table
from tests.dependencies import REPOSITORY
from tests.diagram import BLOCK, README, mermaid_block, pipeline_diagram, without_shortcuts


def test_the_diagram_is_the_pipelines() -> None:
    found = BLOCK.search(README.read_text(encoding="utf-8"))
    assert found, "README.md has no ```mermaid block"
    assert found[0] == pipeline_diagram(), "run: python -m tests.diagram"


def test_links_to_files_of_the_repository_exist() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)|<img[^>]* src=\"([^\":]+)\"", README.read_text(encoding="utf-8")):
        path = next(filter(None, target))
        assert (REPOSITORY / path).exists(), f"README.md links to {path}"


def test_make_targets_exist() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:`|^)make ([a-z]+)", README.read_text(encoding="utf-8"), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"README.md says make {target}"


def test_arrows_that_follow_from_others_are_left_out() -> None:
    assert without_shortcuts({("a", "b"), ("b", "c"), ("a", "c"), ("a", "d")}) == {("a", "b"), ("b", "c"), ("a", "d")}


def test_stages_of_all_models_are_drawn_as_one() -> None:
    text = 'flowchart TD\n\tnode1["cut"]\n\tnode2["fit@a"]\n\tnode3["fit@b"]\n\tnode1-->node2\n\tnode1-->node3\n'
    expected = '```mermaid\nflowchart LR\n    fit["fit, each model"]\n    cut --> fit\n```\n'
    assert mermaid_block(text, ["cut", "fit"]) == expected


def models_described() -> list[str]:
    found = model_table.BLOCK.search(README.read_text(encoding="utf-8"))
    assert found, "README.md has no table of models"
    return found[0].splitlines()[2:]


def test_the_table_has_every_listed_model() -> None:
    assert [line.split("`")[1] for line in models_described()] == list(ARCHITECTURES), (
        "run: python -m tests.model_table"
    )


@pytest.mark.parametrize("name", ["MobileNetV3_large_d", "ViT_tiny_patch16_224"])
def test_the_table_says_what_is_measured(name: str) -> None:
    assert model_table.line(name) in models_described(), "run: python -m tests.model_table"


def test_a_multiply_add_counts_as_two_also_within_attention() -> None:
    class Attention(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:  # three heads, 8 tokens of 8 channels
            return torch.nn.functional.scaled_dot_product_attention(images, images, images)

    assert model_table.gflops(torch.nn.Conv2d(3, 5, 3, stride=2, padding=1), 32) == 2 * (5 * 16 * 16) * (3 * 9) / 1e9
    assert model_table.gflops(Attention(), 8) == 2 * (3 * 8 * 8 * 8) * 2 / 1e9

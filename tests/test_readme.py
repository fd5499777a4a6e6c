"""README, docs and CONTRIBUTING say what is there: links, parameters, files, commands, tables."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import yaml

from stages.datasets.sources import SOURCES
from stages.explainers.methods import METHODS
from stages.metrics.table import METRICS
from stages.models.registry import ARCHITECTURES
from stages.tools import model_table, result_table, rooms
from stages.tools.diagram import BLOCK, PAGE, mermaid_block, pipeline_diagram, without_shortcuts
from stages.tools.pages import CONTRIBUTING, DOCS, PAGES, README, REPOSITORY, between_marks
from tests import pages
from tests.pages import EVERY_PAGE, text_of

each_page = pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
each_present_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
COMMITTED = REPOSITORY / "metrics/score"


@each_page
def test_links_lead_to_files_and_places_that_exist(page: Path) -> None:
    for target in pages.links(page):
        path, _, place = target.partition("#")
        other = page.parent / path if path else page
        assert other.exists(), f"{page.name} links to {target}"
        assert not place or place in pages.anchors(other), f"{page.name} links to {target}"


@each_page
def test_a_page_has_one_title(page: Path) -> None:
    levels = [level for level, _ in pages.headings(page)]
    assert levels[0] == 1 and levels.count(1) == 1


@each_page
def test_a_table_stands_apart_from_the_text(page: Path) -> None:
    """Site generators take lines without a blank one before them for text."""
    lines = text_of(page).splitlines()
    for before, line in pairwise(lines):
        assert not line.startswith("|") or before.startswith(("|", "#")) or not before, f"{page.name}: {line}"


@each_page
def test_make_targets_exist(page: Path) -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:`|^ *)make ([a-z]+)", text_of(page), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page.name} says make {target}"


@each_present_page
def test_parameters_exist(page: Path) -> None:
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    unknown = {name for name in pages.parameters(page, set(params)) if not pages.is_parameter(name, params)}
    assert not unknown, f"{page.name} names parameters that params.yaml has not"


@each_present_page
def test_files_exist_or_are_made_by_a_stage(page: Path) -> None:
    made = pages.made_by_stages()
    missing = {name for name in pages.files(page) if not pages.is_file(name, made)}
    assert not missing, f"{page.name} names files that are not there"


@each_present_page
def test_commands_exist(page: Path) -> None:
    for module in pages.modules(page):
        place = REPOSITORY.joinpath(*module.split("."))
        assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), f"{page.name}: {module}"


@each_present_page
def test_a_stage_that_is_forced_does_not_force_those_before_it(page: Path) -> None:
    """`dvc repro -f STAGE` runs everything that the stage depends on again; `-s` runs it alone."""
    for options, stage in re.findall(r"dvc repro ((?:-\w+ )+)([a-z]+)", text_of(page)):
        assert "-f" not in options or "-s" in options, f"{page.name}: dvc repro {options}{stage}"
        assert (REPOSITORY / f"stages/{stage}.py").is_file()


def test_what_is_not_there_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A\n`explain.discards` and `plots/<model>.gif`, [x](#b), `-S tile.side=3`\n\n    python -m stages.fit\n"
        "    dvc exp run -S rank.truth=exact -S '+models.x={family: cnn}'\n"
    )
    params = {"explain": {"discard": 0}, "rank": {"truth": "boxes"}, "tile": {"px": 1}, "models": {}}
    named = pages.parameters(page, set(params))
    assert {name for name in named if not pages.is_parameter(name, params)} == {"explain.discards", "tile.side"}
    assert {name for name in pages.files(page) if not pages.is_file(name, ["plots/gallery/*.png"])} == {
        "plots/<model>.gif"
    }
    assert pages.modules(page) == {"stages.fit"} and pages.links(page) == ["#b"] and pages.anchors(page) == {"a"}


@pytest.mark.parametrize(
    ("page", "names"),
    [("data.md", SOURCES), ("methods.md", METHODS), ("scores.md", METRICS)],
    ids=["data", "methods", "scores"],
)
def test_every_data_set_method_and_score_is_described(page: str, names: dict[str, object]) -> None:
    lines = re.findall(r"^\|.*", text_of(DOCS / page), re.MULTILINE)
    told = {name for line in lines for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    assert not names.keys() - told


def test_every_page_can_be_found() -> None:
    for start in (README, DOCS / "index.md"):
        assert {*DOCS.glob("*.md")} - {DOCS / "index.md"} <= {
            (start.parent / target.partition("#")[0]).resolve() for target in pages.links(start)
        }


def test_the_diagram_is_the_pipelines() -> None:
    found = BLOCK.search(text_of(PAGE))
    assert found, f"{PAGE.name} has no ```mermaid block"
    assert found[0] == pipeline_diagram(), "run: python -m stages.tools.diagram"


def test_the_tree_of_rooms_is_that_of_the_code_and_dvc_yaml() -> None:
    found = rooms.PART.search(text_of(CONTRIBUTING))
    assert found, "CONTRIBUTING.md has no <!-- rooms -->"
    assert found[0] == rooms.rooms_part(), "run: python -m stages.tools.rooms"


def test_arrows_that_follow_from_others_are_left_out() -> None:
    assert without_shortcuts({("a", "b"), ("b", "c"), ("a", "c"), ("a", "d")}) == {("a", "b"), ("b", "c"), ("a", "d")}


def test_stages_of_all_models_are_drawn_as_one() -> None:
    text = 'flowchart TD\n\tnode1["cut"]\n\tnode2["fit@a"]\n\tnode3["fit@b"]\n\tnode1-->node2\n\tnode1-->node3\n'
    expected = '```mermaid\nflowchart LR\n    fit["fit, each model"]\n    cut --> fit\n```\n'
    assert mermaid_block(text, ["cut", "fit"]) == expected


def models_described() -> list[str]:
    found = model_table.BLOCK.search(text_of(model_table.PAGE))
    assert found, "docs/models.md has no table of models"
    return found[0].splitlines()[2:]


def test_the_table_has_every_listed_model() -> None:
    assert [line.split("`")[1] for line in models_described()] == list(ARCHITECTURES), (
        "run: python -m stages.tools.model_table"
    )


@pytest.mark.parametrize("name", ["MobileNetV3_large_d", "ViT_tiny_patch16_224"])
def test_the_table_says_what_is_measured(name: str) -> None:
    assert model_table.line(name) in models_described(), "run: python -m stages.tools.model_table"


def test_a_multiply_add_counts_as_two_also_within_attention() -> None:
    class Attention(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:  # three heads, 8 tokens of 8 channels
            return torch.nn.functional.scaled_dot_product_attention(images, images, images)

    assert model_table.gflops(torch.nn.Conv2d(3, 5, 3, stride=2, padding=1), 32) == 2 * (5 * 16 * 16) * (3 * 9) / 1e9
    assert model_table.gflops(Attention(), 8) == 2 * (3 * 8 * 8 * 8) * 2 / 1e9


@pytest.mark.skipif(
    not any("gated_aupro" in file.read_text(encoding="utf-8") for file in COMMITTED.glob("*.json")),
    reason="the committed results have the scores' former names; `dvc repro`, then python -m stages.tools.result_table",
)
def test_the_table_of_results_is_that_of_the_committed_run() -> None:
    found = between_marks("results: default").search(text_of(README))
    assert found, "README.md has no table of results"
    run = result_table.read_run(result_table.METRICS)
    assert result_table.table(run).strip() in found[0], "run: python -m stages.tools.result_table"


def test_tables_of_results_have_one_place_each() -> None:
    names = [name for page in PAGES for name in re.findall(r"<!-- results: (\w+) -->", text_of(page))]
    assert sorted(names) == ["deeppcb", "default", "hripcb", "hripcb_8px", "magnetic_tile"]

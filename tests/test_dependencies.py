"""dvc.yaml lists, for every stage, its own file and the rooms that it uses: no more and no less, else a change would
rerun too little or too much. What stages really open is watched in tests/test_pipeline.py.
"""

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from stages.training.settings import Training
from stages.training.tuning import Tune
from tests.dependencies import REPOSITORY, imported_names, used_files, used_rooms

TEMPLATES = ".dvc/plots"  # DVC takes this folder for empty, so each file is a dependency of its own
STAGES = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def stage_of(verb: str) -> dict:
    return STAGES[verb].get("do", STAGES[verb])


@pytest.mark.parametrize("verb", STAGES)
def test_a_stage_declares_its_file_and_the_rooms_that_it_uses(verb: str) -> None:
    declared = [dep for dep in stage_of(verb)["deps"] if dep.startswith("stages/")]
    assert declared[0] == f"stages/{verb}.py"
    assert set(declared[1:]) == {f"stages/{room}" for room in used_rooms(verb)}
    assert len(declared) == len(set(declared)), "twice"


SECTION = re.compile(r"""params\.(?:read\((\w+)\)|(?:value|get)\("(\w+)|(task|dataset_name|models|families|seeds)\b)""")


def sections_read(verb: str) -> set[str]:
    """Return the sections that the files of a verb ask params.yaml for, and are no mere check of a model's name."""
    named = {"dataset_name": "dataset", "families": "models", "seeds": "models"}
    own = [file for file in used_files(verb) if file.parent.name != "runtime"]
    found = {next(filter(None, match)) for file in own for match in SECTION.findall(file.read_text(encoding="utf-8"))}
    return {named.get(name, name).lower() for name in found}


@pytest.mark.parametrize("verb", [verb for verb in STAGES if verb != "check"])
def test_a_stage_declares_the_sections_of_params_that_it_reads(verb: str) -> None:
    """Sections, not single values. `runtime` changes no result, so only `time` depends on it."""
    read = sections_read(verb) - (set() if verb == "time" else {"runtime"})
    read -= {"head"} if verb == "adopt" else set()  # its files can read it; of a recipe it asks for lr and batch alone
    assert {name.split(".")[0] for name in stage_of(verb)["params"]} == read


def test_check_runs_whatever_changes_in_params() -> None:
    assert "params.yaml" in STAGES["check"]["deps"] and "params" not in STAGES["check"]


def test_a_search_depends_on_all_of_model_but_what_it_searches_for() -> None:
    """So that `model.lr: tuned` does not search again; and not on where trials are kept, which changes no result."""
    read = stage_of("tune")["params"]
    recipe = {field.name for field in fields(Training)} - {"lr", "batch"}
    assert {name.removeprefix("model.") for name in read if name.startswith("model.")} == recipe
    search = {f"tune.{field.name}" for field in fields(Tune)} - {"tune.lr", "tune.storage"}
    assert {name for name in read if name.startswith("tune.")} == search | {"tune.lr.${item.family}"}


@pytest.mark.parametrize("verb", STAGES)
def test_an_earlier_result_survives_a_run_that_fails(verb: str) -> None:
    stage = stage_of(verb)
    outputs = [output for kind in ("outs", "metrics", "plots") for output in stage.get(kind, [])]
    assert outputs
    for output in outputs:
        assert isinstance(output, dict), f"{verb}: {output} needs persist: true"
        ((name, options),) = output.items()
        assert options["persist"] is True, f"{verb}: {name}"


@pytest.mark.parametrize("verb", STAGES)
def test_metrics_and_plot_data_are_kept_in_git(verb: str) -> None:
    for kind in ("metrics", "plots"):
        for output in stage_of(verb).get(kind, []):
            ((name, options),) = output.items()
            assert options["cache"] is False, f"{verb}: {name}"


@pytest.mark.parametrize("text", ["2e-5", "2e-05", "2.0e-5"])
def test_dvc_reads_yaml_with_the_fast_parser_and_a_float_is_a_float(text: str) -> None:
    """Without ruamel.yaml.clib, which ruamel.yaml does not ask for, DVC takes a second longer for every command."""
    from dvc.utils.serialize import parse_yaml
    from ruamel.yaml.main import CParser

    assert CParser is not None, "install ruamel.yaml.clib"
    assert parse_yaml(f"lr: {text}", "params.yaml") == {"lr": 0.00002}


def test_imports_are_found_at_every_depth(tmp_path: Path) -> None:
    for name, text in {
        "stages/__init__.py": "",
        "stages/cut.py": "from stages.near import one\nimport numpy as np\n",
        "stages/near/__init__.py": "",
        "stages/near/one.py": "def late():\n    from stages.far.two import thing\n",
        "stages/far/__init__.py": "",
        "stages/far/two.py": "import stages.other.deep\nthing = 1\n",
        "stages/unused/__init__.py": "",
        "stages/other/__init__.py": "import stages.cut  # a circle ends\n",
        "stages/other/deep.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert used_rooms("cut", tmp_path) == {"near", "far", "other"}


def test_a_stage_that_draws_what_dvc_plots_depends_on_every_template() -> None:
    """One by one: DVC leaves .dvc out of folders, so the folder as a dependency would be an empty one."""
    templates = {f"{TEMPLATES}/{file.name}" for file in (REPOSITORY / TEMPLATES).iterdir()}
    assert templates
    for verb in STAGES:
        assert templates & set(stage_of(verb)["deps"]) == (templates if verb == "report" else set())


def test_a_relative_import_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("from . import b\n")
    with pytest.raises(ValueError, match="line 1: relative import"):
        imported_names(file)

"""dvc.yaml names, for every stage, exactly the project files that the stage runs: else a change would rerun too little
or too much.
"""

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from stages.runtime.params import Training
from stages.runtime.tuning import Tune
from tests.dependencies import FILE, REPOSITORY, TEMPLATES, declared_files, imported_names, stage_files, with_files

TEXT = (REPOSITORY / "dvc.yaml").read_text(encoding="utf-8")
STAGES = yaml.safe_load(TEXT)["stages"]
HINT = "run: python -m tests.dependencies"


def stage_of(verb: str) -> dict:
    return STAGES[verb].get("do", STAGES[verb])


def test_every_stage_is_seen() -> None:
    assert list(declared_files(TEXT)) == list(STAGES)


@pytest.mark.parametrize("verb", STAGES)
def test_a_stage_declares_the_files_that_it_runs(verb: str) -> None:
    declared = [dep for dep in stage_of(verb)["deps"] if re.fullmatch(FILE, dep)]
    needed = stage_files(verb)
    missing = [f"+ {file}" for file in needed if file not in declared]
    superfluous = [f"- {file}" for file in declared if file not in needed]
    assert not missing + superfluous, "\n".join([f"dvc.yaml: {verb}: {HINT}", *missing, *superfluous])
    assert declared == needed, f"dvc.yaml: {verb}: another order or twice: {HINT}"


@pytest.mark.parametrize("verb", STAGES)
def test_a_stage_declares_the_sections_of_params_that_it_reads(verb: str) -> None:
    """Sections, not single values. `runtime` changes no result, so only `time` depends on it."""
    text = (REPOSITORY / "stages" / f"{verb}.py").read_text(encoding="utf-8")
    read = set(re.findall(r"\bparams\.(\w+)", text)) - {"yaml"}
    if read & {"training", "tuned", "tune"}:  # a trial of stage tune is a training
        read = read - {"training", "tuned"} | {"model", "family", "models"}
    if verb != "time":
        read.discard("runtime")
    assert {name.split(".")[0] for name in stage_of(verb)["params"]} == read


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
        "stages/cut.py": "from stages.rooms import near\nimport numpy as np\n",
        "stages/rooms/__init__.py": "",
        "stages/rooms/near.py": "def late():\n    from stages.rooms.far import thing\n",
        "stages/rooms/far.py": "import stages.other.deep\nthing = 1\n",
        "stages/rooms/unused.py": "",
        "stages/other/__init__.py": "import stages.cut  # a circle ends\n",
        "stages/other/deep.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert stage_files("cut", tmp_path) == [
        "stages/cut.py",
        "stages/__init__.py",
        "stages/other/__init__.py",
        "stages/other/deep.py",
        "stages/rooms/__init__.py",
        "stages/rooms/far.py",
        "stages/rooms/near.py",
    ]


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


def test_rewriting_replaces_only_the_list() -> None:
    head = "  cut:\n    cmd: python -m stages.cut ${key}\n    deps:\n"
    text = head + "      - stages/cut.py\n      - stages/old.py\n      - data\n"
    new = with_files(text, {"cut": ["stages/cut.py", "stages/a.py", "stages/b.py"]})
    assert new == text.replace("      - stages/old.py\n", "      - stages/a.py\n      - stages/b.py\n")
    assert declared_files(new) == {"cut": ["stages/cut.py", "stages/a.py", "stages/b.py"]}

"""Inspection needs none of the pipeline's libraries: it runs where importing any of them fails."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import PIL.Image
import pytest

from tests.dependencies import REPOSITORY, used_rooms
from tests.inspection.line_models import plate, write_model

pytest.importorskip("onnxruntime")

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
IMPORT_NAMES = {"opencv-python-headless": "cv2", "pillow": "PIL"}
# what onnxruntime asks for itself
OF_RUNTIME = {"flatbuffers", "google", "packaging"}

ALONE = """
import sys
from importlib.abc import MetaPathFinder

ALLOWED = set({allowed!r})

class Refuse(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        root = name.partition(".")[0]
        if root not in ALLOWED and root not in sys.stdlib_module_names:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Refuse())
from stages.inspect import main
main()
"""


def required(*extras: str) -> set[str]:
    """Return the names that the packages of pyproject.toml are imported by."""
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in PROJECT["optional-dependencies"][extra])]
    names = {re.split(r"[<>=\[]", line)[0] for line in lines}
    return {IMPORT_NAMES.get(name, name) for name in names}


def inspect_alone(allowed: set[str], *arguments: object) -> subprocess.CompletedProcess[str]:
    code = ALONE.format(allowed=sorted(allowed | {"stages"}))
    command = [sys.executable, "-c", code, *(str(argument) for argument in arguments)]
    return subprocess.run(command, text=True, capture_output=True, check=False, cwd=REPOSITORY)


def test_it_runs_with_the_packages_of_its_extra_alone(tmp_path: Path) -> None:
    assert required("inspect") == {"numpy", "cv2", "PIL", "tqdm", "onnxruntime"}
    model = write_model(tmp_path / "m.onnx")
    PIL.Image.fromarray(plate(50, 70, (16, 16, 8, 8))).save(tmp_path / "a.png")
    arguments = (tmp_path / "a.png", "--model", model, "--out", tmp_path / "out")
    finished = inspect_alone(required("inspect") | OF_RUNTIME, *arguments)
    assert (finished.returncode, finished.stderr) == (1, "")
    assert finished.stdout.startswith("1 photographs: 1 defective")


def test_without_its_runtime_it_says_what_to_install(tmp_path: Path) -> None:
    finished = inspect_alone(
        required(), "a.png", "--model", write_model(tmp_path / "m.onnx"), "--out", tmp_path / "out"
    )
    assert finished.returncode == 2
    assert finished.stderr == "error: inspect needs onnxruntime; pip install 'defectlens[inspect]'\n"


def test_the_pipeline_comes_with_an_extra_that_make_installs() -> None:
    extras = PROJECT["optional-dependencies"]
    assert {"torch", "dvc", "pandas", "timm", "matplotlib"} <= required("pipeline") - required("inspect")
    assert "defectlens[inspect,pipeline]" in extras["dev"]
    assert "-e '.[dev]'" in (REPOSITORY / "Makefile").read_text(encoding="utf-8")


def test_it_is_a_command_with_all_of_its_files() -> None:
    assert PROJECT["scripts"] == {"defectlens-inspect": "stages.inspect:main"}
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    others = {file.name for file in (REPOSITORY / "stages/inspection").iterdir() if file.suffix not in (".py", "")}
    assert set(settings["package-data"]["stages.inspection"]) == others
    assert "inspection" in used_rooms("inspect")

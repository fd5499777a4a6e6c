"""What is typed: patterns, missing files, and commands that cannot be followed."""

import re

import PIL.Image
import pytest

from stages.runtime.errors import InputError
from tests.inspection.command import photographs, run
from tests.inspection.line_models import plate, write_model

pytest.importorskip("onnxruntime")


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "model.onnx")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    PIL.Image.fromarray(plate(50, 70)).save(tmp_path / "in" / "z good.png")
    return tmp_path / "in"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{in}/*.jpeg"], "no file matches this pattern"),
        (["{in}/empty"], "no picture in this folder"),
        ([], "expected photographs or --watch"),
        (["{in}", "--watch", "{in}"], "one of both"),
        (["{in}", "--watch-for", "3"], "name a folder by --watch"),
        (["--watch", "{in}/none"], "is no folder to watch"),
        (["{in}", "--overlap-px", "16"], "expected less than the model's tiles of 16 px"),
        (["{in}", "--overlap-px", "-1"], "expected 0 or more"),
        (["{in}", "--batch", "0"], "--batch is 0; expected 1 or more"),
        (["{in}", "--bit-depth", "7"], "expected 8 to 16"),
    ],
)
def test_a_command_that_cannot_be_followed_makes_nothing(folder, model, tmp_path, arguments, words):
    (folder / "empty").mkdir()
    given = [argument.replace("{in}", str(folder)) for argument in arguments]
    with pytest.raises(InputError, match=re.escape(words)):
        run(*given, "--model", model, "--out", tmp_path / "out")
    assert not [file for file in (tmp_path / "out").rglob("*") if file.is_file()]


def test_a_missing_file_that_is_named_has_its_line(folder, model, tmp_path):
    assert run(folder / "z good.png", folder / "gone.png", "--model", model, "--out", tmp_path / "out") == 2
    found = photographs(tmp_path / "out")
    assert "No such file" in found["gone.png"]["reason"] and found["z good.png"]["verdict"] == "good"


def test_a_pattern(folder, model, tmp_path):
    assert run(f"{folder}/**/z*.png", "--model", model, "--out", tmp_path / "out") == 0
    assert photographs(tmp_path / "out").keys() == {"z good.png"}

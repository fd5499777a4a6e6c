"""The examples in the docstrings of scores, of explanation methods and of inspection are true."""

import doctest
from importlib import import_module

import pytest

from tests.dependencies import REPOSITORY

MODULES = [
    f"stages.{room}.{file.stem}"
    for room in ("metrics", "explainers", "inspection")
    for file in sorted((REPOSITORY / "stages" / room).glob("*.py"))
    if ">>> " in file.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name: str) -> None:
    found = doctest.testmod(import_module(name))
    assert found.attempted and not found.failed, f"{found.failed} of {found.attempted} examples are wrong"

"""The table of data sets."""

import sys
from pathlib import Path

import pytest

from stages.datasets.settings import Dataset
from stages.datasets.sources import SOURCES, find_root, find_source
from stages.runtime.errors import InputError


def test_every_data_set_is_there():
    assert list(SOURCES) == [
        "boards",
        "pcb",
        "gid",
        "neu_det",
        "magnetic_tile",
        "neu_seg",
        "deeppcb",
        "casting",
        "elpv",
        "mvtec",
        "visa",
        "coco",
        "yolo",
        "voc",
        "labelme",
        "folder",
    ]
    for source in SOURCES.values():
        assert source.generated + (source.kaggle is not None) + (source.package is not None) <= 1
        assert source.licence


def test_an_unknown_name_is_refused():
    with pytest.raises(InputError, match=r"dataset\.name is 'pcbs'; use one of boards, pcb"):
        find_source("pcbs")


def test_the_root_is_the_users_or_what_was_downloaded(tmp_path):
    assert find_root(Dataset("pcb", str(tmp_path))) == tmp_path
    assert find_root(Dataset("elpv", str(tmp_path))) == tmp_path
    assert find_root(Dataset("boards", None)) == Path("data/raw/boards")
    assert find_root(Dataset("pcb", None)) == Path("data/raw/pcb")


@pytest.mark.parametrize(
    "name", ["gid", "neu_seg", "deeppcb", "mvtec", "visa", "coco", "yolo", "voc", "labelme", "folder"]
)
def test_ones_own_images_need_a_root(name):
    with pytest.raises(InputError, match=rf"dataset\.root is null; for {name} it has to name a folder"):
        find_root(Dataset(name, None))


def test_an_installed_package_is_found_without_being_imported(tmp_path, monkeypatch):
    (tmp_path / "elpv_dataset").mkdir()
    (tmp_path / "elpv_dataset/__init__.py").write_text("raise RuntimeError")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "elpv_dataset", raising=False)
    assert find_root(Dataset("elpv", None)) == tmp_path / "elpv_dataset/data"


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install elpv-dataset, or set dataset\.root"):
        find_root(Dataset("elpv", None))

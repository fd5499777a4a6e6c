"""Stage download: a record of your own copy, generated boards, or Kaggle with a stand-in for its client."""

import json
import shutil
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stages import download as stage
from stages.boards.settings import Boards
from stages.datasets.settings import Dataset
from stages.records.tiles import open_tiles
from stages.runtime.errors import InputError
from stages.tile import tile
from tests.datasets.small_sets import TILE, write_board, write_magnetic, write_pixels, write_text
from tests.parameters import but


def with_dataset(params, name, root=None, derive_masks=False):
    root = None if root is None else str(root)
    return but(params, dataset=replace(params.read(Dataset), name=name, root=root, derive_masks=derive_masks))


def record(name):
    return json.loads(Path(f"data/raw/{name}/SOURCE.json").read_text())


def test_an_own_copy_is_recorded_and_not_copied(params, tmp_path):
    write_board(tmp_path / "mine", "01_a", (1, 1, 10, 10))
    write_text(tmp_path / "mine/Annotations/Short/02_gone.xml", "")
    line = stage.download(with_dataset(params, "pcb", tmp_path / "mine"))
    assert line.startswith("download: pcb: 1 images (local copy, ")
    assert line.endswith("; seen, not used: 1 (1 annotations that no image uses)")
    assert [path.name for path in Path("data/raw/pcb").iterdir()] == ["SOURCE.json"]
    found = record("pcb")
    assert (found["origin"], found["images"], found["files"]) == ("local copy", 1, 3)
    assert found["not_used"] == {
        "annotations that no image uses": {"files": 1, "first": ["Annotations/Short/02_gone.xml"]}
    }
    assert "Peking" in found["licence"]
    assert str(tmp_path) not in Path("data/raw/pcb/SOURCE.json").read_text()


def test_the_record_changes_with_the_files_and_not_with_their_place(params, tmp_path):
    write_board(tmp_path / "mine", "01_a", (1, 1, 10, 10))
    shutil.copytree(tmp_path / "mine", tmp_path / "copy")
    records = []
    for folder in ("mine", "copy", "copy"):
        stage.download(with_dataset(params, "pcb", tmp_path / folder))
        records.append(record("pcb"))
        write_board(tmp_path / "copy", "01_a", (1, 1, 10, 10), seed=len(records) - 1)
    assert records[0] == records[1]
    assert records[2]["sha256"] != records[1]["sha256"]


def test_exact_masks_are_made_beside_the_record_and_used_by_the_tile_stage(params, tmp_path):
    root = tmp_path / "mine"
    clean = np.full((40, 60, 3), 90, np.uint8)
    painted = clean.copy()
    painted[10:18, 20:30] = 200
    write_board(root, "01_a", (15, 5, 40, 30))
    write_pixels(root / "images/Short/01_a.png", painted)
    write_pixels(root / "PCB_USED/01.JPG", clean)
    before = sorted(root.rglob("*"))
    line = stage.download(with_dataset(params, "pcb", root, derive_masks=True))
    assert line.endswith(", exact masks of 1 of 1 boxes")
    assert sorted(root.rglob("*")) == before
    assert record("pcb")["masks"]["references"] == {"01": "template"}
    tile(but(with_dataset(params, "pcb", root), tile=TILE))
    tiles = open_tiles(Path("data/tiles/pcb"))
    assert tiles.truths == ("boxes", "exact")
    assert tiles.index["annotation"].unique().tolist() == ["mask"]


def test_boards_are_generated(params, monkeypatch):
    def generate(boards, folder):
        write_board(folder, "01_a", (1, 1, 10, 10), seed=boards.seed)

    monkeypatch.setattr("stages.boards.write.generate_boards", generate)
    assert stage.download(with_dataset(params, "boards")).startswith("download: boards: 1 images (generated, ")
    assert Path("data/raw/boards/images/Short/01_a.png").is_file()
    found = record("boards")
    assert found["parameters"]["seed"] == params.read(Boards).seed
    assert found["licence"].startswith("MIT")


def test_a_failed_generation_leaves_the_earlier_boards_alone(params, monkeypatch):
    write_text(Path("data/raw/boards/images/earlier.txt"), "here")

    def generate(boards, folder):
        write_text(folder / "half.txt", "")
        raise InputError("params.yaml: boards.min_defects: no room")

    monkeypatch.setattr("stages.boards.write.generate_boards", generate)
    with pytest.raises(InputError, match="no room"):
        stage.download(with_dataset(params, "boards"))
    assert [path.as_posix() for path in Path("data").rglob("*.txt")] == ["data/raw/boards/images/earlier.txt"]
    assert [path.name for path in Path("data/raw").iterdir()] == ["boards"]


def use_client(monkeypatch, download):
    api = types.SimpleNamespace(dataset_download_files=download)
    about = types.SimpleNamespace(current_version_number=None, license_name=None, total_bytes=None)
    monkeypatch.setattr("stages.datasets.fetch._describe", lambda api, slug: about)
    monkeypatch.setitem(sys.modules, "kaggle", types.SimpleNamespace(api=api))


def test_kaggle_is_asked_without_a_root(params, tmp_path, monkeypatch):
    write_magnetic(tmp_path / "theirs", "Free", "exp1_num_1", np.zeros((6, 8), np.uint8))

    def send(slug, path, **_):
        shutil.make_archive(f"{path}/{slug.split('/')[1]}", "zip", tmp_path / "theirs")

    use_client(monkeypatch, send)
    line = stage.download(with_dataset(params, "magnetic_tile"))
    origin = "kaggle.com/datasets/alex000kim/magnetic-tile-surface-defects"
    assert line.startswith(f"download: magnetic_tile: 1 images ({origin}, ")
    assert record("magnetic_tile")["origin"] == origin
    assert Path("data/raw/magnetic_tile/MT_Free/Imgs/exp1_num_1.jpg").is_file()
    assert record("magnetic_tile")["files"] == 2


def test_a_failed_download_leaves_what_arrived_for_the_next_run(params, monkeypatch):
    def fail(slug, path, **_):
        (Path(path) / "half.zip").write_bytes(b"PK")
        raise SystemExit(1)

    use_client(monkeypatch, fail)
    with pytest.raises(InputError, match=r"akhatova/pcb-defects: not downloaded.*set dataset\.root to your own copy"):
        stage.download(with_dataset(params, "pcb"))
    assert [path.as_posix() for path in Path("data/raw").rglob("*.zip")] == ["data/raw/.pcb.download/None/half.zip"]
    assert [path.name for path in Path("data/raw").iterdir()] == [".pcb.download"]


def test_a_missing_root_and_a_root_that_would_be_overwritten_are_refused(params, tmp_path):
    with pytest.raises(InputError, match=r"nowhere: is not there; set dataset\.root"):
        stage.download(with_dataset(params, "pcb", tmp_path / "nowhere"))
    write_board(Path("data/raw/pcb"), "01_a")
    with pytest.raises(InputError, match=r"dataset\.root is data/raw/pcb, which this stage overwrites"):
        stage.download(with_dataset(params, "pcb", "data/raw/pcb"))
    assert Path("data/raw/pcb/images/Short/01_a.png").is_file()


def test_a_set_of_links_has_the_checksum_of_its_files(params, tmp_path):
    for name in ("good", "defective"):
        write_pixels(tmp_path / f"store/{name}/{name}.png", np.full((4, 4), len(name), np.uint8))
        (tmp_path / "links").mkdir(exist_ok=True)
        (tmp_path / "links" / name).symlink_to(tmp_path / "store" / name)
    records = []
    for folder in ("store", "links"):
        line = stage.download(with_dataset(params, "folder", tmp_path / folder))
        assert line.endswith("MB); good: good/; defective: defective/")
        records.append(record("folder"))
    assert records[0] == records[1]
    assert (records[0]["files"], records[0]["remarks"]) == (2, ["good: good/; defective: defective/"])

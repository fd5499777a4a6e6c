"""Whatever lies in the folder: each photograph has its line with the reason, and the others go on."""

import errno
import os
import re
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from stages.datasets.images import read_image
from stages.inspection import run as run_module
from stages.runtime.errors import InputError
from tests.inspection.command import photographs, run, summary
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


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def bomb(path: Path) -> None:
    """A PNG of some bytes that claims 30,000 x 30,000 pixels."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def text(path: Path) -> None:
    path.write_text("no picture")


def truncated(path: Path) -> None:
    content = cv2.imencode(path.suffix, plate(60, 60))[1].tobytes()
    path.write_bytes(content[: len(content) // 2])


def dark_16_bits(path: Path) -> None:
    cv2.imwrite(str(path), np.full((40, 40), 4000, np.uint16))


def folder_of_that_name(path: Path) -> None:
    path.mkdir()
    (path / "inside.txt").write_text("")


def missing(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere.png"))


HOSTILE = {
    "text.png": (text, "no format that is read"),
    "empty.jpg": (lambda path: path.touch(), "empty (0 bytes)"),
    "truncated.png": (truncated, "truncated"),
    "truncated.jpg": (truncated, "truncated"),
    "truncated.tif": (truncated, "truncated"),
    "bomb.png": (bomb, "claims 30000x30000 px, more than --max-pixels 400000000"),
    "dark 16 bits.png": (dark_16_bits, "set --bit-depth to the bits"),
    "animation.gif": (lambda path: PIL.Image.new("L", (20, 20)).save(path), "is a GIF, which is not read"),
    "nowhere.jpg": (missing, "cannot be read (No such file or directory)"),
    "pipe.png": (os.mkfifo, "not a plain file"),
}


def test_a_folder_of_hostile_files(folder, model, tmp_path, capfd):
    for name, (make, _) in HOSTILE.items():
        make(folder / name)
    assert run(folder, "--model", model, "--out", tmp_path / "out") == 2
    found = photographs(tmp_path / "out")
    assert found.keys() == {*HOSTILE, "z good.png"}
    assert found["z good.png"]["verdict"] == "good"
    told = capfd.readouterr().err
    for name, (_, reason) in HOSTILE.items():
        entry = found[name]
        assert (entry["verdict"], entry["probability"], entry["overlay"]) == ("failed", None, None)
        assert reason in entry["reason"] and entry["reason"].startswith(str(folder / name))
        assert not re.search(r"dataset\.|params\.yaml", entry["reason"]), "speaks of the pipeline"
        assert f"failed: {entry['reason']}" in told
    assert summary(tmp_path / "out")["counts"] == {"defective": 0, "failed": len(HOSTILE), "good": 1, "regions": 0}


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_and_a_folder_that_may_not_be_read(folder, model, tmp_path):
    (folder / "locked.png").write_bytes((folder / "z good.png").read_bytes())
    (folder / "locked.png").chmod(0)
    (folder / "closed").mkdir(mode=0)
    assert run(folder, "--model", model, "--out", tmp_path / "out") == 2
    found = photographs(tmp_path / "out")
    assert "Permission denied" in found["locked.png"]["reason"] and "cannot be listed" in found["closed"]["reason"]


def test_a_file_that_may_not_be_read(folder, model, tmp_path, monkeypatch):
    (folder / "locked.png").write_bytes((folder / "z good.png").read_bytes())
    real = Path.read_bytes

    def read_bytes(self):
        if self.name == "locked.png":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert run(folder, "--model", model, "--out", tmp_path / "out") == 2
    assert (
        "cannot be read (Permission denied); check the file's rights"
        in photographs(tmp_path / "out")["locked.png"]["reason"]
    )


def sixteen_bits(path: Path) -> None:
    cv2.imwrite(str(path), plate(50, 70, (16, 16, 8, 8))[..., ::-1].astype(np.uint16) * 257)


def as_mode(mode: str):
    return lambda path: PIL.Image.fromarray(plate(50, 70, (16, 16, 8, 8))).convert(mode).save(path)


def turned(path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[274] = 6
    PIL.Image.fromarray(plate(50, 70, (16, 16, 8, 8))).save(path, exif=exif)


UNUSUAL = {
    "16 bits.png": (sixteen_bits, "defective"),
    "rgba.png": (as_mode("RGBA"), "defective"),
    "grey.png": (as_mode("L"), "good"),  # red turns into a grey that is dark
    "palette.png": (as_mode("P"), "defective"),
    "cmyk.jpg": (as_mode("CMYK"), "defective"),
    "turned.png": (turned, "defective"),
    "1 x 1.png": (lambda path: PIL.Image.fromarray(plate(1, 1)).save(path), "good"),
    "small.png": (lambda path: PIL.Image.fromarray(plate(9, 12, (0, 0, 12, 9))).save(path), "defective"),
    "narrow.png": (lambda path: PIL.Image.fromarray(plate(9, 200)).save(path), "good"),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_pictures_are_read_as_in_training(name, folder, model, tmp_path, monkeypatch):
    make, verdict = UNUSUAL[name]
    make(folder / name)
    seen = []
    real = run_module.inspect
    monkeypatch.setattr(
        run_module, "inspect", lambda finding, held, *rest: (seen.append(held[0]), real(finding, held, *rest))[1]
    )
    run(folder / name, "--model", model, "--out", tmp_path / "out")
    entry = photographs(tmp_path / "out")[name]
    assert (entry["verdict"], entry["reason"]) == (verdict, None)
    assert np.array_equal(seen[0], read_image(folder / name)) and seen[0].shape[:2] == (entry["height"], entry["width"])
    assert read_image(tmp_path / "out/photographs" / f"{name}.jpg").shape == seen[0].shape


def test_an_exif_tag_turns_the_photograph_before_regions_are_measured(folder, model, tmp_path):
    turned(folder / "turned.png")
    run(folder / "turned.png", "--model", model, "--out", tmp_path / "out")
    entry = photographs(tmp_path / "out")["turned.png"]
    assert (entry["height"], entry["width"]) == (70, 50)


def test_the_same_name_in_different_folders(folder, model, tmp_path):
    for place in ("a", "b"):
        (folder / place).mkdir()
        PIL.Image.fromarray(plate(50, 70)).save(folder / place / "x.png")
    run(folder / "a/x.png", folder / "b", folder / "a", "--model", model, "--out", tmp_path / "out")
    assert photographs(tmp_path / "out").keys() == {"a/x.png", "b/x.png"}
    assert (tmp_path / "out/overlays/a/x.png.png").is_file() and (tmp_path / "out/overlays/b/x.png.png").is_file()


def test_results_that_are_there_are_kept_without_force(folder, model, tmp_path):
    out = tmp_path / "out"
    run(folder, "--model", model, "--out", out)
    before = (out / "summary.json").read_bytes()
    with pytest.raises(InputError, match=r"out: exists already; choose another --out, or --force"):
        run(folder, "--model", model, "--out", out)
    assert (out / "summary.json").read_bytes() == before
    (out / "overlays/stale.png").write_text("")
    run(folder, "--model", model, "--out", out, "--force")
    assert not (out / "overlays/stale.png").exists() and (out / "overlays/z good.png.png").is_file()


def test_force_removes_nothing_that_is_not_ours(folder, model, tmp_path):
    precious = tmp_path / "home" / "overlays" / "precious.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("mine")
    with pytest.raises(InputError, match="holds no results of inspect to be replaced"):
        run(folder, "--model", model, "--out", tmp_path / "home", "--force")
    assert precious.read_text() == "mine"


def test_results_within_the_folder_of_photographs_are_no_photographs(folder, model, tmp_path):
    for _ in range(2):
        run(folder, "--model", model, "--out", folder / "out", "--force")
        assert photographs(folder / "out").keys() == {"z good.png"}


def test_a_place_that_cannot_be_written(folder, model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file: is no folder"):
        run(folder, "--model", model, "--out", tmp_path / "file")
    with pytest.raises(InputError, match=r"file/out: cannot be written"):
        run(folder, "--model", model, "--out", tmp_path / "file" / "out")


def test_a_disk_that_fills_fails_that_photograph(folder, model, tmp_path, monkeypatch):
    PIL.Image.fromarray(plate(50, 70, (16, 16, 8, 8))).save(folder / "a.png")
    real = Path.write_bytes

    def write_bytes(self, content):
        if "a.png" in self.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(self, content)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    assert run(folder, "--model", model, "--out", tmp_path / "out") == 2
    found = photographs(tmp_path / "out")
    assert found["z good.png"]["verdict"] == "good"
    assert found["a.png"]["verdict"] == "failed" and "No space left on device" in found["a.png"]["reason"]
    assert found["a.png"]["probability"] > 0.9, "what was seen is still told"
    assert not [file for file in (tmp_path / "out").rglob("*") if ".new" in file.name]


def test_a_full_disk_at_the_end_is_one_line(folder, model, tmp_path, monkeypatch):
    def write_text(self, *_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", write_text)
    with pytest.raises(InputError, match=r"cannot be written.*No space left on device"):
        run(folder, "--model", model, "--out", tmp_path / "out")


def test_memory_that_does_not_suffice_fails_that_photograph(folder, model, tmp_path, monkeypatch):
    PIL.Image.fromarray(plate(51, 70)).save(folder / "a.png")
    real = run_module.inspect

    def inspect(finding, held, *rest):
        if len(held[0]) == 51:
            raise MemoryError
        return real(finding, held, *rest)

    monkeypatch.setattr(run_module, "inspect", inspect)
    assert run(folder, "--model", model, "--out", tmp_path / "out") == 2
    found = photographs(tmp_path / "out")
    assert "not enough memory" in found["a.png"]["reason"] and found["z good.png"]["verdict"] == "good"

"""Hashes: of files and pixels as others compute them, and names of runs that change with every part."""

from hashlib import sha256
from pathlib import Path

import numpy as np

from stages.records.hashes import file_sha256, fingerprint, pixels_sha


def test_a_file_has_the_hash_that_sha256sum_prints(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert file_sha256(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_pixels_are_hashed_with_their_shape() -> None:
    pixels = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    assert pixels_sha(pixels) == sha256(b"(2, 3, 3)" + bytes(range(18))).hexdigest()[:16]
    assert pixels_sha(pixels[:, ::-1]) == pixels_sha(pixels[:, ::-1].copy())
    assert len({pixels_sha(each) for each in (pixels, pixels[:, ::-1], pixels.reshape(3, 2, 3))}) == 3


def test_fingerprint_changes_with_every_part(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"a")
    prints = {fingerprint("x", 1, file), fingerprint("x", 2, file), fingerprint("x", file), fingerprint("x1", file)}
    assert fingerprint("x", 1, file) in prints
    file.write_bytes(b"b")
    prints.add(fingerprint("x", 1, file))
    assert len(prints) == 5

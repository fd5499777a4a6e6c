"""SOURCE.json: the checksum by hand, and what it depends on."""

from hashlib import sha256

from stages.datasets.origin import describe_files
from tests.datasets.small_sets import write_text


def test_the_checksum_by_hand(tmp_path):
    write_text(tmp_path / "b/c.txt", "two")
    write_text(tmp_path / "a.txt", "one!")
    write_text(tmp_path / ".hidden/x", "no")
    write_text(tmp_path / "SOURCE.json", "no")
    write_text(tmp_path / "b/Thumbs.db", "no")
    lines = f"a.txt 4 {sha256(b'one!').hexdigest()}\nb/c.txt 3 {sha256(b'two').hexdigest()}\n"
    assert describe_files(tmp_path) == {"files": 2, "bytes": 7, "sha256": sha256(lines.encode()).hexdigest()}


def test_content_and_names_count_but_not_the_place(tmp_path):
    found = set()
    for folder, name, text in (("1", "a", "x"), ("2", "a", "x"), ("3", "b", "x"), ("4", "a", "y")):
        write_text(tmp_path / folder / name, text)
        found.add(describe_files(tmp_path / folder)["sha256"])
    assert len(found) == 3

"""Unpacking without trust: hostile, damaged and oversized archives leave nothing behind."""

import stat
import zipfile

import pytest

from stages.datasets.archives import unpack
from stages.runtime.errors import InputError


def write_zip(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


HOSTILE = ["../outside.txt", "a/../../outside.txt", "/outside.txt", "..\\outside.txt", "C:/outside.txt"]


@pytest.mark.parametrize("name", HOSTILE)
def test_an_entry_that_leaves_the_folder_is_refused_before_anything_is_written(tmp_path, name):
    archive = write_zip(tmp_path / "name.zip", {"first.txt": "fine", name: "evil"})
    with pytest.raises(InputError, match=r"name\.zip: entry .*outside.txt' leaves the folder or is a link"):
        unpack(archive, tmp_path / "folder")
    assert [path.name for path in tmp_path.rglob("*.txt")] == []


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_a_link_or_a_device_is_refused(tmp_path, kind):
    entry = zipfile.ZipInfo("link")
    entry.external_attr = (kind | 0o777) << 16
    with pytest.raises(InputError, match="'link' leaves the folder or is a link"):
        unpack(write_zip(tmp_path / "a.zip", {entry: "/etc"}), tmp_path / "out")


def test_too_many_files_or_bytes_are_refused(tmp_path, monkeypatch):
    archive = write_zip(tmp_path / "a.zip", {"a": "123", "b": "4567"})
    for limit, value in (("MAX_FILES", 1), ("MAX_BYTES", 6)):
        with monkeypatch.context() as patch, pytest.raises(InputError, match=r"a\.zip: more than"):
            patch.setattr(f"stages.datasets.archives.{limit}", value)
            unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    unpack(archive, tmp_path / "out")
    assert (tmp_path / "out/b").read_text() == "4567"


def test_a_bomb_is_refused_by_its_ratio(tmp_path):
    archive = write_zip(tmp_path / "a.zip", {"zeros": bytes(10**6)})
    with pytest.raises(InputError, match=r"a\.zip: \d+ bytes would become 1000000, more than 200 times"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_entry_yields_no_more_than_the_directory_says(tmp_path):
    """A bomb that understates its extent, so that it passes the limits."""
    path = write_zip(tmp_path / "a.zip", {"zeros": bytes(5000)})
    path.write_bytes(path.read_bytes().replace((5000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(InputError, match="damaged or encrypted"):
        unpack(path, tmp_path / "out")
    assert sum(file.stat().st_size for file in (tmp_path / "out").iterdir()) <= 10


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ({"a": "1", "./a": "2"}, "'./a' is there twice"),
        ({"a": "1", "a/b": "2"}, "'a' is a file and a folder"),
        ({"a" * 300: "1"}, "has too long a name"),
    ],
)
def test_entries_that_no_folder_can_hold(tmp_path, entries, text):
    with pytest.raises(InputError, match=text):
        unpack(write_zip(tmp_path / "a.zip", entries), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_archive_is_refused(tmp_path):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as stored:
        stored.writestr("a.txt", "content " * 100)
    whole = archive.read_bytes()
    for content in (b"", whole[:100], whole.replace(b"content", b"Content", 1)):
        archive.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.zip: damaged or encrypted.*dataset\.root"):
            unpack(archive, tmp_path / "out")

"""Kaggle with a stand-in for its client: what is unpacked, and one clear error for everything that goes wrong."""

import stat
import sys
import types
import zipfile
from pathlib import Path

import pytest

from stages.datasets.fetch import fetch_kaggle, unpack
from stages.runtime.errors import InputError


def use_client(monkeypatch, download):
    """Let `import kaggle` give a client whose download is `download(archive path)`."""

    def dataset_download_files(slug, path, quiet, unzip):
        assert (quiet, unzip) == (True, False)
        print("Dataset URL: ...")
        download(Path(path) / f"{slug.split('/')[1]}.zip")

    api = types.SimpleNamespace(dataset_download_files=dataset_download_files)
    monkeypatch.setitem(sys.modules, "kaggle", types.SimpleNamespace(api=api))


def write_zip(path, entries):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def test_an_archive_is_unpacked_and_removed(tmp_path, monkeypatch, capsys):
    use_client(monkeypatch, lambda path: write_zip(path, {"data/": "", "data/a.txt": "one", "b.txt": "two"}))
    fetch_kaggle("owner/name", tmp_path)
    files = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"data/a.txt": "one", "b.txt": "two"}
    assert not list(tmp_path.glob(".*"))
    assert capsys.readouterr() == ("", "")


HOSTILE = ["../outside.txt", "a/../../outside.txt", "/outside.txt", "..\\outside.txt", "C:/outside.txt"]


@pytest.mark.parametrize("name", HOSTILE)
def test_an_entry_that_leaves_the_folder_is_refused_before_anything_is_written(tmp_path, monkeypatch, name):
    use_client(monkeypatch, lambda path: write_zip(path, {"first.txt": "fine", name: "evil"}))
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(InputError, match=r"name\.zip: entry .*outside.txt' leaves the folder or is a link"):
        fetch_kaggle("owner/name", folder)
    assert [path.name for path in tmp_path.rglob("*.txt")] == []


def test_a_link_is_refused(tmp_path):
    entry = zipfile.ZipInfo("link")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    write_zip(tmp_path / "a.zip", {entry: "/etc"})
    with pytest.raises(InputError, match="'link' leaves the folder or is a link"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_too_many_files_or_bytes_are_refused(tmp_path, monkeypatch):
    write_zip(tmp_path / "a.zip", {"a": "123", "b": "4567"})
    for limit, value in (("MAX_FILES", 1), ("MAX_BYTES", 6)):
        with monkeypatch.context() as patch, pytest.raises(InputError, match=r"a\.zip: more than"):
            patch.setattr(f"stages.datasets.fetch.{limit}", value)
            unpack(tmp_path / "a.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    unpack(tmp_path / "a.zip", tmp_path / "out")
    assert (tmp_path / "out/b").read_text() == "4567"


def test_a_damaged_archive_is_refused(tmp_path):
    write_zip(tmp_path / "a.zip", {"a.txt": "content " * 100})
    whole = (tmp_path / "a.zip").read_bytes()
    for content in (b"", whole[:100], whole.replace(b"content", b"Content", 1)):
        (tmp_path / "a.zip").write_bytes(content)
        with pytest.raises(InputError, match=r"a\.zip: damaged or encrypted.*dataset\.root"):
            unpack(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize("error", [SystemExit(1), OSError("no route\nto host"), ValueError("403"), KeyError("token")])
def test_whatever_the_client_raises_is_one_line_that_says_what_to_do(tmp_path, monkeypatch, error):
    def fail(path):
        raise error

    use_client(monkeypatch, fail)
    with pytest.raises(InputError, match=r"^owner/name: not downloaded.*KAGGLE_API_TOKEN.*dataset\.root") as raised:
        fetch_kaggle("owner/name", tmp_path)
    assert "\n" not in str(raised.value)


def test_a_client_that_is_not_installed_or_sends_nothing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kaggle", None)
    with pytest.raises(InputError, match=r"not downloaded from Kaggle \(ModuleNotFoundError.*dataset\.root"):
        fetch_kaggle("owner/name", tmp_path / "a")
    use_client(monkeypatch, lambda path: None)
    with pytest.raises(InputError, match=r"Kaggle sent 0 archives"):
        fetch_kaggle("owner/name", tmp_path / "b")


def test_ctrl_c_is_not_taken_for_a_failed_download(tmp_path, monkeypatch):
    def interrupt(path):
        raise KeyboardInterrupt

    use_client(monkeypatch, interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch_kaggle("owner/name", tmp_path)

"""Kaggle with a stand-in for its client, for what a server cannot cause (see test_kaggle.py for the real one)."""

import errno
import sys
import types
import zipfile
from pathlib import Path

import pytest

from stages.datasets.fetch import fetch_kaggle
from stages.records.folders import new_folder
from stages.runtime.errors import InputError


def use_client(monkeypatch, download):
    """Let `import kaggle` give a client whose download is `download(archive path)`."""

    def dataset_download_files(slug, path, quiet, unzip):
        assert (quiet, unzip) == (True, False)
        print("Dataset URL: ...")
        download(Path(path) / f"{slug.split('/')[1]}.zip")

    api = types.SimpleNamespace(dataset_download_files=dataset_download_files)
    about = types.SimpleNamespace(current_version_number=7, license_name="CC0", total_bytes=None)
    monkeypatch.setattr("stages.datasets.fetch._describe", lambda api, slug: about)
    monkeypatch.setitem(sys.modules, "kaggle", types.SimpleNamespace(api=api))


def write_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {"data/": "", "data/a.txt": "one", "b.txt": "two"}.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # dated 1980, so that the bytes do not depend on the clock


def fetch(tmp_path):
    with new_folder(tmp_path / "set") as folder:
        return fetch_kaggle("owner/name", tmp_path / "cache", folder)[1]


def test_an_archive_is_unpacked_and_kept(tmp_path, monkeypatch, capsys):
    use_client(monkeypatch, write_zip)
    assert fetch(tmp_path)["version"] == 7
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"set/data/a.txt", "set/b.txt", "cache/7/name.zip", "cache/7/name.json"}
    assert (tmp_path / "set/data/a.txt").read_text() == "one"
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("error", [SystemExit(1), OSError("no route\nto host"), ValueError("odd"), KeyError("token")])
def test_whatever_the_client_raises_is_one_line_that_says_what_to_do(tmp_path, monkeypatch, error):
    def fail(path):
        raise error

    use_client(monkeypatch, fail)
    with pytest.raises(InputError, match=r"^owner/name: not downloaded.*KAGGLE_API_TOKEN.*dataset\.root") as raised:
        fetch(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_disk_that_fills_up_keeps_the_partial_archive_and_nothing_else(tmp_path, monkeypatch):
    def fill(path):
        path.write_bytes(b"PK")
        raise OSError(errno.ENOSPC, "No space left on device")

    use_client(monkeypatch, fill)
    with pytest.raises(
        InputError, match=r"set: cannot be written \(.*No space left on device\); what was there before"
    ):
        fetch(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")] == ["cache/7/name.zip"]


def test_a_disk_that_fills_up_while_unpacking_keeps_the_archive(tmp_path, monkeypatch):
    def fill(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    use_client(monkeypatch, write_zip)
    monkeypatch.setattr("stages.datasets.archives.shutil.copyfileobj", fill)
    with pytest.raises(InputError, match="No space left on device"):
        fetch(tmp_path)
    kept = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert kept == {"cache/7/name.zip", "cache/7/name.json"}


def test_a_client_that_is_not_installed_or_sends_nothing(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "kaggle", None)
        with pytest.raises(InputError, match=r"not downloaded from Kaggle \(ModuleNotFoundError.*dataset\.root"):
            fetch(tmp_path)
    use_client(monkeypatch, lambda path: None)
    with pytest.raises(InputError, match=r"Kaggle sent no archive"):
        fetch(tmp_path)


def test_ctrl_c_is_not_taken_for_a_failed_download(tmp_path, monkeypatch):
    def interrupt(path):
        raise KeyboardInterrupt

    use_client(monkeypatch, interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path)


def test_a_whole_archive_is_not_fetched_again_and_half_of_one_is(tmp_path, monkeypatch):
    sent = []

    def send(path):
        sent.append(path)
        write_zip(path)

    use_client(monkeypatch, send)
    first = fetch(tmp_path)
    assert (fetch(tmp_path), len(sent)) == (first, 1)
    archive = tmp_path / "cache/7/name.zip"
    archive.write_bytes(archive.read_bytes()[:-1])
    assert (fetch(tmp_path), len(sent)) == (first, 2)
    (tmp_path / "cache/7/name.json").write_text("{")
    assert (fetch(tmp_path), len(sent)) == (first, 3)

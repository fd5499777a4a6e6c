"""The download stage with the real Kaggle client against a server on loopback: what goes wrong is one line, code 2."""

import io
import json
import stat
import threading
import zipfile
from hashlib import sha256

import cv2
import numpy as np
import pytest

from tests.datasets.kaggle_server import STORAGE, Kaggle, Server, start_download
from tests.datasets.small_sets import write_text
from tests.dependencies import REPOSITORY

ARCHIVE = "data/raw/.magnetic_tile.download/3/magnetic-tile-surface-defects.zip"
EARLIER = "data/raw/magnetic_tile/earlier.txt"
MEGABYTE = 1 << 20  # the client writes in pieces of this size


@pytest.fixture
def kaggle(tmp_path):
    text = (REPOSITORY / "params.yaml").read_text().replace("name: boards ", "name: magnetic_tile ", 1)
    write_text(tmp_path / "params.yaml", text)
    write_text(tmp_path / EARLIER, "here")
    kaggle = Kaggle()
    server = Server(kaggle)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    kaggle.port = server.server_port
    yield kaggle
    kaggle.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


def packed(extra=None, px=8):
    """Return an archive of one magnetic tile, 3 MiB of noise, and what is given."""
    image = cv2.imencode(".jpg", np.full((px, px, 3), 90, np.uint8))[1].tobytes()
    mask = cv2.imencode(".png", np.zeros((px, px), np.uint8))[1].tobytes()
    noise = np.random.default_rng(0).bytes(3 * MEGABYTE)
    entries = {"MT_Free/Imgs/exp1_num_1.jpg": image, "MT_Free/Imgs/exp1_num_1.png": mask, "noise": noise}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (entries | (extra or {})).items():
            archive.writestr(name, content)
    return file.getvalue()


def finish(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def download(folder, kaggle, **options):
    return finish(start_download(folder, kaggle.port, **options))


def refused(folder, kaggle, **options):
    """Return the one line of a download that fails and check that it left the earlier folder alone."""
    code, out, err = download(folder, kaggle, **options)
    assert (code, out) == (2, ""), err
    assert err.startswith("error: ") and err.count("\n") == 1
    assert (folder / EARLIER).read_text() == "here"
    assert [path.name for path in (folder / "data/raw").iterdir() if not path.name.startswith(".")] == ["magnetic_tile"]
    assert not (folder / "data/raw/.magnetic_tile.new").exists()
    print(err)
    return err


def test_an_archive_comes_with_its_origin_and_the_token_stays_at_kaggle(kaggle, tmp_path):
    kaggle.archive = packed()
    code, out, err = download(tmp_path, kaggle)
    assert (code, err) == (0, "")
    slug = "alex000kim/magnetic-tile-surface-defects"
    assert out.startswith(f"download: magnetic_tile: 1 images (kaggle.com/datasets/{slug}, ")
    record = json.loads((tmp_path / "data/raw/magnetic_tile/SOURCE.json").read_text())
    assert record["archive_sha256"] == sha256(kaggle.archive).hexdigest()
    assert (record["archive_bytes"], record["version"], record["licence_at_origin"]) == (
        len(kaggle.archive),
        3,
        "CC0-1.0",
    )
    assert sorted(path.name for path in (tmp_path / "data/raw").iterdir()) == ["magnetic_tile"]
    assert {host for _, host, _, _ in kaggle.requests} == {"localhost", STORAGE}
    assert all("Authorization" not in headers for headers in kaggle.transfers())


@pytest.mark.parametrize("token", ["wrong", ""])
def test_wrong_or_no_credentials(kaggle, tmp_path, token):
    line = refused(tmp_path, kaggle, token=token)
    assert "Kaggle refuses the credentials (401); give valid ones (KAGGLE_API_TOKEN" in line


@pytest.mark.parametrize(("status", "text"), [(403, "refuses the credentials (403)"), (404, "no such data set (404)")])
def test_what_the_server_refuses(kaggle, tmp_path, status, text):
    kaggle.status = status
    assert text in refused(tmp_path, kaggle)


def test_a_cut_connection_is_taken_up_again(kaggle, tmp_path):
    kaggle.archive, kaggle.cuts, kaggle.cut_after = packed(), 1, 2 * MEGABYTE
    assert download(tmp_path, kaggle, waits=False)[0] == 0
    assert [headers.get("Range") for headers in kaggle.transfers()] == [None, f"bytes={2 * MEGABYTE}-"]


def test_a_connection_that_is_always_cut_fails_and_the_next_run_goes_on(kaggle, tmp_path):
    kaggle.cuts, kaggle.cut_after = 6, MEGABYTE + 1
    kaggle.archive = packed({"more": np.random.default_rng(1).bytes(9 * MEGABYTE)})
    assert "run again to go on where it stopped" in refused(tmp_path, kaggle, waits=False)
    seen = len(kaggle.transfers())
    assert download(tmp_path, kaggle)[0] == 0
    resumed = [headers["Range"] for headers in kaggle.transfers()[seen:] if "Range" in headers]
    assert resumed == [f"bytes={6 * MEGABYTE}-"]


@pytest.mark.parametrize("etag", ['"one"', '"two"'])
def test_a_killed_run_goes_on_unless_the_archive_has_changed(kaggle, tmp_path, etag):
    kaggle.archive, kaggle.cuts, kaggle.cut_after, kaggle.stall = packed(), 1, 2 * MEGABYTE, True
    process = start_download(tmp_path, kaggle.port)
    partial = tmp_path / "data/raw/.magnetic_tile.download/3/magnetic-tile-surface-defects.zip"
    assert kaggle.stalled.wait(60)
    while not (partial.is_file() and partial.stat().st_size == 2 * MEGABYTE):
        assert process.poll() is None
    process.kill()
    finish(process)
    kaggle.stall, kaggle.etag = False, etag
    kaggle.over.set()
    kaggle.requests.clear()
    code, _, err = download(tmp_path, kaggle)
    assert (code, err) == (0, "")
    assert ("Range" in kaggle.transfers()[-1]) == (etag == '"one"')
    record = json.loads((tmp_path / "data/raw/magnetic_tile/SOURCE.json").read_text())
    assert record["archive_sha256"] == sha256(kaggle.archive).hexdigest()


def test_what_an_older_version_left_is_not_taken_for_the_archive(kaggle, tmp_path):
    kaggle.archive, kaggle.version = packed(), 4
    left = tmp_path / "data/raw/.magnetic_tile.download/3/magnetic-tile-surface-defects.zip"
    write_text(left, "x" * (len(kaggle.archive) + 1))
    assert download(tmp_path, kaggle)[0] == 0
    assert json.loads((tmp_path / "data/raw/magnetic_tile/SOURCE.json").read_text())["version"] == 4
    assert not left.exists()


def link():
    entry = zipfile.ZipInfo("link")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return {entry: "/etc"}


BAD = {
    "damaged": (lambda: packed()[:-100], "damaged or encrypted"),
    "climbs": (lambda: packed({"../../../evil.txt": "x"}), "leaves the folder or is a link"),
    "link": (lambda: packed(link()), "leaves the folder or is a link"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_archive_is_refused_and_fetched_anew_next_time(kaggle, tmp_path, bad):
    make, text = BAD[bad]
    kaggle.archive = make()
    line = refused(tmp_path, kaggle)
    assert text in line and f"(the archive, {ARCHIVE}, is removed)" in line
    assert not list(tmp_path.rglob("evil.txt")) and not list((tmp_path / "data").rglob("*.zip"))


def test_another_archive_than_the_expected_one_stays_until_the_parameter_is_right(kaggle, tmp_path):
    params = tmp_path / "params.yaml"
    text = params.read_text()
    params.write_text(text.replace("archive_sha256: null", f'archive_sha256: "{"0" * 64}"'))
    kaggle.archive = packed()
    line = refused(tmp_path, kaggle)
    assert f"but dataset.archive_sha256 is {'0' * 64}" in line and f"error: {ARCHIVE}: its SHA-256" in line
    params.write_text(text)
    assert download(tmp_path, kaggle)[0] == 0
    assert len(kaggle.transfers()) == 1


def test_an_archive_that_the_reader_refuses_stays_and_is_named(kaggle, tmp_path):
    """Whatever is wrong with what it holds, it is fetched once; no message names a folder that is gone."""
    kaggle.archive = packed({"MT_Break/Imgs/exp1_num_2.jpg": b""})
    for _ in range(2):
        line = refused(tmp_path, kaggle)
        assert line.startswith(f"error: {ARCHIVE}/MT_Break/Imgs/exp1_num_2.png: missing; ")
        assert f"(the archive {ARCHIVE} stays: no run fetches it again)" in line
        assert ".new" not in line
        assert (tmp_path / ARCHIVE).read_bytes() == kaggle.archive
    assert len(kaggle.transfers()) == 1
    params = tmp_path / "params.yaml"
    params.write_text(params.read_text().replace("on_bad_file: error", "on_bad_file: skip"))
    code, out, err = download(tmp_path, kaggle)
    assert code == 0 and "1 images (kaggle" in out and ", 1 bad files left out" in out
    place = "data/raw/magnetic_tile/MT_Break/Imgs/exp1_num_2.png"
    assert f"warning: left out MT_Break/Imgs/exp1_num_2.jpg: {place}: missing" in err and ".new" not in err
    assert ".new" not in (tmp_path / "data/raw/magnetic_tile/SOURCE.json").read_text()
    assert len(kaggle.transfers()) == 1
    assert [path.name for path in (tmp_path / "data/raw").iterdir()] == ["magnetic_tile"]


def test_an_archive_of_something_else_is_named(kaggle, tmp_path):
    kaggle.archive = packed()
    params = tmp_path / "params.yaml"
    params.write_text(params.read_text().replace("name: magnetic_tile ", "name: casting ", 1))
    code, _, err = download(tmp_path, kaggle)
    assert code == 2 and ".new" not in err
    archive = "data/raw/.casting.download/3/real-life-industrial-dataset-of-casting-product.zip"
    assert err.startswith(f"error: {archive}: no folders def_front/ and ok_front/") and "it has MT_Free/" in err
    assert (tmp_path / archive).is_file()


def test_a_disk_without_room_is_seen_before_the_transfer(kaggle, tmp_path):
    kaggle.archive, kaggle.total_bytes = packed(), 10**15
    assert "MB free, but alex000kim/magnetic-tile-surface-defects has 1000000000 MB" in refused(tmp_path, kaggle)
    assert kaggle.transfers() == []

"""Every reader against broken and hostile files: one clear error that names the file, or the image is left out.

A small data set is written in each reader's layout, one of its files is broken in a way that hypothesis chooses, and
the whole way to the tiles is gone. Nothing but an InputError may come out of it, and no image may vanish uncounted.
"""

import os
import shutil
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.datasets.bad_files import BadFiles
from stages.datasets.images import IMAGE_SUFFIXES
from stages.datasets.sources import SOURCES
from stages.runtime.errors import InputError
from stages.tiling.cutting import cut_image
from tests.datasets.layouts import WRITERS
from tests.datasets.small_sets import TILE, noise, read, write_pixels

ENTITIES = (
    '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><annotation>&c;</annotation>',
    '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd"><annotation/>',
    '<?xml version="1.0" encoding="utf-7"?><annotation/>',
)
NUMBERS = ("-1", "NaN", "1e400", "-1e400", "1e9", "10" * 300, '"1"', "null", "true", "[]", "1.5", "<b/>", "&amp;")


def huge(content: bytes) -> bytes:
    """Return an image whose header claims 10^5 x 10^5 pixels (a PNG), else the content a thousand times."""
    if content.startswith(b"\x89PNG"):
        head = content[12:16] + (10**5).to_bytes(4, "big") * 2 + content[24:29]
        return content[:12] + head + zlib.crc32(head).to_bytes(4, "big") + content[33:]
    return content * 1000


def with_number(content: bytes, place: int, number: str) -> bytes:
    """Put something else in the place of one run of digits."""
    digits = [at for at, byte in enumerate(content) if chr(byte).isdigit()]
    if not digits:
        return number.encode()
    start = end = digits[place % len(digits)]
    while chr(content[start - 1]).isdigit():
        start -= 1
    while end < len(content) and chr(content[end]).isdigit():
        end += 1
    return content[:start] + number.encode() + content[end:]


Damage = Callable[[bytes], bytes]
DAMAGES: st.SearchStrategy[Damage] = st.one_of(
    st.floats(0, 1).map(lambda kept: lambda content: content[: int(kept * len(content))]),
    st.binary(max_size=64).map(lambda new: lambda _: new),
    st.tuples(st.integers(0, 10**6), st.integers(1, 255)).map(
        lambda flip: (
            lambda content: bytes(
                byte ^ flip[1] if at == flip[0] % max(len(content), 1) else byte for at, byte in enumerate(content)
            )
        )
    ),
    st.tuples(st.integers(0, 10**6), st.sampled_from(NUMBERS)).map(
        lambda change: lambda content: with_number(content, *change)
    ),
    st.sampled_from(ENTITIES).map(lambda text: lambda _: text.encode()),
    st.sampled_from(["utf-16", "latin-1", "utf-8-sig"]).map(
        lambda encoding: lambda content: ("ä" + content.decode("latin-1")).encode(encoding)
    ),
    st.just(huge),
    st.just(lambda _: b"[" * 100_000),
    st.just(lambda _: b"<a>" * 100_000),
    st.just(lambda _: b'{"shapes":' * 10_000),
)


def cut_all(name: str, root: Path, bad: BadFiles) -> int:
    """Read a data set, cut its images, and return how many could be cut."""
    images = read(SOURCES[name].read, root, bad)
    assert images == sorted(images, key=lambda image: image.source)
    cut = 0
    for image in images:
        try:
            tiles = cut_image(image, TILE)
        except InputError as error:
            bad.refuse(error, image.source)
            continue
        assert all(row["defect_px"] == -1 or 0 <= row["defect_px"] <= TILE.px**2 for row in tiles.lines)
        cut += 1
    return cut


def outcome(name: str, root: Path, bad: BadFiles) -> int | str:
    """Return how many images could be cut, or the message of the error."""
    try:
        return cut_all(name, root, bad)
    except InputError as error:
        return str(error)


WHOLE_SET = ("images were left out", "labels.csv", "annotated by", "instances.json", "data.yaml")


def check(name: str, root: Path) -> None:
    """Read with both ways of taking bad files; `root` has one broken file."""
    counted = len(image_files(name, root))
    strict = outcome(name, root, BadFiles())
    if isinstance(strict, str):
        assert "\n" not in strict
        assert len(strict) < 700
        assert str(root) in strict
    else:
        assert strict == counted
    bad = BadFiles(skip=True)
    lenient = outcome(name, root, bad)
    if isinstance(lenient, str):  # about the data set, not about one image
        assert any(words in lenient for words in WHOLE_SET)
    else:
        files = {entry["file"] for entry in bad.skipped if not entry["reason"].endswith("see dataset.root")}
        assert lenient + len(files) == counted


def image_files(name: str, root: Path) -> list[Path]:
    """Return the images of a data set written here, without masks."""
    inside = {
        "magnetic_tile": "MT_*/Imgs/*.jpg",
        "neu_seg": "images/*/*",
        "deeppcb": "group*/*/*_test.*",
        "boards": "images/*/*",
        "pcb": "images/*/*",
        "folder": "[gd]*/*",
        "mvtec": "t*/*/*",
        "visa": "Data/Images/*/*",
    }
    return sorted(path for path in root.glob(inside.get(name, "**/*")) if path.suffix in IMAGE_SUFFIXES)


@pytest.mark.parametrize("name", WRITERS)
def test_every_reader_reads_its_own_layout(tmp_path, name):
    WRITERS[name](tmp_path)
    bad = BadFiles()
    assert cut_all(name, tmp_path, bad) == len(image_files(name, tmp_path)) >= 2


def test_every_reader_is_tried():
    assert WRITERS.keys() == SOURCES.keys()


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(place=st.integers(0, 10), damage=DAMAGES)
def test_a_broken_file_is_named_or_left_out(tmp_path, name, place, damage):
    root = tmp_path / "root"
    shutil.rmtree(root, ignore_errors=True)
    WRITERS[name](root)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    target = files[place % len(files)]
    target.write_bytes(damage(target.read_bytes()))
    check(name, root)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("/nowhere/at/all")


def circular(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def unprintable(path: Path) -> None:
    path.rename(path.with_stem("line\nbreak"))


def not_utf_8(path: Path) -> None:
    path.rename(path.with_stem(os.fsdecode(b"\xff\xfe")))


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("damage", [pipe, endless, dangling, circular, unprintable, not_utf_8])
def test_what_is_no_plain_file_with_a_plain_name_is_refused(tmp_path, capfd, name, damage):
    WRITERS[name](tmp_path)
    images = image_files(name, tmp_path)
    damage(images[0])
    bad = BadFiles(skip=True)
    lenient = outcome(name, tmp_path, bad)
    assert "\n" not in lenient if isinstance(lenient, str) else lenient < len(images)
    assert all(entry["file"].isprintable() for entry in bad.skipped)
    with pytest.raises(InputError) as raised:
        cut_all(name, tmp_path, BadFiles())
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", WRITERS)
def test_a_link_to_an_image_elsewhere_is_read(tmp_path, name):
    """A data set put together from links is a user's own business; archives are unpacked without any."""
    WRITERS[name](tmp_path / "root")
    image = image_files(name, tmp_path / "root")[0]
    shutil.move(image, tmp_path / "kept")
    image.symlink_to(tmp_path / "kept")
    assert cut_all(name, tmp_path / "root", BadFiles()) == len(image_files(name, tmp_path / "root"))


@pytest.mark.parametrize("name", WRITERS)
def test_all_images_bad_is_an_error_even_when_bad_ones_are_skipped(tmp_path, name):
    WRITERS[name](tmp_path)
    for pattern in ("*.xml", "*.json", "labels/*.txt", "MT_*/**/*.png", "annotations/*/*.png", "*_not/*.txt"):
        for path in tmp_path.rglob(pattern):
            path.unlink()
    if name in ("casting", "elpv", "folder", "mvtec", "visa"):
        pytest.skip("labels by folder or list: no image of theirs is bad before it is decoded")
    if name in ("coco", "voc"):
        pytest.skip("without annotations these are no such data set")
    with pytest.raises(InputError, match=r"all 2 images were left out \(dataset\.on_bad_file: skip\)"):
        read(SOURCES[name].read, tmp_path, BadFiles(skip=True))


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
def test_memory_stays_small_whatever_a_header_claims(tmp_path):
    path = write_pixels(tmp_path / "good/1.png", noise(4, 4))
    path.write_bytes(huge(path.read_bytes()))
    write_pixels(tmp_path / "defective/2.png", noise(4, 4))

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    before = resident()
    with pytest.raises(InputError, match=r"1\.png: the image claims 100000x100000 px"):
        cut_all("folder", tmp_path, BadFiles())
    assert resident() - before < 100 * 2**20

"""Windows, truth and labels of tiles, by hand; shards that do not depend on the number of workers."""

from dataclasses import replace
from hashlib import sha256

import numpy as np
import pandas as pd
import pytest

from stages.datasets.bad_files import BadFiles
from stages.datasets.images import Box
from stages.records.tiles import open_tiles
from stages.runtime.errors import InputError
from stages.tiling.cutting import cut_image, make_tiles
from tests.datasets.small_sets import TILE, noise, source_image, spot, write_pixels


def boxed(tmp_path, *boxes, height=36, width=40, **changes):
    path = write_pixels(tmp_path / "a.png", noise(height, width))
    return source_image(path, boxes=tuple(Box(*box, "short") for box in boxes), **changes)


def test_pixels_and_truth_are_the_windows_of_the_image(tmp_path):
    cut = cut_image(boxed(tmp_path, (14, 15, 18, 17)), TILE)
    pixels = noise(36, 40)
    expected = [pixels[y : y + 20, x : x + 20] for y in (0, 16) for x in (0, 16)]
    assert np.array_equal(cut.images, expected)
    assert [row["defect_px"] for row in cut.lines] == [8, 4, 4, 2]
    truth = np.unpackbits(cut.truths["boxes"], axis=-1, count=20).astype(bool)
    assert cut.truths["boxes"].shape == (4, 20, 3)
    assert np.argwhere(truth[0]).tolist() == [[y, x] for y in (15, 16) for x in range(14, 18)]
    assert np.argwhere(truth[3]).tolist() == [[0, 0], [0, 1]]
    assert [row["tile_id"] for row in cut.lines] == ["a.png@0,0", "a.png@16,0", "a.png@0,16", "a.png@16,16"]


def test_overlapping_boxes_count_once(tmp_path):
    cut = cut_image(boxed(tmp_path, (0, 0, 4, 4), (2, 2, 6, 6)), TILE)
    assert cut.lines[0]["defect_px"] == 28


def test_the_threshold_itself_is_defective(tmp_path):
    # 1% of 20 x 20 is exactly 4 pixels
    labels = [cut_image(boxed(tmp_path, (0, 0, area, 1)), TILE).lines[0]["label"] for area in (3, 4, 5)]
    assert labels == ["good", "defective", "defective"]
    assert 0.07 * 100 > 7  # why areas are divided instead
    image, tile = boxed(tmp_path, (0, 0, 7, 1)), replace(TILE, px=10, overlap_px=0, defect_threshold=0.07)
    assert cut_image(image, tile).lines[0]["label"] == "defective"


def test_without_threshold_any_pixel_is_defective_but_none_is_good(tmp_path):
    rows = cut_image(boxed(tmp_path, (0, 0, 1, 1)), replace(TILE, defect_threshold=0.0)).lines
    assert [row["label"] for row in rows] == ["defective", "good", "good", "good"]
    assert [row["defect_class"] for row in rows] == ["short", "good", "good", "good"]


def test_the_exact_mask_decides_the_label_where_there_are_boxes_too(tmp_path):
    # 20 x 20 px at 0.01: 4 px are defective, 3 are not, however large the box around them
    for marked, label in ((3, "good"), (4, "defective")):
        mask = np.zeros((36, 40), np.uint8)
        mask[0, :marked] = 255
        image = boxed(tmp_path, (0, 0, 4, 4), mask=write_pixels(tmp_path / "m.png", mask), has_mask=True)
        row = cut_image(image, TILE).lines[0]
        assert (row["defect_px"], row["exact_px"], row["label"], row["annotation"]) == (marked, marked, label, "mask")


def test_an_exact_mask_alone_decides(tmp_path):
    mask = np.zeros((36, 40), np.uint8)
    mask[:2, :2] = 255
    path = write_pixels(tmp_path / "a.png", noise(36, 40))
    image = source_image(path, mask=write_pixels(tmp_path / "m.png", mask), has_mask=True)
    cut = cut_image(image, TILE)
    assert list(cut.truths) == ["exact"]
    row = cut.lines[0]
    assert (row["defect_px"], row["exact_px"], row["label"], row["annotation"]) == (4, 4, "defective", "mask")


def test_no_mask_file_means_that_nothing_is_defective(tmp_path):
    path = write_pixels(tmp_path / "a.png", noise(20, 20))
    cut = cut_image(source_image(path, has_mask=True, defect_class="good"), TILE)
    assert not cut.truths["exact"].any()
    assert cut.lines[0]["exact_px"] == 0


def test_a_label_belongs_to_the_whole_image(tmp_path):
    path = write_pixels(tmp_path / "a.png", noise(36, 40))
    cut = cut_image(source_image(path, label="defective"), TILE)
    assert np.shape(cut.images) == (1, 20, 20, 3)
    assert cut.truths == {}
    (row,) = cut.lines
    assert (row["width"], row["height"], row["label"], row["annotation"]) == (40, 36, "defective", "label")
    assert (row["defect_px"], row["exact_px"]) == (-1, -1)


def test_mixed_classes_are_decided_tile_by_tile(tmp_path):
    path = write_pixels(tmp_path / "a.png", noise(20, 36))
    boxes = (Box(0, 0, 5, 5, "scratch"), Box(0, 6, 5, 10, "patch"), Box(30, 0, 36, 6, "patch"))
    rows = cut_image(source_image(path, boxes=boxes, defect_class=""), TILE).lines
    assert [row["defect_class"] for row in rows] == ["scratch", "patch"]


def test_an_annotation_of_another_extent_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"a\.png: the image is 40x36 px but its annotation says 36x40 px"):
        cut_image(boxed(tmp_path, annotated_shape=(40, 36)), TILE)


def test_a_good_image_with_a_marked_mask_is_refused(tmp_path):
    mask = write_pixels(tmp_path / "m.png", spot(20, 20))
    path = write_pixels(tmp_path / "a.png", noise(20, 20))
    with pytest.raises(InputError, match=r"m\.png: marks defects, but the image counts as good"):
        cut_image(source_image(path, mask=mask, has_mask=True, defect_class="good"), TILE)


def many(tmp_path, count=9):
    images = []
    for number in range(count):
        height = 20 + 16 * (number % 3)
        path = write_pixels(tmp_path / "in" / f"{number}.png", noise(height, 40, number))
        boxes = (Box(0, 0, number, number, "short"),) if number else ()
        images.append(source_image(path, boxes=boxes, defect_class="short" if number else "good"))
    return images


def test_workers_do_not_change_a_byte(tmp_path, monkeypatch):
    monkeypatch.setattr("stages.records.shards.SHARD_TILES", 7)
    monkeypatch.setattr("stages.tiling.cutting.SHARD_TILES", 7)
    images = many(tmp_path)
    written = []
    for workers in (1, 3):
        folder = tmp_path / str(workers)
        folder.mkdir()
        make_tiles(images, TILE, folder, workers)
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert written[0] == written[1]
    # heights 20, 36, 52 give 1, 2, 3 rows of 2 windows: 3 x 12 = 36 tiles in shards of 7
    assert sorted(written[0]) == [
        *(f"boxes-{shard:04d}.npy" for shard in range(6)),
        *(f"images-{shard:04d}.npy" for shard in range(6)),
        "index.parquet",
        "signatures.npy",
    ]
    tiles = open_tiles(tmp_path / "3")
    assert tiles.index["shard"].tolist() == [number // 7 for number in range(36)]
    assert tiles.index["row"].tolist() == [number % 7 for number in range(36)]
    expected = [cut_image(image, TILE) for image in images]
    assert np.array_equal(tiles.images(np.arange(36)), np.concatenate([cut.images for cut in expected]))
    packed = np.packbits(tiles.truth("boxes", np.arange(36)), axis=-1)
    assert np.array_equal(packed, np.concatenate([cut.truths["boxes"] for cut in expected]))


def test_the_index_has_the_columns_agreed_on(tmp_path):
    index = make_tiles(many(tmp_path, 2), TILE, tmp_path, 1)
    assert list(index.columns) == [
        *("tile_id", "source", "group", "official", "x", "y", "width", "height", "defect_px", "exact_px"),
        *("label", "defect_class", "annotation", "pixels_sha", "shard", "row"),
    ]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "index.parquet"), index)
    for column in ("x", "y", "width", "height", "defect_px", "exact_px", "shard", "row"):
        assert index[column].dtype == np.int32


def test_few_images_are_held_at_a_time(tmp_path, monkeypatch):
    alive, most = [0], [0]
    real = cut_image

    def counted(image, tile, options):
        alive[0] += 1
        most[0] = max(most[0], alive[0])
        return real(image, tile, options)

    monkeypatch.setattr("stages.tiling.cutting.cut_image", counted)
    append = "stages.tiling.cutting.ShardWriter.append"
    monkeypatch.setattr(append, lambda self, rows: alive.__setitem__(0, alive[0] - isinstance(rows, list)))
    make_tiles(many(tmp_path, 12), TILE, tmp_path, 2)
    assert most[0] <= 5  # 2 x workers ahead and the one being written


def test_images_with_unlike_truths_are_refused(tmp_path):
    images = many(tmp_path, 2)
    with pytest.raises(InputError, match=r"1\.png: has \['boxes', 'images'\] but the images before it have"):
        make_tiles([replace(images[0], boxes=None, label="good"), images[1]], TILE, tmp_path, 1)


def test_identical_pixels_have_one_hash_whatever_the_file(tmp_path):
    pixels = noise(20, 30)
    paths = [write_pixels(tmp_path / name, pixels) for name in ("a.png", "b.bmp")]
    others = [write_pixels(tmp_path / "c.png", noise(20, 30, 1)), write_pixels(tmp_path / "d.png", pixels[:, ::-1])]
    found = [
        cut_image(source_image(path, boxes=(), defect_class="good"), TILE).lines[0]["pixels_sha"]
        for path in paths + others
    ]
    assert found[0] == found[1] == sha256(b"(20, 30, 3)" + pixels.tobytes()).hexdigest()[:16]
    assert len(set(found)) == 3


def test_broken_images_are_left_out_counted_and_named(tmp_path, capsys):
    images = many(tmp_path, 5)
    for name in ("0.png", "3.png"):  # the first image, too, which decides what shards there are
        (tmp_path / "in" / name).write_bytes(b"broken")
    bad_files = BadFiles(skip=True)
    (tmp_path / "skipped").mkdir()
    index = make_tiles(images, TILE, tmp_path / "skipped", 2, bad_files=bad_files)
    assert [item["file"] for item in bad_files.skipped] == ["0.png", "3.png"]
    assert capsys.readouterr().err.count("warning: left out") == 2
    (tmp_path / "whole").mkdir()
    whole = make_tiles([images[number] for number in (1, 2, 4)], TILE, tmp_path / "whole", 2)
    pd.testing.assert_frame_equal(index, whole)
    files = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("skipped", "whole")]
    assert files[0] == files[1]


def test_nothing_left_is_refused(tmp_path):
    images = many(tmp_path, 1)
    (tmp_path / "in/0.png").write_bytes(b"")
    with pytest.raises(InputError, match="none of its images could be used"):
        make_tiles(images, TILE, tmp_path, 1, bad_files=BadFiles(skip=True))

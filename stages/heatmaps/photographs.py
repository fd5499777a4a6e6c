"""Whole photographs: test images all of whose tiles have heatmaps, and where those lie that no test tile has.

A split keeps some of the good tiles (`split.good_per_defective`); the others of a test image are explained too, and lie
apart, so that every file of validation and test tiles is what it would be without them:

data/maps/<model>/photographs/photographs.json   `left_out`: why there is no photograph, null where there are some
data/maps/<model>/photographs/...                the maps of the rest of their tiles, as those of the folder above;
                                                 no such files where there is no rest
"""

import dataclasses
from pathlib import Path

import numpy as np

from stages.heatmaps.maps import Maps, open_maps
from stages.records.files import read_json, write_json
from stages.records.tiles import Tiles

REST = "photographs"  # in place of a split in the index of their maps
ABOUT = "photographs.json"
NOT_ASKED = "explain.photographs is none, and tiles of test images are in no split (split.good_per_defective)"


def photographs_folder(maps_folder: Path) -> Path:
    """Return where the maps of the rest of the test images' tiles lie."""
    return maps_folder / REST


def rest_of_photographs(tiles: Tiles, asked: bool) -> tuple[Tiles | None, str | None]:
    """Return the tiles of test images that are in no split, and why no image counts as a photograph.

    An image of which one tile was trained on or chose something is no test of a photograph; and as the others would be
    a choice of images, none is one then.

    Args:
        tiles: of the whole data set, opened with its split.
        asked: they may be explained.

    Returns:
        None where there are none, or none is to be explained; a reason, or None where there are photographs.
    """
    index = tiles.index
    of_test = index["source"].isin(set(index.loc[index["split"] == "test", "source"]))
    broken = of_test & index["split"].isin(("train", "val"))
    if broken.any():
        lost, count = (index.loc[rows, "source"].nunique() for rows in (broken, of_test))
        return None, f"{lost} of {count} test images have tiles in training or validation (split.by)"
    rest = of_test & ~index["split"].isin(("test",))
    if not rest.any():
        return None, None
    if not asked:
        return None, NOT_ASKED
    return dataclasses.replace(tiles, index=index[rest].assign(split=REST).reset_index(drop=True)), None


def write_about(maps_folder: Path, left_out: str | None) -> None:
    """Write why there is no photograph."""
    write_json(photographs_folder(maps_folder) / ABOUT, {"left_out": left_out})


def open_photographs(maps_folder: Path) -> tuple[Maps | None, str | None]:
    """Return the maps of the rest of the test images' tiles, None where there is none; and why there is no photograph.

    Raises:
        InputError: a file is missing or broken.
    """
    folder = photographs_folder(maps_folder)
    left_out = read_json(folder / ABOUT).get("left_out")
    return (open_maps(folder) if (folder / "index.parquet").is_file() else None), left_out


def positions_of_photographs(maps: Maps, tiles: Tiles) -> dict[str, np.ndarray]:
    """Return test image (sorted) -> (n,) the rows of all its tiles in the index of `tiles`, in its order.

    Args:
        maps: of validation and test tiles.
        tiles: of the whole data set.
    """
    tested = maps.index.loc[maps.index["split"] == "test", "tile_id"]
    sources = tiles.index["source"]
    chosen = sources[sources.isin(set(sources[tiles.index["tile_id"].isin(set(tested))]))]
    return {str(name): part.index.to_numpy() for name, part in chosen.groupby(chosen, sort=True)}

"""The two columns of mean IoU: with the label given and the best threshold, and without."""

import pytest

from stages import score as stage
from stages.runtime.errors import InputError
from stages.tools.published_protocol import published_protocol
from tests.score_records import write_maps, write_tiles


def test_both_protocols_by_hand(params):
    write_tiles(params)
    write_maps(params, "net")
    stage.score(params, "net")
    lines = published_protocol(params, "net").splitlines()
    # Lit: a corner of 16 px of 256. Truth: its upper half on tiles 4 and 5; tile 5 is lit elsewhere. Tile 6 is good and
    # called defective, tile 7 good and called good.
    honest = (8 / (48 + 16 - 8) + (4 * 256 - 16 - 40) / (4 * 256 - 8)) / 2
    given = (8 / (32 + 16 - 8) + (4 * 256 - 16 - 24) / (4 * 256 - 8)) / 2
    assert lines[2:] == [f"| cam | {values} | {honest:.3f} | {given:.3f} |" for values in ("raw", "scaled")]


def test_needs_exact_masks(params):
    write_tiles(params, truths=("boxes",))
    write_maps(params, "net")
    stage.score(params, "net")
    with pytest.raises(InputError, match="no exact masks"):
        published_protocol(params, "net")

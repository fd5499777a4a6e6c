"""Stage describe: draw the data card, which shows what the tiles are before any model is trained on them."""

from stages.records.paths import CARD_PLOT, split_file, tiles_folder
from stages.runtime.command import run_stage
from stages.runtime.params import Params

SAMPLES = 8  # tiles in a row of the card


def describe(params: Params) -> str:
    """Draw plots/card.png and return one line of what is on it."""
    from stages.figures.data_card import Card, draw_card
    from stages.figures.tile_pictures import read_pictures
    from stages.records.tiles import open_tiles
    from stages.tiling.card import card_facts, class_counts, defect_extents, sample_positions

    name = params.dataset_name
    tiles = open_tiles(tiles_folder(name), split_file(name))
    table = class_counts(tiles)
    samples = sample_positions(tiles, SAMPLES)
    card = Card(
        title=f"{name}: {len(tiles):,} tiles of {tiles.px} px",
        facts=card_facts(tiles),
        columns=list(table.columns),
        counts={str(defect_class): [int(count) for count in row] for defect_class, row in table.iterrows()},
        extents={kind: defect_extents(tiles, kind) for kind in tiles.truths},
        samples={defect_class: read_pictures(tiles, positions) for defect_class, positions in samples.items()},
    )
    draw_card(CARD_PLOT, card)
    truths = ", ".join(tiles.truths) or "labels"
    return f"describe: {name}: {len(tiles)} tiles of {len(table)} classes, truth: {truths}"


if __name__ == "__main__":
    run_stage(describe, __doc__.splitlines()[0])

"""Stage `describe`: draw the data card, which shows what the tiles are before any model is trained on them."""

from stages.figures.data_card import Card, CardTile, draw_card
from stages.records.paths import CARD_PLOT, split_file, tiles_folder
from stages.records.tiles import Tiles, open_tiles
from stages.runtime.command import run_stage
from stages.runtime.params import Params
from stages.tiling.card import brightness, class_counts, defect_extents, sample_positions

SAMPLES = 8  # tiles in a row of the card


def describe(params: Params) -> str:
    """Draw plots/card.png and return one line of what is on it."""
    name = params.dataset_name
    tiles = open_tiles(tiles_folder(name), split_file(name))
    table = class_counts(tiles)
    card = Card(
        title=f"{name}: {len(tiles):,} tiles of {tiles.px} px",
        facts=_facts(tiles),
        columns=list(table.columns),
        counts={str(defect_class): [int(count) for count in row] for defect_class, row in table.iterrows()},
        extents={kind: defect_extents(tiles, kind) for kind in tiles.truths},
        samples=_samples(tiles),
    )
    draw_card(CARD_PLOT, card)
    truths = ", ".join(tiles.truths) or "labels"
    return f"describe: {name}: {len(tiles)} tiles of {len(table)} classes, truth: {truths}"


def _facts(tiles: Tiles) -> list[tuple[str, str]]:
    index, light = tiles.index, brightness(tiles)
    images = index.drop_duplicates("source")
    per_image = index["source"].value_counts()
    fewest, most = per_image.min(), per_image.max()
    return [
        ("images", f"{len(images):,}"),
        ("groups", f"{index['group'].nunique():,}"),
        ("duplicates", f"{images['pixels_sha'].duplicated(keep=False).sum():,} images"),
        ("per image", f"{fewest} tiles" if fewest == most else f"{fewest} to {most} tiles"),
        ("defective", f"{100 * tiles.labels.mean():.1f}% of tiles"),
        ("truth", ", ".join(tiles.truths) or "labels only"),
        ("labelled by", ", ".join(sorted(index["annotation"].unique()))),
        ("brightness", f"{light.mean:.0f} ± {light.deviation:.0f}"),
    ]


def _samples(tiles: Tiles) -> dict[str, list[CardTile]]:
    samples = {}
    for name, positions in sample_positions(tiles, SAMPLES).items():
        images = tiles.images(positions)
        truths = {kind: tiles.truth(kind, positions) for kind in tiles.truths}
        samples[name] = [
            CardTile(image, {kind: truth[number] for kind, truth in truths.items()})
            for number, image in enumerate(images)
        ]
    return samples


if __name__ == "__main__":
    run_stage(describe, __doc__.splitlines()[0])

"""Scores of whole photographs on disk, as the score stage leaves them beside those of tiles.

data/scores/<model>/photographs.parquet  the P test photographs: source, group, probability (of the surest tile),
                                         defective
data/scores/<model>/regions.parquet      one line per truth, explanation and photograph: defects, pointing (1, 0 or
                                         NaN), and three lists of the same length, `stages.metrics.regions.Steps`

Neither file is there where no test image counts as a photograph (`stages.heatmaps.photographs`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from stages.records.tables import read_table
from stages.runtime.errors import InputError

PHOTOGRAPHS, REGIONS = "photographs.parquet", "regions.parquet"
KEYS = ["truth", "row", "source"]
AGAIN = "run the score stage again"


@dataclass(frozen=True)
class PhotographScores:
    """What the score stage left of P photographs."""

    photographs: pd.DataFrame  # P lines, sorted by source: source, group, probability, defective
    _regions: pd.DataFrame

    @property
    def explanations(self) -> set[tuple[str, str]]:
        """Truth and name of every explanation that photographs were scored by."""
        return set(zip(self._regions["truth"], self._regions["row"], strict=True))

    def regions(self, truth: str, row: str) -> pd.DataFrame:
        """Return the P lines of one explanation, in the order of `photographs`: defects, pointing, and the lists."""
        chosen = self._regions[(self._regions["truth"] == truth) & (self._regions["row"] == row)]
        return chosen.sort_values("source").reset_index(drop=True)


def write_photographs(folder: Path, photographs: pd.DataFrame, regions: Iterable[Mapping[str, object]]) -> None:
    """Write what was found in photographs.

    Args:
        folder: of the model's scores.
        photographs: source, group, probability, defective.
        regions: lines of the second table.
    """
    photographs.sort_values("source").to_parquet(folder / PHOTOGRAPHS, index=False)
    columns = [*KEYS, "defects", "pointing", "confidence", "false", "found"]
    table = pd.DataFrame(list(regions), columns=columns)
    table.sort_values(KEYS, kind="stable").to_parquet(folder / REGIONS, index=False)


def open_photograph_scores(folder: Path) -> PhotographScores | None:
    """Return the scores of photographs, None where there are none.

    Raises:
        InputError: a file is broken, or an explanation has not every photograph.
    """
    if not (folder / PHOTOGRAPHS).is_file():
        return None
    photographs, regions = (read_table(folder / name, "score") for name in (PHOTOGRAPHS, REGIONS))
    try:
        expected = photographs["source"].tolist()
        for (truth, row), part in regions.groupby(["truth", "row"]):
            if sorted(part["source"]) != expected:
                raise InputError(f"{folder / REGIONS}: {row} against {truth} has other photographs; {AGAIN}")
    except KeyError as error:
        raise InputError(f"{folder}: column {error} is missing; {AGAIN}") from None
    return PhotographScores(photographs, regions)

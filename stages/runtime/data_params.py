"""The sections of params.yaml that say which data there is: data set, generated boards, tiles, split."""

import dataclasses
import math
import re
from dataclasses import dataclass
from typing import Annotated, Literal

from stages.runtime.convert import DISTINCT, FRACTION, above, at_least, between
from stages.runtime.errors import InputError

GOOD_NAMES = ("good", "ok", "normal", "negative", "no_defect", "defect_free", "non_defective")
MaskValues = Literal["auto", "bright", "nonzero", "dark"]


@dataclass(frozen=True)
class AnnotationKeys:
    """Names of the entries of JSON annotations; null: the data set's own, "": the files have no such entry."""

    shapes: str | None = None
    label: str | None = None
    points: str | None = None
    kind: str | None = None
    width: str | None = None
    height: str | None = None

    def __post_init__(self) -> None:
        for name in ("label", "points"):
            if getattr(self, name) == "":
                raise InputError(f"params.yaml: dataset.keys.{name} is empty; every shape needs it")


@dataclass(frozen=True)
class Dataset:
    """Which data set, where a copy of it is (null: the download stage fetches or generates it), and how it is read."""

    name: str
    root: str | None
    on_bad_file: Literal["error", "skip"] = "error"
    unannotated: Literal["error", "good"] = "error"
    good_names: Annotated[tuple[str, ...], DISTINCT] = GOOD_NAMES
    group_pattern: str | None = None
    defect_probability: Annotated[float, between(0, 1)] = 0.5
    bit_depth: Literal[8, 10, 12, 14, 16] | None = None
    masks: MaskValues = "auto"
    exif: Literal["auto", "upright", "stored"] = "auto"
    archive_sha256: str | None = None
    derive_masks: bool = True
    keys: AnnotationKeys = dataclasses.field(default_factory=AnnotationKeys)

    def __post_init__(self) -> None:
        try:
            re.compile(self.group_pattern or "")
        except re.error as error:
            raise InputError(f"params.yaml: dataset.group_pattern is not a regular expression ({error})") from None
        if self.archive_sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", self.archive_sha256):
            raise InputError(
                f"params.yaml: dataset.archive_sha256 is {self.archive_sha256!r}; expected 64 digits 0-9, a-f"
            )


@dataclass(frozen=True)
class Boards:
    """The generated data set: `designs` layouts, each on `boards_per_kind` boards per defect kind."""

    seed: Annotated[int, between(0, 2**63)]
    clutter: bool
    designs: Annotated[int, at_least(1)]
    boards_per_kind: Annotated[int, at_least(1)]
    width_px: Annotated[int, at_least(448)]
    height_px: Annotated[int, at_least(448)]
    min_defects: Annotated[int, at_least(1)]
    max_defects: Annotated[int, at_least(1)]

    def __post_init__(self) -> None:
        if self.max_defects < self.min_defects:
            raise InputError(f"params.yaml: boards.max_defects is {self.max_defects}; expected min_defects or more")


@dataclass(frozen=True)
class Tile:
    """How images become tiles."""

    px: Annotated[int, at_least(8)]
    overlap_px: Annotated[int, at_least(0)]
    mode: Literal["window", "resize"]
    border: Literal["drop", "shift"]
    defect_threshold: Annotated[float, FRACTION]

    def __post_init__(self) -> None:
        if self.overlap_px >= self.px:
            raise InputError(f"params.yaml: tile.overlap_px is {self.overlap_px}; expected less than tile.px")


@dataclass(frozen=True)
class Split:
    """How tiles become train, validation and test."""

    by: Literal["group", "image", "tile"]
    seed: Annotated[int, between(0, 2**63)]
    train: Annotated[float, above(0)]
    val: Annotated[float, above(0)]
    test: Annotated[float, above(0)]
    good_per_defective: Annotated[float, above(0)] | None
    official: bool = True
    official_val: Annotated[float, above(0), between(0, 1)] = 0.2

    def __post_init__(self) -> None:
        total = self.train + self.val + self.test
        if not math.isclose(total, 1, abs_tol=1e-6):
            raise InputError(f"params.yaml: split.train + split.val + split.test is {total:g}; expected 1")

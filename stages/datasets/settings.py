"""How a data set is found and read: the section `dataset` of params.yaml."""

import dataclasses
import re
from dataclasses import dataclass
from typing import Annotated, Literal

from stages.runtime.convert import DISTINCT, at_least, between
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
    masks_from: str | None = None  # folder of NEU-Seg, whose masks images of NEU-DET share
    images: Annotated[int, at_least(1)] | None = None  # so many alone, see `stages.datasets.few`; None: all
    keys: AnnotationKeys = dataclasses.field(default_factory=AnnotationKeys)

    def __post_init__(self) -> None:
        if self.masks_from is not None and self.name not in ("neu_det", ""):
            raise InputError(
                f"params.yaml: dataset.masks_from is {self.masks_from}, but only neu_det has masks of another data "
                f"set, not {self.name}; set it to null"
            )
        try:
            re.compile(self.group_pattern or "")
        except re.error as error:
            raise InputError(f"params.yaml: dataset.group_pattern is not a regular expression ({error})") from None
        if self.archive_sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", self.archive_sha256):
            raise InputError(
                f"params.yaml: dataset.archive_sha256 is {self.archive_sha256!r}; expected 64 digits 0-9, a-f"
            )

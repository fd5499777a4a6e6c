"""The references beside one model: what a detector without any defect says of the same tiles, and one with annotation.

They are made, kept and scored as explanations are, but rank as none: the maps of the model lie between them or do not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stages.explainers import nearest_good, supervised
from stages.explainers.explainer import Explainer, prepare
from stages.explainers.good_tiles import GoodTiles
from stages.models.trained import Description, load_classifier
from stages.models.weights import Classifier
from stages.records.files import read_json
from stages.records.paths import left_out_file
from stages.records.tiles import Tiles


@dataclass(frozen=True)
class References:
    """Those that `explain.references` asks for."""

    explainers: tuple[Explainer, ...]
    left_out: dict[str, str]  # name -> why it cannot be made


def prepare_references(
    model: Classifier, description: Description, parameters: Any, tiles: Tiles, taught: Path
) -> References:
    """Prepare the references beside a model.

    Maps are averaged over flips and scales as the model's are; those of `nearest_good` over flips alone, since features
    look otherwise at another scale.

    Args:
        model, description: the model.
        parameters: the section `explain`.
        tiles: of the whole data set, opened with its split.
        taught: the folder that stage supervise left of this model.

    Raises:
        InputError: that folder is missing or broken.
    """
    found: list[Explainer] = []
    left_out: dict[str, str] = {}
    for name in parameters.references:
        if name == nearest_good.NEAREST_GOOD:
            if reason := nearest_good.why_not(description, tiles, parameters):
                left_out[name] = reason
                continue
            plain = replace(parameters, scales=(1.0,), align=False)
            found.append(prepare(name, nearest_good.METHOD, model, description, plain))
        elif left_out_file(taught).is_file():
            left_out[name] = str(read_json(left_out_file(taught))["reason"])
        else:
            network, described = load_classifier(taught)
            # without the tile itself there would be no score of it
            given = parameters if 1.0 in parameters.scales else replace(parameters, scales=(1.0,))
            found.append(prepare(name, supervised.METHOD, network, described, given))
    return References(tuple(replace(one, reference=True) for one in found), left_out)


def kept_words(explainers: Sequence[Explainer], left_out: dict[str, str]) -> str:
    """Return what the explain stage says besides: what the memory of a reference holds, and what is left out; or ""."""
    words = [
        f"{one.name} of {len(one.learned.memory)} good cells"
        for one in explainers
        if one.reference and isinstance(one.learned, GoodTiles)
    ]
    words += [f"without {name}: {reason}" for name, reason in left_out.items()]
    return "".join(f"; {part}" for part in words)

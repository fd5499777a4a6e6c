"""Stage check: refuse what params.yaml says wrong, in whichever section, before anything is computed.

Every stage reads its own sections alone, so without this one a misspelt method would be found after hours of training.
All stages come after it, but for its result none runs again: it is the same for all parameters that pass.
"""

from stages.boards.settings import Boards
from stages.datasets.settings import Dataset
from stages.explainers.settings import Time
from stages.exports.settings import Export, refuse_unknown_models
from stages.faithfulness.settings import Perturb
from stages.figures.settings import Draw, Report
from stages.models.settings import Head
from stages.records.files import write_json
from stages.records.paths import CHECKED
from stages.runtime.command import run_stage
from stages.runtime.convert import reject_unknown
from stages.runtime.params import Params, Runtime
from stages.tiling.settings import Split, Tile
from stages.training.settings import read_model, read_training, tuned_keys
from stages.training.tuning import Tune

SECTIONS = (Dataset, Boards, Tile, Split, Head, Tune, Draw, Perturb, Time, Export, Report, Runtime)
OTHERS = ("task", "model", "family", "models")  # read by `stages.training.settings` and `stages.runtime.params`


def check(params: Params) -> str:
    """Check all of params.yaml, say so in data/check.json and return one line."""
    refuse_wrong(params)
    write_json(CHECKED, {"params": "checked"})
    return f"check: params.yaml: {len(params.content)} sections, {len(params.models)} models, task {params.task}"


def refuse_wrong(params: Params) -> None:
    """Raise an `InputError` that names the first parameter that is wrong."""
    from stages.datasets.sources import find_source
    from stages.explainers.methods import Explain, refuse_methods
    from stages.models.registry import find_architecture
    from stages.ranking.settings import Rank
    from stages.scoring.settings import Score

    sections = (*SECTIONS, Explain, Score, Rank)
    reject_unknown(params.content, [*OTHERS, *(kind.__name__.lower() for kind in sections)], "")
    params.task  # noqa: B018
    for kind in sections:
        params.read(kind)
    find_source(params.dataset_name)
    architectures = {}
    for name in params.models:
        read_training(params, name, dict.fromkeys(tuned_keys(params, name), 1))  # 1 fits wherever `tuned` can stand
        architectures[name] = find_architecture(name, read_model(params, name))
    refuse_unknown_models(params.read(Export), params.models)
    refuse_methods(params.read(Explain), architectures, params.read(Tile).px)


if __name__ == "__main__":
    run_stage(check, __doc__)

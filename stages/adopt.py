"""Stage adopt: of what a search found for one model, the values that params.yaml wants: `lr: tuned`, `batch: tuned`.

Stage train depends on these alone, so another search trains a model again only where it is `tuned`; and stage tune does
not depend on what is `tuned`, so asking for a value that was found does not search again.
"""

from stages.records.files import write_json
from stages.records.paths import tuned_file
from stages.runtime.command import run_model_stage
from stages.runtime.params import Params
from stages.training.settings import tuned_keys
from stages.training.tuning import found_values


def adopt(params: Params, name: str) -> str:
    """Write data/tuned/<model>.json, {} where nothing is `tuned`; return the line to print."""
    values = found_values(tuned_keys(params, name), name)
    write_json(tuned_file(name), values, exact=True)  # a learning rate of 1e-5 has to survive
    return f"adopt {name}: " + (", ".join(f"{key} {value:.3g}" for key, value in values.items()) or "nothing is tuned")


if __name__ == "__main__":
    run_model_stage(adopt, __doc__)

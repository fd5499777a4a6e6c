"""Where each model's first weights can be had without a network, for a rehearsal.

`python -m stages.studies.weights_at_hand` prints JSON, model -> package (installed), hub (cached here) or none.
"""

import argparse
import json

from stages.models.hub import cached_file
from stages.models.packages import package_file, package_of
from stages.models.registry import find_architecture
from stages.runtime.params import Params, read_params
from stages.training.settings import read_model


def weights_at_hand(params: Params, name: str) -> str:
    """Return a value of `weights` that needs no network."""
    arch = find_architecture(name, read_model(params, name)).pretrained_arch
    package = package_of(arch)
    if package is not None and package_file(package) is not None:
        return "package"
    return "hub" if cached_file(arch)[1] else "none"


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    study = read_params()
    print(json.dumps({name: weights_at_hand(study, name) for name in study.models}))

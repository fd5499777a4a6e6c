"""The command line of every stage: `python -m stages.<verb> [model]`."""

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from stages.runtime.errors import InputError, is_out_of_memory
from stages.runtime.memory import keep_freed_memory
from stages.runtime.params import Params, read_params


def run_stage(stage: Callable[[Params], str], description: str) -> None:
    """Run a stage that is the same for all models and print its one line."""
    argparse.ArgumentParser(description=description).parse_args()
    report(lambda: stage(read_params()))


def run_model_stage(stage: Callable[[Params, str], str], description: str) -> None:
    """Run a stage for the model named on the command line and print its one line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("model", help="a key of `models` in params.yaml")
    name = parser.parse_args().model

    def work() -> str:
        params = read_params()
        if name not in params.models:
            known = ", ".join(params.models)
            raise InputError(f"params.yaml: models has no {name!r}; it has: {known}")
        return stage(params, name)

    report(work)


def report(work: Callable[[], str]) -> None:
    """Print what `work` returns; an `InputError`, or memory that ran out, is one line on stderr and exit code 2."""
    keep_freed_memory()
    try:
        line = work()
        if line:  # of several processes of one stage, the first reports
            print(line, flush=True)
    except InputError as error:
        _stop(f"error: {error}", 2)
    except KeyboardInterrupt:
        _stop("interrupted; nothing was written under its final name", 130)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        _stop("error: params.yaml: out of memory; lower the stage's batch, runtime.workers or tile.px", 2)


def _stop(line: str, code: int) -> NoReturn:
    print(line, file=sys.stderr, flush=True)
    sys.exit(code)

"""A published study, or what works for a data set, in one word: becomes `dvc exp run --name NAME -S ...` and runs.

    python -m stages.study thesis_pcb -S dataset.root=/path/to/PCB_DATASET

Studies are the files of stages/studies/; `--print` shows what they become.
"""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Sequence

from stages.runtime.command import report
from stages.runtime.params import read_params


def study(name: str, given: Sequence[str], how: str) -> str:
    """Run a study, queue it, print its command or rehearse it; return the lines to print.

    Args:
        name: of the study, and of the experiment.
        given: further `-S` of the user, which come after the study's and so win.
        how: run | queue | print | rehearse.
    """
    from stages.studies.command import exp_run, refuse_changed_params, set_params
    from stages.studies.overrides import read_study

    said = [*set_params(read_study(name, read_params())), *given]
    command = exp_run(name, said, how == "queue")
    if how == "print":
        return shlex.join(command)
    if how == "rehearse":
        from stages.studies.rehearsal import rehearse

        return rehearse(name, said)
    refuse_changed_params()
    finished = subprocess.run([sys.executable, "-m", *command], check=False)
    if finished.returncode:
        sys.exit(finished.returncode)  # dvc has said why
    return f"study {name}: {'queued' if how == 'queue' else 'done; dvc exp show'}"


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="a file of stages/studies/, without .yaml")
    parser.add_argument(
        "-S",
        "--set-param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="as of dvc exp run; after the study's",
    )
    ways = parser.add_mutually_exclusive_group()
    for way, words in (
        ("queue", "put the experiment into DVC's queue: dvc queue start"),
        ("print", "print the command, run nothing"),
        ("rehearse", "all stages on a few images in a temporary folder, and what the study will take on this device"),
    ):
        ways.add_argument(f"--{way}", dest="how", action="store_const", const=way, default="run", help=words)
    arguments = parser.parse_args()
    report(lambda: study(arguments.name, arguments.set_param, arguments.how))


if __name__ == "__main__":
    _main()

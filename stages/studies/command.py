"""A study as the command that runs it: `dvc exp run --name NAME -S ...`, each `-S` in Hydra's grammar."""

import re
import subprocess
from collections.abc import Sequence
from typing import Any

from stages.runtime.errors import InputError
from stages.studies.overrides import Overrides

PLAIN = r"[A-Za-z_][\w.-]*"
NOT_TEXT = {"null", "true", "false", "nan", "inf"}  # what Hydra takes unquoted words for, in any case


def hydra_text(value: Any) -> str:
    """Return a value as Hydra's override grammar writes it: `[0.0,0.1]`, `{family:cnn,lr:1e-05}`, `'two words'`."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{','.join(map(hydra_text, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{hydra_text(item)}' for key, item in value.items())}}}"
    if isinstance(value, str) and not (re.fullmatch(PLAIN, value) and value.lower() not in NOT_TEXT):
        return "'{}'".format(value.replace("'", "\\'"))
    return str(value)


def set_params(overrides: Overrides) -> list[str]:
    """Return what each `-S` of `dvc exp run` says, in order.

    `models` as a whole is taken away and added again: Hydra would merge the new ones into those that are there.
    """
    said = []
    for name, value in overrides.items():
        if name == "models":
            said += ["~models", f"+models={hydra_text(value)}"]
        else:
            said.append(f"{'++' if name.startswith('models.') else ''}{name}={hydra_text(value)}")
    return said


def exp_run(name: str, said: Sequence[str], queue: bool) -> list[str]:
    """Return the command that runs an experiment, or puts it into DVC's queue."""
    return [
        "dvc",
        "exp",
        "run",
        "--name",
        name,
        *(["--queue"] if queue else []),
        *(x for one in said for x in ("-S", one)),
    ]


def refuse_changed_params() -> None:
    """Pass if params.yaml is as committed: DVC starts an experiment from what it is now.

    An earlier experiment leaves its values there, and a study changes only what it names.

    Raises:
        InputError: it is not.
    """
    command = ["git", "status", "--porcelain", "--", "params.yaml"]
    if subprocess.run(command, text=True, capture_output=True, check=False).stdout.strip():
        raise InputError(
            "params.yaml: differs from its commit (an earlier experiment leaves its values there), and the study would "
            "start from that; run `git restore params.yaml`, or commit it"
        )

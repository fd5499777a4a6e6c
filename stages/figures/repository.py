"""What git and DVC say of the repository."""

import json
import subprocess
import sys
from typing import Any

from stages.runtime.errors import InputError


def ask_git(*arguments: str) -> str:
    """Run git and return what it prints without the last line's end; "" where it fails, e.g. outside a repository."""
    return _run(["git", *arguments]).stdout.strip("\n")


def ask_dvc(*arguments: str) -> dict[str, Any]:
    """Run a DVC command that prints JSON and return it; {} where it prints nothing.

    What DVC could not read of one revision (it says so on stderr) is absent in its answer, the rest is there.

    Raises:
        InputError: DVC failed.
    """
    finished = _run([sys.executable, "-m", "dvc", *arguments, "--json"])
    if finished.returncode:
        reason = " ".join(finished.stderr.split()) or "no message"
        raise InputError(f"dvc {' '.join(arguments)}: {reason[:300]}")
    return json.loads(finished.stdout) if finished.stdout.strip() else {}


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, text=True, capture_output=True, check=False)

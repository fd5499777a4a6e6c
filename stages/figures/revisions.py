"""Git revisions and what DVC says of them."""

import json
import subprocess
import sys
from typing import Any

from stages.runtime.errors import InputError

WORKSPACE = "workspace"  # DVC's word for the files as they are now


def commit_of(revision: str) -> str:
    """Return the full hash of a revision's commit; `workspace` stays what it is.

    Raises:
        InputError: git does not know the revision.
    """
    if revision == WORKSPACE:
        return revision
    found = _run(["git", "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"])
    if found.returncode:
        raise InputError(f"{revision}: git knows no such revision; name a commit, a branch, a tag or an experiment")
    return found.stdout.strip()


def changed_files(before: str, after: str, *paths: str) -> dict[str, str]:
    """Return path -> A (added), D (deleted) or M (modified) of files below `paths`, sorted by path."""
    revisions = [revision for revision in (before, after) if revision != WORKSPACE]
    lines = ask_git("diff", "--name-status", "--no-renames", *revisions, "--", *paths).splitlines()
    return dict(sorted((path, status[0]) for status, _, path in (line.partition("\t") for line in lines)))


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

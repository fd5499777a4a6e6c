"""Compare two revisions for a pull request: parameters, ranking, metrics and plots, as Markdown and pictures.

    python -m stages.tools.compare main HEAD --out comment.md --plots drawn --address https://example.org/drawn

Writes the comment (to standard output without --out), and with --plots the plots of both revisions side by side as PNG
files into a folder, which the comment shows from --address. A model that only one side has is listed with "-".
"""

import argparse
from pathlib import Path

from stages.figures.repository import ask_dvc, ask_git
from stages.records.files import new_file
from stages.runtime.command import report
from stages.runtime.errors import InputError
from stages.tools.comment import write_comment

WORKSPACE = "workspace"  # DVC's word for the files as they are now


def compare(before: str, after: str, plots: Path | None, address: str | None) -> str:
    """Return the comment, and draw the plots into the folder `plots` where one is given.

    Raises:
        InputError: a revision is unknown, or DVC fails.
    """
    old, new = commit_of(before), commit_of(after)
    params = ask_dvc("params", "diff", old, new)
    metrics = ask_dvc("metrics", "diff", "--all", old, new)
    notes = [] if metrics else ["Neither revision has metrics: run `dvc repro` and commit its results."]
    pictures = []
    if plots is not None:
        from stages.figures.render import render_plots  # heavy, and only needed here

        drawn = render_plots(ask_dvc("plots", "diff", old, new, "--out", str(plots)), plots)
        pictures += [(title, f"{address or plots}/{path.name}") for title, path in drawn]
    changed = [f"`{path}`" for path, status in changed_files(old, new, "plots").items() if path.endswith(".png")]
    if changed:
        notes.append(f"Pictures that changed: {', '.join(changed)}.")
    return write_comment(_short(before, old), _short(after, new), params, metrics, pictures, notes)


def commit_of(revision: str) -> str:
    """Return the full hash of a revision's commit; `workspace` stays what it is.

    Raises:
        InputError: git does not know the revision.
    """
    if revision == WORKSPACE:
        return revision
    commit = ask_git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if not commit:
        raise InputError(f"{revision}: git knows no such revision; name a commit, a branch, a tag or an experiment")
    return commit


def changed_files(before: str, after: str, *paths: str) -> dict[str, str]:
    """Return path -> A (added), D (deleted) or M (modified) of files below `paths`, sorted by path."""
    revisions = [revision for revision in (before, after) if revision != WORKSPACE]
    lines = ask_git("diff", "--name-status", "--no-renames", *revisions, "--", *paths).splitlines()
    return dict(sorted((path, status[0]) for status, _, path in (line.partition("\t") for line in lines)))


def _short(name: str, commit: str) -> str:
    return name if commit.startswith(name) else f"{name} ({commit[:7]})"


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("before", help="the revision to compare with, e.g. main")
    parser.add_argument(
        "after", nargs="?", default="HEAD", help="the revision to judge, or `workspace`; HEAD if absent"
    )
    parser.add_argument("--out", type=Path, help="file for the comment; standard output if absent")
    parser.add_argument("--plots", type=Path, help="folder for the plots, drawn side by side")
    parser.add_argument("--address", help="where the folder of plots will be reached, for the links in the comment")
    arguments = parser.parse_args()

    def work() -> str:
        comment = compare(arguments.before, arguments.after, arguments.plots, arguments.address)
        if arguments.out is None:
            return comment
        with new_file(arguments.out) as temporary:
            temporary.write_text(comment, encoding="utf-8")
        return f"compare: {arguments.out}, {len(comment)} characters"

    report(work)


if __name__ == "__main__":
    main()

"""Which project files each stage runs: read from the imports, and written into dvc.yaml.

`python -m tests.dependencies` rewrites the lists of project files under `deps` in dvc.yaml; the rest of the file stays
as it is. `tests/test_dependencies.py` fails when they differ from the imports.
"""

import ast
import re
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
READ_BESIDE = {".css", ".js", ".csv"}  # files that a module of the same folder reads
TEMPLATES = ".dvc/plots"  # of plots; DVC takes this folder for empty, so each file is a dependency of its own
FILE = r"(?:stages|\.dvc)/\S+"
STAGE = re.compile(rf"cmd: python -m stages\.(?P<verb>\w+).*\n\s+deps:\n(?P<files>(?:\s+- {FILE}\n)+)")


def imported_names(file: Path) -> set[str]:
    """Return the dotted names that a file imports, inside functions too.

    `from a.b import c` gives both a.b and a.b.c, because c may be a module.
    """
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{file}: line {node.lineno}: relative import; write the full name")
            names.update({f"{node.module}", *(f"{node.module}.{alias.name}" for alias in node.names)})
    return names


def project_files(name: str, root: Path = REPOSITORY) -> list[Path]:
    """Return the files of the project that importing a dotted name runs: each package's __init__.py, then the module.

    Names outside `stages`, and names that are no module (functions, classes), give their packages or nothing.
    """
    parts = name.split(".")
    if parts[0] != "stages":
        return []
    found = []
    for length in range(1, len(parts) + 1):
        stem = root.joinpath(*parts[:length])
        found += [file for file in (stem / "__init__.py", stem.with_suffix(".py")) if file.is_file()]
    return found


def stage_files(verb: str, root: Path = REPOSITORY) -> list[str]:
    """Return every project file that `python -m stages.<verb>` runs or reads, sorted, the stage's own file first.

    A stage that asks DVC (for its plots) reads all templates, too.
    """
    todo, seen = project_files(f"stages.{verb}", root), set()
    while todo:
        file = todo.pop()
        if file not in seen:
            seen.add(file)
            todo += [other for name in imported_names(file) for other in project_files(name, root)]
    seen |= {beside for file in seen for beside in file.parent.iterdir() if beside.suffix in READ_BESIDE}
    own = root / "stages" / f"{verb}.py"
    if "stages.runtime.revisions.ask_dvc" in imported_names(own):
        seen |= set((root / TEMPLATES).glob("*.json"))
    return [file.relative_to(root).as_posix() for file in [own, *sorted(seen - {own})]]


def declared_files(text: str) -> dict[str, list[str]]:
    """Return the project files that each stage declares in the text of dvc.yaml."""
    return {match["verb"]: re.findall(FILE, match["files"]) for match in STAGE.finditer(text)}


def with_files(text: str, files: dict[str, list[str]]) -> str:
    """Return the text of dvc.yaml with each stage's list of project files replaced."""

    def replace(match: re.Match[str]) -> str:
        indent = re.match(r"\s+", match["files"])[0]  # type: ignore[index]
        lines = "".join(f"{indent}- {file}\n" for file in files[match["verb"]])
        return match[0][: match.start("files") - match.start()] + lines

    return STAGE.sub(replace, text)


def main() -> int:
    """Rewrite dvc.yaml and say what changed."""
    path = REPOSITORY / "dvc.yaml"
    text = path.read_text(encoding="utf-8")
    declared = declared_files(text)
    path.write_text(with_files(text, {verb: stage_files(verb) for verb in declared}), encoding="utf-8")
    for verb, files in declared_files(path.read_text(encoding="utf-8")).items():
        print(f"{verb}: {len(files)} files, {len(set(files) ^ set(declared[verb]))} changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Which rooms of stages/ each verb uses, read from its imports, those inside functions too."""

import ast
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


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


def used_files(verb: str, root: Path = REPOSITORY) -> set[Path]:
    """Return the files of the project that `python -m stages.<verb>` may run, whatever params.yaml says."""
    todo, seen = project_files(f"stages.{verb}", root), set()
    while todo:
        file = todo.pop()
        if file not in seen:
            seen.add(file)
            todo += [other for name in imported_names(file) for other in project_files(name, root)]
    return seen


def used_rooms(verb: str, root: Path = REPOSITORY) -> set[str]:
    """Return the rooms of these files."""
    places = [file.relative_to(root / "stages").parts for file in used_files(verb, root)]
    return {parts[0] for parts in places if len(parts) > 1}

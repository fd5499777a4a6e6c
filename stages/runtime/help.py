"""`python -m stages.<verb> --help` without the verb's own imports: torch alone takes seconds to import.

The description is the first paragraph of the verb's docstring, read from its source; that `run_model_stage` is called
there says that the verb takes a model. Verbs with a command line of their own answer for themselves.
"""

import ast
import sys
from pathlib import Path

STAGES = Path(__file__).parents[1]


def answer_help() -> None:
    """Print the help and exit where `python -m stages.<verb> --help` was typed; else do nothing."""
    typed = sys.orig_argv
    if "-m" not in typed[:-1] or not {"-h", "--help"} & set(sys.argv[1:]):
        return
    name = typed[typed.index("-m") + 1]
    file = STAGES / f"{name.removeprefix('stages.')}.py"
    text = help_text(name, file.read_text(encoding="utf-8")) if name.startswith("stages.") and file.is_file() else None
    if text is not None:
        print(text)
        sys.exit(0)


def help_text(name: str, source: str) -> str | None:
    """Return the help of a verb from its source, or None where it has a command line of its own."""
    tree = ast.parse(source)
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    if not called & {"run_stage", "run_model_stage"}:
        return None
    takes_model = "run_model_stage" in called
    lines = [f"usage: python -m {name} [-h]" + (" model" if takes_model else ""), "", ast.get_docstring(tree) or ""]
    if takes_model:
        lines += ["", "  model  a key of `models` in params.yaml"]
    return "\n".join([*lines, "", "Its parameters are in params.yaml, its files in dvc.yaml."])

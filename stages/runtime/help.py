"""`python -m stages.<verb> --help` without the verb's own imports: torch alone takes seconds to import.

The description is the first paragraph of the verb's docstring, read from its source; that `run_model_stage` is called
there says that the verb takes a model, and calls of `add_argument` say what else it takes.
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
    if name.startswith("stages.") and file.is_file():
        print(help_text(name, file.read_text(encoding="utf-8")))
        sys.exit(0)


def help_text(name: str, source: str) -> str:
    """Return the help of a verb from its source."""
    tree = ast.parse(source)
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    takes_model = "run_model_stage" in called
    lines = [f"usage: python -m {name} [-h]" + (" model" if takes_model else ""), "", ast.get_docstring(tree) or ""]
    if takes_model:
        lines += ["", "  model  a key of `models` in params.yaml"]
    lines += [""] if (own := _own_arguments(tree)) else []
    lines += [f"  {name}  {text}" for name, text in own]
    return "\n".join([*lines, "", "Its parameters are in params.yaml, its files in dvc.yaml."])


def _own_arguments(tree: ast.Module) -> list[tuple[str, str]]:
    """Return name and help of every argument that the verb adds itself."""
    return [
        (str(node.args[0].value), str(keyword.value.value))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument"
        for keyword in node.keywords
        if keyword.arg == "help" and isinstance(keyword.value, ast.Constant) and isinstance(node.args[0], ast.Constant)
    ]

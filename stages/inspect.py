"""Inspect whole photographs with an exported model: good or defective, where, and how sure. Beside the pipeline.

python -m stages.inspect INPUT... --model best.onnx --out DIR
"""

import signal
import sys
from argparse import Namespace
from collections.abc import Iterable

from stages.inspection.command import options_of, parser
from stages.runtime.errors import InputError


def inspect(given: Namespace) -> int:
    """Inspect what the command line names, print the last line and return the exit code.

    Raises:
        InputError: the model, an input or the folder of results cannot be used, or the results cannot be written.
    """
    from stages.inspection.model import open_model
    from stages.inspection.photographs import Photograph, find_photographs
    from stages.inspection.results import prepare
    from stages.inspection.run import Run, inspect_all
    from stages.inspection.summary import exit_code
    from stages.inspection.tiles import line_tile
    from stages.inspection.watch import arrivals
    from stages.runtime.progress import progress

    if bool(given.inputs) == (given.watch is not None):
        raise InputError("expected photographs or --watch FOLDER, one of both")
    if given.watch is not None and not given.watch.is_dir():
        raise InputError(f"{given.watch}: is no folder to watch; correct --watch")
    if given.watch_for is not None and given.watch is None:
        raise InputError("--watch-for says how long to watch; name a folder by --watch")
    options = options_of(given)
    model = open_model(given.model, options.threads)
    line_tile(model.tile, options.overlap_px)
    if given.watch is not None:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # a service that is stopped ends as by Ctrl-C
        photographs: Iterable[Photograph | None] = arrivals(given.watch, given.out, given.watch_for)
    else:
        photographs = progress(find_photographs(given.inputs, given.out), "inspect")
    prepare(given.out, given.force)
    run = Run(given.out, model, options)
    run.write(finished=False)
    inspect_all(run, photographs)
    print(run.write(finished=True), flush=True)
    code = exit_code(run.findings.values())
    return 0 if given.exit_zero and code == 1 else code


def main() -> None:
    """Run the command; an `InputError` is one line on stderr and exit code 2."""
    try:
        sys.exit(inspect(parser(__doc__ or "").parse_args()))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(2)


if __name__ == "__main__":
    main()

"""The command line of `stages.inspect`."""

import argparse
from pathlib import Path

from stages.inspection.settings import Options

EPILOG = """exit code: 0 all photographs are good, 1 some are defective, 2 some (or the command itself) failed; 0 in the
first two cases with --exit-zero"""


def parser(description: str) -> argparse.ArgumentParser:
    """Return the parser; options that are no field of `Options` say where photographs come from and results go."""
    made = argparse.ArgumentParser("defectlens-inspect", description=description, epilog=EPILOG)
    made.add_argument("inputs", nargs="*", metavar="INPUT", help="photographs, folders of them, or patterns in quotes")
    made.add_argument("--model", type=Path, required=True, help="the ONNX file that stage export wrote")
    made.add_argument("--out", type=Path, required=True, help="folder for the results, new or empty")
    made.add_argument("--force", action="store_true", help="replace the earlier results in that folder")
    made.add_argument("--watch", type=Path, metavar="FOLDER", help="inspect what arrives in a folder, until Ctrl-C")
    made.add_argument("--watch-for", type=float, metavar="SECONDS", help="end watching after so long")
    made.add_argument("--exit-zero", action="store_true", help="exit with 0 where photographs are defective, too")
    own = Options()
    whole_numbers = {
        "overlap_px": "pixels that neighbouring tiles share (as in training)",
        "batch": f"tiles per forward pass ({own.batch})",
        "min_area_px": f"smaller regions are left out ({own.min_area_px})",
        "bit_depth": "bits that the camera of 16-bit files uses, 8 to 16",
        "max_pixels": f"refuse photographs with more ({own.max_pixels})",
        "overlay_px": f"longest side of overlays ({own.overlay_px})",
        "threads": "of the forward pass, 0 for all processors (0)",
    }
    for name, words in whole_numbers.items():
        flag = "--" + name.replace("_", "-")
        made.add_argument(flag, type=int, default=getattr(own, name), metavar="N", help=words)
    made.add_argument("--all-tiles", action="store_true", help="show heatmaps of tiles that the model calls good, too")
    return made


def options_of(given: argparse.Namespace) -> Options:
    """Return the options among what was given.

    Raises:
        InputError: one is out of its range.
    """
    return Options(**{name: getattr(given, name) for name in Options.__dataclass_fields__})

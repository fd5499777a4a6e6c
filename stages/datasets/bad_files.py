"""What happens to an image whose files are wrong: the stage stops, or the image is left out, counted and reported."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from stages.datasets.images import SourceImage
from stages.datasets.names import escaped, printable
from stages.runtime.errors import InputError


class BadFiles:
    """Decides about bad files in one place (`dataset.on_bad_file: error | skip`) and remembers those left out.

    Attributes:
        skipped: one {"file", "reason"} for each image left out, in the order in which they were refused.
        notes: in how many images something was assumed or changed in reading, by what it was, for metrics/tile.json.
        remarks: what a reader decided about the whole data set, for the download stage's line and SOURCE.json.
    """

    def __init__(self, skip: bool = False, rename: tuple[str, str] | None = None) -> None:
        """Make one.

        Args:
            skip: leave bad files out instead of stopping.
            rename: the folder that files are read in, and the name that it will have when the stage is done.
        """
        self._skip = skip
        self._rename = rename
        self.remarks: list[str] = []
        self.skipped: list[dict[str, str]] = []
        self.notes: Counter[str] = Counter()

    def refuse(self, error: InputError, file: str) -> None:
        """Raise the error, or under `skip` note that the image `file` is left out, with one warning line on stderr.

        Raises:
            InputError: the one given, unless bad files are to be skipped.
        """
        if not self._skip:
            raise error
        reason = str(error).replace(*self._rename) if self._rename else str(error)
        self.skipped.append({"file": file, "reason": reason})
        print(f"warning: left out {file}: {reason}", file=sys.stderr)

    def remark(self, text: str) -> None:
        """Keep what a reader decided about the whole data set; the same words once."""
        if text not in self.remarks:
            self.remarks.append(text)

    def leave_out(self, files: Sequence[str], reason: str) -> None:
        """Leave out images that are known to be wrong in the published data set, whatever `on_bad_file` says: one line.

        `reason` is said of all of them.
        """
        if files:
            self.skipped += [{"file": file, "reason": reason} for file in files]
            print(f"warning: left out {len(files)} images, {files[0]} the first: {reason}", file=sys.stderr)


def describe_images(
    paths: Iterable[Path], base: Path, describe: Callable[[Path, str], SourceImage], bad: BadFiles
) -> list[SourceImage]:
    """Return describe(path, source) of every image, sorted by source: its posix path relative to `base`.

    Raises:
        InputError: an image cannot be described and bad files are not to be skipped, or all images were left out.
    """
    images, refused = [], 0
    for path in paths:
        source = path.relative_to(base).as_posix()
        try:
            if not printable(source):  # a line break would break records, and what is not UTF-8 cannot be written
                raise InputError(f"{escaped(str(path))}: the name has characters that cannot be printed; rename it")
            images.append(describe(path, source))
        except InputError as error:
            bad.refuse(error, escaped(source))
            refused += 1
    if not images:
        raise InputError(f"{base}: all {refused} images were left out (dataset.on_bad_file: skip); correct them")
    return sorted(images, key=lambda image: image.source)

"""What happens to an image whose files are wrong: the stage stops, or the image is left out, counted and reported."""

import sys
from collections import Counter
from collections.abc import Sequence

from stages.runtime.errors import InputError


class BadFiles:
    """Decides about bad files in one place (`dataset.on_bad_file: error | skip`) and remembers those left out.

    Attributes:
        skipped: one {"file", "reason"} for each image left out, in the order in which they were refused.
        notes: in how many images something was assumed or changed in reading, by what it was, for metrics/tile.json.
    """

    def __init__(self, skip: bool = False) -> None:
        self._skip = skip
        self.skipped: list[dict[str, str]] = []
        self.notes: Counter[str] = Counter()

    def refuse(self, error: InputError, file: str) -> None:
        """Raise the error, or under `skip` note that the image `file` is left out, with one warning line on stderr.

        Raises:
            InputError: the one given, unless bad files are to be skipped.
        """
        if not self._skip:
            raise error
        self.skipped.append({"file": file, "reason": str(error)})
        print(f"warning: left out {file}: {error}", file=sys.stderr)

    def leave_out(self, files: Sequence[str], reason: str) -> None:
        """Leave out images that are known to be wrong in the published data set, whatever `on_bad_file` says: one line.

        `reason` is said of all of them.
        """
        if files:
            self.skipped += [{"file": file, "reason": reason} for file in files]
            print(f"warning: left out {len(files)} images, {files[0]} the first: {reason}", file=sys.stderr)

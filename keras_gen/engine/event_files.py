"""TensorBoard's files of a run that is gone on with: cut to where its checkpoint was written.

A killed process has logged steps that the next one does again. Event files only grow, so their sizes at the time of
the checkpoint say what belongs to it; what follows would stand twice.
"""

from __future__ import annotations

import os
from pathlib import Path

_EVENTS = "events.out.tfevents.*"


def sizes(folder: Path) -> dict[str, int]:
    """Name of each event file -> its bytes so far; flush the writer before."""
    return {path.name: path.stat().st_size for path in sorted(Path(folder).glob(_EVENTS))}


def cut(folder: Path, kept: dict[str, int]) -> None:
    """Give each event file the size that `sizes` found, and delete files that came later.

    A file that has less by now, or is gone, stays as it is: somebody has tidied up.
    """
    for path in Path(folder).glob(_EVENTS):
        if path.name not in kept:
            path.unlink()
        elif path.stat().st_size > kept[path.name]:
            os.truncate(path, kept[path.name])

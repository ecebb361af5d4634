"""Compare runs on one page: their state, images, curves, configurations, validation, exports and health.

FOLDER is a folder of runs, such as savedmodels or savedmodels/pix2pix, or a single run. Runs may be unfinished or of
different families. A run that cannot be read is named and left out. The page is one file and needs no network.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from keras_gen.cli.parsing import app, parse
from keras_gen.engine.config import CONFIG_FILE
from keras_gen.engine.run_report import PAGE_FILE, write_comparison, write_run_page
from keras_gen.errors import UserError
from keras_gen.flags import BaseConfig
from keras_gen.pages import plural

EXAMPLE = "report savedmodels/pix2pix"


@dataclass(frozen=True)
class Flags(BaseConfig):
    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """A run folder, or a folder of runs, at most three levels deep."""
    out: Path | None = None
    """HTML file to write the comparison to; default: index.html in FOLDER."""


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Write the page for one or several runs."""
    flags = parse(Flags, argv, example=EXAMPLE)
    if (flags.folder / CONFIG_FILE).is_file():
        if flags.out:
            raise UserError(f"--out got {flags.out}, but {flags.folder} is one run, whose page is {PAGE_FILE} in it.")
        print(f"{write_run_page(flags.folder)} shows the run")
        return
    out = flags.out or flags.folder / PAGE_FILE
    runs, left_out = write_comparison(flags.folder, out)
    for sentence in left_out:
        print(f"Left out: {sentence}")
    print(f"{out} compares {plural(len(runs), 'run')}")


if __name__ == "__main__":
    sys.exit(main())

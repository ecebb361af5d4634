"""Decompress .kgz files to pictures: DIR/NAME.png for NAME.kgz, at the original size.

Needs the run folder that compressed them, with its codec-....npz.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from keras_gen import models
from keras_gen.cli.parsing import app, parse
from keras_gen.compression.container import SUFFIX
from keras_gen.compression.run import open_codec
from keras_gen.data.files.codecs import read_contents
from keras_gen.data.files.folders import shown
from keras_gen.data.files.inputs import find_files, unique_stems
from keras_gen.engine.config import read_config
from keras_gen.flags import BaseConfig
from keras_gen.inference.outputs import Drawings
from keras_gen.ops.pixels import to_uint8

EXAMPLE = "decompress savedmodels/vae/RUN small --out drawn"


@dataclass(frozen=True)
class Flags(BaseConfig):
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder that compressed the files."""
    inputs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="INPUT...")]
    """Files written by `compress`, or folders, whose .kgz files are all used."""
    out: Path
    """Folder for the pictures, PNG files."""
    checkpoint: Literal["newest", "best"] = "newest"
    """Checkpoint of the run that compressed the files."""
    overwrite: bool = False
    """Replace files of the same names; leave everything else in --out alone."""

    def check_together(self) -> None:
        super().check_together()
        read_config(self.run)


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Load the run, read and check every file, then decode and write the pictures."""
    flags = parse(Flags, argv, example=EXAMPLE)
    model, _ = models.load(flags.run, flags.checkpoint)
    codec = open_codec(flags.run, model, None)
    files = find_files(flags.inputs, "compressed picture", (SUFFIX,))
    decoded = [codec.read(read_contents(file), shown(file)) for file in files]
    written = Drawings(flags.out, unique_stems(files), files, sheets=None, overwrite=flags.overwrite)
    for header, symbols in decoded:
        picture = codec.picture(header, symbols)
        written.add(picture, to_uint8(picture))
    print(f"{len(files)} picture{'s' * (len(files) > 1)} written to {flags.out}")


if __name__ == "__main__":
    sys.exit(main())

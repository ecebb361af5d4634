"""Check data before training: read every file, and report problems in a table and on a page.

Exit code 0 if the data are clean, 1 with warnings, 2 with errors.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import keras
import tyro

from keras_gen.cli.parsing import app, parse
from keras_gen.data.checks.inspection import Images, Pairs
from keras_gen.data.checks.report import table, verdict, write_report
from keras_gen.data.checks.rules import check
from keras_gen.data.files.codecs import MAX_PIXELS
from keras_gen.data.kinds.pairs import PairsConfig
from keras_gen.errors import Stopped, UserError
from keras_gen.flags import BaseConfig, Positive, Range

EXAMPLE = "check_data my_pairs --num-classes 12 --direction BtoA"


@dataclass(frozen=True)
class Flags(BaseConfig):
    spec: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SPEC")]
    """Data to check: pairs, as in --data of the training commands, or a folder of images."""
    kind: Literal["pairs", "images", "labelled"] = "pairs"
    """pairs: aligned pairs; images: a folder and its subfolders; labelled: images in one folder per class."""
    quick: bool = False
    """Check only 200 examples, evenly spaced, a quarter of them from validation, of at most 32 million pixels each."""
    out: Path = Path("data_check")
    """Folder for check.json and index.html; those of an earlier check are replaced."""
    direction: Literal["AtoB", "BtoA"] = "AtoB"
    """For pairs: direction of translation, from the source to the target."""
    num_classes: Annotated[int, Range(0, 65536)] = 0
    """For pairs: number of label ids if the source is a label map [count]; 0: the source is a picture."""
    val_every: Annotated[int, Range(2)] = 10
    """Without a validation split, hold out every N-th example [examples]."""
    image_size: Positive[int] = 256
    """Image size of the built-in facades [pixels]."""
    max_pixels: Positive[int] = MAX_PIXELS
    """Refuse images whose headers claim more, as a guard against decompression bombs [pixels]."""
    feature_a: str = ""
    """For tfds: name of the image feature that is side A."""
    feature_b: str = ""
    """For tfds: name of the image feature that is side B."""
    tfds_dir: str = ""
    """For tfds: folder of the prepared data sets; default: tensorflow-datasets' own."""


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Check one data set."""
    flags = parse(Flags, argv, example=EXAMPLE)
    shared = ("direction", "num_classes", "val_every", "image_size", "max_pixels", "feature_a", "feature_b", "tfds_dir")
    config = PairsConfig(data=flags.spec, **{name: getattr(flags, name) for name in shared})
    if flags.kind == "pairs":
        examples = Pairs(config)
    else:
        anywhere = flags.kind == "images"
        examples = Images(Path(flags.spec), config.max_pixels, val_every=flags.val_every, anywhere=anywhere)
        if not (anywhere or examples.labelled):
            raise UserError(f"{flags.spec} has no subfolders of classes, which --kind labelled needs.")
    bar = keras.utils.Progbar(len(examples), unit_name="example", verbose=int(sys.stdout.isatty() and not flags.quick))
    result = check(examples, quick=flags.quick, bar=bar.add)
    print(table(result))
    sheet = write_report(result, flags.spec, flags.out)
    if result.exit_code == 2:
        raise UserError(f"{verdict(result)} in {result.summary['looked_at']} examples, shown in {sheet}.")
    if result.exit_code == 1:
        raise Stopped(f"{verdict(result)}, shown in {sheet}", 1)
    print(f"{verdict(result)}; {sheet} shows the details")


if __name__ == "__main__":
    sys.exit(main())

"""Explore the latent space of a run: interpolation between pictures, attribute arithmetic, nearest neighbours.

A PICTURE is an image file, or the number of one of the run's validation images. path.png and path.gif interpolate from
each picture to the next. With --add LABEL, arithmetic.png shows each picture with the mean vector of that label's
images added and that of --subtract's subtracted. neighbours.png shows the validation images with the closest vectors.
index.html shows everything.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from keras_gen import models
from keras_gen.cli.parsing import app, parse
from keras_gen.data.files.inputs import ExactReader
from keras_gen.data.kinds.images import ImagesData
from keras_gen.engine.config import read_config
from keras_gen.engine.model import GenerativeModel
from keras_gen.engine.run_report import refresh_run_page
from keras_gen.errors import UserError
from keras_gen.files import require_folder
from keras_gen.flags import BaseConfig, NonNegative, Positive, Range
from keras_gen.inference.tiling import resized
from keras_gen.ops.pixels import to_float
from keras_gen.visual import exploration
from keras_gen.visual.exploration import EncodedImage
from keras_gen.visual.latent_space import BATCH, LatentSpace
from keras_gen.visual.latent_views import encode_dataset

from ._data import reopen

EXAMPLE = "explore_latent savedmodels/vae/RUN 3 8 --add 1 --subtract 7"


@dataclass(frozen=True)
class Flags(BaseConfig):
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder."""
    pictures: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PICTURE...")] = ("0", "1")
    """Image files, or numbers of validation images; write ./7 for a file whose name is a number."""
    out: Path | None = None
    """Folder for the results; files of the same names are replaced; default: latents/ in RUN."""
    interpolation: exploration.Interpolation = "auto"
    """Interpolation between pictures; auto: spherical for models with a normal prior, such as a VAE; else straight."""
    steps: Annotated[int, Range(2)] = 9
    """Pictures along a path, including the reconstructions at both ends [pictures]."""
    add: str = ""
    """Label whose mean vector is added to each picture; default: no arithmetic."""
    subtract: str = ""
    """Label whose mean vector is subtracted; default: all others."""
    strengths: tuple[float, ...] = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
    """Multiples of the difference to add, one picture for each [1]."""
    neighbours: NonNegative[int] = 9
    """Nearest validation images to show for each picture [images]; 0: none."""
    examples: Positive[int] = 5000
    """Validation images from which to compute means and find neighbours [images]."""
    data: str = ""
    """New location of the run's images, or other data; any SPEC of the training command."""
    checkpoint: Literal["newest", "best"] = "newest"
    """Which checkpoint of the run to use: the newest, or the best by validation."""
    resize: bool = False
    """Resize image files whose size differs from the run's."""

    def check_together(self) -> None:
        super().check_together()
        if not self.strengths:
            raise self.fault("<strengths got>; accepted are one or more finite numbers.")
        if self.subtract and not self.add:
            raise self.fault("<subtract got> without <add>; accepted are both together.")
        read_config(self.run)


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Load the run, encode its validation images and the pictures, write the requested files."""
    flags = parse(Flags, argv, example=EXAMPLE)
    _require_latents(flags.run)
    out = flags.out or flags.run / "latents"
    require_folder(out, "--out")
    data = reopen(flags.run, flags.data)
    model, step = models.load(flags.run, flags.checkpoint)
    space = model.latent_space()
    count = min(flags.examples, data.val_size)
    codes = encode_dataset(space, data.validation(BATCH, limit=count))
    direction = exploration.attribute(codes, data.classes, flags.add, flags.subtract) if flags.add else None
    pictures = _pictures(flags, data, space)

    figures = exploration.path(space, pictures, flags.interpolation, flags.steps) if len(pictures) > 1 else []
    if direction is not None:
        name = f"{flags.add} minus {flags.subtract or 'all others'}"
        figures.append(exploration.arithmetic(space, pictures, direction, name, flags.strengths))
    if most := min(flags.neighbours, count - 1):
        near = [exploration.nearest(codes.vectors, one.vector, most, one.index) for one in pictures]
        images = exploration.pick(data.validation(BATCH, limit=count), {int(number) for row in near for number in row})
        found = [[images[number][0] for number in row] for row in near]
        figures.append(exploration.neighbours(pictures, found, count))
    subtitle = f"{flags.run}, {flags.checkpoint} checkpoint (step {step:,})"
    exploration.write_page(out, f"Latent space of {flags.run.resolve().name}", subtitle, figures)
    refresh_run_page(flags.run)
    print(f"Written to {out}:", *(f"  {figure.file}" for figure in figures), "  index.html", sep="\n")


def _require_latents(run: Path) -> None:
    family = read_config(run)["family"]
    have = [name for name in models.families() if _has_latents(name)]
    if family not in have:
        raise UserError(
            f"{run} is a run of {family}, which has no latent vectors; accepted are runs of {', '.join(have)}."
        )


def _has_latents(family: str) -> bool:
    return models.family(family).latent_space is not GenerativeModel.latent_space


def _pictures(flags: Flags, data: ImagesData, space: LatentSpace) -> list[EncodedImage]:
    """The pictures given on the command line, with their latent vectors."""
    numbers = {word: int(word) for word in flags.pictures if word.isdecimal()}
    last = max(numbers.values(), default=0)
    if last >= data.val_size:
        raise UserError(f"PICTURE got {last}; the validation images have numbers from 0 to {data.val_size - 1}.")
    held = exploration.pick(data.validation(BATCH, limit=last + 1), numbers.values())
    read = ExactReader(data.image_size, data.channels, flags.resize)
    pictures = []
    for word in flags.pictures:
        if word in numbers:
            image, label = held[numbers[word]]
            name = f"image {word}" + (f" ({data.classes[label]})" if label >= 0 else "")
        elif space.conditional:
            raise UserError(
                f"PICTURE got {word}, but {flags.run} needs labels; accepted are numbers of validation images."
            )
        else:
            image, label, name = to_float(read(Path(word))), -1, Path(word).stem
            image = resized(image, (data.image_size, data.image_size))
        (vector,) = space.vectors(image[None], np.array([label], np.int32))
        pictures.append(EncodedImage(name, image, vector, label, numbers.get(word, -1)))
    return pictures


if __name__ == "__main__":
    sys.exit(main())

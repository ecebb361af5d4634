"""Generate new images with a run of a generative family, or with its exported decoder (SavedModel or .tflite).

Each seed gives one image, the same from the run and from its exports. For class-conditional families, --label chooses
the class; without it, each seed gives one image of every class.
"""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from keras_gen import models
from keras_gen.cli.parsing import app, parse
from keras_gen.engine.config import CONFIG_FILE, read_config
from keras_gen.errors import UserError
from keras_gen.files import write
from keras_gen.flags import BaseConfig, Range, class_of
from keras_gen.inference.outputs import free_paths
from keras_gen.inference.tiling import load_export, require_model
from keras_gen.ops.latents import latent_vectors
from keras_gen.ops.pixels import to_uint8
from keras_gen.visual.sheets import png_bytes, sheet

_LARGEST_SEED = 2**31 - 1  # seeds of TensorFlow's stateless generators are int32
_DIGITS = len(str(_LARGEST_SEED))
_MOST_SEEDS = 100_000  # each is one file, and all file names are checked first
EXAMPLE = "generate savedmodels/cvae/RUN --seeds 0-63 --label 3 --out drawn"
Draw = Callable[[int, int | None], np.ndarray]
"""Seed and class (None without classes) -> an image, float32 (height, width, channels) in [-1, 1]."""


@dataclass(frozen=True)
class Flags(BaseConfig):
    model: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """A run folder, or its exported decoder: a saved_model_decoder folder or decoder.tflite."""
    out: Path
    """Folder for the images, PNG files: seed-N.png, or class-C-seed-N.png."""
    seeds: str = "0-15"
    """Seeds, one image for each: numbers and ranges, comma-separated, such as 0-63 or 4,8-11."""
    label: str | None = None
    """Class to generate, by its name in the data or by its number, starting from 0; default: every class, if there are
    any."""
    truncation: Annotated[float, Range(0, open_low=True, infinite=True)] = math.inf
    """Truncation of the latent vector, in standard deviations: smaller values give better but less diverse images
    (Brock et al. 2019), visibly so below 2; inf: no truncation."""
    sheet: bool = False
    """Also write all images on one sheet, sheet.png, with one column per class."""
    overwrite: bool = False
    """Replace files of the same names; leave everything else in --out alone."""
    checkpoint: Literal["newest", "best"] = "newest"
    """For a run folder: which checkpoint to use, the newest or the best by validation."""

    def check_together(self) -> None:
        super().check_together()
        _numbers(self.seeds)
        require_model(self.model)


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Open the model, check the output files, then generate and write one image after the other."""
    flags = parse(Flags, argv, example=EXAMPLE)
    seeds = _numbers(flags.seeds)
    draw, num_classes, names = _open(flags)
    asked = None if flags.label is None else class_of(flags.label, num_classes, names)
    labels = [asked] if asked is not None else list(range(num_classes)) or [None]
    stems = {
        (seed, label): f"seed-{seed}.png" if label is None else f"class-{label}-seed-{seed}.png"
        for label in labels
        for seed in seeds
    }
    files = [*stems.values(), *(["sheet.png"] if flags.sheet else [])]
    places = free_paths(flags.out, files, (), overwrite=flags.overwrite)
    drawn: dict[str, list[np.ndarray]] = {}
    try:
        flags.out.mkdir(parents=True, exist_ok=True)
        for (seed, label), place in zip(stems, places, strict=False):
            picture = draw(seed, label)
            if picture.ndim != 3 or picture.shape[-1] not in (1, 3, 4):
                sides = "x".join(map(str, picture.shape))
                what = "points in the plane" if picture.shape == (1, 1, 2) else f"arrays of {sides}"
                raise UserError(f"{flags.model} generates {what}, not images; samples/ in the run folder has plots.")
            levels = to_uint8(picture)
            write(place, png_bytes(levels[..., 0] if levels.shape[-1] == 1 else levels))
            drawn.setdefault(_title(label, names), []).append(picture)
        if flags.sheet:
            write(places[-1], png_bytes(sheet({title: np.stack(own) for title, own in drawn.items()})))
    except OSError as error:
        raise UserError(f"--out {flags.out} cannot be written: {error.strerror or error}.") from None
    print(f"{len(stems)} picture{'s' * (len(stems) > 1)} written to {flags.out}")


def _title(label: int | None, names: Sequence[str]) -> str:
    """Column title of the sheet."""
    if label is None:
        return "drawn"
    return names[label] if names else f"class {label}"


def _open(flags: Flags) -> tuple[Draw, int, tuple[str, ...]]:
    """A function that generates an image, the number of classes (0 for none), and their names if known."""
    path = flags.model
    if (path / CONFIG_FILE).is_file():
        content, tasks = read_config(path), models.require_task(path, "generate").tasks
        model, _ = models.load(path, flags.checkpoint)
        count = model.config.num_classes if "generate_class" in tasks else 0

        def draw_by_run(seed: int, label: int | None) -> np.ndarray:
            chosen = {"label": label} if label is not None else {}
            return np.asarray(model.generate(1, seed=seed, truncation=flags.truncation, **chosen)[0])

        of_data = "num_classes" in content["model"]  # InfoGAN discovers its classes, which have no names
        names = (content.get("data_identity") or {}).get("classes", ()) if of_data else ()
        return draw_by_run, count, tuple(names)
    if flags.checkpoint != "newest":
        raise UserError(f"--checkpoint {flags.checkpoint} needs a run folder as MODEL, and {path} is not one.")
    network = load_export(path)
    latents, *more = network.metadata.inputs
    if network.metadata.task != "generate" or latents.kind != "vector":
        raise UserError(
            f"{path} has {network.metadata.description}; accepted are models that generate images from noise."
        )

    def draw(seed: int, label: int | None) -> np.ndarray:
        chosen = () if label is None else (np.array([label], np.int32),)
        return network(latent_vectors(1, latents.shape[0], seed, flags.truncation).numpy(), *chosen)[0]

    return draw, more[0].count if more else 0, more[0].labels if more else ()


def _numbers(text: str) -> list[int]:
    """The numbers in a list such as 4,8-11.

    Raises:
        UserError: if the text is not such a list.
    """
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        few = all(len(number) <= _DIGITS for number in (first, last))  # converting very long numbers is slow
        if not (first.isdecimal() and (last.isdecimal() or not dash)) or (few and dash and int(last) < int(first)):
            raise UserError(f"--seeds got {text}; accepted are numbers and ranges from 0 on, such as 0-63 or 4,8-11.")
        seeds = range(int(first), int(last or first) + 1) if few else range(_LARGEST_SEED + 2)
        if seeds[-1] > _LARGEST_SEED or len(found) + len(seeds) > _MOST_SEEDS:
            raise UserError(
                f"--seeds got {text}; accepted are at most {_MOST_SEEDS:,} numbers of at most {_LARGEST_SEED:,} each."
            )
        found += seeds
    return list(dict.fromkeys(found))


if __name__ == "__main__":
    sys.exit(main())

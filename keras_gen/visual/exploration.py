"""Explore the latent space of a finished run: interpolation, attribute arithmetic, nearest neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from keras_gen.errors import UserError
from keras_gen.files import write
from keras_gen.ops.latents import spherical, straight
from keras_gen.pages import links_of_run, page
from keras_gen.visual.latent_space import LatentSpace
from keras_gen.visual.latent_views import Codes
from keras_gen.visual.sheets import gif_bytes, grid, png_bytes, to_rgb

Interpolation = Literal["auto", "straight", "spherical"]
_FRAMES = 24  # of the animation, from one image to the next
_PAUSE = 8  # how many times as long the animation stays on the first and last frame of a path
_FRAME_MS = 60  # duration of a frame [ms]
_FRAME_SIDE = 256  # approximate side of the animation [pixels]


@dataclass(frozen=True)
class EncodedImage:
    """An image with its latent vector.

    Attributes:
        name: title in the figures.
        image: float32 (S, S, channels) in [-1, 1].
        vector: its latent vector, (size,).
        label: its class; -1 without a label.
        index: its index in the validation data; -1 if it is not part of them.
    """

    name: str
    image: np.ndarray
    vector: np.ndarray
    label: int = -1
    index: int = -1


@dataclass(frozen=True)
class Figure:
    """An image file with its caption on the page."""

    file: str
    content: bytes
    caption: str


def pick(batches: Iterable[tuple[Any, Any]], indices: Iterable[int]) -> dict[int, tuple[np.ndarray, int]]:
    """Pick examples by their index from batches of (images, labels).

    Returns:
        index -> image, float32 (S, S, channels) in [-1, 1], and label. Indices beyond the last example are missing.
    """
    wanted, found, start = set(indices), {}, 0
    for images, labels in batches:
        for index in wanted.intersection(range(start, start + len(images))):
            found[index] = np.asarray(images[index - start]), int(labels[index - start])
        start += len(images)
        if len(found) == len(wanted):
            break
    return found


def path(
    space: LatentSpace, pictures: Sequence[EncodedImage], interpolation: Interpolation, steps: int
) -> list[Figure]:
    """Interpolate from each image to the next: path.png and path.gif.

    A conditional model decodes each path with the label of its first image.

    Args:
        space: latent space of the model.
        pictures: two or more images.
        interpolation: see `ops.latents.straight` and `spherical`; "auto" is spherical if the space has a normal
            prior, else straight.
        steps: images per path in path.png; the animation always has 24.
    """
    if interpolation == "auto":
        interpolation = "straight" if space.divergence is None else "spherical"
    walk = {"straight": straight, "spherical": spherical}[interpolation]

    def between(one: EncodedImage, other: EncodedImage, count: int) -> np.ndarray:
        return space.pictures(walk(one.vector, other.vector, np.linspace(0.0, 1.0, count)), one.label)

    legs = list(pairwise(pictures))
    rows = [np.stack([one.image, *between(one, other, steps), other.image]) for one, other in legs]
    names = [f"{one.name} to {other.name}" for one, other in legs]
    columns = ["original", *(f"{share:.2f}" for share in np.linspace(0.0, 1.0, steps)), "original"]
    table = png_bytes(grid(np.stack(rows), names, columns))
    frames = [frame for one, other in legs for frame in between(one, other, _FRAMES)]
    return [
        Figure(
            "path.png",
            table,
            f"{interpolation.capitalize()} interpolation in the latent space, from 0 (start) to 1 (end).",
        ),
        Figure("path.gif", _gif(np.stack(frames)), "The same interpolation, animated forwards and backwards."),
    ]


def _gif(frames: np.ndarray) -> bytes:
    """Animate frames (n, h, w, channels) in [-1, 1] forwards and backwards, with a pause at both ends of each path."""
    factor = max(1, round(_FRAME_SIDE / max(frames.shape[1:3])))
    shown = [Image.fromarray(frame) for frame in to_rgb(frames)]
    shown = [frame.resize((frame.width * factor, frame.height * factor), Image.Resampling.NEAREST) for frame in shown]
    times = [_FRAME_MS * (_PAUSE if number % _FRAMES in (0, _FRAMES - 1) else 1) for number in range(len(shown))]
    shown, times = shown + shown[-2:0:-1], times + times[-2:0:-1]
    return gif_bytes(shown, times)


def attribute(codes: Codes, classes: Sequence[str], add: str, subtract: str = "") -> np.ndarray:
    """Attribute vector (size,): the mean latent vector of class `add` minus the mean of class `subtract`.

    Larsen, Sønderby, Larochelle, Winther: Autoencoding beyond pixels using a learned similarity metric, ICML 2016,
    arXiv 1512.09300, section 4.

    Args:
        codes: the encoded examples.
        classes: class names in the order of the labels; () without labels.
        add: name of a class.
        subtract: name of another class; "" stands for all others.

    Raises:
        UserError: if the data have no labels, a class does not exist, or no example belongs to it; names the flag.
    """
    if not classes:
        raise UserError(f"--add got {add!r}, but the images of RUN have no labels.")
    means = []
    for flag, name in (("--add", add), ("--subtract", subtract)):
        if name and name not in classes:
            raise UserError(f"{flag} got {name!r}; accepted are {', '.join(classes)}.")
        group = codes.labels == classes.index(name) if name else codes.labels != classes.index(add)
        if not group.any():
            raise UserError(f"{flag} got {name!r}, but none of {len(group)} validation images has this label.")
        means.append(codes.vectors[group].mean(axis=0))
    return means[0] - means[1]


def arithmetic(
    space: LatentSpace, pictures: Sequence[EncodedImage], direction: np.ndarray, name: str, strengths: Sequence[float]
) -> Figure:
    """Add an attribute vector to each image at several strengths: arithmetic.png.

    Args:
        space: latent space of the model.
        pictures: one or more images.
        direction: the attribute vector, (size,).
        name: of the attribute, for the caption.
        strengths: factors of the attribute vector; 0 gives the reconstruction.
    """
    rows = [
        np.stack([one.image, *space.pictures(one.vector + np.outer(strengths, direction), one.label)])
        for one in pictures
    ]
    columns = ["original", *(f"{strength:+g}" if strength else "0" for strength in strengths)]
    table = grid(np.stack(rows), [one.name for one in pictures], columns)
    caption = f"Each image plus {name} times the number above the column; 0 is the reconstruction."
    return Figure("arithmetic.png", png_bytes(table), caption)


def nearest(vectors: np.ndarray, query: np.ndarray, count: int, leave_out: int = -1) -> np.ndarray:
    """Indices of the vectors closest to `query` in Euclidean distance, nearest first.

    Args:
        vectors: the vectors to search, (n, size).
        query: (size,).
        count: number of neighbours; fewer are returned if there are fewer vectors.
        leave_out: index of a vector to skip, such as the query itself; -1 skips none.
    """
    order = np.argsort(np.linalg.norm(vectors - query, axis=1), kind="stable")
    return order[order != leave_out][:count]


def neighbours(pictures: Sequence[EncodedImage], found: Sequence[Sequence[np.ndarray]], among: int) -> Figure:
    """Show each image beside its nearest neighbours: neighbours.png.

    Args:
        pictures: one or more images.
        found: for each image its neighbours, nearest first; the same number for all.
        among: number of images that were searched.
    """
    rows = [np.stack([one.image, *images]) for one, images in zip(pictures, found, strict=True)]
    columns = ["original", *(str(number + 1) for number in range(len(found[0])))]
    table = grid(np.stack(rows), [one.name for one in pictures], columns)
    caption = f"The nearest neighbours among {among} validation images in the latent space, nearest first."
    return Figure("neighbours.png", png_bytes(table), caption)


def write_page(folder: Path, title: str, subtitle: str, figures: Sequence[Figure]) -> None:
    """Write the figures and an index.html that shows them.

    Args:
        folder: where the files go. In a run folder, the page links to the run's other pages.
        title: heading of the page.
        subtitle: line below the heading.
        figures: in the order of the page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for figure in figures:
        write(folder / figure.file, figure.content)
    run = folder.resolve().parent
    links = links_of_run(run, f"{folder.name}/index.html") if (run / "config.json").is_file() else []
    write(folder / "index.html", page("figures.html", title=title, subtitle=subtitle, links=links, figures=figures))

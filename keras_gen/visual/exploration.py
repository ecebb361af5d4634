"""Walks through the latent space of a finished run: paths between pictures, arithmetic of attributes, neighbours."""

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
from keras_gen.pages import links_of_run, page
from keras_gen.visual.latent_space import LatentSpace
from keras_gen.visual.latent_views import Codes, spherical, straight
from keras_gen.visual.sheets import gif_bytes, grid, png_bytes, to_rgb

Way = Literal["auto", "straight", "spherical"]
_FRAMES, _REST = 24, 8  # of the animation: frames from one picture to the next, and at each picture
_FRAME_MS = 60  # time of a frame
_FRAME_SIDE = 256  # pixels, about the side of the animation


@dataclass(frozen=True)
class Picture:
    """A picture to begin at.

    Attributes:
        name: for people.
        image: float32 (S, S, channels) in [-1, 1].
        vector: where it is, (size,).
        label: -1 where there is none.
        index: its number among the validation images; -1 for one from elsewhere.
    """

    name: str
    image: np.ndarray
    vector: np.ndarray
    label: int = -1
    index: int = -1


@dataclass(frozen=True)
class Figure:
    """A file with a picture, and the sentence below it on the page."""

    file: str
    content: bytes
    caption: str


def pick(batches: Iterable[tuple[Any, Any]], indices: Iterable[int]) -> dict[int, tuple[np.ndarray, int]]:
    """Some examples out of batches of (images, labels): number -> float32 (S, S, channels) and label."""
    wanted, found, start = set(indices), {}, 0
    for images, labels in batches:
        for index in wanted.intersection(range(start, start + len(images))):
            found[index] = np.asarray(images[index - start]), int(labels[index - start])
        start += len(images)
        if len(found) == len(wanted):
            break
    return found


def path(space: LatentSpace, pictures: Sequence[Picture], way: Way, steps: int) -> list[Figure]:
    """path.png and path.gif: from each picture to the next one, as the label of the former.

    Args:
        space: of the model.
        pictures: two or more.
        way: see `visual.latent_views.straight` and `spherical`; "auto" is spherical where vectors are normal.
        steps: pictures of each path in the table; the animation has more.
    """
    if way == "auto":
        way = "straight" if space.divergence is None else "spherical"
    walk = {"straight": straight, "spherical": spherical}[way]

    def between(one: Picture, other: Picture, count: int) -> np.ndarray:
        return space.pictures(walk(one.vector, other.vector, np.linspace(0.0, 1.0, count)), one.label)

    legs = list(pairwise(pictures))
    rows = [np.stack([one.image, *between(one, other, steps), other.image]) for one, other in legs]
    names = [f"{one.name} to {other.name}" for one, other in legs]
    columns = ["original", *(f"{share:.2f}" for share in np.linspace(0.0, 1.0, steps)), "original"]
    table = png_bytes(grid(np.stack(rows), names, columns))
    frames = [frame for one, other in legs for frame in between(one, other, _FRAMES)]
    return [
        Figure("path.png", table, f"The {way} path from one picture to the next, as shares of the way."),
        Figure("path.gif", _gif(np.stack(frames)), "The same, there and back."),
    ]


def _gif(frames: np.ndarray) -> bytes:
    """Frames there and back, (n, h, w, channels) in [-1, 1], which rest at the end of every leg."""
    factor = max(1, round(_FRAME_SIDE / max(frames.shape[1:3])))
    shown = [Image.fromarray(frame) for frame in to_rgb(frames)]
    shown = [frame.resize((frame.width * factor, frame.height * factor), Image.Resampling.NEAREST) for frame in shown]
    times = [_FRAME_MS * (_REST if number % _FRAMES in (0, _FRAMES - 1) else 1) for number in range(len(shown))]
    shown, times = shown + shown[-2:0:-1], times + times[-2:0:-1]
    return gif_bytes(shown, times)


def attribute(codes: Codes, classes: Sequence[str], add: str, subtract: str = "") -> np.ndarray:
    """The mean vector of the examples labelled `add` minus that of those labelled `subtract`, (size,).

    Larsen, Sønderby, Larochelle, Winther 2016, arXiv 1512.09300, section 4.

    Args:
        codes: of examples.
        classes: names of the labels; () where there are none.
        add: name of a label.
        subtract: name of another; "" is all others.

    Raises:
        UserError: if there are no labels, none of that name, or no example that has it; it names the flag.
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
    space: LatentSpace, pictures: Sequence[Picture], direction: np.ndarray, name: str, strengths: Sequence[float]
) -> Figure:
    """arithmetic.png: each picture with the direction added in several strengths.

    Args:
        space: of the model.
        pictures: one or more.
        direction: (size,).
        name: of the direction.
        strengths: factors; 0 is the reconstruction.
    """
    rows = [
        np.stack([one.image, *space.pictures(one.vector + np.outer(strengths, direction), one.label)])
        for one in pictures
    ]
    columns = ["original", *(f"{strength:+g}" if strength else "0" for strength in strengths)]
    table = grid(np.stack(rows), [one.name for one in pictures], columns)
    return Figure("arithmetic.png", png_bytes(table), f"Each picture with {name} added, times the number above.")


def nearest(vectors: np.ndarray, query: np.ndarray, count: int, leave_out: int = -1) -> np.ndarray:
    """Numbers of the vectors (n, size) that are closest to `query` (size,), nearest first, at most `count`.

    Args:
        vectors: to search.
        query: to compare with, by Euclidean distance.
        count: of neighbours.
        leave_out: a number that is not searched, the query's own.
    """
    order = np.argsort(np.linalg.norm(vectors - query, axis=1), kind="stable")
    return order[order != leave_out][:count]


def neighbours(pictures: Sequence[Picture], found: Sequence[Sequence[np.ndarray]], among: int) -> Figure:
    """neighbours.png: beside each picture the images of its nearest vectors.

    Args:
        pictures: one or more.
        found: of each, the images in order, as many for all.
        among: vectors that were searched.
    """
    rows = [np.stack([one.image, *images]) for one, images in zip(pictures, found, strict=True)]
    columns = ["original", *(str(number + 1) for number in range(len(found[0])))]
    table = grid(np.stack(rows), [one.name for one in pictures], columns)
    caption = f"The nearest of {among} validation images in the latent space, nearest first."
    return Figure("neighbours.png", png_bytes(table), caption)


def write_page(folder: Path, title: str, subtitle: str, figures: Sequence[Figure]) -> None:
    """Write the files of all figures, and index.html that shows them.

    Args:
        folder: for the files; if it lies in a run folder, the page has links to the run's other pages.
        title: of the page.
        subtitle: what was looked at.
        figures: in their order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for figure in figures:
        write(folder / figure.file, figure.content)
    run = folder.resolve().parent
    links = links_of_run(run, f"{folder.name}/index.html") if (run / "config.json").is_file() else []
    write(folder / "index.html", page("figures.html", title=title, subtitle=subtitle, links=links, figures=figures))

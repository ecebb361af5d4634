"""What the latent vectors of a model mean: views of its latent space, for every family that has one.

A family names what it has (`visual.latent_space.LatentSpace`); a run shows at its previews what is
drawn here, and at its end what `visual.embedding` adds. Vectors are NumPy arrays, images as everywhere float32 NHWC in
[-1, 1].
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
from PIL import Image
from scipy.special import ndtri

from keras_gen.ops.divergences import active_units
from keras_gen.visual.latent_space import LatentSpace
from keras_gen.visual.plots import bars
from keras_gen.visual.sheets import grid, to_rgb
from keras_gen.visual.views import Histogram, Picture, Scalar, View

_THUMBNAIL = 32  # pixels, largest side of an example's picture among the codes
_VALUES, _FEWEST, _MOST = 2**24, 100, 1000  # of images that are encoded for statistics: values in all, and images
_MANIFOLD = 20  # pictures along each side of the manifold
_PLANE_OF = range(2, 5)  # latent units of which a plane still shows much
_UNITS, _POSITIONS, _REACH = 10, 13, 3.0  # of the traversals: units, pictures of each, and how far from 0 they go
_PAIRS, _STEPS = 4, 9  # of the interpolations: pairs of images, and pictures from one to the other


@dataclasses.dataclass(frozen=True)
class Codes:
    """Validation examples in a latent space.

    Attributes:
        vectors: float32 (n, size).
        labels: int32 (n,), -1 where there are none.
        thumbnails: uint8 (n, h, w, 3), at most 32 pixels high and wide.
        divergence: mean KL divergence of each unit [nats], (size,); None without a prior.
    """

    vectors: np.ndarray
    labels: np.ndarray
    thumbnails: np.ndarray
    divergence: np.ndarray | None

    @property
    def weight(self) -> np.ndarray:
        """How much each unit carries, (size,): its divergence, or without a prior its standard deviation."""
        return self.vectors.std(axis=0) if self.divergence is None else self.divergence

    @property
    def order(self) -> np.ndarray:
        """The units by how much they carry, most first; equal ones by number."""
        return np.argsort(-self.weight, kind="stable")

    @property
    def active(self) -> np.ndarray:
        """Which units tell the examples apart, bool (size,): see `ops.divergences.active_units`."""
        return active_units(self.vectors).numpy()

    def quantile(self, unit: int, share: np.ndarray) -> np.ndarray:
        """The values below which `share` of a unit's lie: of N(0, 1) with a prior, else of those observed."""
        return ndtri(share) if self.divergence is not None else np.quantile(self.vectors[:, unit], share)

    @property
    def centre(self) -> np.ndarray:
        """The vector in the middle, (size,): 0 with a prior, else the median of each unit."""
        return np.zeros(self.vectors.shape[1]) if self.divergence is not None else np.median(self.vectors, axis=0)


def how_many(image_size: int, channels: int) -> int:
    """Images that are encoded for statistics: 1000, fewer of large ones, but 100 at least."""
    return int(np.clip(_VALUES // (image_size**2 * channels), _FEWEST, _MOST))


def encode_dataset(space: LatentSpace, batches: Iterable[Any]) -> Codes:
    """Encode examples: batches of which `space.examples` makes images and labels."""
    vectors, labels, thumbnails, divergences = [], [], [], []
    for batch in batches:
        images, numbers = space.examples(batch)
        vectors.append(space.vectors(images, numbers))
        labels.append(numbers)
        thumbnails += [_thumbnail(image) for image in to_rgb(images)]
        if space.divergence is not None:
            divergences.append(space.divergences(images, numbers))
    return Codes(
        np.concatenate(vectors),
        np.concatenate(labels).astype(np.int32),
        np.stack(thumbnails),
        np.concatenate(divergences).mean(axis=0) if divergences else None,
    )


def _thumbnail(image: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(image)
    picture.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
    return np.asarray(picture)


# -- paths ---------------------------------------------------------------------------------------------------------


def straight(start: np.ndarray, end: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Vectors on the line from `start` to `end`, (len(shares), size), at `shares` of the way."""
    shares = np.asarray(shares)[:, None]
    return (1.0 - shares) * start + shares * end


def spherical(start: np.ndarray, end: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """As `straight`, but the direction turns at an even pace on the great circle, and the length changes evenly.

    Vectors from N(0, 1) in many dimensions lie near a sphere, and the straight line cuts through its inside, where no
    data are. Shoemake 1985 (SIGGRAPH); for latent spaces White 2016, arXiv 1609.04468. Where there is no great circle
    (a vector is 0) or any (they are opposite), the path is straight.
    """
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    if not min(lengths):
        return straight(start, end, shares)
    one, other = start / lengths[0], end / lengths[1]
    angle = np.arccos(np.clip(one @ other, -1.0, 1.0))
    if np.sin(angle) < 1e-4:
        return straight(start, end, shares)
    shares = np.asarray(shares)[:, None]
    directions = (np.sin((1.0 - shares) * angle) * one + np.sin(shares * angle) * other) / np.sin(angle)
    return directions * ((1.0 - shares) * lengths[0] + shares * lengths[1])


# -- views ---------------------------------------------------------------------------------------------------------


def views(space: LatentSpace, codes: Codes, images: np.ndarray, labels: np.ndarray) -> dict[str, View]:
    """What a preview shows of a latent space, by title (see `GenerativeModel.preview`).

    Args:
        space: of the model.
        codes: of many validation examples.
        images: of the preview, which the traversals start from and the interpolations join.
        labels: of the same.
    """
    shown: dict[str, View] = {}
    if space.size in _PLANE_OF:
        shown["manifold"] = Picture(_manifold(space, codes, labels[0]), "The plane of the two units that carry most.")
    traversals = _traversals(space, codes, images[0], labels[0])
    shown["traversals"] = Picture(traversals, "One image, of which one latent unit changes in each row.")
    if len(images) > 1:
        interpolation = _interpolation(space, images, labels)
        shown["interpolation"] = Picture(interpolation, "Paths in the latent space from one image to another.")
    if codes.divergence is None:
        about = "Standard deviation of each latent unit over the validation images."
        shown["latents/standard_deviation"] = Histogram(codes.weight, about)
    else:
        about = "KL divergence of each latent unit from the prior [nats], mean over the validation images."
        shown["latents/kl"] = Histogram(codes.weight, about)
        about = "Latent units that tell the validation images apart."
        shown["latents/active_units"] = Scalar(codes.active.sum(), about)
    shown["units"] = Picture(_units(codes), "What each latent unit carries, the most first.")
    return shown


def _manifold(space: LatentSpace, codes: Codes, label: int) -> np.ndarray:
    """Pictures of the plane of the two units that carry most, at even quantiles (Kingma and Welling 2014, figure 4)."""
    across, up = sorted(codes.order[:2])  # not in their order, which changes from one preview to the next
    places = plane(codes, across, up)
    columns = [f"{value:.1f}" for value in places[0, :, across]]
    rows = [f"{value:.1f}" for value in places[:, 0, up]]
    pictures = space.pictures(places, label)
    return grid(pictures, rows, columns, smallest=28, corner=f"unit {up} up, unit {across} across")


def plane(codes: Codes, across: int, up: int) -> np.ndarray:
    """Vectors of the plane of two units, (20, 20, size), the others in the centre: at the quantiles 1/40, 3/40, ...

    The first row is the upper end of unit `up`, the first column the lower of `across`.
    """
    shares = (np.arange(_MANIFOLD) + 0.5) / _MANIFOLD
    places = np.tile(codes.centre, (_MANIFOLD, _MANIFOLD, 1))
    places[:, :, across] = codes.quantile(across, shares)[None, :]
    places[:, :, up] = codes.quantile(up, shares[::-1])[:, None]
    return places


def _traversals(space: LatentSpace, codes: Codes, image: np.ndarray, label: int) -> np.ndarray:
    """What each unit does to one image: a row for each of those that carry most."""
    (vector,) = space.vectors(image[None], np.array([label]))
    units = codes.order[:_UNITS]
    places = np.tile(vector, (len(units), _POSITIONS, 1))
    for row, unit in enumerate(units):
        if codes.divergence is not None:
            places[row, :, unit] = np.linspace(-_REACH, _REACH, _POSITIONS)
        else:
            places[row, :, unit] = np.linspace(*codes.quantile(unit, np.array([0.01, 0.99])), _POSITIONS)
    if codes.divergence is not None:
        columns = [f"{value:g}" for value in places[0, :, units[0]]]
        rows = [f"unit {unit}, {codes.divergence[unit]:.2f} nats" for unit in units]
    else:
        columns = ["1 %", *[""] * (_POSITIONS - 2), "99 %"]
        rows = [f"unit {unit}" for unit in units]
    return grid(space.pictures(places, label), rows, columns)


def _interpolation(space: LatentSpace, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Paths from one image to the next: straight, and where vectors are normal spherical too."""
    count = min(len(images) // 2, _PAIRS)
    vectors = space.vectors(images, labels)
    shares = np.linspace(0.0, 1.0, _STEPS)
    kinds = {"straight": straight} | ({"spherical": spherical} if space.divergence is not None else {})
    rows, titles = [], []
    for pair in range(count):
        one, other = 2 * pair, 2 * pair + 1
        for title, path in kinds.items():
            drawn = space.pictures(path(vectors[one], vectors[other], shares), labels[one])
            rows.append(np.concatenate([images[one][None], drawn, images[other][None]]))
            titles.append(title)
    columns = ["original", *(f"{share:g}" for share in shares), "original"]
    return grid(np.stack(rows), titles, columns, together=len(kinds))


def _units(codes: Codes) -> np.ndarray:
    order = codes.order
    if codes.divergence is None:
        title, height, strong = "What each latent unit carries", "standard deviation over the images", order >= 0
    else:
        total, count = codes.weight.sum(), codes.active.sum()
        title = f"KL divergence of each latent unit, {total:.1f} nats in all; {count} of {len(order)} are active (dark)"
        height, strong = "KL divergence [nats]", codes.active[order]
    names = [str(unit) for unit in order]
    return bars(codes.weight[order], names, strong, title=title, axes=("latent unit, ordered", height))

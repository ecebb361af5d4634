"""Views of a latent space at each preview: manifold, traversals, interpolations, and the information in each unit.

A family describes its latent space as a `visual.latent_space.LatentSpace`. A run draws the views of this module at each
preview, and those of `visual.embedding` at its end. Vectors are NumPy arrays; images are float32 NHWC in [-1, 1].
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
from PIL import Image
from scipy.special import ndtri

from keras_gen.ops.divergences import active_units
from keras_gen.ops.latents import spherical, straight
from keras_gen.visual.latent_space import LatentSpace
from keras_gen.visual.plots import bars
from keras_gen.visual.sheets import grid, to_rgb
from keras_gen.visual.views import Histogram, Picture, Scalar, View

_THUMBNAIL = 32  # longer side of a thumbnail [pixels]
_MAX_VALUES = 2**24  # pixel values encoded for statistics, all images together
_MIN_IMAGES, _MAX_IMAGES = 100, 1000  # encoded for statistics
_MANIFOLD = 20  # images along each side of the manifold
_SIZES_WITH_MANIFOLD = range(2, 5)  # latent units; a plane shows little of a larger space
_UNITS, _POSITIONS, _REACH = 10, 13, 3.0  # of the traversals: units, images of each, and distance from 0
_PAIRS, _STEPS = 4, 9  # of the interpolations: pairs of images, and images from one to the other


@dataclasses.dataclass(frozen=True)
class Codes:
    """Encoded validation examples.

    Attributes:
        vectors: latent vectors, float32 (n, size).
        labels: int32 (n,), -1 without a label.
        thumbnails: uint8 (n, h, w, 3), at most 32 pixels high and wide.
        divergence: mean KL divergence of each unit from the prior, (size,) [nats]; None without a prior.
    """

    vectors: np.ndarray
    labels: np.ndarray
    thumbnails: np.ndarray
    divergence: np.ndarray | None

    @property
    def weight(self) -> np.ndarray:
        """Information in each unit, (size,): its KL divergence [nats], or without a prior its standard deviation."""
        return self.vectors.std(axis=0) if self.divergence is None else self.divergence

    @property
    def order(self) -> np.ndarray:
        """Units in falling order of `weight`; ties in order of their index."""
        return np.argsort(-self.weight, kind="stable")

    @property
    def active(self) -> np.ndarray:
        """Which units are active, bool (size,); see `ops.divergences.active_units`."""
        return active_units(self.vectors).numpy()

    def quantile(self, unit: int, share: np.ndarray) -> np.ndarray:
        """Quantiles of a unit at `share` in (0, 1): of N(0, 1) with a prior, else of the observed values."""
        return ndtri(share) if self.divergence is not None else np.quantile(self.vectors[:, unit], share)

    @property
    def centre(self) -> np.ndarray:
        """Centre of the space, (size,): 0 with a prior, else the median of each unit."""
        return np.zeros(self.vectors.shape[1]) if self.divergence is not None else np.median(self.vectors, axis=0)


def how_many(image_size: int, channels: int) -> int:
    """Number of images to encode for statistics: 1000, or fewer if they are large, but at least 100."""
    return int(np.clip(_MAX_VALUES // (image_size**2 * channels), _MIN_IMAGES, _MAX_IMAGES))


def encode_dataset(space: LatentSpace, batches: Iterable[Any]) -> Codes:
    """Encode all examples of the batches, which `space.examples` splits into images and labels."""
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


# -- views ---------------------------------------------------------------------------------------------------------


def views(space: LatentSpace, codes: Codes, images: np.ndarray, labels: np.ndarray) -> dict[str, View]:
    """The views of a latent space at a preview, by title (see `GenerativeModel.preview`).

    Args:
        space: latent space of the model.
        codes: many encoded validation examples, for the statistics.
        images: of the preview, (n, h, w, channels). Traversals start from the first; interpolations join pairs.
        labels: of the same images, (n,).
    """
    shown: dict[str, View] = {}
    if space.size in _SIZES_WITH_MANIFOLD:
        manifold = _manifold(space, codes, labels[0])
        shown["manifold"] = Picture(manifold, "Images decoded from the plane of the two most informative latent units.")
    traversals = _traversals(space, codes, images[0], labels[0])
    shown["traversals"] = Picture(traversals, "One image; each row varies one latent unit and keeps the others.")
    if len(images) > 1:
        interpolation = _interpolation(space, images, labels)
        shown["interpolation"] = Picture(interpolation, "Interpolation in the latent space between pairs of images.")
    if codes.divergence is None:
        about = "Standard deviation of each latent unit over the validation images."
        shown["latents/standard_deviation"] = Histogram(codes.weight, about)
    else:
        about = "KL divergence of each latent unit from the prior [nats], mean over the validation images."
        shown["latents/kl"] = Histogram(codes.weight, about)
        about = "Number of active latent units: variance of the posterior's mean over the validation images above 0.01."
        shown["latents/active_units"] = Scalar(codes.active.sum(), about)
    shown["units"] = Picture(_unit_bars(codes), "Information in each latent unit, in falling order.")
    return shown


def _manifold(space: LatentSpace, codes: Codes, label: int) -> np.ndarray:
    """Images decoded from the plane of the two most informative units (Kingma and Welling 2014, figure 4)."""
    across, up = sorted(codes.order[:2])  # by index, as the order of `weight` changes from one preview to the next
    places = plane(codes, across, up)
    columns = [f"{value:.1f}" for value in places[0, :, across]]
    rows = [f"{value:.1f}" for value in places[:, 0, up]]
    pictures = space.pictures(places, label)
    return grid(pictures, rows, columns, smallest=28, corner=f"unit {up} up, unit {across} across")


def plane(codes: Codes, across: int, up: int) -> np.ndarray:
    """A grid of vectors in the plane of two units, (20, 20, size), at the quantiles 1/40, 3/40, ..., 39/40.

    The other units are at their centre. The first row has the highest values of unit `up`, the first column the lowest
    values of unit `across`.
    """
    shares = (np.arange(_MANIFOLD) + 0.5) / _MANIFOLD
    places = np.tile(codes.centre, (_MANIFOLD, _MANIFOLD, 1))
    places[:, :, across] = codes.quantile(across, shares)[None, :]
    places[:, :, up] = codes.quantile(up, shares[::-1])[:, None]
    return places


def _traversals(space: LatentSpace, codes: Codes, image: np.ndarray, label: int) -> np.ndarray:
    """One image with one unit varied at a time: a row for each of the most informative units."""
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
    """Interpolations between pairs of images: straight, and with a prior spherical too."""
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


def _unit_bars(codes: Codes) -> np.ndarray:
    order = codes.order
    if codes.divergence is None:
        title, height, strong = "Standard deviation of each latent unit", "standard deviation", order >= 0
    else:
        total, count = codes.weight.sum(), codes.active.sum()
        title = f"KL divergence of each latent unit, {total:.1f} nats in total; {count} of {len(order)} active (dark)"
        height, strong = "KL divergence [nats]", codes.active[order]
    names = [str(unit) for unit in order]
    return bars(codes.weight[order], names, strong, title=title, axes=("latent unit, in falling order", height))

"""Statistics of a set of images: everything that the scores need, from one pass over the set.

Features are computed once for all scores. Mean, covariance and class probabilities are summed batch by batch in
float64, so memory does not grow with the number of images, unless a score needs the features themselves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_gen.errors import UserError
from keras_gen.files import cache_folder, filling_cache, replacing
from keras_gen.metrics.extractors import Extractor
from keras_gen.metrics.frechet import Moments
from keras_gen.metrics.inception_score import InceptionScore
from keras_gen.networks.pretrained.weights import read_arrays

_LAYOUT = 1  # of the file; a change makes cached files invalid
_MOST_CACHED = 2**27  # largest array of features in a cached file [bytes]


@dataclass(frozen=True)
class Statistics:
    """Statistics of a set of images.

    Attributes:
        name: where the images are from.
        split: which part of a data set they are.
        count: number of images.
        protocol: what must agree before two sets are compared, see `Extractor.protocol`.
        moments: mean and covariance of the features.
        class_score: mean and deviation of the class score; None if the network knows no classes.
        features: float32 (count, size); None if they were not kept.
        notes: what a reader should know, such as "JPEG inputs".
    """

    name: str
    split: str
    count: int
    protocol: Mapping[str, Any]
    moments: Moments
    class_score: tuple[float, float] | None
    features: np.ndarray | None
    notes: tuple[str, ...] = ()

    def save(self, path: Path, *, most: int | None = None) -> None:
        """Writes an .npz file, atomically.

        Args:
            path: the file.
            most: leave the features out if they have more bytes.
        """
        kept = self.features is not None and (most is None or self.features.nbytes <= most)
        about = {
            "layout": _LAYOUT,
            "name": self.name,
            "split": self.split,
            "count": self.count,
            "protocol": dict(self.protocol),
            "class_score": self.class_score,
            "notes": self.notes,
        }
        arrays = {"mean": self.moments.mean, "covariance": self.moments.covariance}
        with replacing(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, about=json.dumps(about), **arrays, **({"features": self.features} if kept else {}))


def load(path: Path, flag: str) -> Statistics:
    """Statistics that `save` wrote.

    Args:
        path: the file.
        flag: the flag that named it, for errors.

    Raises:
        UserError: naming the flag, if it is not such a file.
    """
    arrays = read_arrays(path, flag)
    try:
        about = json.loads(str(arrays["about"]))
        if about["layout"] != _LAYOUT:
            raise ValueError(f"layout {about['layout']}")
        moments = Moments.stored(about["count"], arrays["mean"], arrays["covariance"])
        score = about["class_score"]
        return Statistics(
            about["name"],
            about["split"],
            about["count"],
            about["protocol"],
            moments,
            None if score is None else tuple(score),
            arrays.get("features"),
            tuple(about["notes"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{flag} {path} holds no statistics that --save-statistics wrote ({error}).") from None


def are_stored(path: Path) -> bool:
    """Whether an .npz file holds statistics, of this or another program, instead of images."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return bool({"covariance", "sigma"} & set(file.files))
    except (OSError, ValueError, EOFError):
        return False


def collect(
    batches: Iterable[np.ndarray],
    extractor: Extractor,
    *,
    name: str,
    split: str = "all",
    notes: tuple[str, ...] = (),
    keep: bool = False,
) -> Statistics:
    """Computes the statistics of images that come in batches.

    Args:
        batches: uint8 (n, height, width, channels), all of one size.
        extractor: the network.
        name: where they are from.
        split: which part of a data set they are.
        notes: see `Statistics`.
        keep: keep all features. Otherwise they are kept only if there are no more than values in each, where the
            Frechet distance has to be extrapolated.

    Raises:
        UserError: for fewer than two images.
    """
    extract, moments = extractor.compiled(), Moments(extractor.size)
    score = InceptionScore(extractor.classes) if extractor.classes else None
    kept: list[np.ndarray] | None = []
    protocol: Mapping[str, Any] = {}
    for images in batches:
        protocol = protocol or extractor.protocol(*images.shape[1:3])
        features, probabilities = extract(tf.constant(images))
        features = features.numpy()
        moments.update(features)
        if score:
            score.update(probabilities.numpy())
        if kept is not None:
            kept.append(features)
        if not keep and moments.count > extractor.size:
            kept = None
    if moments.count < 2:
        raise UserError(f"{name} holds {moments.count} image{'s' * (moments.count != 1)}; accepted are two or more.")
    features = None if kept is None else np.concatenate(kept)
    return Statistics(name, split, moments.count, protocol, moments, score.result() if score else None, features, notes)


def cached(key: Iterable[str], wanted: bool, compute: Any) -> Statistics:
    """Statistics from the cache, or computed and stored there.

    Args:
        key: everything that the statistics depend on.
        wanted: whether the features are needed.
        compute: a function that computes the statistics.

    Raises:
        UserError: if the cache folder cannot be written.
    """
    digest = hashlib.sha256("\0".join((str(_LAYOUT), *key)).encode("utf-8", "surrogateescape")).hexdigest()
    folder = cache_folder() / "statistics"
    file = folder / f"{digest[:32]}.npz"
    if file.exists():
        try:
            found = load(file, "the cache")
            if found.features is not None or not wanted:
                return found
        except UserError:
            pass  # written by another version, or damaged: it is replaced
    found = compute()
    with filling_cache(folder):
        folder.mkdir(parents=True, exist_ok=True)
        found.save(file, most=_MOST_CACHED)
    return found

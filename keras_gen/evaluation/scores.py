"""Scores of one set of images against another, each as one line with its protocol. docs/metrics.md defines them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_gen.errors import UserError
from keras_gen.evaluation.sides import BATCH, Generator, Part, Side, of_data
from keras_gen.evaluation.subject import Options as Shared
from keras_gen.evaluation.subject import Result, Subject
from keras_gen.files import sha256_of
from keras_gen.flags import BaseConfig, NonNegative, Positive
from keras_gen.metrics import statistics
from keras_gen.metrics.extractors import SQUEEZENET, Extractor, extractor
from keras_gen.metrics.frechet import frechet_distance, frechet_infinity
from keras_gen.metrics.inception_score import SPLITS
from keras_gen.metrics.kernel import SUBSET_SIZE, SUBSETS, kernel_distance
from keras_gen.metrics.manifold import (
    DENSITY_NEIGHBOURS,
    PRECISION_NEIGHBOURS,
    density_coverage,
    precision_recall,
)
from keras_gen.metrics.pair_similarity import PAIRS, pair_similarity
from keras_gen.metrics.path_length import EPSILON, path_length
from keras_gen.metrics.sliced_wasserstein import DIRECTIONS, PATCHES, patch_distances
from keras_gen.metrics.statistics import Statistics
from keras_gen.networks.lpips import MIN_SIDE, load_lpips
from keras_gen.ops.pixels import to_float
from keras_gen.ops.reconstruction import SSIM_MIN_SIDE, scales_that_fit
from keras_gen.ops.resampling import resize

ENOUGH = 10_000
"""Number of images below which a score says so."""
OF_FEATURES = ("frechet", "kernel", "class_score", "precision_recall", "density_coverage")
OF_PIXELS = ("sliced_wasserstein", "ms_ssim")
NAMES = (*OF_FEATURES, *OF_PIXELS, "path_length")
"""Names of all scores."""
ALONE = ("class_score", "ms_ssim", "path_length")
"""Scores that need no other side."""
_NEED_FEATURES = {"kernel", "precision_recall", "density_coverage"}
_MOST_NEIGHBOURS = 10_000  # first features of each side for precision, recall, density and coverage
_MOST_PIXELS = 2048  # first images of each side for scores of pixels


@dataclass(frozen=True)
class Options(BaseConfig):
    """Flags of the scores only."""

    of: Path | None = None
    """Instead of RUN: images to score, usually generated: a folder, an .npz file, idx files, a run folder, an exported
    generator, or statistics that --save-statistics wrote."""
    against: Path | None = None
    """Images that those of --of are compared with, usually real, in the same forms."""
    scores: str = ""
    """Scores, comma-separated: frechet (FID with --inception), kernel (KID), class_score (Inception score),
    precision_recall, density_coverage, sliced_wasserstein, ms_ssim and path_length; default with --of: frechet.
    With RUN, its samples are compared with its validation images."""
    features: str = ""
    """Network of the features: mnist (in the package), squeezenet (needs --weights), or a file that
    train_features wrote."""
    inception: Path | None = None
    """Instead of --features: weights of the Inception network of 2015, which makes the scores FID, KID and Inception
    score: the frozen graph (.pb), or weights as .npz, .h5 or .pth."""
    samples: Positive[int] = ENOUGH
    """Images of a generator [images]."""
    split: Part = "all"
    """Which part of arrays to use: train, held (validation or test), or all."""
    resize: NonNegative[int] = 0
    """Resize all images to this height and width first, by antialiased bicubic interpolation [pixels]; 0: all images
    must have the same size."""
    save_statistics: Path | None = None
    """Also write the statistics of --of to this .npz file, which --of and --against accept."""
    cache: bool = True
    """Keep statistics in the cache folder, by the contents of the images and weights."""

    def check_together(self) -> None:
        super().check_together()
        for name in self.names:
            if name not in NAMES:
                raise UserError(f"--scores got {name}; accepted are {', '.join(NAMES)}, comma-separated.")
        if self.save_statistics and self.save_statistics.suffix != ".npz":
            raise self.fault("<save_statistics got>; accepted is a file whose name ends in .npz.")

    @property
    def names(self) -> list[str]:
        """The names in `scores`."""
        return [name.strip() for name in self.scores.split(",") if name.strip()]


FLAGS = frozenset(Options.__dataclass_fields__) | {"weights", "seed", "limit", "json", "checkpoint"}
"""Names of the flags that the scores use."""
FLAGS_OF_A_RUN = FLAGS - {"of", "against", "split", "resize"}
"""The same with RUN."""


def network_of(options: Options, shared: Shared) -> Extractor | None:
    """The network that the flags name, loaded; None if no score needs one.

    Raises:
        UserError: if it is missing, cannot be loaded, or is not needed.
    """
    names = options.names or ["frechet"]
    if {*OF_FEATURES} & {*names} or options.save_statistics:
        of_lpips = "path_length" in names and options.features != SQUEEZENET
        return extractor(options.features, None if of_lpips else shared.weights, options.inception)
    for flag, value in (("--features", options.features), ("--inception", options.inception)):
        if value:
            raise UserError(f"{flag} {value} does not apply to --scores {options.scores}: leave one of them out.")
    if shared.weights and "path_length" not in names:
        raise UserError(f"--weights does not apply to --scores {options.scores}: leave one of them out.")
    return None


class Comparison:
    """Scores of two sides."""

    def __init__(self, options: Options, shared: Shared, network: Extractor | None) -> None:
        """Args:
        options: flags of the scores.
        shared: flags of several tasks.
        network: the result of `network_of`.
        """
        self.options, self.shared, self.network = options, shared, network
        self._names = options.names or ["frechet"]
        self._known: dict[int, Statistics] = {}

    def measure(self, one: Side | Statistics, other: Side | Statistics | None) -> Result:
        """All scores of the images `one` against the images `other`, which some scores do not need.

        Raises:
            UserError: if the sides have too few images, or cannot be compared.
        """
        if other is None and (needing := [name for name in self._names if name not in ALONE]):
            raise UserError(f"--scores {needing[0]} needs --against; accepted without are {', '.join(ALONE)}.")
        rows = [row for name in self._names for row in getattr(self, f"_{name}")(one, other)]
        if self.options.save_statistics:
            self._statistics(one).save(self.options.save_statistics)
        return Result({"scores": rows}, [line(row) for row in rows])

    # -- scores of features ------------------------------------------------------------------------------------------

    def _frechet(self, one: Side | Statistics, other: Side | Statistics) -> list[dict[str, Any]]:
        a, b = self._pair(one, other)
        row = self._row("frechet", frechet_distance(a.moments, b.moments), a, b)
        size = self.network.size
        if min(a.count, b.count) <= size:
            few = ", ".join(f"{side.count}" for side in (a, b) if side.count <= size)
            row["notes"].append(f"warning: {few} images for {size} features, the distance is too large")
            sides = [side.moments if side.features is None or side.count > size else side.features for side in (a, b)]
            if any(isinstance(side, np.ndarray) for side in sides):
                found = frechet_infinity(*sides, seed=self.shared.seed)
                row["infinity"], row["infinity_residual"] = found.value, found.residual
                title = "FID" if self.network.title("frechet") == "FID" else "frechet"
                row["notes"].append(f"{title}_infinity {found.value:.4f} (residual of the line {found.residual:.2g})")
        return [row]

    def _kernel(self, one: Side | Statistics, other: Side | Statistics) -> list[dict[str, Any]]:
        a, b = self._pair(one, other, features=True)
        mean, deviation = kernel_distance(a.features, b.features, seed=self.shared.seed)
        size = min(SUBSET_SIZE, a.count, b.count)
        how = f"unbiased, mean and deviation of {SUBSETS} subsets of {size}"
        return [self._row("kernel", mean, a, b, deviation=deviation, how=how)]

    def _class_score(self, one: Side | Statistics, other: Side | Statistics) -> list[dict[str, Any]]:
        found = self._statistics(one)
        if found.class_score is None:
            raise UserError(
                f"--scores class_score needs a network that knows classes, and {self.network.name} knows none; "
                "accepted are the others, or SqueezeNet 1.0."
            )
        mean, deviation = found.class_score
        how = f"mean and deviation of {SPLITS} parts, image i in part i mod {SPLITS}"
        return [self._row("class_score", mean, found, None, deviation=deviation, how=how)]

    def _precision_recall(self, one: Side | Statistics, other: Side | Statistics) -> list[dict[str, Any]]:
        return self._of_manifold(one, other, ("precision", "recall"), precision_recall, PRECISION_NEIGHBOURS)

    def _density_coverage(self, one: Side | Statistics, other: Side | Statistics) -> list[dict[str, Any]]:
        return self._of_manifold(one, other, ("density", "coverage"), density_coverage, DENSITY_NEIGHBOURS)

    def _of_manifold(
        self,
        one: Side | Statistics,
        other: Side | Statistics,
        names: tuple[str, str],
        score: Callable[..., tuple[float, float]],
        neighbours: int,
    ) -> list[dict[str, Any]]:
        a, b = self._pair(one, other, features=True)
        generated, real = (side.features[:_MOST_NEIGHBOURS] for side in (a, b))
        if min(len(generated), len(real)) <= neighbours:
            raise UserError(
                f"--scores {names[0]}_{names[1]} got {a.count} and {b.count} images; accepted are {neighbours + 1} or "
                "more on each side."
            )
        how = f"{neighbours} neighbours"
        return [
            self._row(name, value, a, b, how=how, counts=[len(generated), len(real)])
            for name, value in zip(names, score(real, generated), strict=True)
        ]

    def _pair(
        self, one: Side | Statistics, other: Side | Statistics, *, features: bool = False
    ) -> tuple[Statistics, Statistics]:
        """The statistics of both sides, whose protocols agree."""
        a, b = self._statistics(one), self._statistics(other)
        for key, value in a.protocol.items():
            if b.protocol.get(key) != value:
                remedy = "; --resize SIDE brings all images to one size" if key == "input" else ""
                raise UserError(
                    f"--of {a.name} has {key} {_short(value)}, but --against {b.name} has {_short(b.protocol[key])}; "
                    f"accepted are sides with the same protocol{remedy}."
                )
        for side in (a, b) if features else ():
            if side.features is None:
                raise UserError(
                    f"the statistics of {side.name} hold no features, which kernel, precision_recall and "
                    "density_coverage need; accepted are images, or statistics that were saved with one of them."
                )
        return a, b

    def _statistics(self, side: Side | Statistics) -> Statistics:
        """The statistics of a side, computed once, or taken from the cache."""
        network = self.network
        if isinstance(side, Statistics):
            for key, value in (("network", network.name), ("weights", network.weights)):
                if side.protocol.get(key) != value:
                    raise UserError(
                        f"the statistics of {side.name} have {key} {_short(side.protocol.get(key))}, but here it is "
                        f"{_short(value)}; accepted are statistics of the same network and weights."
                    )
            return side
        if id(side) not in self._known:
            keep = bool(_NEED_FEATURES & {*self._names})
            about = {"name": side.name, "split": side.split, "notes": side.notes}

            def compute() -> Statistics:
                return statistics.collect(side.images(), network, keep=keep, **about)

            if self.options.cache:
                key = (side.digest, network.name, network.weights, f"{network.side} {network.min_side}")
                self._known[id(side)] = replace(statistics.cached(key, keep, compute), **about)
            else:
                self._known[id(side)] = compute()
        return self._known[id(side)]

    def _row(
        self,
        score: str,
        value: float,
        one: Statistics,
        other: Statistics | None,
        *,
        deviation: float | None = None,
        how: str = "",
        counts: tuple[int, ...] = (),
    ) -> dict[str, Any]:
        """A score of features with its protocol, as values for JSON."""
        sides = [side for side in (one, other) if side is not None]
        counts = counts or tuple(side.count for side in sides)
        row = self._plain(score, value, sides, counts, how, {**one.protocol, "about": self.network.about}, deviation)
        return row | {"title": self.network.title(score), "notes": _notes(sides, counts)}

    # -- scores of pixels --------------------------------------------------------------------------------------------

    def _sliced_wasserstein(self, one: Side | Statistics, other: Side | Statistics) -> list[dict[str, Any]]:
        a, b = (_first_images(side, "sliced_wasserstein") for side in (one, other))
        count = min(len(a), len(b))
        if a.shape[1:] != b.shape[1:]:
            raise UserError(
                f"--of {one.name} has images of shape {a.shape[1:]}, but --against {other.name} of {b.shape[1:]}; "
                "accepted are images of one shape; --resize SIDE brings all images to one size."
            )
        levels = patch_distances(a[:count], b[:count], seed=self.shared.seed)
        how = f"1000 times the distance, {PATCHES} patches of 7x7 of each image, {DIRECTIONS} directions"
        return [
            self._plain(
                "sliced_wasserstein", 1000 * distance, [one, other], [count] * 2, f"level {level}; {how}", _input(a)
            )
            for level, distance in levels.items()
        ]

    def _ms_ssim(self, one: Side | Statistics, other: Side | Statistics | None) -> list[dict[str, Any]]:
        rows = []
        for side in (one, other) if other is not None else (one,):
            images = _first_images(side, "ms_ssim")
            if min(images.shape[1:3]) < SSIM_MIN_SIDE:
                raise UserError(
                    f"--scores ms_ssim needs images of {SSIM_MIN_SIDE} pixels, and {side.name} has smaller."
                )
            mean, error = pair_similarity(to_float(images), pairs=PAIRS, seed=self.shared.seed)
            how = f"mean and standard error of {PAIRS} pairs, {scales_that_fit(*images.shape[1:3])} scales"
            rows.append(self._plain("ms_ssim", mean, [side], [len(images)], how, _input(images), error))
        return rows

    def _path_length(self, one: Side | Statistics, other: Side | Statistics | None) -> list[dict[str, Any]]:
        generator = getattr(one, "generator", None)
        if generator is None or generator.decode is None:
            raise UserError(
                f"--scores path_length needs a generator from latent vectors, and {one.name} is none; accepted are "
                "runs and exports of GANs and VAEs."
            )
        if self.shared.weights is None:
            raise UserError("--scores path_length needs --weights FILE of LPIPS.")
        network = load_lpips(self.shared.weights)
        smallest = MIN_SIDE[network.name.removeprefix("lpips_")]

        def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
            height, width = a.shape[1:3]
            scale = max(1, -(-smallest // min(height, width)))
            large = [resize(images[..., :3], scale * height, scale * width) for images in (a, b)]
            return np.asarray(network([tf.repeat(x, 3, -1) if x.shape[-1] == 1 else x for x in large]))

        paths = self.options.samples
        value = path_length(generator.decode, distance, generator.latent_dim, samples=paths, seed=self.shared.seed)
        how = f"{paths} spherical paths, eps {EPSILON:g}, without the lowest and highest hundredth; {network.name}, "
        how += f"SHA-256 {sha256_of(self.shared.weights)[:12]}"
        return [self._plain("path_length", value, [one], [paths], how, {})]

    def _plain(
        self,
        score: str,
        value: float,
        sides: Sequence[Side | Statistics],
        counts: Sequence[int],
        how: str,
        protocol: dict[str, Any],
        deviation: float | None = None,
    ) -> dict[str, Any]:
        """A score without features, with its protocol, as values for JSON."""
        return {
            "score": score,
            "title": score,
            "value": value,
            "deviation": deviation,
            "sides": _sides(sides, counts),
            "how": how,
            "protocol": protocol,
            "seed": self.shared.seed,
            "notes": [note for side in sides for note in side.notes],
        }


def of_run(subject: Subject, options: Options, generator: Generator) -> Result:
    """The scores of a run's samples against its validation images.

    Args:
        subject: the run.
        options: flags of the scores.
        generator: the run's generator.
    """
    network = network_of(options, subject.options)
    images = (batch[0] for batch in subject.batches(BATCH))
    real = of_data(images, str(subject.run), "validation")
    drawn = generator.side(str(subject.run), options.samples, subject.options.seed)
    found = Comparison(options, subject.options, network).measure(drawn, real)
    return Result(found.figures, ["", *found.lines])


def line(row: dict[str, Any]) -> str:
    """A score and its protocol as one line."""
    deviation = "" if row["deviation"] is None else f" +- {row['deviation']:.4f}"
    sides = " against ".join(f"{side['count']} of {side['name']} ({side['split']})" for side in row["sides"])
    protocol = row["protocol"]
    parts = [f"N {sides}", row["how"], protocol.get("input", "")]
    if "network" in protocol:
        about = f"{protocol['about']}, " if protocol["about"] else ""
        parts.append(f"{protocol['network']} ({about}weights SHA-256 {protocol['weights'][:12]})")
    parts += [f"seed {row['seed']}", *row["notes"]]
    return f"{row['title']} {row['value']:.4f}{deviation} | " + "; ".join(filter(None, parts))


def _input(images: np.ndarray) -> dict[str, str]:
    return {"input": f"{images.shape[2]}x{images.shape[1]}"}


def _sides(sides: Sequence[Side | Statistics], counts: Sequence[int]) -> list[dict[str, Any]]:
    pairs = zip(sides, counts, strict=True)
    return [{"name": side.name, "split": side.split, "count": count} for side, count in pairs]


def _notes(sides: Sequence[Statistics], counts: Sequence[int]) -> list[str]:
    notes = [f"{note} in {side.name}" for side in sides for note in side.notes]
    return notes + ([f"N below {ENOUGH:,}"] if min(counts) < ENOUGH else [])


def _short(value: Any) -> str:
    """A value of a protocol for a message: a digest by its first digits."""
    text = str(value)
    return f"{text[:12]}..." if len(text) == 64 else text


def _first_images(side: Side | Statistics, score: str) -> np.ndarray:
    """The first images of a side, for scores of pixels."""
    if isinstance(side, Statistics):
        raise UserError(f"--scores {score} needs images, and {side.name} holds statistics; accepted are the others.")
    found: list[np.ndarray] = []
    for batch in side.images():
        found.append(batch)
        if sum(map(len, found)) >= _MOST_PIXELS:
            break
    images = np.concatenate(found)[:_MOST_PIXELS]
    if len(images) < 2:
        raise UserError(f"{side.name} holds {len(images)} images; accepted are two or more.")
    return images

"""Metrics between images and their references: L1, PSNR, SSIM, MS-SSIM and LPIPS; KL, CC, SIM and NSS of saliency maps.

Every image is compared with its own reference, and all images have the same weight. The formulas are in
`ops.reconstruction`, `ops.saliency` and `networks.lpips`. Standard deviations are those over images (divisor n), not
of the mean.
"""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_gen.console import psnr_text
from keras_gen.errors import UserError
from keras_gen.files import sha256_of
from keras_gen.networks import lpips
from keras_gen.ops import reconstruction, saliency

_WORST = 3  # number of worst images that a table names


@dataclasses.dataclass(frozen=True)
class Measure:
    """A metric between two images.

    Attributes:
        title: name and unit.
        protocol: the conventions that a comparison with other values of this name must share.
        compare: maps two batches of images in [-1, 1], (batch, H, W, channels), to values (batch,).
        higher_is_better: True for similarities such as PSNR and SSIM, False for distances.
        min_side: smallest side of an image [pixels].
    """

    title: str
    protocol: str
    compare: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    higher_is_better: bool = True
    min_side: int = 1


_WINDOW = "Gaussian window 11x11, sigma 1.5, inside the image; K1 0.01, K2 0.03, range 255; mean of the channels"
_MAPS = "saliency maps as densities over pixels, where black is 0 (Bylinskii et al. 2019)"


def _of_maps(compare: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Applies a metric of maps in [0, 1] to images in [-1, 1]."""
    return lambda images, reference: compare(0.5 * (images + 1.0), 0.5 * (reference + 1.0))


_MEASURES = {
    "l1": Measure(
        "L1",
        "mean absolute error over pixels and channels, in units of [-1, 1]",
        reconstruction.l1,
        higher_is_better=False,
    ),
    "psnr": Measure(
        "PSNR [dB]",
        "10 log10(255^2 / MSE) of each image, with the MSE over pixels and channels (RGB, not luma); at most 120",
        reconstruction.psnr,
    ),
    "ssim": Measure("SSIM", f"Wang et al. 2004; {_WINDOW}", reconstruction.ssim, min_side=reconstruction.SSIM_MIN_SIDE),
    "ms_ssim": Measure(
        "MS-SSIM",
        f"Wang et al. 2003; 5 scales with weights 0.0448, 0.2856, 0.3001, 0.2363, 0.1333; {_WINDOW}",
        reconstruction.ms_ssim,
        min_side=reconstruction.MS_SSIM_MIN_SIDE,
    ),
    "kl": Measure(
        "KL [nats]",
        f"KL divergence of the map from the reference; {_MAPS}",
        _of_maps(saliency.kl_divergence),
        higher_is_better=False,
    ),
    "cc": Measure("CC", f"linear correlation coefficient; {_MAPS}", _of_maps(saliency.correlation)),
    "sim": Measure("SIM", f"histogram intersection; {_MAPS}", _of_maps(saliency.similarity)),
    "nss": Measure(
        "NSS",
        f"mean of the standardised map under the reference's density instead of at single fixations; {_MAPS}",
        _of_maps(saliency.normalised_scanpath),
    ),
}
NAMES = (*_MEASURES, "lpips")
"""The names that `measures` accepts."""


def measures(names: Sequence[str], weights: Path | None = None) -> dict[str, Measure]:
    """The metrics of `--metrics`, by name.

    Args:
        names: any of `NAMES`.
        weights: weights of lpips, see `networks.lpips.load_lpips`.

    Raises:
        UserError: for lpips without weights, weights without lpips, or a file that does not contain such weights.
    """
    if ("lpips" in names) != (weights is not None):
        needs = (
            "--metrics lpips needs --weights FILE" if weights is None else f"--weights {weights} needs --metrics lpips"
        )
        raise UserError(f"{needs}; use both or neither.")
    return {name: _lpips(weights) if name == "lpips" else _MEASURES[name] for name in names}


def _lpips(file: Path) -> Measure:
    network = lpips.load_lpips(file)
    backbone = network.name.removeprefix("lpips_")

    def compare(images: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
        pair = [tf.cast(side, tf.float32) for side in (images, reference)]
        return network([tf.image.grayscale_to_rgb(side) if side.shape[-1] == 1 else side for side in pair])

    digest = sha256_of(file)
    protocol = (
        f"Zhang et al. 2018, version 0.1, {backbone}, weights {file.name} (SHA-256 {digest[:12]}); at full size, in "
        "RGB; grey images are repeated in three channels"
    )
    return Measure("LPIPS", protocol, compare, higher_is_better=False, min_side=lpips.MIN_SIDE[backbone])


def title(name: str) -> str:
    """The printed title of one of `NAMES`, with its unit."""
    return _MEASURES[name].title if name in _MEASURES else "LPIPS"


def figure_text(name: str, value: float) -> str:
    """The printed value of one of `NAMES`."""
    return psnr_text(value, 4) if name == "psnr" else f"{value:.4f}"


class Reconstruction:
    """Metrics between images and their references, collected batch by batch.

    Examples:
        >>> metrics = Reconstruction(measures(["l1", "psnr"]))
        >>> metrics.update(tf.zeros((4, 8, 8, 3)), tf.fill((4, 8, 8, 3), 0.5))
        >>> {name: round(mean, 2) for name, mean in metrics.means().items()}
        {'l1': 0.5, 'psnr': 12.04}
    """

    def __init__(self, measures: dict[str, Measure], *, as_fits: bool = False) -> None:
        """Args:
        measures: metrics by name, from `measures`.
        as_fits: whether a metric that cannot be computed for the images is left out instead of refused.
        """
        self._measures, self._as_fits = dict(measures), as_fits
        self._values: dict[str, list[np.ndarray]] = {name: [] for name in measures}

    def empty_copy(self) -> Reconstruction:
        """A new object with the same metrics and no values."""
        return Reconstruction(self._measures, as_fits=self._as_fits)

    def require_suitable(self, height: int, width: int, channels: int, name: str) -> None:
        """Checks before the first batch that all metrics can be computed for such images [pixels].

        With `as_fits`, the metrics that cannot are removed.

        Raises:
            UserError: naming `--metrics` and the image `name`, unless `as_fits`.
        """
        for metric, measure in list(self._measures.items()):
            if min(height, width) < measure.min_side:
                accepted, found = f"sides of {measure.min_side} pixels or more", f"has {width}x{height}"
            elif metric == "lpips" and channels > 3:
                accepted, found = "grey or RGB images", f"has {channels} channels"
            else:
                continue
            if not self._as_fits:
                raise UserError(f"--metrics {metric} needs {accepted}, but {name} {found}: leave {metric} out.")
            del self._measures[metric], self._values[metric]

    def update(self, images: tf.Tensor, reference: tf.Tensor) -> None:
        """Adds a batch of images and their references, each (batch, H, W, channels) in [-1, 1]."""
        for name, measure in self._measures.items():
            self._values[name].append(np.asarray(measure.compare(images, reference)))

    def values(self) -> dict[str, list[float]]:
        """The values of all images in order, by metric."""
        return {name: np.concatenate(values).tolist() for name, values in self._values.items()}

    def means(self) -> dict[str, float]:
        """The mean over images, by metric."""
        return {name: float(np.mean(values)) for name, values in self.values().items()}

    def result(self, names: Sequence[str] = ()) -> dict[str, Any]:
        """Mean, standard deviation ("sd") and protocol, by metric, as values that JSON can hold.

        Args:
            names: names of the images in order. If given, the worst images are named too.
        """
        found: dict[str, Any] = {}
        for name, values in self.values().items():
            measure = self._measures[name]
            found[name] = {"mean": float(np.mean(values)), "sd": float(np.std(values)), "protocol": measure.protocol}
            if names:
                order = np.argsort(values if measure.higher_is_better else np.negative(values), kind="stable")
                found[name]["worst"] = {names[i]: values[i] for i in order[:_WORST]}
        return found

    @staticmethod
    def lines(result: dict[str, Any]) -> list[str]:
        """A printable table of `result`, and the protocols; empty without metrics."""
        if not result:
            return []
        worst = any("worst" in figures for figures in result.values())
        return [
            f"{'reconstruction':<24}{'mean':>12}{'sd':>12}{'   worst' * worst}",
            *(
                f"{title(name):<24}{figure_text(name, figures['mean']):>12}{figures['sd']:12.4f}"
                + "   " * worst
                + ", ".join(f"{image} ({value:.4g})" for image, value in figures.get("worst", {}).items())
                for name, figures in result.items()
            ),
            "",
            *(
                line
                for name, figures in result.items()
                for line in textwrap.wrap(f"{title(name)}: {figures['protocol']}", 100, subsequent_indent="    ")
            ),
        ]

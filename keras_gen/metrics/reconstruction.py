"""How far images are from those that they should be: L1, PSNR, SSIM, MS-SSIM and LPIPS of each, and their means.

Of maps of saliency: KL, CC, SIM and NSS. Each image is compared with its own reference and weighs the same;
`ops.reconstruction`, `ops.saliency` and `networks.lpips` have the formulas. The standard deviation is that of the
images (divisor n), not of the mean.
"""

from __future__ import annotations

import dataclasses
import hashlib
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_gen.console import psnr_text
from keras_gen.errors import UserError
from keras_gen.networks import lpips
from keras_gen.ops import reconstruction, saliency

_WORST = 3  # images that a table names


@dataclasses.dataclass(frozen=True)
class Measure:
    """One way to compare two images.

    Attributes:
        title: with its unit.
        protocol: what makes the figure comparable with others of the name.
        distance: two batches of images in [-1, 1], (batch, H, W, channels), -> (batch,).
        more_is_better: PSNR and SSIM are likenesses, the others distances.
        smallest: side of an image [pixels].
    """

    title: str
    protocol: str
    distance: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    more_is_better: bool = True
    smallest: int = 1


_WINDOW = "Gaussian window 11x11, sigma 1.5, inside the image; K1 0.01, K2 0.03, range 255; mean of the channels"
_MAPS = "maps of saliency as densities over pixels, black being 0 (Bylinskii et al. 2019)"


def _of_maps(compare: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """A measure of maps from 0 on, for images from -1 on."""
    return lambda images, reference: compare(0.5 * (images + 1.0), 0.5 * (reference + 1.0))


_MEASURES = {
    "l1": Measure(
        "L1",
        "mean absolute difference over pixels and channels, in units of [-1, 1]",
        reconstruction.l1,
        more_is_better=False,
    ),
    "psnr": Measure(
        "PSNR [dB]",
        "10 log10(255^2 / MSE) of each image, the MSE over its pixels and channels (RGB, not luma); 120 for equal ones",
        reconstruction.psnr,
    ),
    "ssim": Measure("SSIM", f"Wang et al. 2004; {_WINDOW}", reconstruction.ssim, smallest=reconstruction.SSIM_SMALLEST),
    "ms_ssim": Measure(
        "MS-SSIM",
        f"Wang et al. 2003; 5 scales of weights 0.0448, 0.2856, 0.3001, 0.2363, 0.1333; {_WINDOW}",
        reconstruction.ms_ssim,
        smallest=reconstruction.MS_SSIM_SMALLEST,
    ),
    "kl": Measure(
        "KL [nats]",
        f"KL divergence of the map from the reference; {_MAPS}",
        _of_maps(saliency.kl_divergence),
        more_is_better=False,
    ),
    "cc": Measure("CC", f"linear correlation coefficient; {_MAPS}", _of_maps(saliency.correlation)),
    "sim": Measure("SIM", f"intersection of histograms; {_MAPS}", _of_maps(saliency.similarity)),
    "nss": Measure(
        "NSS",
        f"mean of the standardised map under the reference's density, not at single fixations; {_MAPS}",
        _of_maps(saliency.normalised_scanpath),
    ),
}
NAMES = (*_MEASURES, "lpips")


def measures(names: Sequence[str], weights: Path | None = None) -> dict[str, Measure]:
    """The measures of `--metrics`, by name.

    Args:
        names: any of `NAMES`.
        weights: file of `networks.lpips.load_lpips`, for lpips.

    Raises:
        UserError: for lpips without weights or weights without lpips, or weights that are none.
    """
    if ("lpips" in names) != (weights is not None):
        given = (
            "--metrics lpips needs --weights FILE" if weights is None else f"--weights {weights} needs --metrics lpips"
        )
        raise UserError(f"{given}, the two belong together.")
    return {name: _lpips(weights) if name == "lpips" else _MEASURES[name] for name in names}


def _lpips(file: Path) -> Measure:
    network = lpips.load_lpips(file)
    backbone = network.name.removeprefix("lpips_")

    def distance(images: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
        pair = [tf.cast(side, tf.float32) for side in (images, reference)]
        return network([tf.image.grayscale_to_rgb(side) if side.shape[-1] == 1 else side for side in pair])

    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    protocol = (
        f"Zhang et al. 2018, version 0.1, {backbone}, weights {file.name} (SHA-256 {digest[:12]}); at full size, "
        "RGB, grey repeated"
    )
    return Measure("LPIPS", protocol, distance, more_is_better=False, smallest=lpips.SMALLEST[backbone])


def title(name: str) -> str:
    """How one of `NAMES` is called on the screen, with its unit."""
    return _MEASURES[name].title if name in _MEASURES else "LPIPS"


def figure_text(name: str, value: float) -> str:
    """A value of one of `NAMES` on the screen."""
    return psnr_text(value, 4) if name == "psnr" else f"{value:.4f}"


class Reconstruction:
    """The distances of images from their references."""

    def __init__(self, measures: dict[str, Measure], *, as_fits: bool = False) -> None:
        """Args:
        measures: by name, as `measures` gives them.
        as_fits: leave out a measure that does not take the images, instead of refusing them.
        """
        self._measures, self._as_fits = dict(measures), as_fits
        self._values: dict[str, list[np.ndarray]] = {name: [] for name in measures}

    def another(self) -> Reconstruction:
        """An empty one of the same measures."""
        return Reconstruction(self._measures, as_fits=self._as_fits)

    def expect(self, height: int, width: int, channels: int, name: str) -> None:
        """Make sure before the first batch that every measure takes such images.

        Raises:
            UserError: naming `--metrics` and the image `name`, unless `as_fits`.
        """
        for metric, measure in list(self._measures.items()):
            if min(height, width) < measure.smallest:
                accepted, found = f"sides of {measure.smallest} pixels and more", f"{width}x{height}"
            elif metric == "lpips" and channels > 3:
                accepted, found = "grey and RGB", f"of {channels} channels"
            else:
                continue
            if not self._as_fits:
                raise UserError(f"--metrics {metric} takes {accepted}, and {name} is {found}: leave {metric} out.")
            del self._measures[metric], self._values[metric]

    def update(self, images: tf.Tensor, reference: tf.Tensor) -> None:
        """Compare a batch: two of (batch, H, W, channels) in [-1, 1]."""
        for name, measure in self._measures.items():
            self._values[name].append(np.asarray(measure.distance(images, reference)))

    def values(self) -> dict[str, list[float]]:
        """measure -> its value for every image, in order."""
        return {name: np.concatenate(values).tolist() for name, values in self._values.items()}

    def means(self) -> dict[str, float]:
        """measure -> mean over the images."""
        return {name: float(np.mean(values)) for name, values in self.values().items()}

    def result(self, names: Sequence[str] = ()) -> dict[str, Any]:
        """measure -> mean, sd and protocol, as plain values.

        Args:
            names: of the images in order; with them the worst are named too.
        """
        found: dict[str, Any] = {}
        for name, values in self.values().items():
            measure = self._measures[name]
            found[name] = {"mean": float(np.mean(values)), "sd": float(np.std(values)), "protocol": measure.protocol}
            if names:
                order = np.argsort(values if measure.more_is_better else np.negative(values), kind="stable")
                found[name]["worst"] = {names[i]: values[i] for i in order[:_WORST]}
        return found

    @staticmethod
    def lines(result: dict[str, Any]) -> list[str]:
        """A table of `result` for the screen, and the protocols; nothing without measures."""
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

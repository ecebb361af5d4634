"""Modes of a Gaussian mixture that a generator covers (Srivastava et al. 2017, VEEGAN, arXiv 1705.07761, section 4.1).

A sample has high quality if it lies within three standard deviations of the nearest mode. A mode is found if it is the
nearest one of at least one such sample. Samples of the mixture itself have 1 - exp(-9/2) = 98.89 % high quality.

In addition to the paper, the KL divergence between the modes' histogram over high-quality samples and the uniform
distribution measures how evenly the modes are covered. It is 0 for equal counts, log(modes) if only one mode is left,
and about (modes - 1) / 2n for n samples of the mixture itself.
"""

from __future__ import annotations

import math
import textwrap
from typing import Any

import numpy as np

SAMPLES = 2_500
"""Number of samples in the paper, which reports means of five runs."""
WITHIN = 3.0
"""Largest distance of a high-quality sample from its mode [standard deviations]."""


class Modes:
    """Counts the modes that samples cover.

    Examples:
        >>> modes = Modes(np.array([[0.0, 0.0], [1.0, 0.0]]), deviation=0.1)
        >>> modes.update([[0.1, 0.0], [0.0, 0.2], [0.5, 0.0]])
        >>> result = modes.result()
        >>> result["found"], round(result["high_quality"], 3), result["counts"]
        (1, 0.667, [2, 0])
    """

    def __init__(self, centres: np.ndarray, deviation: float) -> None:
        """Args:
        centres: centres of the modes, (modes, 2).
        deviation: standard deviation of each coordinate around a centre.
        """
        self._centres, self._deviation = np.asarray(centres, np.float64), float(deviation)
        self._counts = np.zeros(len(self._centres), np.int64)
        self._samples = 0

    def update(self, samples: Any) -> None:
        """Adds samples: points (n, 2), or images of one pixel (n, 1, 1, 2). Non-finite samples belong to no mode."""
        points = np.asarray(samples, np.float64).reshape(-1, 2)
        distance = np.linalg.norm(points[:, None] - self._centres, axis=-1)
        nearest = distance.argmin(axis=1)
        good = distance[np.arange(len(points)), nearest] <= WITHIN * self._deviation
        self._counts += np.bincount(nearest[good], minlength=len(self._counts))
        self._samples += len(points)

    def result(self) -> dict[str, Any]:
        """Number of modes found, fraction of high quality, KL divergence [nats], counts and protocol.

        All are values that JSON can hold. Without any sample of high quality, the KL divergence is None.
        """
        good = int(self._counts.sum())
        shares = self._counts[self._counts > 0] / max(good, 1)
        modes = len(self._counts)
        return {
            "found": int(np.count_nonzero(self._counts)),
            "of": modes,
            "high_quality": good / self._samples,
            "kl_from_uniform": math.log(modes) + float(np.sum(shares * np.log(shares))) if good else None,
            "counts": self._counts.tolist(),
            "protocol": {"samples": self._samples, "within_deviations": WITHIN, "deviation": self._deviation},
        }

    @staticmethod
    def lines(result: dict[str, Any]) -> list[str]:
        """A printable table of `result`, and the protocol as a paragraph."""
        protocol, divergence = result["protocol"], result["kl_from_uniform"]
        text = (
            f"Srivastava et al. 2017: {protocol['samples']} samples; high quality means within "
            f"{protocol['within_deviations']:g} standard deviations ({protocol['deviation']:g}) of the nearest mode; a "
            "mode is found if it has one such sample. KL: histogram of modes over high-quality samples from uniform."
        )
        if protocol["samples"] != SAMPLES:
            text += f" The paper uses {SAMPLES} samples; more samples find more modes."
        return [
            f"{'modes found':<24}{result['found']:>12} of {result['of']}",
            f"{'high quality [%]':<24}{100 * result['high_quality']:12.2f}",
            f"{'KL from uniform [nats]':<24}{'none' if divergence is None else f'{divergence:.4f}':>12}",
            "",
            *textwrap.wrap(text, 100),
        ]

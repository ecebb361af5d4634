"""How many modes of a known mixture a generator has found, how well, and how evenly (Srivastava et al. 2017, VEEGAN,
arXiv 1705.07761, section 4.1).

A sample is of high quality if it lies within three deviations of the nearest mode; a mode is found if it is the nearest
one of at least one such sample. What is round and normal itself has 1 - exp(-9/2) = 98.89 % of high quality. How evenly
the samples of high quality fall to the modes, which the paper leaves out, is the KL divergence of their histogram from
the uniform one: 0 for equal counts, log(modes) for one mode alone, and about (modes - 1) / 2n for n samples of the
mixture itself.
"""

from __future__ import annotations

import math
import textwrap
from typing import Any

import numpy as np

SAMPLES = 2_500  # as in the paper, whose figures are means of five runs
WITHIN = 3.0  # deviations


class Modes:
    """Which modes samples fall to."""

    def __init__(self, centres: np.ndarray, deviation: float) -> None:
        """Args:
        centres: of the modes, (modes, 2).
        deviation: of each coordinate around them, in the same units.
        """
        self._centres, self._deviation = np.asarray(centres, np.float64), float(deviation)
        self._counts = np.zeros(len(self._centres), np.int64)
        self._samples = 0

    def update(self, samples: Any) -> None:
        """Judge a batch: points (n, 2), or images of one pixel (n, 1, 1, 2). One that is not finite fits no mode."""
        points = np.asarray(samples, np.float64).reshape(-1, 2)
        distance = np.linalg.norm(points[:, None] - self._centres, axis=-1)
        nearest = distance.argmin(axis=1)
        good = distance[np.arange(len(points)), nearest] <= WITHIN * self._deviation
        self._counts += np.bincount(nearest[good], minlength=len(self._counts))
        self._samples += len(points)

    def result(self) -> dict[str, Any]:
        """Modes found, the share of high quality, the KL divergence [nats], the counts, and the protocol, as plain
        values. Without a sample of high quality there is no divergence: None.
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
        """`result` for the screen, and the protocol as a paragraph."""
        protocol, divergence = result["protocol"], result["kl_from_uniform"]
        text = (
            f"Srivastava et al. 2017: {protocol['samples']} samples, of high quality within "
            f"{protocol['within_deviations']:g} deviations ({protocol['deviation']:g} each) of the nearest mode, which "
            "counts as found by one of them. KL: histogram of the modes over samples of high quality, from uniform."
        )
        if protocol["samples"] != SAMPLES:
            text += f" The paper has {SAMPLES} samples: more find more modes."
        return [
            f"{'modes found':<24}{result['found']:>12} of {result['of']}",
            f"{'high quality [%]':<24}{100 * result['high_quality']:12.2f}",
            f"{'KL from uniform [nats]':<24}{'none' if divergence is None else f'{divergence:.4f}':>12}",
            "",
            *textwrap.wrap(text, 100),
        ]

"""How far generated images are from their targets: L1, PSNR and SSIM, mean and standard deviation over images.

Each image is compared with its own target (`ops.reconstruction` has the formulas) and weighs the same. The standard
deviation is that of the images (divisor n), not of the mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from keras_gen.ops import reconstruction

_DISTANCES = {"l1": "L1, range [-1, 1]", "psnr": "PSNR [dB]", "ssim": "SSIM"}


class Reconstruction:
    """The distances of generated images from their targets."""

    def __init__(self) -> None:
        self._values: dict[str, list[np.ndarray]] = {name: [] for name in _DISTANCES}

    def update(self, source: tf.Tensor, generated: tf.Tensor, target: tf.Tensor) -> None:
        """Measure a batch: images (batch, S, S, channels) in [-1, 1]; the source does not count."""
        for name, values in self._values.items():
            values.append(np.asarray(getattr(reconstruction, name)(generated, target)))

    def result(self) -> dict[str, Any]:
        """distance -> mean and sd, as plain values."""
        every = {name: np.concatenate(values) for name, values in self._values.items()}
        return {name: {"mean": float(v.mean()), "sd": float(v.std())} for name, v in every.items()}

    @staticmethod
    def lines(result: dict[str, Any]) -> list[str]:
        """A table of `result` for the screen."""
        rows = ((title, result[name]) for name, title in _DISTANCES.items())
        return [
            f"{'reconstruction':<24}{'mean':>12}{'sd':>12}",
            *(f"{title:<24}{figures['mean']:12.4f}{figures['sd']:12.4f}" for title, figures in rows),
        ]

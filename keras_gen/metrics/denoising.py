"""Evaluation of a denoiser by kind of noise: noisy and denoised images are both compared with the clean ones.

The values of denoised images mean little without those of the noisy ones, which differ between kinds of noise. A model
may also have been trained on one kind only.
"""

from __future__ import annotations

import textwrap

import tensorflow as tf

from keras_gen.metrics.reconstruction import Reconstruction, figure_text, title

ByNoise = dict[str, dict[str, dict[str, float]]]
"""Kind of noise -> "noisy" or "cleaned" -> metric -> mean over images."""


class Denoising:
    """Metrics of noisy and of denoised images, compared with the clean ones, by kind of noise."""

    def __init__(self, comparison: Reconstruction, protocol: str) -> None:
        """Args:
        comparison: provides the metrics.
        protocol: description of the noise.
        """
        self._comparison, self._protocol = comparison, protocol
        self._rows: dict[str, dict[str, Reconstruction]] = {}

    def update(self, noise: str, noisy: tf.Tensor, cleaned: tf.Tensor, clean: tf.Tensor) -> None:
        """Adds a batch with one kind of noise; all images are (batch, H, W, channels) in [-1, 1]."""
        empty = {kind: self._comparison.empty_copy() for kind in ("noisy", "cleaned")}
        row = self._rows.setdefault(noise, empty)
        row["noisy"].update(noisy, clean)
        row["cleaned"].update(cleaned, clean)

    def result(self) -> dict[str, str | ByNoise]:
        """The means over images by kind of noise, and the protocol, as values that JSON can hold."""
        means = {noise: {kind: found.means() for kind, found in row.items()} for noise, row in self._rows.items()}
        return {"means": means, "protocol": self._protocol}

    @staticmethod
    def lines(result: dict[str, str | ByNoise]) -> list[str]:
        """A printable table of `result` with two columns for each metric, and the protocol."""
        means: ByNoise = result["means"]
        names = list(next(iter(means.values()))["noisy"])
        return [
            f"{'':<16}" + "".join(f"{title(name):>22}" for name in names),
            f"{'noise':<16}" + f"{'noisy':>12}{'cleaned':>10}" * len(names),
            *(
                f"{noise:<16}"
                + "".join(
                    f"{figure_text(name, row['noisy'][name]):>12}{figure_text(name, row['cleaned'][name]):>10}"
                    for name in names
                )
                for noise, row in means.items()
            ),
            "",
            *textwrap.wrap(f"Noise: {result['protocol']}", 100, subsequent_indent="    "),
        ]

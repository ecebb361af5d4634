"""What a denoiser makes of each kind of noise: distances of noisy and of cleaned images from the clean ones.

A distance of cleaned images says little without that of the noisy ones, which differs from one kind of noise to
another; and a model may have been trained on one kind alone.
"""

from __future__ import annotations

import textwrap

import tensorflow as tf

from keras_gen.metrics.reconstruction import Reconstruction, figure_text, title

ByNoise = dict[str, dict[str, dict[str, float]]]
"""noise -> "noisy" or "cleaned" -> measure -> mean over images."""


class Denoising:
    """The distances of noisy and of cleaned images from the clean ones, by kind of noise."""

    def __init__(self, comparison: Reconstruction, protocol: str) -> None:
        """Args:
        comparison: whose measures are taken; images of the size and channels that it expects.
        protocol: what noise it is, in words.
        """
        self._comparison, self._protocol = comparison, protocol
        self._rows: dict[str, dict[str, Reconstruction]] = {}

    def update(self, noise: str, noisy: tf.Tensor, cleaned: tf.Tensor, clean: tf.Tensor) -> None:
        """Compare a batch, each (batch, H, W, channels) in [-1, 1], of one kind of noise."""
        empty = {kind: self._comparison.another() for kind in ("noisy", "cleaned")}
        row = self._rows.setdefault(noise, empty)
        row["noisy"].update(noisy, clean)
        row["cleaned"].update(cleaned, clean)

    def result(self) -> dict[str, str | ByNoise]:
        """The means over images by noise, and the protocol, as plain values."""
        means = {noise: {kind: found.means() for kind, found in row.items()} for noise, row in self._rows.items()}
        return {"means": means, "protocol": self._protocol}

    @staticmethod
    def lines(result: dict[str, str | ByNoise]) -> list[str]:
        """A table of `result` for the screen, two columns for each measure, and the protocol."""
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

"""Dropout as a source of noise."""

from __future__ import annotations

from typing import Any

import keras


class PermanentDropout(keras.layers.Dropout):
    """Dropout that stays on in inference: the noise z of pix2pix (Isola et al. 2017, arXiv 1611.07004, section 3).

    Calling a Dropout layer with `training=True` while building a functional network is not enough, because the
    network's own `training` argument overrides it.

    Examples:
        >>> import numpy as np
        >>> sorted(set(PermanentDropout(0.5, seed=0)(np.ones((1, 100)), training=False).numpy().ravel().tolist()))
        [0.0, 2.0]
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Applies dropout for any value of `training`."""
        return super().call(inputs, training=True)

"""Dropout as noise, not as regularisation."""

from __future__ import annotations

from typing import Any

import keras


class PermanentDropout(keras.layers.Dropout):
    """Dropout that is on in inference too: the noise z of pix2pix (Isola et al. 2017, section 3).

    Calling a Dropout layer with `training=True` inside a functional network does not do it: the network's own
    `training` argument overrides that.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drop units whatever `training` says."""
        return super().call(inputs, training=True)

"""Sequences of different lengths in one tensor, (batch, length, features), padded with NaN at the end."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

_LARGEST = float(np.finfo(np.float32).max)


def step_mask(sequences: Any) -> Any:
    """Mask of the steps that are not padding: (batch, length, features) -> bool (batch, length).

    It also works with symbolic Keras tensors.
    """
    # NaN fails every comparison. TFLite has no operator for isnan, and x == x would be optimised away.
    return ops.all(ops.abs(sequences) <= _LARGEST, axis=-1)


def squared_errors(reconstructed: Any, sequences: Any, deviation: Any) -> Any:
    """Squared error of every step, mean over features: (batch, length), 0 for padding.

    Args:
        reconstructed: finite values, (batch, length, features).
        sequences: the original sequences, of the same shape, padded with NaN.
        deviation: standard deviation of each feature, (features,): the unit of the errors.
    """
    # The difference is masked before it is squared, or the gradient of padding would be 0 times NaN, which is NaN.
    difference = ops.where(step_mask(sequences)[..., None], (reconstructed - sequences) / deviation, 0.0)
    return ops.mean(ops.square(difference), axis=-1)


def mean_over_steps(values: Any, sequences: Any) -> Any:
    """Mean of `values` over the steps of each sequence: (batch,).

    Args:
        values: (batch, length), 0 for padding, such as the result of `squared_errors`.
        sequences: (batch, length, features), padded with NaN; each has at least one step.
    """
    return ops.sum(values, axis=-1) / ops.sum(ops.cast(step_mask(sequences), values.dtype), axis=-1)

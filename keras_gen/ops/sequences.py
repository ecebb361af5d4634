"""Sequences of different lengths in one tensor, (batch, length, features), NaN from the end of each one on."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

_LARGEST = float(np.finfo(np.float32).max)


def present(sequences: Any) -> Any:
    """Which steps are part of a sequence: (batch, length, features) -> bool (batch, length).

    `keras.ops`, so that layers can ask it of symbolic tensors too.
    """
    # A comparison that NaN fails: TFLite has no operator for isnan, and x == x is optimised away.
    return ops.all(ops.abs(sequences) <= _LARGEST, axis=-1)


def squared_errors(drawn: Any, sequences: Any, deviation: Any) -> Any:
    """Squared difference at every step in units of `deviation`, mean over features, 0 beyond the end: (batch, length).

    Args:
        drawn: float (batch, length, features), finite.
        sequences: what should have been drawn, the same shape, NaN beyond the end.
        deviation: of each feature, (features,).
    """
    there = present(sequences)
    # The difference is taken away before it is squared: 0 times NaN would be NaN, in the gradient too.
    difference = ops.where(there[..., None], (drawn - sequences) / deviation, 0.0)
    return ops.mean(ops.square(difference), axis=-1)


def mean_over_steps(values: Any, sequences: Any) -> Any:
    """Mean of `values` (batch, length), 0 beyond the end, over the steps of each of `sequences`: (batch,)."""
    return ops.sum(values, axis=-1) / ops.sum(ops.cast(present(sequences), values.dtype), axis=-1)

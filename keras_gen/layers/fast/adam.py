"""Adam with a single fused operation per variable."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class FusedAdam(keras.optimizers.Adam):
    """`keras.optimizers.Adam`, with an update that passes over memory once.

    Keras' update consists of about fifteen operations, each of which reads and writes tensors as large as the weights.
    With a batch size of 1 this is a large part of a training step. TensorFlow's fused kernel does the same arithmetic
    element by element. Slots and configuration are those of Keras' Adam, so either optimizer can continue from the
    other's state. With `amsgrad`, this is Keras' Adam.

    Examples:
        >>> import numpy as np
        >>> variables = [keras.Variable([1.0, 2.0]) for _ in range(2)]
        >>> for optimizer, variable in zip((keras.optimizers.Adam(0.1), FusedAdam(0.1)), variables):
        ...     optimizer.build([variable])
        ...     optimizer.apply([keras.ops.array([0.5, -3.0])], [variable])
        >>> bool(np.allclose(variables[0], variables[1]))
        True
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One update of a variable (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1 as reordered in section 2)."""
        if self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        step = keras.ops.cast(self.iterations + 1, variable.dtype)
        # Keras' operations round the decay rates to float32 first. For float64 variables, these must do the same.
        beta_1_power, beta_2_power = (
            keras.ops.power(keras.ops.cast(beta, variable.dtype), step) for beta in (self.beta_1, self.beta_2)
        )
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=beta_1_power,
            beta2_power=beta_2_power,
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, variable.dtype),
        )

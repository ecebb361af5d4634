"""Adam as one operation for each variable."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class FusedAdam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` whose update passes once over memory.

    Keras writes the rule as some fifteen operations on whole tensors, each of which reads and writes all weights: at a
    batch of 1 a large share of the step. TensorFlow's kernel does the same arithmetic element by element. Slots and
    configuration are those of Keras' Adam: either goes on with the other's.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Kingma and Ba 2015, arXiv 1412.6980, algorithm 1 in the order of the end of its section 2."""
        if self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        step = keras.ops.cast(self.iterations + 1, variable.dtype)
        # By Keras' own operations: of float64 variables they round the decays to float32 first.
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

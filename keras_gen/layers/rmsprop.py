"""RMSprop as in Torch, with epsilon outside the square root."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class TorchRMSprop(keras.optimizers.RMSprop):
    """`keras.optimizers.RMSprop` with epsilon added after the square root, as in Torch and in the code of WGAN.

    Keras divides by sqrt(v + epsilon), so gradients smaller than sqrt(epsilon), 3e-4 by default, hardly change the
    weights. The gradients of a clipped critic are smaller than that, and a generator that is trained with it would
    hardly move. With sqrt(v) + epsilon, the size of a step does not depend on the size of the gradients:

        v <- rho v + (1 - rho) g^2
        m <- momentum m + learning_rate g / (sqrt(v) + epsilon)
        w <- w - m

    The arguments are those of Keras' RMSprop, with the defaults of `torch.optim.RMSprop`.

    Raises:
        ValueError: if `centered` is True, which is not supported.

    Examples:
        >>> import keras
        >>> variable = keras.Variable([1.0, 1.0])
        >>> optimizer = TorchRMSprop(learning_rate=0.01)
        >>> optimizer.build([variable])
        >>> optimizer.apply([keras.ops.array([1e-3, -3.0])], [variable])
        >>> [round(float(value), 3) for value in variable.numpy()]  # each by 0.01 / sqrt(1 - 0.99)
        [0.9, 1.1]
    """

    def __init__(self, learning_rate: Any = 0.01, rho: float = 0.99, epsilon: float = 1e-8, **settings: Any) -> None:
        super().__init__(learning_rate, rho=rho, epsilon=epsilon, **settings)
        if self.centered:
            raise ValueError("centered got True; accepted is False.")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One update of a variable (Tieleman and Hinton 2012, Neural Networks for Machine Learning, lecture 6e)."""
        rate, gradient = ops.cast(learning_rate, variable.dtype), ops.cast(gradient, variable.dtype)
        index = self._get_variable_index(variable)
        velocity = self._velocities[index]
        self.assign(velocity, self.rho * velocity + (1.0 - self.rho) * ops.square(gradient))
        change = rate * gradient / (ops.sqrt(velocity) + self.epsilon)
        if self.momentum > 0:
            momentum = self._momentums[index]
            self.assign(momentum, self.momentum * momentum + change)
            change = momentum
        self.assign_sub(variable, change)

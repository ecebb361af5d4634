"""Gates against their formula."""

import numpy as np

from keras_gen.layers.gates import TanhGate


def test_the_second_half_gates_the_first():
    x = np.random.default_rng(0).normal(size=(2, 3, 6)).astype(np.float32)
    layer = TanhGate()
    np.testing.assert_allclose(layer(x), np.tanh(x[..., :3]) / (1 + np.exp(-x[..., 3:])), rtol=1e-5, atol=1e-6)
    assert layer.compute_output_shape((2, 3, 6)) == (2, 3, 3)

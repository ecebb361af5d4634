"""Which errors of TensorFlow become one sentence for the user, and which keep their traceback."""

import numpy as np
import pytest
import tensorflow as tf

import keras_gen
from keras_gen.errors import UserError, from_system


def raised(action):
    with pytest.raises(tf.errors.OpError) as caught:
        action()
    return caught.value


def test_a_missing_file_is_the_users():
    fault = from_system(raised(lambda: tf.io.read_file("/nowhere/at_all.png")))
    assert str(fault) == "/nowhere/at_all.png; No such file or directory."


def test_a_lost_resource_is_ours():
    def read_a_table_that_is_gone():
        handle = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=(), shared_name="gone")
        tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)

    error = raised(read_a_table_that_is_gone)
    assert "localhost" in error.message  # it is the kind that is meant
    assert from_system(error) is None


def test_a_fit_keeps_the_traceback_of_what_is_not_the_datas():
    def batches():
        yield np.zeros((4, 8, 8, 1), np.float32)
        tf.io.read_file("/nowhere/at_all.png")

    def refused():
        yield np.zeros((4, 8, 8, 1), np.float32)
        raise UserError("cat.png is damaged.")

    model = keras_gen.VAE(image_size=8, latent_dim=2, hidden_units=(8,), filters=2)
    model.compile()
    signature = tf.TensorSpec((None, 8, 8, 1))
    with pytest.raises(tf.errors.OpError):
        model.fit(tf.data.Dataset.from_generator(batches, output_signature=signature), verbose=0)
    with pytest.raises(UserError, match=r"^cat.png is damaged\.$"):
        model.fit(tf.data.Dataset.from_generator(refused, output_signature=signature), verbose=0)

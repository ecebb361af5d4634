"""The two signatures of a SavedModel."""

import numpy as np
import pytest
import tensorflow as tf

from keras_gen.errors import UserError
from keras_gen.export.saved_model import SavedModel, write_saved_model
from keras_gen.ops.pixels import to_float, to_uint8


@pytest.fixture(scope="module")
def saved(served, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "model"
    write_saved_model(served, path)
    return path


def test_both_signatures_draw_what_the_network_draws(network, images, saved):
    assert set(tf.saved_model.load(str(saved)).signatures) == {"serving_default", "serving_uint8"}
    expected = network.predict(images, verbose=0)
    np.testing.assert_allclose(SavedModel(saved)(images), expected, atol=1e-6)
    levels = tf.saved_model.load(str(saved)).signatures["serving_uint8"](source=tf.constant(to_uint8(images)))["drawn"]
    assert levels.dtype == tf.uint8
    rounded = network.predict(to_float(to_uint8(images)), verbose=0)
    assert np.abs(levels.numpy() - (rounded + 1) * 127.5).max() <= 0.501
    np.testing.assert_array_equal(SavedModel(saved, "uint8")(images), to_float(levels.numpy()))


def test_weights_are_stored_once(network, saved):
    stored = sum(file.stat().st_size for file in (saved / "variables").iterdir())
    assert stored < 1.3 * 4 * network.count_params() + 20_000


def test_a_signature_that_is_not_there_is_named(tmp_path, served):
    write_saved_model(served, tmp_path / "one", ios=["float"])
    with pytest.raises(UserError, match="serving_uint8"):
        SavedModel(tmp_path / "one", "uint8")

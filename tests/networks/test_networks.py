"""The U-Net and the PatchGAN: shapes, skips and receptive fields."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gen.networks.patchgan import patchgan, receptive_field, smallest_image
from keras_gen.networks.unet import levels_of, unet


@pytest.mark.parametrize("patch", [1, 16, 70])
def test_a_logit_sees_a_patch_of_that_side(patch):
    """Measured, not computed: the gradient of the central logit is nonzero on exactly patch x patch pixels."""
    size = 2 * patch + 32 - 2 * patch % 32
    network = patchgan(size, (3,), patch=patch, filters=4, norm="batch")  # running statistics: no pixel sees another
    assert receptive_field(network) == patch
    image = tf.random.stateless_normal((1, size, size, 3), (0, 0))
    with tf.GradientTape() as tape:
        tape.watch(image)
        logits = network(image, training=False)
        middle = logits.shape[1] // 2
        logit = logits[0, middle, middle, 0]
    touched = np.abs(tape.gradient(logit, image)[0]).sum(-1) > 0
    rows, columns = np.flatnonzero(touched.any(1)), np.flatnonzero(touched.any(0))
    assert (rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1) == (patch, patch)


def test_the_largest_patch():
    network = patchgan(256, (3, 3), patch=286, filters=4)
    assert receptive_field(network) == 286
    assert len(network.inputs) == 2


@pytest.mark.parametrize("patch", [1, 16, 70, 286])
def test_the_smallest_image_leaves_one_logit(patch):
    smallest = smallest_image(patch)
    assert patchgan(smallest, (3,), patch=patch, filters=4).output_shape == (None, 1, 1, 1)
    with pytest.raises(ValueError, match=r"zero or negative|shape"):
        patchgan(smallest - 1, (3,), patch=patch, filters=4)


def test_the_paper_discriminator_has_30_by_30_logits():
    assert patchgan(256, (3, 3), patch=70, filters=4).output_shape == (None, 30, 30, 1)


@pytest.mark.parametrize(("size", "levels"), [(16, 2), (48, 4), (32, 5)])
def test_unet_keeps_the_size(size, levels):
    network = unet(size, 5, 2, levels=levels, filters=4)
    assert network.output_shape == (None, size, size, 2)
    drawn = network(np.random.default_rng(0).normal(size=(1, size, size, 5)).astype("float32"))
    assert np.abs(drawn).max() < 1.0


def test_skips_carry_what_the_bottleneck_loses():
    """With zero weights at the bottleneck, the U-Net's output still depends on the input; without skips it cannot."""
    for skips in (True, False):
        keras.utils.set_random_seed(0)
        network = unet(16, 3, 3, levels=4, filters=4, skips=skips, dropout=0.0)
        layer = network.get_layer("down3_conv")
        layer.set_weights([0 * w for w in layer.get_weights()])
        images = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype("float32")
        first, second = network(images).numpy()
        assert np.allclose(first, second) == (not skips)


def test_unet_refuses_a_size_that_does_not_halve():
    with pytest.raises(ValueError, match="multiples of"):
        unet(20, 3, 3, levels=3)


def test_levels_of():
    assert [levels_of(size) for size in (256, 1024, 96, 7)] == [8, 8, 5, 0]

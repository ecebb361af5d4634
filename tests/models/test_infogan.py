"""InfoGAN: conformance, the positions of the codes, and which players maximise the information."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance, without_noise

from keras_gen.errors import UserError
from keras_gen.models.gan import DiscriminatorOutput
from keras_gen.models.infogan import Config, InfoGAN
from keras_gen.ops.adversarial import AdversarialLoss

TINY = Config(image_size=8, channels=3, latent_dim=3, filters=2, categories=4, continuous=2, recogniser_units=5)
PLAYERS = {"generator": ("generator",), "discriminator": ("discriminator",)}


def batch(seed, count):
    rng = np.random.default_rng(seed)
    images = rng.uniform(-1, 1, (count, 8, 8, 3)).astype(np.float32)
    return tf.constant(images), tf.constant(rng.integers(0, 4, count), tf.int32)


class Calm(without_noise(InfoGAN)):
    """A model without random numbers and batch normalisation, in which replicas differ."""

    def generator_labels(self, labels):
        return labels


class TestInfoGAN(Conformance):
    case = Case(
        InfoGAN,
        TINY,
        dataclasses.replace(TINY, generator_norm="none"),
        batch,
        PLAYERS,
        calm_family=Calm,
        reached=("discriminator",),
    )


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return InfoGAN(TINY)


def test_both_players_maximise_the_bound(model):
    """Chen et al. 2016, equations 5 and 6, for a recogniser that is right about the category and knows nothing else."""
    rng = np.random.default_rng(0)
    labels, codes = rng.integers(0, 4, 6), rng.normal(size=(6, 2))
    said = {"codes": np.concatenate([np.zeros((6, 2)), 50.0 * np.eye(4)[labels]], -1), "logit": rng.normal(size=(6, 1))}
    said = {name: tf.constant(value, tf.float32) for name, value in said.items()}
    vectors = tf.constant(np.concatenate([codes, rng.normal(size=(6, 1))], -1), tf.float32)
    judged = DiscriminatorOutput(tf.zeros((6, 8, 8, 3)), tf.constant(labels, tf.int32), said, vectors)
    bound = np.log(4) + np.mean(np.sum(0.5 - 0.5 * codes**2, -1))
    model.config = dataclasses.replace(TINY, information_weight=0.5)
    loss, terms = model.discriminator_loss(judged, judged)
    assert float(terms["information"]) == pytest.approx(bound, rel=1e-5)
    assert float(terms["categorical_information"]) == pytest.approx(np.log(4), rel=1e-5)
    own = float(AdversarialLoss("nonsaturating").discriminator(judged.logit, judged.logit))
    assert float(loss) == pytest.approx(own - 0.5 * bound, rel=1e-5)
    own = float(AdversarialLoss("nonsaturating").generator(judged.logit))
    assert float(model.generator_loss(judged, judged)[0]) == pytest.approx(own - 0.5 * bound, rel=1e-5)


def test_labels_are_not_looked_at(model):
    asked = model.generator_labels(tf.fill((4000,), -1)).numpy()
    np.testing.assert_allclose(np.bincount(asked, minlength=4) / 4000, 0.25, atol=0.04)  # 5.8 deviations
    images, labels = batch(0, 3)
    examples = [model.serving()["generator"].examples_of([(images, given)]) for given in (labels, 0 * labels - 1)]
    for one, other in zip(*examples, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_served_recogniser_reads_the_codes_of_the_generator(model):
    """Its outputs are the means of the continuous codes, and the probabilities of the categories."""
    images, labels = batch(0, 5)
    said = model.discriminate(images, labels, training=False)["codes"]
    probabilities, means = model.serving()["recogniser"](images)
    np.testing.assert_allclose(probabilities, tf.nn.softmax(said[:, 2:]), atol=1e-6)
    np.testing.assert_allclose(means, said[:, :2], atol=1e-6)
    vectors = model.fixed_latents(5)
    assert vectors.shape[-1] == 3 + 4
    np.testing.assert_array_equal(vectors[:, -4:], np.eye(4)[[0, 1, 2, 3, 0]])


def test_a_traversal_has_a_row_of_pictures_for_each_category(model):
    shown = model.preview(batch(0, 2))
    assert {"code_0", "code_1"} <= set(shown)
    assert shown["code_0"].draw().dtype == np.uint8
    assert not np.array_equal(shown["code_0"].draw(), shown["code_1"].draw())


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"categories": 1}, "categories got 1; accepted are whole numbers from 2 on"),
        ({"continuous": 4}, "continuous got 4; accepted are 0 to latent_dim=3"),
        ({"recogniser_units": 0}, "recogniser_units got 0"),
        ({"information_weight": -1.0}, "information_weight got -1"),
    ],
)
def test_fields_that_cannot_be(fields, said):
    with pytest.raises(UserError, match=said):
        dataclasses.replace(TINY, **fields)


def test_the_paper_preset_is_the_paper():
    """Chen et al. 2016, table 1: a dense layer of 1024 units on either side of the convolutions, and one of
    128 for Q."""
    config, run, _ = InfoGAN.presets["paper"]
    model = InfoGAN(config)
    dense = {
        name: [layer.units for layer in network.layers if isinstance(layer, keras.layers.Dense)]
        for name, network in model.networks.items()
    }
    assert dense["generator"] == [1024, 7 * 7 * 128]
    assert sorted(dense["discriminator"]) == [1, 12, 128, 1024]
    # Normalised is all but the outputs and what reads the image.
    assert sum("BatchNormalization" in type(layer).__name__ for layer in model.discriminator.layers) == 3
    assert {name: float(rate) for name, rate in model.rates(run.learning_rate).items()} == pytest.approx(
        {"generator": 1e-3, "discriminator": 2e-4}
    )

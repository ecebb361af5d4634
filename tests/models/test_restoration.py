"""Restoration: conformance, what each network learns, and the effect of the configuration."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance
from PIL import Image

from keras_gen.data.kinds.noisy import NoisyConfig
from keras_gen.data.kinds.superres import SuperresConfig
from keras_gen.errors import UserError
from keras_gen.models.restoration import Config, Restoration, restorer
from keras_gen.ops.resampling import enlarge, shrink

UNET = Config(filters=3, image_size=9, channels=2)
RED = Config(network="red", filters=4, depth=2, image_size=12, scale=2)
PLAYERS = {"network": ("network",)}


def noisy(seed, count):
    rng = np.random.default_rng(seed)
    clean = rng.uniform(-1, 1, (count, 9, 9, 2)).astype(np.float32)
    noisy = np.clip(clean + rng.normal(0, 0.3, clean.shape), -1, 1).astype(np.float32)
    return tf.constant(noisy), tf.constant(clean)


def enlarged(seed, count):
    sharp = tf.constant(np.random.default_rng(seed).uniform(-0.8, 0.8, (count, 12, 12, 3)), tf.float32)
    return tf.clip_by_value(enlarge(shrink(sharp, 2), 2), -1.0, 1.0), sharp


class TestDenoising(Conformance):
    case = Case(Restoration, UNET, UNET, noisy, PLAYERS)


class TestWithoutLevels(Conformance):
    config = dataclasses.replace(UNET, levels=0, distance="l1")
    case = Case(Restoration, config, config, noisy, PLAYERS)


class TestSuperResolution(Conformance):
    case = Case(Restoration, RED, RED, enlarged, PLAYERS)


def test_it_learns_what_images_are_like():
    """Constant images with values from N(0, 0.1^2) and noise N(0, 0.3^2) on 16 pixels. The mean of the pixels has a
    squared error of 0.3^2 / 16 = 0.0056. The best estimate, which shrinks it towards 0, has 0.0036."""
    rng = np.random.default_rng(0)

    def drawn(count):
        clean = np.broadcast_to(rng.normal(0, 0.1, (count, 1, 1, 1)), (count, 4, 4, 1))
        return tf.constant(clean + rng.normal(0, 0.3, clean.shape), tf.float32), tf.constant(clean, tf.float32)

    keras.utils.set_random_seed(0)
    model = Restoration(filters=8, image_size=4, channels=1)
    model.compile(model.make_optimizers(keras.optimizers.schedules.PolynomialDecay(5e-3, 300, 0.0)))
    step = tf.function(model.train_step, autograph=False)
    for _ in range(300):
        step(drawn(200))
    validation = drawn(2000)
    assert np.abs(validation[0]).max() > 1.2  # noise may leave the range of images
    error = float(model.evaluate(*validation, batch_size=2000, return_dict=True, verbose=0)["mse"])
    mean = 0.3**2 / 16
    best = 0.1**2 * mean / (0.1**2 + mean)
    assert 0.87 * best < error < 0.9 * mean  # a mean of 2,000 squares deviates by 3.2 %


def test_images_of_0_to_255_are_refused():
    model = Restoration(UNET)
    model.compile()
    given, wanted = (127.5 * part + 127.5 for part in noisy(0, 4))
    with pytest.raises(UserError, match=r"clean of a batch has values from .* accepted are -1 to 1"):
        model.fit(given, wanted, verbose=0)


def test_it_sees_as_far_as_its_levels_let_it():
    """Receptive field of a pixel: 3x3 convolutions reach 1 pixel at full size, 2 at half size, and so on; the middle
    has two."""
    reach = {}
    for levels in (0, 1, 2):
        network = restorer(Config(filters=4, levels=levels, image_size=64, channels=1))
        image = np.zeros((1, 64, 64, 1), np.float32)
        before = network(image).numpy()
        image[0, 32, 32] = 1
        changed = np.flatnonzero(np.abs(network(image).numpy() - before)[0, ..., 0].max(0) > 0)
        reach[levels] = changed.max() - changed.min() + 1
    assert reach[0] == 7
    assert reach[0] < reach[1] < reach[2] < 64


@pytest.mark.parametrize("network", ["unet", "red"])
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_training_begins_near_what_is_given(network, scale):
    keras.utils.set_random_seed(0)
    model = Restoration(network=network, filters=4, scale=scale, image_size=24)
    picture = tf.random.stateless_uniform((2, 24, 24, 3), (0, 0), -0.5, 0.5)
    assert 0 < float(tf.reduce_max(tf.abs(model.restore(picture) - picture))) < 0.1


def test_it_brings_back_edges():
    """Black and white boxes: after 150 steps the error is less than a third of that of the enlarged image."""
    rng = np.random.default_rng(0)
    sharp = np.kron(rng.choice([-0.9, 0.9], (32, 5, 5, 1)), np.ones((1, 5, 5, 1)))[:, :24, :24]
    sharp = tf.constant(sharp, tf.float32)
    data = tf.clip_by_value(enlarge(shrink(sharp, 2), 2), -1.0, 1.0), sharp
    keras.utils.set_random_seed(0)
    model = Restoration(network="red", filters=16, depth=3, image_size=24, channels=1, scale=2)
    model.compile(model.make_optimizers(5e-3))
    step = tf.function(model.train_step, autograph=False)
    for _ in range(150):
        step(data)
    drawn, given = (float(tf.reduce_mean(tf.square(x - sharp))) for x in (model.translate(data[0]), data[0]))
    assert drawn < given / 3


@pytest.mark.parametrize("network", ["unet", "red"])
@pytest.mark.parametrize(
    ("kind", "tasks", "task", "ports"),
    [
        (NoisyConfig(), ("denoise",), "denoise", ["noisy", "reconstruction"]),
        (SuperresConfig(patch_size=24, scale=3), ("upscale", "translate"), "translate", ["enlarged", "sharpened"]),
    ],
)
def test_the_data_decide_what_either_network_is_for(network, kind, tasks, task, ports, tmp_path):
    rng = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(rng.integers(0, 256, (24, 24, 3), np.uint8)).save(tmp_path / f"{number}.png")
    data = dataclasses.replace(kind, data=str(tmp_path)).open()
    known = data.attributes()
    config = Config(network, 2, **{name: known[name] for name in ("image_size", "channels", "scale")})
    assert Restoration.tasks_of(config) == tasks
    (served,) = Restoration(config).serving().values()
    assert served.task == task
    assert [port.name for port in (*served.inputs, *served.outputs)] == ports


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"filters": 0}, "filters got 0"),
        ({"levels": -1}, "levels got -1"),
        ({"depth": 0}, "depth got 0"),
        ({"network": "resnet"}, "network got 'resnet'; accepted are unet, red"),
        ({"depth": 6}, "depth=6 is for network red"),
        ({"network": "red", "levels": 1}, "levels=1 is for network unet"),
        ({"network": "red", "scale": 3}, "network='red' with image_size=128; accepted are multiples of scale=3"),
    ],
)
def test_fields_that_cannot_be(fields, said):
    with pytest.raises(UserError, match=said):
        Config(**fields)

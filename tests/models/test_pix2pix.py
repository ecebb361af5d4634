"""pix2pix: conformance, and claims of the paper."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance, sgd, step

from keras_gen.errors import UserError
from keras_gen.export.rewrite import in_keras_layers
from keras_gen.layers.fast import convolutions
from keras_gen.layers.fast.adam import FusedAdam
from keras_gen.layers.spectral import SpectralNormalization
from keras_gen.models.pix2pix import Config, Pix2Pix
from keras_gen.networks.patchgan import receptive_field

PLAYERS = {"generator": ("generator",), "discriminator": ("discriminator",)}
TINY = Config(image_size=16, levels=3, filters=4, discriminator_filters=4, patch=16)


def batch(seed, count, channels=3, side=16):
    rng = np.random.default_rng(seed)
    return tuple(tf.constant(rng.uniform(-1, 1, (count, side, side, c)), tf.float32) for c in (channels, 3))


class TestPix2Pix(Conformance):
    represents = "players who share a forward pass"
    case = Case(Pix2Pix, TINY, dataclasses.replace(TINY, dropout=0.0), batch, PLAYERS)


class TestPix2PixWGANGP(Conformance):
    """The objective with random numbers in the step, a batch-normalised generator and label channels."""

    config = dataclasses.replace(
        TINY, gan_loss="wgangp", norm="batch", discriminator_norm="instance", source_channels=5, num_classes=5
    )
    # Batch normalisation sees half a batch on each of two replicas: another function, so not compared.
    calm = dataclasses.replace(config, gan_loss="lsgan", norm="instance", dropout=0.0, conditional=False)
    case = Case(
        Pix2Pix,
        config,
        calm,
        lambda seed, count: batch(seed, count, 5),
        PLAYERS,
        still=("logits_conv/bias",),
    )


def test_the_paper_preset_is_the_paper():
    config, run, _ = Pix2Pix.presets["paper"]
    model = Pix2Pix(config)
    assert config == Config()
    assert model.config.depth == 8
    assert model.networks["generator"].count_params() == pytest.approx(54.4e6, rel=1e-3)
    assert model.networks["discriminator"].count_params() == pytest.approx(2.77e6, rel=2e-3)
    assert (run.batch_size, run.epochs, run.learning_rate) == (1, 200, 2e-4)
    names = [layer.name for layer in model.networks["generator"].layers]
    assert "down0_norm" not in names
    assert "down7_norm" not in names
    assert [n for n in names if n.endswith("dropout")] == ["up6_dropout", "up5_dropout", "up4_dropout"]
    optimizer = model.make_optimizers(2e-4)["generator"]
    assert isinstance(optimizer, keras.optimizers.Adam)
    assert optimizer.beta_1 == 0.5
    kernel = model.networks["generator"].get_layer("down6_conv").kernel
    assert float(np.std(kernel)) == pytest.approx(0.02, rel=0.01)


def test_losses_against_numpy():
    """The generator minimises gan + 100 L1, the discriminator half of its objective (paper, eq. 4 and section 3.3)."""
    keras.utils.set_random_seed(0)
    model = Pix2Pix(dataclasses.replace(TINY, dropout=0.0))
    source, target = batch(0, 2)
    fake = model.generator(source)
    real_logits = model.discriminate(source, target, training=False).numpy()
    fake_logits = model.discriminate(source, fake, training=False).numpy()
    model.compile(sgd(model))
    log = step(model, (source, target))
    softplus = lambda x: np.log1p(np.exp(x))  # noqa: E731
    assert log["l1"] == pytest.approx(np.abs(target - fake).mean(), rel=1e-5)
    assert log["generator_gan"] == pytest.approx(softplus(-fake_logits).mean(), rel=1e-5)
    assert log["discriminator_loss"] == pytest.approx(
        0.5 * (softplus(-real_logits).mean() + softplus(fake_logits).mean()), rel=1e-5
    )


def test_the_step_is_plain_gradient_descent_on_those_losses():
    """The shared forward pass gives each player the gradient of its own loss; L1 weighs 100."""
    keras.utils.set_random_seed(0)
    model = Pix2Pix(dataclasses.replace(TINY, dropout=0.0))
    source, target = batch(0, 2)
    kernel = model.generator.get_layer("up0_conv").kernel
    with tf.GradientTape() as tape:
        fake = model.generator(source)
        logits = model.discriminate(source, fake, training=True)
        loss = tf.reduce_mean(tf.nn.softplus(-logits)) + 100.0 * tf.reduce_mean(tf.abs(target - fake))
    expected = kernel.numpy() - 0.01 * tape.gradient(loss, kernel.value).numpy()
    model.compile(sgd(model, 0.01))
    step(model, (source, target))
    np.testing.assert_allclose(kernel.numpy(), expected, atol=1e-6)


def test_l1_alone_has_one_player_and_no_discriminator():
    model = Pix2Pix(dataclasses.replace(TINY, gan_loss="none"))
    assert list(model.players) == ["generator"]
    model.compile(sgd(model))
    assert set(step(model, batch(0, 1))) == {"l1", "generator_gradient_norm"}
    assert set(model.preview(batch(0, 1))) == {"samples"}


def test_without_condition_the_discriminator_does_not_see_the_source():
    model = Pix2Pix(dataclasses.replace(TINY, conditional=False))
    source, target = batch(0, 2)
    np.testing.assert_array_equal(
        model.discriminate(source, target, False), model.discriminate(source[::-1], target, False)
    )
    conditional = Pix2Pix(TINY)
    assert not np.allclose(
        conditional.discriminate(source, target, False), conditional.discriminate(source[::-1], target, False)
    )


@pytest.mark.parametrize("norm", ["same", "instance", "batch", "none", "spectral"])
@pytest.mark.parametrize("patch", [1, 16])
def test_the_discriminators_normalisation(norm, patch):
    keras.utils.set_random_seed(0)
    model = Pix2Pix(dataclasses.replace(TINY, norm="batch", discriminator_norm=norm, patch=patch))
    network = model.networks["discriminator"]
    assert receptive_field(network) == patch
    kinds = {
        "instance": keras.layers.GroupNormalization,
        "batch": keras.layers.BatchNormalization,
        "spectral": SpectralNormalization,
    }
    expected = {"same": "batch"}.get(norm, norm)
    for name, kind in kinds.items():
        assert any(isinstance(layer, kind) for layer in network.layers) == (name == expected)
    directions = {layer.name: layer.v.numpy() for layer in network.layers if isinstance(layer, SpectralNormalization)}
    biased = sum(weight.name == "bias" for weight in network.trainable_weights)
    assert biased == (3 if norm in ("none", "spectral") else 2)
    model.compile(sgd(model))
    assert all(np.isfinite(value) for value in step(model, batch(0, 2)).values())
    for name, before in directions.items():  # each step moves them once
        assert not np.array_equal(before, network.get_layer(name).v.numpy())


def test_noise_at_test_draws_differently_each_time_and_is_not_exported():
    model = Pix2Pix(dataclasses.replace(TINY, noise_at_test=True))
    source, _ = batch(0, 1)
    assert not np.array_equal(model.translate(source), model.translate(source))
    exported = model.serving()["generator"].network
    np.testing.assert_array_equal(exported(source), exported(source))
    np.testing.assert_array_equal(Pix2Pix(TINY).translate(source) * 0, 0 * source)


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains_and_serves_float32(precision):
    keras.config.set_dtype_policy(precision)
    try:
        model = Pix2Pix(TINY)
        model.compile(model.make_optimizers(1e-3))
        before = model.generator.get_layer("down1_conv").kernel.numpy()
        function = tf.function(model.train_step, autograph=False)
        for _ in range(12):  # dynamic loss scaling skips the first steps until its scale fits
            log = function(batch(0, 2))
        network = model.serving()["generator"].network
        assert keras.config.dtype_policy().name == precision
    finally:
        keras.config.set_dtype_policy("float32")
    kernel = model.generator.get_layer("down1_conv").kernel
    assert kernel.dtype == "float32"
    assert not np.array_equal(before, kernel.numpy())
    assert all(np.isfinite(value) for value in log.values())
    assert {layer.compute_dtype for layer in network.layers} == {"float32"}
    scaled = isinstance(model.optimizers["generator"], keras.optimizers.LossScaleOptimizer)
    assert scaled == (precision == "mixed_float16")


def test_fifty_steps_have_the_losses_of_plain_keras(monkeypatch):
    """Fast convolutions and the fused Adam against Keras' own layers and Adam.

    In float64, because in float32 Adam turns gradients that are rounding errors into full steps, and two runs of plain
    Keras differ as much after ten steps. (Instance normalisation has a fast form only in float32.)
    """
    met, choose = set(), convolutions.choose_algorithm
    monkeypatch.setattr(convolutions, "choose_algorithm", lambda *a: met.add(choose(*a).name) or choose(*a))
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        losses = []
        for plain in (True, False):
            keras.utils.set_random_seed(0)
            model = Pix2Pix(Config(image_size=32, levels=3, filters=32, discriminator_filters=32, patch=16, dropout=0))
            if plain:
                model.networks |= {name: in_keras_layers(network) for name, network in model.networks.items()}
                model.generator, model.discriminator = model.networks["generator"], model.networks["discriminator"]
            adam = keras.optimizers.Adam if plain else FusedAdam
            model.compile({player: adam(1e-3, beta_1=0.5) for player in model.players})
            function = tf.function(model.train_step, autograph=False)
            batches = [tuple(tf.cast(images, tf.float64) for images in batch(seed, 2, side=32)) for seed in range(4)]
            met.clear()
            losses.append([function(batches[number % 4]) for number in range(50)])
            assert met == (set() if plain else {"plain", "planes", "product", "winograd"})
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
    for term in ("l1", "generator_gan", "discriminator_loss", "generator_gradient_norm"):
        one, other = ([float(step[term]) for step in curve] for curve in losses)
        np.testing.assert_allclose(one, other, rtol=1e-9)
        assert np.ptp(one) > 1e-3  # they learn


def test_loss_scaling_does_not_change_the_step():
    """float32 arithmetic with a loss scale as for float16: the initial gradient is scaled, and the result is
    unscaled."""
    keras.utils.set_random_seed(0)
    calm = dataclasses.replace(TINY, dropout=0.0)
    results = []
    for scale in (False, True):
        keras.utils.set_random_seed(0)
        model = Pix2Pix(calm)
        model.compile(sgd(model))
        if scale:
            for player, optimizer in list(model.optimizers.items()):
                model.optimizers[player] = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1024.0)
                model.optimizers[player].build(model.player_variables(player))
        log = step(model, batch(0, 2))
        results.append((log, model.generator.get_weights()))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-5)
    for one, other in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"image_size": 100}, "image_size got 100; accepted are multiples of 2^levels = 8"),
        ({"image_size": 64, "levels": 7}, "multiples of 2^levels = 128"),
        ({"image_size": 0}, "image_size got 0"),
        ({"levels": 1}, "levels got 1"),
        ({"levels": -1}, "levels got -1"),
        ({"filters": -4}, "filters got -4"),
        ({"dropout": 1.0}, "dropout got 1.0"),
        ({"l1_weight": -1.0}, "l1_weight got -1.0"),
        ({"beta_1": 1.5}, "beta_1 got 1.5"),
        ({"gan_loss": "none", "l1_weight": 0.0}, "leaves nothing to learn"),
        ({"gan_loss": "wgangp", "norm": "batch"}, "norm got 'batch', which makes each example's gradient depend"),
        ({"gan_loss": "wgangp", "discriminator_norm": "batch"}, "discriminator_norm got 'batch', which makes"),
    ],
)
def test_fields_that_cannot_be(fields, said):
    with pytest.raises(UserError, match=".*".join(said.split("^")).replace("[", r"\[")):
        Config(**fields)


@pytest.mark.parametrize(("size", "depth"), [(256, 8), (512, 8), (128, 7), (96, 5), (24, 3)])
def test_levels_follow_the_size(size, depth):
    assert Config(image_size=size).depth == depth

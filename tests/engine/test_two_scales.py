"""A GAN and a pix2pix whose discriminator gives a list of logits, as those of pix2pixHD at two image scales do.

The same discriminator twice is that discriminator, to the last bit of what is logged and learnt. Two of them, at full
and at half size, make a whole run: health, previews, adaptive augmentation and an exact resume.
"""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from trial_run import same_state, train

import keras_gen
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.engine.checkpoints import Checkpoints
from keras_gen.engine.run_exports import read_report
from keras_gen.engine.schedules import Schedule
from keras_gen.models.pix2pix import Pix2Pix
from keras_gen.models.wgan_gp import WGANGP
from keras_gen.networks import gan as networks
from keras_gen.networks.patchgan import patchgan

GAN = WGANGP.Config(
    architecture="mlp", image_size=8, channels=1, latent_dim=3, hidden_units=(6,), generator_norm="none", n_critic=1
)
ADAPTIVE = {"penalty": "r1", "augment": "ada", "ada_span": 50, "augmentations": ("brightness", "scale")}
PAIRS = Pix2Pix.Config(image_size=16, filters=4, discriminator_filters=4, levels=3, patch=16)


class Twice(WGANGP):
    """The same discriminator at both scales."""

    family = "twice"

    def build_discriminator(self):
        network = super().build_discriminator()
        outputs = {**network.output, "logit": [network.output["logit"]] * 2}
        return keras.Model(network.input, outputs, name="discriminator")


class PairsTwice(Pix2Pix):
    """The same discriminator at both scales."""

    family = "pairs_twice"

    def build_discriminator(self):
        network = super().build_discriminator()
        return keras.Model(network.input, [network.output] * 2, name="discriminator")


class TwoScales(WGANGP):
    """Discriminators at full and at half size."""

    family = "two_scales"

    def build_discriminator(self):
        full = super().build_discriminator()
        layout = dataclasses.replace(self.config, image_size=self.config.image_size // 2)
        half = networks.discriminator(layout, name="half")(keras.layers.AveragePooling2D(2)(full.input))
        logits = [full.output["logit"], half["logit"]]
        return keras.Model(full.input, {**full.output, "logit": logits}, name="discriminator")


class PairsAtTwoScales(Pix2Pix):
    """Discriminators at full and at half size, of source and image."""

    family = "pairs_at_two_scales"

    def build_discriminator(self):
        full, config = super().build_discriminator(), self.config
        channels, settings = (config.source_channels, config.target_channels), self._discriminator_norm()
        half = patchgan(config.image_size // 2, channels, patch=16, filters=4, name="half", **settings)
        logits = half([keras.layers.AveragePooling2D(2)(image) for image in full.inputs])
        return keras.Model(full.inputs, [full.output, logits], name="discriminator")


def images(seed, *shape):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


@pytest.mark.parametrize(
    ("once", "twice", "config", "arrays"),
    [
        (WGANGP, Twice, GAN, (images(0, 4, 8, 8, 1),)),
        (WGANGP, Twice, dataclasses.replace(GAN, **ADAPTIVE), (images(0, 4, 8, 8, 1),)),
        (Pix2Pix, PairsTwice, dataclasses.replace(PAIRS, gan_loss="wgangp"), (images(0, 4, 16, 16, 3),) * 2),
    ],
    ids=["gradient penalty", "R1 and adaptive augmentation", "pairs, gradient penalty"],
)
def test_a_discriminator_twice_is_that_discriminator(once, twice, config, arrays):
    found = []
    for family in (once, twice):
        keras.utils.set_random_seed(0)
        model = family(config)
        model.compile(learning_rate=1e-3, run_eagerly=True)
        if hasattr(model, "augmentation"):
            model.augmentation.assign(0.5)
        history = model.fit(*arrays, batch_size=4, shuffle=False, verbose=0).history
        found.append((history, {name: v.numpy() for name, v in model.state().items() if "seed" not in name}))
    (history, state), (history_of_two, state_of_two) = found
    assert history_of_two == history
    assert list(state) == list(state_of_two)
    for name, value in state.items():
        np.testing.assert_array_equal(state_of_two[name], value, err_msg=name)
    assert abs(state.get("model/augmentation", 0.0) - 0.5) > 0.01


def test_a_run_of_two_scales(tmp_path):
    """Health, previews, figures and files of a run, and a checkpoint with all weights of both networks."""
    config, data = dataclasses.replace(GAN, **ADAPTIVE), ImagesConfig(data="digits")
    folder, settings = tmp_path / "run", {"epochs": 1, "steps_per_epoch": 2, "batch_size": 4, "preview_every": 1}
    model = train(TwoScales, config, data, folder, **settings)
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    values = {tag: tf.make_ndarray(events.Tensors(tag)[-1].tensor_proto) for tag in events.Tags()["tensors"]}
    figures = ("augmentation", "gradient_penalty", "real_accuracy", "fake_accuracy", "real_logit", "fake_logit")
    assert {*(f"step/{name}" for name in figures), "health/noise", "logits/real", "samples"} <= set(values)
    assert all(np.isfinite(value).all() for value in values.values() if value.dtype.kind == "f")
    assert values["health/update_ratio/discriminator"] > 0
    assert read_report(folder)["health"]["step"] == 2
    again = TwoScales(config)
    again.compile(again.make_optimizers(Schedule(1e-3, 2)))
    assert Checkpoints(tmp_path, again.state(), keep=1).restore(folder / "checkpoints")[0].step == 2
    same_state(again, model)


def test_pairs_at_two_scales(tmp_path):
    """A step in `fit` with health and previews, which show a map of each scale."""
    sources = images(0, 32, 16, 16, 3)
    model = PairsAtTwoScales(PAIRS)
    model.compile(learning_rate=1e-3)
    health = keras_gen.callbacks.Health((sources, -sources))
    previews = keras_gen.callbacks.Previews(tmp_path / "previews", (sources[:2], -sources[:2]))
    history = model.fit(sources[:2], -sources[:2], batch_size=2, callbacks=[health, previews], verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    assert set(health.report()["update_ratio"]) == {"generator", "discriminator"}
    assert min(health.report()["update_ratio"].values()) > 0
    assert (tmp_path / "previews" / "discriminator_patches" / "step-0000001.png").is_file()
    batch = tf.constant(sources[:2]), tf.constant(-sources[:2])
    maps = model.preview(batch)["discriminator_patches"].columns
    sides = {title: scores.shape[1] for title, scores in maps.items()}
    assert sides == {"of generated": 6, "of generated, scale 2": 2, "of target": 6, "of target, scale 2": 2}

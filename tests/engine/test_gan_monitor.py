"""Real runs made to fail in each way, small and short, and what the monitor says of them; and one that does well."""

import dataclasses
import json
import os
import re
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from benchmarks.kill_resume import differences
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.data.kinds.pairs import PairsConfig
from keras_gen.engine import callbacks
from keras_gen.engine.config import RunConfig, Setup
from keras_gen.engine.gan_monitor import how_many
from keras_gen.engine.run import Run
from keras_gen.errors import Stopped
from keras_gen.models import cgan, pix2pix
from keras_gen.models.gan import GAN, Config

SMALL = Config(latent_dim=4, hidden_units=(32, 32), image_size=1, channels=2)


def train(family, config, folder, data="digits", **settings):
    """A run of `family` without exports; returns its report on health."""
    steps = settings.pop("steps", 1500)
    chosen = {"epochs": 1, "steps_per_epoch": steps, "batch_size": 64, "preview_every": 250, "checkpoint_every": steps}
    chosen |= {"learning_rate": 1e-3, "steps_per_execution": 50, "out": folder} | settings
    with Run(Setup("gan", "test", config, ImagesConfig(), RunConfig(**chosen))) as run:
        opened = ImagesConfig(data=data).open(run.setup.run.seed) if isinstance(data, str) else data
        config = run.complete_model(opened)
        with run.scope():
            model = family(config)
            run.compile(model, opened)
        run.fit(model, opened)
    return run.report["health"]


def logged(folder):
    """Tag -> [(step, value)] of the tags of the monitor."""
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    tags = [tag for tag in events.Tags()["tensors"] if tag.startswith("health")]
    return {tag: [(e.step, tf.make_ndarray(e.tensor_proto)) for e in events.Tensors(tag)] for tag in tags}


class WithoutSheets:
    """They take longer than these runs."""

    def preview(self, batch):
        return {}


class Quiet(WithoutSheets, GAN):
    pass


class Cloud:
    """Points within a few hundredths of the middle."""

    train_size, val_size, classes, mode_centres = 6400, 256, (), None

    def __init__(self):
        self._points = np.random.default_rng(0).normal(0, 0.02, (6400, 1, 1, 2)).astype(np.float32)

    def attributes(self):
        return {"image_size": 1, "channels": 2}

    def identity(self):
        return {"classes": [], "train_size": self.train_size, "val_size": self.val_size, "digest": "cloud"}

    def _batches(self, count, batch_size):
        labels = np.full(count, -1, np.int32)
        return tf.data.Dataset.from_tensor_slices((self._points[:count], labels)), batch_size

    def train(self, batch_size, *, start=0, shard=(0, 1)):
        examples, size = self._batches(self.train_size, batch_size)
        return examples.repeat().skip(start % self.train_size).batch(size)

    def validation(self, batch_size, *, limit=None, shard=(0, 1)):
        examples, size = self._batches(limit or self.val_size, batch_size)
        return examples.batch(size)


class Dirac(Quiet):
    """A generator that moves a cloud of points, and a linear discriminator.

    Gradient descent turns around the equilibrium and does not get there (Mescheder, Geiger and Nowozin 2018, arXiv
    1801.04406, section 2): by an angle of half the learning rate in a step.
    """

    family = "Dirac-GAN"

    def build_generator(self):
        noise = keras.Input((self.config.latent_dim,))
        shift = keras.layers.Dense(2, kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(0.3))
        points = shift(0.0 * noise) + 0.02 * noise[:, :2]
        return keras.Model(noise, keras.layers.Reshape((1, 1, 2))(points))

    def build_discriminator(self):
        images = keras.Input((1, 1, 2))
        x = keras.layers.Flatten()(images)
        logit = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")(x)
        return keras.Model(images, {"features": x, "logit": logit})

    def make_optimizers(self, learning_rate):
        return {player: keras.optimizers.SGD(learning_rate) for player in self.players}


class Deaf(cgan.CGAN):
    """A generator of classes that gets the class alone."""

    def generator_inputs(self, noise, labels):
        return super().generator_inputs(0.0 * noise, labels)


def test_a_run_that_does_well(tmp_path, capsys):
    health = train(GAN, Config(latent_dim=4, hidden_units=(64, 64)), tmp_path / "run", steps=1500)
    assert health["verdict"] == "healthy"
    assert [told["step"] for told in health["verdicts"]] == [250, 1000]
    assert 0.6 < health["distance"] < 1.1
    assert set(health["update_ratio"]) == {"generator", "discriminator"}
    assert re.findall("health at step .*", capsys.readouterr().out) == [
        "health at step 250: too early to say, before step 1000",
        *(f"health at step {step}: healthy" for step in (1000, 1250, 1500)),
    ]
    found = logged(tmp_path / "run")
    numbers = ["distance", "kinds", "noise", "update_ratio/discriminator", "update_ratio/generator"]
    assert sorted(found) == ["health", *(f"health/{name}" for name in numbers)]
    assert [step for step, _ in found["health"]] == list(range(250, 1501, 250))
    assert found["health"][-1][1].item() == b"healthy"
    assert found["health/kinds"][-1] == (1500, np.float32(health["kinds"]))
    assert '[1000, "healthy"]' in (tmp_path / "run" / "samples" / "index.html").read_text()


def test_a_discriminator_that_wins_and_takes_the_generator_with_it(tmp_path):
    """The paper's first objective against one whose rate is thirty times the generator's."""
    config = dataclasses.replace(SMALL, objective="minimax", discriminator_rate=30.0)
    first, second = train(Quiet, config, tmp_path / "run")["verdict"].split("; also ")
    assert re.match(
        r"the discriminator has won since step \d{1,3}, right on 100 % of real and 100 % of .*: try ", first
    )
    assert re.match(r"mode collapse since step \d+, samples are \d.*x less diverse than the data", second)


def test_a_generator_that_wins_because_the_discriminator_stands_still(tmp_path):
    health = train(Quiet, dataclasses.replace(SMALL, discriminator_rate=1e-7), tmp_path / "run")
    first, second, *_ = health["verdict"].split("; also ")
    assert first.startswith("the discriminator has not learnt since step 1000, a step changes its weights by ")
    assert second.startswith("the generator has won since step ")
    assert health["update_ratio"]["generator"] > 1e-6


def test_a_generator_that_looks_at_the_class_alone(tmp_path):
    health = train(Deaf, cgan.Config(architecture="mlp", latent_dim=4, hidden_units=(32, 32)), tmp_path / "run")
    assert health["verdict"].startswith(
        "the output hardly depends on the noise since step 1000, other noise changes it "
    )
    assert health["noise"] == 0.0
    assert health["distance"] > 0.6  # ten pictures, one for each class


def test_a_generator_that_finds_half_of_a_ring(tmp_path):
    """Two points on each side are near enough to what they should be that neither distance nor kinds tell."""

    class Half(Dirac):
        """Draws the modes 0, 2, 4 and 6, and does not learn."""

        def build_generator(self):
            noise = keras.Input((self.config.latent_dim,))
            angle = np.pi / 2 * keras.ops.cast(keras.ops.floor(noise[:, :1]) % 4, "float32")
            points = 0.8 * keras.ops.concatenate([keras.ops.cos(angle), keras.ops.sin(angle)], axis=-1)
            still = keras.layers.Dense(2, kernel_initializer="zeros")(0.0 * noise)
            points = points + 0.008 * noise[:, 1:3] + still
            return keras.Model(noise, keras.layers.Reshape((1, 1, 2))(points))

    health = train(Half, SMALL, tmp_path / "run", data="ring", learning_rate=1e-6)
    assert health["modes"] == 0.5
    assert min(health["distance"], health["kinds"]) > 0.4
    assert "mode collapse since step 1000, samples reach 50 % of the modes of the data" in health["verdict"]
    assert [step for step, _ in logged(tmp_path / "run")["health/modes"]] == list(range(250, 1501, 250))


class QuietTranslator(WithoutSheets, pix2pix.Pix2Pix):
    pass


def test_a_translator_that_draws_one_picture_whatever_the_source(tmp_path):
    """Without the condition and the distance nothing ties the output to the source (pix2pix paper, section 4.1)."""
    free = {"conditional": False, "l1_weight": 0.0}
    config = pix2pix.Config(image_size=16, levels=2, filters=8, discriminator_filters=8, patch=1, **free)
    data = PairsConfig(image_size=config.image_size).open(seed=0)
    # At 1e-3 it is a matter of rounding whether the last look still finds it collapsed.
    health = train(QuietTranslator, config, tmp_path / "run", data=data, batch_size=1, learning_rate=3e-4)
    assert re.match(
        r"mode collapse since step 1\d{3}, samples are .*: try a conditional discriminator", health["verdict"]
    )
    assert health["structure"] < 0.5
    assert [health[name] for name in ("distance", "kinds", "noise")] == [None] * 3


def test_a_loss_that_is_not_finite_is_the_last_verdict(tmp_path):
    with pytest.raises(Stopped, match="became nan at step"):
        train(Quiet, SMALL, tmp_path / "run", learning_rate=1e30)
    (told,) = logged(tmp_path / "run")["health"]
    assert re.match(r"not finite: \w+ became (nan|inf) at step \d+", told[1].item().decode())


def remembered(folder):
    (newest,) = (folder / "checkpoints").glob("step-0001500")
    return json.loads((newest / "progress.json").read_text())["callbacks"]["health"]


def test_players_that_take_turns_in_a_run_that_is_resumed(tmp_path, monkeypatch):
    """Stopped between two values of a series and between two looks: nothing differs from the run that was not."""
    settings = {"data": Cloud(), "learning_rate": 0.05, "steps_per_execution": 5, "checkpoint_every": 400}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    health = train(Dirac, SMALL, whole, **settings)
    assert health["verdict"].startswith("oscillating since step 1000, the players win in turn: try ")
    original = callbacks.StopOnRequest.after_steps

    def interrupt(self, logs):
        if self.progress.step == 1115:
            os.kill(os.getpid(), signal.SIGINT)
        original(self, logs)

    monkeypatch.setattr(callbacks.StopOnRequest, "after_steps", interrupt)
    with pytest.raises(Stopped):
        train(Dirac, SMALL, parts, **settings)
    monkeypatch.undo()
    assert train(Dirac, SMALL, parts, **settings, resume=parts) == health
    assert remembered(parts) == remembered(whole)
    assert [line for line in differences(whole, parts) if "checkpoints" not in line] == []


@pytest.mark.parametrize(("side", "channels", "count"), [(1, 2, 256), (28, 1, 256), (64, 3, 85), (256, 3, 32)])
def test_how_many_samples_are_compared(side, channels, count):
    assert how_many(side * side * channels) == count


def test_data_that_are_too_few_or_all_alike_are_not_compared(tmp_path):
    class Few(Cloud):
        val_size = 31

    class Alike(Cloud):
        def __init__(self):
            super().__init__()
            self._points[:] = 0.25

    for data in (Few(), Alike()):
        health = train(Dirac, SMALL, tmp_path / type(data).__name__, data=data, steps=100, preview_every=50)
        assert (health["distance"], health["noise"]) == (None, None)
        assert health["update_ratio"]["generator"] > 0


def test_the_change_of_weights_in_a_step(tmp_path):
    """Two steps of rate h from w = 0, with real points at x = (0, 0.5) and generated ones about t = (0.3, 0.3).

    The first moves w to h/2 (x - t), and t not at all; the second moves t by h/2 w. The generator's noise of 0.02 and
    the slope, not quite a half any more, change that by hundredths.
    """
    data = Cloud()
    data._points[:] = np.array([0.0, 0.5], np.float32)
    settings = {"steps": 2, "preview_every": 2, "steps_per_execution": 1, "learning_rate": 0.1}
    health = train(Dirac, SMALL, tmp_path / "run", data=data, **settings)
    expected = 0.1**2 / 4 * np.hypot(0.3, 0.2) / np.hypot(0.3, 0.3)
    assert health["update_ratio"]["generator"] == pytest.approx(expected, rel=0.03)
    settings["steps_per_execution"] = 2  # one call, its change shared out
    health = train(Dirac, SMALL, tmp_path / "two", data=data, **settings)
    assert health["update_ratio"]["generator"] == pytest.approx(expected / 2, rel=0.03)

"""Translation without pairs, as CycleGAN does it: two generators, two discriminators and a pool of pictures for each.

Zhu et al. 2017, arXiv 1703.10593, in small: G and F translate between two collections, F(G(a)) is to be a, and each
discriminator sees generated pictures of earlier steps too.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import keras
import tensorflow as tf
from keras import layers

from keras_gen.diagnostics.gan_health import Health
from keras_gen.engine.config import TINY_RUN, Preset
from keras_gen.engine.feeding import Part
from keras_gen.engine.model import GenerativeModel, Step
from keras_gen.export.signature import Served, image
from keras_gen.flags import BaseConfig, Hidden, NonNegative, Positive
from keras_gen.networks.patchgan import patchgan
from keras_gen.ops.adversarial import AdversarialLoss
from keras_gen.visual.views import Sheet

_DIRECTIONS = {"to_second": ("first", "second"), "to_first": ("second", "first")}


@dataclasses.dataclass(frozen=True)
class Config(BaseConfig):
    """Networks and losses."""

    filters: Positive[int] = 4
    """Channels of all layers [channels]."""
    pool: Positive[int] = 4
    """Pictures of earlier steps for each discriminator [pictures]."""
    cycle_weight: NonNegative[float] = 10.0
    """Weight of the cycle consistency [1]."""
    image_size: Hidden[Positive[int]] = 16
    channels: Hidden[Positive[int]] = 3


class Unpaired(GenerativeModel):
    """Two translators that learn from two collections. A batch is (first, second) in [-1, 1]."""

    family = "unpaired"
    Config = Config
    monitor = "cycle"
    tasks = ("translate",)
    presets: ClassVar[dict[str, Preset]] = {"tiny": Preset(Config(), TINY_RUN)}
    descriptions: ClassVar[dict[str, str]] = {
        "cycle": "Mean absolute difference of a picture from its translation back."
    }

    def make_networks(self, config):
        for name in _DIRECTIONS:
            self.add_network(name, self.build_generator(name))
        for side in ("first", "second"):
            settings = {"patch": 1, "norm": "none", "filters": config.filters, "name": f"judge_{side}"}
            self.add_network(f"judge_{side}", patchgan(config.image_size, (config.channels,), **settings))
            shape = (config.pool, config.image_size, config.image_size, config.channels)
            pool = self.add_weight(shape=shape, initializer="zeros", trainable=False, name=f"pool_{side}")
            setattr(self, f"pool_{side}", pool)
        self.add_player("generators", *_DIRECTIONS)
        self.add_player("discriminators", "judge_first", "judge_second")
        self.adversarial_loss = AdversarialLoss("lsgan")
        self.log_terms(train=["cycle", *self.adversarial_loss.terms], test=["cycle"])

    def build_generator(self, name):
        config = self.config
        source = keras.Input((config.image_size, config.image_size, config.channels), name="source")
        x = layers.Conv2D(config.filters, 3, padding="same", activation="relu")(source)
        x = layers.Conv2D(config.channels, 3, padding="same")(x)
        return keras.Model(source, layers.Activation("tanh", dtype="float32")(x), name=name)

    def batch_parts(self, training=True):
        shape = (self.config.image_size, self.config.image_size, self.config.channels)
        return Part("first", shape), Part("second", shape)

    def call(self, source):
        return self.translate(source)

    def objective(self, batch):
        real = dict(zip(("first", "second"), batch, strict=True))
        losses, cycles, real_logits, fake_logits, gathered = {}, [], [], [], {}
        losses = {"generators": 0.0, "discriminators": 0.0}
        for name, (source, target) in _DIRECTIONS.items():
            (other,) = set(_DIRECTIONS) - {name}
            fake = self.networks[name](real[source], training=True)
            cycles.append(tf.reduce_mean(tf.abs(self.networks[other](fake, training=True) - real[source])))
            judge = self.networks[f"judge_{target}"]
            losses["generators"] += self.adversarial_loss.generator(judge(fake, training=True))
            real_logits.append(judge(real[target], training=True))
            fake_logits.append(judge(self._from_pool(target, fake), training=True))
            gathered[target] = fake
        cycle = tf.reduce_mean(tf.stack(cycles))
        losses["generators"] += self.config.cycle_weight * cycle
        losses["discriminators"] = self.adversarial_loss.discriminator(real_logits, fake_logits)
        terms = {"cycle": cycle, **self.adversarial_loss.decisions(real_logits, fake_logits)}
        return Step(losses, terms, gathered=gathered)

    def _from_pool(self, side, fake):
        """The pictures of this part of the batch, every second one exchanged for an earlier one where there is one."""
        (part, parts), count = self.part(), tf.shape(fake)[0]
        numbers = part * count + tf.range(count)  # within the whole batch
        pool, seen = getattr(self, f"pool_{side}").value, tf.cast(self.step, tf.int32) * count * parts
        swap = (numbers % 2 == 1) & (numbers < tf.minimum(seen, self.config.pool))
        earlier = tf.gather(pool, numbers % self.config.pool)
        return tf.where(swap[:, None, None, None], earlier, fake)

    def running_state(self, sums, gathered):
        updates = []
        for side, fake in gathered.items():
            pool, count = getattr(self, f"pool_{side}"), tf.shape(fake)[0]
            places = (tf.cast(self.step, tf.int32) * count + tf.range(count)) % self.config.pool
            updates.append((pool, tf.tensor_scatter_nd_update(pool.value, places[:, None], fake)))
        return updates

    def validate(self, batch):
        back = self.inference("to_first")(self.translate(batch[0]), training=False)
        return {"cycle": tf.reduce_mean(tf.abs(back - batch[0]), axis=(1, 2, 3))}

    def translate(self, source):
        return self.inference("to_second")(source, training=False)

    def preview(self, batch):
        return {"samples": Sheet({"first": batch[0], "translated": self.translate(batch[0]), "second": batch[1]})}

    def health(self):
        return Health(real=lambda batch: batch[1], draw=lambda batch, _: self.networks["to_second"](batch[0]))

    def serving(self):
        served = {}
        for number, (name, (source, target)) in enumerate(_DIRECTIONS.items()):
            network = self.for_serving(name, lambda name=name: self.build_generator(name))
            ports = (image(source, network.input),), (image(target, network.output),)
            chosen = {"examples": lambda batch, number=number: (batch[number],)}
            served[name] = Served(network, *ports, f"{target} from {source}", "" if number else "translate", **chosen)
        return served

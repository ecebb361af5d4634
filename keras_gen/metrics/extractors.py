"""Networks whose features compare sets of images, and the names that scores have with each of them.

Only with the Inception network of 2015 is a score called FID, KID or Inception score. With any other network it bears
the network's name, because its values cannot be compared.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_gen.errors import UserError
from keras_gen.metrics import small_networks
from keras_gen.networks.pretrained import inception, squeezenet
from keras_gen.ops.resampling import resize

INCEPTION, SQUEEZENET = "inception", "squeezenet"
SQUEEZENET_SIDE = 64
"""Smallest side of the images that SqueezeNet gets [pixels]."""
_LUMA = [[0.299], [0.587], [0.114]]  # ITU-R BT.601; those of tf.image.rgb_to_grayscale add up to 0.9999
_NAMES = {"frechet": "FID", "kernel": "KID", "class_score": "IS"}


@dataclass(frozen=True)
class Extractor:
    """A frozen network with everything that its features depend on.

    Attributes:
        name: name of the network.
        network: maps float32 images in [0, 255], (n, height, width, channels), to [features (n, d)], and if it knows
            classes also to logits (n, classes).
        channels: 1 or 3.
        side: height and width to which images are resized [pixels]; 0 if larger images keep their size.
        min_side: smaller images are enlarged to this size [pixels].
        weights: SHA-256 of the weights.
        about: more for the protocol, such as the data that it was trained on.
    """

    name: str
    network: keras.Model
    channels: int
    side: int
    min_side: int
    weights: str
    about: str = ""

    @property
    def size(self) -> int:
        """Length of a feature vector."""
        return self.network.outputs[0].shape[-1]

    @property
    def classes(self) -> int:
        """Number of classes that the network knows; 0 for none."""
        return self.network.outputs[1].shape[-1] if len(self.network.outputs) > 1 else 0

    def title(self, score: str) -> str:
        """The name of a score with this network: "FID", "frechet_fashion"."""
        return _NAMES.get(score, score) if self.name == INCEPTION else f"{score}_{self.name}"

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Size to which images of this size are resized [pixels]."""
        if self.side:
            return self.side, self.side
        scale = max(1.0, self.min_side / min(height, width))
        return round(height * scale), round(width * scale)

    def protocol(self, height: int, width: int) -> dict[str, str | int]:
        """What must agree so that features of two sets can be compared, for images of this size."""
        size = self.input_size(height, width)
        same = size == (height, width)
        return {
            "network": self.name,
            "weights": self.weights,
            "input": f"{width}x{height}" + ("" if same else f" to {size[1]}x{size[0]} by antialiased bicubic"),
        }

    def compiled(self) -> tf.types.experimental.PolymorphicFunction:
        """A function from uint8 images (n, h, w, c) with 1, 3 or 4 channels to features, and class probabilities.

        The probabilities are None for a network without classes.
        """

        @tf.function(reduce_retracing=True)
        def extract(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
            images = tf.cast(images[..., :3], tf.float32)
            found = images.shape[-1]
            size = self.input_size(*images.shape[1:3])
            if found == 3 and self.channels == 1:
                images = tf.tensordot(images, tf.constant(_LUMA), axes=1)
            images = tf.clip_by_value(resize(images, *size), 0.0, 255.0)  # the kernel overshoots at edges
            if found == 1 and self.channels == 3:
                images = tf.repeat(images, 3, axis=-1)
            features, *logits = tf.nest.flatten(self.network(images, training=False))
            return features, tf.nn.softmax(logits[0]) if logits else None

        return extract


def extractor(features: str, weights: Path | None = None, inception_file: Path | None = None) -> Extractor:
    """The network that flags name.

    Args:
        features: name of a network in the package, such as "mnist"; "squeezenet"; or a file that
            `apps.train_features` wrote. "" with `inception_file`.
        weights: weights of SqueezeNet, see `networks.pretrained.squeezenet.load_squeezenet`.
        inception_file: weights of the Inception network of 2015.

    Raises:
        UserError: naming a flag, if a file is missing or does not fit, or flags do not go together.
    """
    if inception_file is not None:
        if features:
            raise UserError(f"--inception {inception_file} and --features {features} exclude each other.")
        network = inception.load_inception(inception_file)
        return Extractor(INCEPTION, network, 3, inception.SIDE, 0, _digest(network), f"{inception_file.name}")
    if (weights is not None) != (features == SQUEEZENET):
        needs = "--features squeezenet needs --weights FILE" if weights is None else "--weights needs --features"
        raise UserError(f"{needs}{'' if weights is None else ' squeezenet'}; use both or neither.")
    if features == SQUEEZENET:
        network = squeezenet.load_squeezenet(weights)
        return Extractor(SQUEEZENET, network, 3, 0, SQUEEZENET_SIDE, _digest(network), weights.name)
    known = small_networks.stored()
    if features not in known and not Path(features).is_file():
        raise UserError(
            f"--features got {features or 'nothing'}; accepted are {', '.join((*known, SQUEEZENET))}, a file that "
            "apps.train_features wrote, or --inception FILE instead."
        )
    network, about = small_networks.load(known.get(features, Path(features)))
    told = f"{about.data}, accuracy {100 * about.accuracy:.1f} % of {about.images}"
    return Extractor(about.name, network, about.channels, about.side, 0, _digest(network), told)


def _digest(network: keras.Model) -> str:
    """SHA-256 of the weights, by layer and variable; the same whichever file they came from."""
    digest = hashlib.sha256()
    for variable in sorted(network.weights, key=lambda variable: variable.path):
        digest.update(variable.path.encode())
        digest.update(np.ascontiguousarray(variable.numpy()))
    return digest.hexdigest()

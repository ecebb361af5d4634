"""Tasks: what a finished model can do, and by which method.

A family lists its tasks in `GenerativeModel.tasks`, the one that it is evaluated by first. Apps go by that list and by
nothing else. Images are float32 (batch, height, width, channels) in [-1, 1].
"""

from __future__ import annotations

import math
from typing import Literal, Protocol, TypeAlias

import tensorflow as tf

Task: TypeAlias = Literal[
    "translate",
    "upscale",
    "denoise",
    "reconstruct",
    "estimate_likelihood",
    "classify",
    "generate",
    "generate_class",
    "detect_anomalies",
]


class Translator(Protocol):
    """Makes an image of another: of label maps photographs, of photographs maps, of enlarged images sharp ones."""

    def translate(self, source: tf.Tensor) -> tf.Tensor:
        """Images, or one-hot label maps in {-1, 1} -> images of the same size."""


class Denoiser(Protocol):
    """Takes noise away."""

    def denoise(self, noisy: tf.Tensor) -> tf.Tensor:
        """Noisy images -> clean ones of the same shape."""


class Reconstructor(Protocol):
    """Draws an image again from a code."""

    def reconstruct(self, images: tf.Tensor, labels: tf.Tensor | None = None) -> tf.Tensor:
        """Images, and their int32 classes (batch,) where the family needs them -> images of the same shape."""


class LikelihoodEstimator(Protocol):
    """Has latent vectors with posteriors, and with them a likelihood of images."""

    def encode(self, images: tf.Tensor, labels: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and log variance of each image's posterior, (batch, latent_dim) each."""

    def log_weights(self, images: tf.Tensor, noise: tf.Tensor, labels: tf.Tensor | None = None) -> tf.Tensor:
        """Log importance weights [nats] of latent vectors made of `noise`."""


class Classifier(Protocol):
    """Tells the classes of images."""

    def classify(self, images: tf.Tensor) -> tf.Tensor:
        """Images -> class scores (batch, classes); the largest is the class."""


class Generator(Protocol):
    """Draws new images."""

    def generate(self, count: int, seed: int = 0, truncation: float = math.inf) -> tf.Tensor:
        """New images, the same for the same seed.

        Args:
            count: of images.
            seed: of what they are drawn from.
            truncation: keep normal numbers within this many standard deviations; inf: all.

        Raises:
            UserError: for a finite truncation, if the images are not drawn from normal numbers.
        """


class ClassGenerator(Protocol):
    """Draws new images of a class that is asked for; `config.num_classes` is how many there are."""

    def generate(self, count: int, seed: int = 0, truncation: float = math.inf, label: int | None = None) -> tf.Tensor:
        """As `Generator`, of the class `label`; None: of any."""


class AnomalyDetector(Protocol):
    """Tells how unusual each step of a sequence is."""

    def errors(self, sequences: tf.Tensor) -> tf.Tensor:
        """Sequences (batch, length, features) -> squared errors of their reconstructions (batch, length)."""


TASKS: dict[Task, type] = {
    "translate": Translator,
    "upscale": Translator,
    "denoise": Denoiser,
    "reconstruct": Reconstructor,
    "estimate_likelihood": LikelihoodEstimator,
    "classify": Classifier,
    "generate": Generator,
    "generate_class": ClassGenerator,
    "detect_anomalies": AnomalyDetector,
}
"""Task -> what a family that has it offers."""

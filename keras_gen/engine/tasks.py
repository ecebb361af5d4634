"""Tasks: what a trained model can do, and the method that does it.

A family lists its tasks in `GenerativeModel.tasks`; the first one with an evaluation is evaluated. Apps use that list
and nothing else. Images are float32 (batch, height, width, channels) in [-1, 1].
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
    """Maps an image to another: label maps to photographs, photographs to maps, enlarged images to sharp ones."""

    def translate(self, source: tf.Tensor) -> tf.Tensor:
        """Images, or one-hot label maps in {-1, 1} -> images of the same size."""


class Denoiser(Protocol):
    """Removes noise."""

    def denoise(self, noisy: tf.Tensor) -> tf.Tensor:
        """Noisy images -> clean ones of the same shape."""


class Reconstructor(Protocol):
    """Encodes and decodes an image."""

    def reconstruct(self, images: tf.Tensor, labels: tf.Tensor | None = None) -> tf.Tensor:
        """Images, and their int32 classes (batch,) for class-conditional families -> images of the same shape."""


class LikelihoodEstimator(Protocol):
    """Estimates the likelihood of images from posteriors over latent vectors."""

    def encode(self, images: tf.Tensor, labels: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and log variance of each image's posterior, (batch, latent_dim) each."""

    def log_weights(self, images: tf.Tensor, noise: tf.Tensor, labels: tf.Tensor | None = None) -> tf.Tensor:
        """Log importance weights [nats] of the latent vectors given by `noise`."""


class Classifier(Protocol):
    """Classifies images."""

    def classify(self, images: tf.Tensor) -> tf.Tensor:
        """Images -> class scores (batch, classes); the largest is the class."""


class Generator(Protocol):
    """Generates images."""

    def generate(self, count: int, seed: int = 0, truncation: float = math.inf) -> tf.Tensor:
        """Generates images. The same seed gives the same images.

        Args:
            count: number of images.
            seed: seed of the noise.
            truncation: keep normal random numbers within this many standard deviations; inf: no truncation.

        Raises:
            UserError: for a finite truncation, if the model does not use normal random numbers.
        """


class ClassGenerator(Protocol):
    """Generates images of a given class; there are `config.num_classes`."""

    def generate(self, count: int, seed: int = 0, truncation: float = math.inf, label: int | None = None) -> tf.Tensor:
        """As `Generator`, for the class `label`; None: all classes."""


class AnomalyDetector(Protocol):
    """Measures how unusual each step of a sequence is."""

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
"""Task -> the protocol that a family with this task implements."""

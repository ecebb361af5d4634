"""Compare sparse codes with narrow codes that reconstruct as well.

    python -m benchmarks.sparse --data mnist

Trains sparse autoencoders with many units and undercomplete ones, all with one dense layer each way, on the same
batches. For each, prints the PSNR on the test images, the fraction of active units per image, and the accuracy of a
linear probe: logistic regression on the standardised codes of labelled training images. For each sparse autoencoder, it
also names the undercomplete one with the nearest PSNR.
"""

import dataclasses
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from keras_gen.cli.parsing import app, parse
from keras_gen.data.kinds.images import ImagesConfig, ImagesData
from keras_gen.flags import BaseConfig, NonNegative, Positive
from keras_gen.models.autoencoder import Autoencoder
from keras_gen.models.sparse_autoencoder import Config, SparseAutoencoder


@dataclass(frozen=True)
class Flags(BaseConfig):
    data: str = "digits"
    """SPEC of labelled images, such as a folder of MNIST's idx files."""
    units: Positive[int] = 1024
    """Units of the sparse codes [count]."""
    weights_kl: tuple[NonNegative[float], ...] = (1e-3,)
    """Weights of the KL penalty [1]."""
    weights_l1: tuple[NonNegative[float], ...] = (3e-4,)
    """Weights of the L1 penalty [1]."""
    narrow: tuple[Positive[int], ...] = (32, 48, 64, 96)
    """Units of the undercomplete codes [count]."""
    steps: Positive[int] = 1500
    """Training steps [steps]."""
    batch_size: Positive[int] = 128
    """Batch size [images]."""
    labelled: Positive[int] = 10_000
    """Training images for the linear probe [images]."""
    seed: NonNegative[int] = 0
    """Random seed of weights and order [integer]."""


@dataclass(frozen=True)
class Row:
    name: str
    units: int
    psnr: float
    active: float
    accuracy: float


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train one model after the other and print the table."""
    flags = parse(Flags, argv, example="python -m benchmarks.sparse --data mnist")
    data = ImagesConfig(data=flags.data).open(flags.seed)
    print(data.describe(), flush=True)
    keras.utils.set_random_seed(flags.seed)
    base = Config(image_size=data.image_size, channels=data.channels)
    rows = []
    for sparsity, weights in (("kl", flags.weights_kl), ("l1", flags.weights_l1)):
        for weight in weights:
            config = dataclasses.replace(base, latent_dim=flags.units, sparsity=sparsity, sparsity_weight=weight)
            rows.append(_row(f"sparse, {sparsity}, weight {weight:g}", SparseAutoencoder(config), data, flags))
    sparse = len(rows)
    for units in flags.narrow:
        config = Autoencoder.Config(
            architecture="dense", hidden_units=(), latent_dim=units, image_size=data.image_size, channels=data.channels
        )
        rows.append(_row("undercomplete", Autoencoder(config), data, flags))
    print("\n| code | units | PSNR [dB] | active units | linear probe |\n|---|---:|---:|---:|---:|")
    for row in rows:
        print(f"| {row.name} | {row.units} | {row.psnr:.2f} | {row.active:.1%} | {row.accuracy:.2%} |")
    for row in rows[:sparse]:
        near = min(rows[sparse:], key=lambda other: abs(other.psnr - row.psnr))
        print(f"{row.name}: {row.accuracy:.2%} beside {near.accuracy:.2%} of {near.units} units at {near.psnr:.2f} dB")


def _row(name: str, model: Autoencoder, data: ImagesData, flags: Flags) -> Row:
    rate = keras.optimizers.schedules.CosineDecay(1e-3, flags.steps)
    model.compile(model.make_optimizers(rate))
    step = tf.function(model.train_step)
    begun = time.perf_counter()
    for batch in data.train(flags.batch_size, stop=flags.steps * flags.batch_size):
        step(batch)
    seconds = time.perf_counter() - begun
    validate = tf.function(model.validate)
    parts = [validate(batch) for batch in data.validation(500)]
    terms = {name: float(np.mean(np.concatenate([part[name] for part in parts]))) for name in parts[0]}
    labelled = min(flags.labelled, data.train_size)
    train = _codes(model, data.train(100, stop=labelled // 100 * 100))
    held = _codes(model, data.validation(500))
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300, C=0.1)).fit(*train)
    row = Row(name, model.config.latent_dim, terms["psnr"], terms.get("active_share", 1.0), probe.score(*held))
    print(f"{row}, {seconds:.0f} s of training", flush=True)
    return row


def _codes(model: Autoencoder, batches: tf.data.Dataset) -> tuple[np.ndarray, np.ndarray]:
    codes, labels = zip(*((model.encode(images).numpy(), labels.numpy()) for images, labels in batches), strict=True)
    return np.concatenate(codes), np.concatenate(labels)


if __name__ == "__main__":
    sys.exit(main())

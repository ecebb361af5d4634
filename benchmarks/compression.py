"""Compare autoencoders with principal components at 16 numbers per image, by PSNR and by a classifier's accuracy.

    python -m benchmarks.compression --data mnist fashion_mnist --seeds 0 1

For each folder of idx files, a dense and a convolutional autoencoder are trained by their app on the training images,
PCA (scikit-learn) with as many components is fitted to the same images, and all reconstruct the test images. A small
convolutional classifier, trained on real training images only, classifies the reconstructions; its accuracy on the real
test images is the upper bound. PSNR is averaged over images clipped to [-1, 1]. Existing runs in --out are measured
without training them again.
"""

import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import keras
import numpy as np
import tensorflow as tf
import tyro
from sklearn.decomposition import PCA

from apps import train_autoencoder
from keras_gen import models
from keras_gen.cli.parsing import app, parse
from keras_gen.data.kinds.images import ImagesConfig, ImagesData
from keras_gen.engine.config import CONFIG_FILE
from keras_gen.files import write_json
from keras_gen.flags import BaseConfig, NonNegative, Positive
from keras_gen.ops.reconstruction import psnr

ARCHITECTURES = ("dense", "conv")
_BATCH = 1000  # images per call of a network


@dataclass(frozen=True)
class Flags(BaseConfig):
    data: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FOLDER...")]
    """Folders of idx files, MNIST's and Fashion-MNIST's."""
    seeds: tuple[NonNegative[int], ...] = (0, 1)
    """Seeds of the autoencoders and of the classifier [integers]."""
    latent_dim: Positive[int] = 16
    """Numbers per image [count]."""
    epochs: Positive[int] = 12
    """Epochs of each autoencoder [epochs]."""
    classifier_epochs: Positive[int] = 4
    """Epochs of the classifier [epochs]."""
    out: Path = Path("savedmodels/compression")
    """Folder for the runs and for results.json."""


def arrays(data: ImagesData, part: str) -> tuple[np.ndarray, np.ndarray]:
    """All images and labels of a part; training images are shuffled."""
    stream = data.train(_BATCH, stop=data.train_size) if part == "train" else data.validation(_BATCH)
    images, labels = zip(*stream.as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def classifier(images: np.ndarray, labels: np.ndarray, epochs: int, seed: int) -> keras.Model:
    """Train a classifier: convolutions of stride 2 with 32 and 64 channels, and a dense layer of 128 with dropout."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input(images.shape[1:]),
            layers.Conv2D(32, 5, 2, "same", activation="relu"),
            layers.Conv2D(64, 5, 2, "same", activation="relu"),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.4),
            layers.Dense(int(labels.max()) + 1),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(1e-3, epochs * len(images) // 128)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(rate), loss)
    network.fit(images, labels, 128, epochs, verbose=0)
    return network


def trained(folder: Path, data: Path, architecture: str, seed: int, flags: Flags) -> Callable[[np.ndarray], np.ndarray]:
    """Images -> their reconstructions by an autoencoder, which its app trains if `folder` has no run."""
    if not (folder / CONFIG_FILE).exists():
        settings = {"data": data, "architecture": architecture, "latent_dim": flags.latent_dim, "epochs": flags.epochs}
        settings |= {"seed": seed, "out": folder, "steps-per-execution": 16, "preview-every": 4000}
        if code := train_autoencoder.main([f"--{name}={value}" for name, value in settings.items()]):
            sys.exit(code)
    model, _ = models.load(folder)
    draw = tf.function(model.reconstruct)
    return lambda images: np.concatenate([draw(images[i : i + _BATCH]) for i in range(0, len(images), _BATCH)])


def principal_components(images: np.ndarray, count: int) -> Callable[[np.ndarray], np.ndarray]:
    """Images -> their projections onto the first principal components of `images`."""
    pca = PCA(count, svd_solver="covariance_eigh").fit(images.reshape(len(images), -1))

    def draw(others: np.ndarray) -> np.ndarray:
        flat = pca.inverse_transform(pca.transform(others.reshape(len(others), -1)))
        return flat.reshape(others.shape).astype(np.float32)

    return draw


def measured(drawn: np.ndarray, images: np.ndarray, labels: np.ndarray, judge: keras.Model) -> dict[str, float]:
    """Mean PSNR of reconstructions [dB], and the fraction that the classifier assigns to the right class."""
    drawn = np.clip(drawn, -1, 1)
    decibels = [np.mean(psnr(drawn[i : i + _BATCH], images[i : i + _BATCH])) for i in range(0, len(images), _BATCH)]
    recognised = judge.predict(drawn, _BATCH, verbose=0).argmax(-1) == labels
    return {"psnr": float(np.mean(decibels)), "accuracy": float(np.mean(recognised))}


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, reconstruct, classify and print a table for each folder."""
    flags = parse(Flags, argv, example="python -m benchmarks.compression --data mnist fashion_mnist --seeds 0 1")
    flags.out.mkdir(parents=True, exist_ok=True)
    results: dict[str, dict[str, list[dict[str, float]]]] = {}
    for folder in flags.data:
        data = ImagesConfig(data=str(folder)).open(seed=0)
        images, labels = arrays(data, "train")
        test, test_labels = arrays(data, "validation")
        judged: dict[str, list[dict[str, float]]] = {}
        projected = principal_components(images, flags.latent_dim)(test)
        for seed in flags.seeds:
            judge = classifier(images, labels, flags.classifier_epochs, seed)
            judged.setdefault("real images", []).append(
                {"accuracy": measured(test, test, test_labels, judge)["accuracy"]}
            )
            judged.setdefault("PCA", []).append(measured(projected, test, test_labels, judge))
            for architecture in ARCHITECTURES:
                draw = trained(flags.out / f"{folder.name}-{architecture}-{seed}", folder, architecture, seed, flags)
                judged.setdefault(architecture, []).append(measured(draw(test), test, test_labels, judge))
        results[folder.name] = judged
        write_json(flags.out / "results.json", results)
        print(f"\n{folder.name}: {flags.latent_dim} numbers per image, {len(test)} test images, seeds {flags.seeds}")
        print(f"{'':<14}{'PSNR [dB]':>16}{'accuracy':>18}")
        for name, runs in judged.items():
            print(f"{name:<14}{spread(runs, 'psnr', 2):>16}{spread(runs, 'accuracy', 4):>18}", flush=True)


def spread(runs: Sequence[dict[str, float]], figure: str, digits: int) -> str:
    """Mean and standard deviation over the seeds; "" if there are no values."""
    values = [run[figure] for run in runs if figure in run]
    return f"{statistics.mean(values):.{digits}f} ± {statistics.pstdev(values):.{digits}f}" if values else ""


if __name__ == "__main__":
    sys.exit(main())

"""Compare total-correlation penalties: VAE, beta-VAE, beta-TCVAE and FactorVAE on the built-in shapes.

All models are trained with the same networks, images, steps and learning rate; only the divergence differs. They are
compared by the mutual information gap and the FactorVAE score (`keras_gen.metrics.disentanglement`) over the five
factors of the shapes: shape, scale, orientation and both positions.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from keras_gen.cli.parsing import app, parse
from keras_gen.data.builtin.shapes import LEVELS
from keras_gen.data.kinds.images import ImagesConfig, ImagesData
from keras_gen.engine.model import GenerativeModel
from keras_gen.engine.schedules import Schedule
from keras_gen.flags import BaseConfig, NonNegative, Positive
from keras_gen.metrics.disentanglement import factor_encoder, factor_vae_score, mutual_information_gap
from keras_gen.models import beta_tcvae, factor_vae, vae
from keras_gen.networks.autoencoders import Architecture

EXAMPLE = "python -m benchmarks.disentanglement --steps 5000 --seeds 0 1"
_ENCODED = 500  # images per call of the encoder


@dataclass(frozen=True)
class Flags(BaseConfig):
    seeds: tuple[NonNegative[int], ...] = (0, 1)
    """Seeds of weights, noise and order; each model is trained once with each [integers]."""
    steps: Positive[int] = 5000
    """Steps of each training [steps]."""
    batch_size: Positive[int] = 64
    """Batch size [images]."""
    learning_rate: Positive[float] = 1e-3
    """Learning rate of Adam, constant for the first half and then linear to 0 [1/step]."""
    image_size: Positive[int] = 32
    """Size to which the 64x64 shapes are resized [pixels]."""
    architecture: Architecture = "conv"
    """Architecture of encoder and decoder."""
    filters: Positive[int] = 16
    """Channels of the first convolution [channels]."""
    hidden_units: tuple[Positive[int], ...] = (256,)
    """Units of the dense layers [units]."""
    latent_dim: Positive[int] = 10
    """Latent units [count]."""
    beta: NonNegative[float] = 4.0
    """Weight of the beta-VAE's KL divergence [1]."""
    tc_beta: NonNegative[float] = 6.0
    """Weight of the beta-TCVAE's total correlation [1]."""
    gamma: NonNegative[float] = 10.0
    """Weight of the FactorVAE's total correlation [1]."""


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train and evaluate one model after the other, then print the table."""
    flags = parse(Flags, argv, example=EXAMPLE)
    results: dict[str, list[dict[str, float]]] = {}
    for seed in flags.seeds:  # by seed, so that a complete table is available early
        data = ImagesConfig(data="shapes", image_size=flags.image_size).open(seed)
        for name, model in _models(flags, data).items():
            start = time.perf_counter()
            keras.utils.set_random_seed(seed)
            found, protocol = _train(model(), data, flags)
            results.setdefault(name, []).append(found)
            figures = ", ".join(f"{key} {value:.3f}" for key, value in found.items())
            print(f"{name}, seed {seed}: {figures}, {time.perf_counter() - start:.0f} s", flush=True)
    print(*protocol, *_table(results), sep="\n")


def _models(flags: Flags, data: ImagesData) -> dict[str, Callable[[], GenerativeModel]]:
    """Name in the table -> a new model."""
    form = {
        field: getattr(flags, field)
        for field in ("image_size", "architecture", "filters", "hidden_units", "latent_dim")
    }
    light = {"discriminator_layers": 4, "discriminator_units": 256}
    return {
        "VAE": lambda: vae.VAE(vae.Config(**form)),
        f"beta-VAE, beta {flags.beta:g}": lambda: vae.VAE(vae.Config(**form, beta=flags.beta)),
        f"beta-TCVAE, beta {flags.tc_beta:g}": lambda: beta_tcvae.BetaTCVAE(
            beta_tcvae.Config(**form, beta=flags.tc_beta, train_size=data.train_size)
        ),
        f"FactorVAE, gamma {flags.gamma:g}": lambda: factor_vae.FactorVAE(
            factor_vae.Config(**form, gamma=flags.gamma, **light)
        ),
    }


def _train(model: GenerativeModel, data: ImagesData, flags: Flags) -> tuple[dict[str, float], list[str]]:
    """The scores of a model, and what its code costs and keeps, after training; and the scores' protocols."""
    rate = Schedule(flags.learning_rate, flags.steps)
    model.compile(model.make_optimizers(rate), steps_per_execution=20)
    model.fit(data.train(flags.batch_size), steps_per_epoch=flags.steps, epochs=1, verbose=0)
    held = model.evaluate(data.validation(_ENCODED), return_dict=True, verbose=0)
    encode, levels = factor_encoder(model.encode, data.draw), tuple(LEVELS.values())
    mig, about_mig = mutual_information_gap(encode, levels)
    score, about_score = factor_vae_score(lambda factors: encode(factors)[0], levels)
    found = {"MIG": mig, "FactorVAE score": score, "reconstruction": held["reconstruction"], "kl": held["kl"]}
    return found, [f"MIG: {about_mig}", f"FactorVAE score: {about_score}"]


def _table(results: dict[str, list[dict[str, float]]]) -> Iterator[str]:
    """Mean and range over the seeds, in markdown."""
    columns = ("MIG", "FactorVAE score", "reconstruction", "kl")
    yield "| model | MIG | FactorVAE score | reconstruction, nats | KL, nats |"
    yield "|---|" + "---:|" * len(columns)
    for name, runs in results.items():
        cells = []
        for column, digits in zip(columns, (3, 3, 1, 1), strict=True):
            values = [run[column] for run in runs]
            each = " ".join(f"{value:.{digits}f}" for value in values)
            cells.append(f"{np.mean(values):.{digits}f} ({each})")
        yield f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())

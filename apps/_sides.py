"""The sides of a comparison of sets of images, of which some are generators: finished runs and exports."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_gen import models
from keras_gen.engine.config import CONFIG_FILE
from keras_gen.engine.model import GenerativeModel
from keras_gen.errors import UserError
from keras_gen.evaluation.sides import Generator, Side, find_side
from keras_gen.files import sha256_of
from keras_gen.inference.tiling import load_export
from keras_gen.metrics.statistics import Statistics
from keras_gen.ops.latents import latent_vectors


def open_side(path: Path, flag: str, flags: Any) -> Side | Statistics:
    """The images of a run, an export, a folder or a file, or stored statistics.

    Args:
        path: where they are.
        flag: the flag that named it.
        flags: the flags of `apps.evaluate`.

    Raises:
        UserError: see `find_side`; also if a run or an export does not generate images from noise.
    """
    scores, limit = flags.scores, flags.options.limit
    if (path / CONFIG_FILE).is_file():
        tasks = models.require_task(path, "generate").tasks
        generator = generator_of_run(models.load(path, flags.checkpoint)[0], tasks)
    elif (path / "saved_model.pb").is_file() or path.suffix == ".tflite":
        generator = _generator_of_export(path)
    else:
        return find_side(path, flag, part=scores.split, side=scores.resize, limit=limit)
    return generator.side(str(path), scores.samples, flags.options.seed, scores.resize)


def generator_of_run(model: GenerativeModel, tasks: Sequence[str]) -> Generator:
    """The generator of a run with the tasks `tasks`. With classes, all have the same number of images."""
    num_classes = model.config.num_classes if "generate_class" in tasks else 0

    def draw(count: int, seed: int) -> np.ndarray:
        if not num_classes:
            return np.asarray(model.generate(count, seed=seed))
        labels = np.bincount((seed * count + np.arange(count)) % num_classes, minlength=num_classes)
        parts = [model.generate(n, seed=seed, label=label) for label, n in enumerate(labels) if n]
        return np.concatenate([np.asarray(part) for part in parts])

    served = next((one for one in model.serving().values() if one.task == "generate"), None)
    digest = hashlib.sha256()
    for name, variable in sorted(model.state().items()):
        if name.startswith(("network/", "average/")):
            digest.update(np.ascontiguousarray(variable))
    if served is None or served.inputs[0].kind != "vector":
        return Generator(draw, digest.hexdigest())
    return Generator(draw, digest.hexdigest(), *_decoder(served, served))


def _generator_of_export(path: Path) -> Generator:
    """The generator in a SavedModel or .tflite file.

    Raises:
        UserError: if it does not generate images from noise.
    """
    network = load_export(path)
    if network.metadata.task != "generate" or network.metadata.inputs[0].kind != "vector":
        raise UserError(
            f"{path} has {network.metadata.description}; accepted are models that generate images from noise."
        )
    decode, latent_dim = _decoder(network, network.metadata, network.input_shape[0])
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    digest = hashlib.sha256("".join(map(sha256_of, files)).encode())
    return Generator(
        lambda count, seed: decode(latent_vectors(count, latent_dim, seed).numpy()),
        digest.hexdigest(),
        decode,
        latent_dim,
    )


def _decoder(network: Any, described: Any, batch: int | None = None) -> tuple[Any, int]:
    """A function from latent vectors to images, with the classes in turn, and the length of a latent vector."""
    latents, *more = described.inputs

    def decode(z: np.ndarray) -> np.ndarray:
        labels = [np.arange(len(z), dtype=np.int32) % port.count for port in more]
        size = batch or len(z)
        parts = [range(start, start + size) for start in range(0, len(z), size)]
        drawn = [network(*(np.take(x, part, axis=0, mode="clip") for x in (z, *labels))) for part in parts]
        return np.concatenate([np.asarray(part) for part in drawn])[: len(z)]

    return decode, latents.shape[0]

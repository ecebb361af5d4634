"""The codec of a run, by what its encoder makes of a picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from keras_gen.compression.codec import Codec, digest, weights_of
from keras_gen.compression.codes import CodeCodec
from keras_gen.compression.latents import LatentCodec
from keras_gen.console import command
from keras_gen.engine.model import GenerativeModel
from keras_gen.errors import UserError
from keras_gen.files import write

_KINDS: dict[str, type[Codec]] = {"vector": LatentCodec, "indices": CodeCodec}
"""Kind of what the encoder makes of an image, and the decoder an image of -> the codec."""
_FIT_IMAGES = 20_000  # training images that are counted


def open_codec(run: Path, model: GenerativeModel, training: Callable[[int], Iterable[np.ndarray]] | None) -> Codec:
    """The codec of a run, whose statistics lie in its folder in a file for these weights.

    Args:
        run: the run folder.
        model: loaded from it.
        training: a number of images -> batches of as many training images, (n, size, size, channels) in [-1, 1]: the
            statistics are fitted to them and written if there are none; None: they have to be there.

    Raises:
        UserError: if the model has no encoder from images to vectors or maps of codes and decoder back, or the file is
            missing and cannot be written, or damaged.
    """
    served = model.serving()
    pair = [served[name] for name in ("encoder", "decoder") if name in served]
    ways = [[port.kind for port in item.inputs] + [port.kind for port in item.outputs] for item in pair]
    kind = next((codec for code, codec in _KINDS.items() if ways == [["image", code], [code, "image"]]), None)
    networks = [item.network for item in pair]
    if kind is None:
        raise UserError(
            f"{run} is a run of {model.family}, which turns no single image into a latent vector or a map of codes and "
            "back; accepted are runs of autoencoder, vae and their kin, and of vq_vae."
        )
    path = run / f"codec-{digest([array for network in networks for array in weights_of(network)]).hex()[:8]}.npz"
    if not path.is_file():
        if training is None:
            raise UserError(
                f"{run} has no {path.name}, the statistics that {command('compress')} writes there and decompressing "
                "needs."
            )
        if not os.access(run, os.W_OK | os.X_OK):
            raise UserError(
                f"{path} cannot be written, the statistics that compressing needs; accepted is a run folder that is "
                "writable, or a copy of it that is."
            )
        write(path, kind.statistics.fitted(*networks, training(_FIT_IMAGES)).to_bytes())
    return kind(*networks, kind.statistics.read(path))

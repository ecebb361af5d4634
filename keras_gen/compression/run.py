"""Open the codec of a run: transform coding for latent vectors, entropy coding for maps of codes."""

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
"""Kind of the encoder's output (`export.signature.Port.kind`) -> class of the codec."""
_FIT_IMAGES = 20_000  # training images for the statistics, at most


def open_codec(run: Path, model: GenerativeModel, training: Callable[[int], Iterable[np.ndarray]] | None) -> Codec:
    """Open the codec of a run.

    Its statistics are read from codec-HASH.npz in the run folder; HASH depends on the model's weights. If the file does
    not exist, the statistics are computed from training images and written.

    Args:
        run: the run folder.
        model: loaded from the run folder.
        training: (number of images) -> batches with that many training images, (n, size, size, channels) in [-1, 1];
            None: the file must exist.

    Raises:
        UserError: if the model does not encode single images as vectors or maps of codes and decode them again, or the
            file with the statistics is missing, damaged or cannot be written.
    """
    served = model.serving()
    pair = [served[name] for name in ("encoder", "decoder") if name in served]
    kinds = [[port.kind for port in item.ports] for item in pair]
    codec = next((codec for kind, codec in _KINDS.items() if kinds == [["image", kind], [kind, "image"]]), None)
    networks = [item.network for item in pair]
    if codec is None:
        raise UserError(
            f"{run} is a run of {model.family}, which does not encode single images as latent vectors or codes; "
            "accepted are runs of autoencoder, vae and their variants, and of vq_vae."
        )
    path = run / f"codec-{digest([array for network in networks for array in weights_of(network)]).hex()[:8]}.npz"
    if not path.is_file():
        if training is None:
            raise UserError(
                f"{run} has no {path.name}, which decompressing needs; {command('compress')} writes it when it first "
                "compresses with this checkpoint."
            )
        if not os.access(run, os.W_OK | os.X_OK):
            raise UserError(
                f"{path} cannot be written, and compressing needs these statistics; accepted is a writable run folder, "
                "or a writable copy of it."
            )
        write(path, codec.statistics.fit(*networks, training(_FIT_IMAGES)).to_bytes())
    return codec(*networks, codec.statistics.read(path))

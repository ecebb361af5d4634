"""Weights from .npz files, which are checked before use."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import keras
import numpy as np

from keras_gen.errors import UserError
from keras_gen.files import sha256_of


def read_arrays(file: Path, flag: str = "--weights", sha256: str | None = None) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, by name.

    Args:
        file: the file.
        flag: the flag that named it, for errors.
        sha256: the SHA-256 that the file must have, in hexadecimal digits; None: any.

    Raises:
        UserError: naming the flag, if the file cannot be read or has another SHA-256.
    """
    try:
        if sha256 is not None and (found := sha256_of(file)) != sha256:
            raise UserError(f"{flag} {file} has SHA-256 {found[:12]}...; accepted is the file with {sha256[:12]}....")
        with open(file, "rb") as raw:
            return dict(np.load(raw, allow_pickle=False))
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{flag} {file} cannot be read as an .npz file ({error}).") from None


def set_weights(
    network_layers: Iterable[keras.layers.Layer],
    arrays: Mapping[str, np.ndarray],
    file: Path,
    of: str,
    flag: str = "--weights",
) -> None:
    """Assigns arrays to layers by name.

    Args:
        network_layers: layers with weights. A layer NAME takes the arrays NAME_w (its kernel, HWIO) and NAME_b (its
            bias). Without a bias, a dense layer takes NAME, its kernel, and a 1x1 convolution with one output takes
            NAME, one number per input channel.
        arrays: the result of `read_arrays`.
        file: the file of the arrays, for errors.
        of: name of the network, for errors.
        flag: the flag that named the file, for errors.

    Raises:
        UserError: naming the flag and the array, if one is missing or has the wrong shape. Earlier layers have been
            changed by then.
    """
    for layer in network_layers:
        names = [f"{layer.name}_w", f"{layer.name}_b"] if layer.use_bias else [layer.name]
        values = []
        for name, variable in zip(names, layer.weights, strict=True):
            shape = tuple(variable.shape)
            accepted = shape if layer.use_bias or len(shape) == 2 else shape[2:3]
            if name not in arrays or arrays[name].shape != accepted:
                found = f"has {name} of shape {arrays[name].shape}" if name in arrays else f"has no array {name}"
                raise UserError(f"{flag} {file} {found}; accepted are the weights of {of}, with {name} {accepted}.")
            values.append(arrays[name].reshape(shape))
        layer.set_weights(values)

"""Files of weights by the names of their arrays, checked before they are used."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import keras
import numpy as np

from keras_gen.errors import UserError


def read_arrays(file: Path, flag: str = "--weights", sha256: str | None = None) -> dict[str, np.ndarray]:
    """The arrays of an .npz file.

    Args:
        file: whose arrays are called NAME_w (kernels, HWIO) and NAME_b (biases).
        flag: that named it, for errors.
        sha256: its SHA-256 in hexadecimal digits, if only one file will do.

    Raises:
        UserError: naming the flag, if it cannot be read, or is another file.
    """
    try:
        if sha256 is not None and (found := hashlib.sha256(file.read_bytes()).hexdigest()) != sha256:
            raise UserError(f"{flag} {file} has the SHA-256 {found[:12]}; accepted is the file of {sha256[:12]}.")
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
    """Give layers the arrays of their names.

    Args:
        network_layers: with weights; a layer NAME takes NAME_w and NAME_b, or, without a bias and with one output,
            NAME, a number for each of its channels.
        arrays: of `read_arrays`.
        file: that they are of, for errors.
        of: what they are the weights of, for errors.
        flag: that named the file, for errors.

    Raises:
        UserError: naming the flag and the array, if one is missing or has another shape; layers before it are changed.
    """
    for layer in network_layers:
        names = [f"{layer.name}_w", f"{layer.name}_b"] if layer.use_bias else [layer.name]
        values = []
        for name, variable in zip(names, layer.weights, strict=True):
            shape = tuple(variable.shape)
            accepted = shape if layer.use_bias else shape[2:3]
            if name not in arrays or arrays[name].shape != accepted:
                found = f"holds {name} {arrays[name].shape}" if name in arrays else f"holds no {name}"
                raise UserError(f"{flag} {file} {found}; accepted are the weights of {of}, {name} {accepted}.")
            values.append(arrays[name].reshape(shape))
        layer.set_weights(values)

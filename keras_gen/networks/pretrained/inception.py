"""The Inception network of 2015, whose features define the Frechet Inception distance (FID).

Szegedy, Vanhoucke, Ioffe, Shlens, Wojna: Rethinking the Inception Architecture for Computer Vision, CVPR 2016, arXiv
1512.00567. The weights of FID are those of the frozen graph classify_image_graph_def.pb in inception-2015-12-05.tgz. It
differs from the Inception v3 of Keras and torchvision, whose weights are others too:

- Average pooling inside the blocks does not count the padding.
- The pooling of the last block is a maximum.
- There are 1,008 classes.

Batch normalisation (epsilon 1e-3, in inference) is part of the kernels and biases here, because features are the same
and it is faster. `convert` computes them from the frozen graph, and from the parameters of the same network in PyTorch
(pytorch-fid, torch-fidelity).
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import h5py
import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_gen.errors import UserError
from keras_gen.networks.pretrained.torch_files import read_state
from keras_gen.networks.pretrained.weights import read_arrays, set_weights

SIDE = 299
"""Side of the images that the network takes [pixels]."""
FEATURES, CLASSES = 2048, 1008
"""Length of a feature vector, and number of classes."""
_EPSILON = 1e-3  # of batch normalisation


class _Convolution(NamedTuple):
    width: int
    kernel: int | tuple[int, int]
    stride: int = 1  # 2 only without padding


class _Branch(NamedTuple):
    """A chain of convolutions, perhaps after pooling, that may end in two parallel ones.

    The parameters in PyTorch and in the frozen graph are named after different schemes: `name` and `tower`.
    """

    name: str
    tower: str
    chain: tuple[_Convolution, ...]
    pooling: str = ""
    fork: tuple[_Convolution, ...] = ()


def _c(*arguments: int | tuple[int, int]) -> _Convolution:
    return _Convolution(*arguments)


def _block_a(pooled: int) -> tuple[_Branch, ...]:
    return (
        _Branch("branch1x1", "", (_c(64, 1),)),
        _Branch("branch5x5", "tower", (_c(48, 1), _c(64, 5))),
        _Branch("branch3x3dbl", "tower_1", (_c(64, 1), _c(96, 3), _c(96, 3))),
        _Branch("branch_pool", "tower_2", (_c(pooled, 1),), "average"),
    )


def _block_c(width: int) -> tuple[_Branch, ...]:
    across, down = (1, 7), (7, 1)
    return (
        _Branch("branch1x1", "", (_c(192, 1),)),
        _Branch("branch7x7", "tower", (_c(width, 1), _c(width, across), _c(192, down))),
        _Branch(
            "branch7x7dbl",
            "tower_1",
            (_c(width, 1), _c(width, down), _c(width, across), _c(width, down), _c(192, across)),
        ),
        _Branch("branch_pool", "tower_2", (_c(192, 1),), "average"),
    )


def _block_e(pooling: str) -> tuple[_Branch, ...]:
    fork = (_c(384, (1, 3)), _c(384, (3, 1)))
    return (
        _Branch("branch1x1", "", (_c(320, 1),)),
        _Branch("branch3x3", "tower", (_c(384, 1),), fork=fork),
        _Branch("branch3x3dbl", "tower_1", (_c(448, 1), _c(384, 3)), fork=fork),
        _Branch("branch_pool", "tower_2", (_c(192, 1),), pooling),
    )


_STEM = {
    "Conv2d_1a_3x3": ("conv", _c(32, 3, 2)),
    "Conv2d_2a_3x3": ("conv_1", _c(32, 3)),
    "Conv2d_2b_3x3": ("conv_2", _c(64, 3)),
    "Conv2d_3b_1x1": ("conv_3", _c(80, 1)),
    "Conv2d_4a_3x3": ("conv_4", _c(192, 3)),
}
_UNPADDED = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_4a_3x3")
_POOLED = ("Conv2d_2b_3x3", "Conv2d_4a_3x3")  # followed by a maximum over 3x3 with stride 2

_BLOCKS = {
    "Mixed_5b": ("mixed", _block_a(32)),
    "Mixed_5c": ("mixed_1", _block_a(64)),
    "Mixed_5d": ("mixed_2", _block_a(64)),
    "Mixed_6a": (
        "mixed_3",
        (
            _Branch("branch3x3", "", (_c(384, 3, 2),)),
            _Branch("branch3x3dbl", "tower", (_c(64, 1), _c(96, 3), _c(96, 3, 2))),
            _Branch("", "", (), "halving"),
        ),
    ),
    "Mixed_6b": ("mixed_4", _block_c(128)),
    "Mixed_6c": ("mixed_5", _block_c(160)),
    "Mixed_6d": ("mixed_6", _block_c(160)),
    "Mixed_6e": ("mixed_7", _block_c(192)),
    "Mixed_7a": (
        "mixed_8",
        (
            _Branch("branch3x3", "tower", (_c(192, 1), _c(320, 3, 2))),
            _Branch("branch7x7x3", "tower_1", (_c(192, 1), _c(192, (1, 7)), _c(192, (7, 1)), _c(192, 3, 2))),
            _Branch("", "", (), "halving"),
        ),
    ),
    "Mixed_7b": ("mixed_9", _block_e("average")),
    "Mixed_7c": ("mixed_10", _block_e("max")),
}


def inception() -> keras.Model:
    """A functional network: RGB images in [0, 255], (batch, 299, 299, 3) -> features and logits.

    Features are (batch, 2048), the input of the classifier. Logits are (batch, 1008), without the bias of the
    classifier, as in the authors' programs for the Inception score.
    """
    images = keras.Input((SIDE, SIDE, 3), name="images")
    x = layers.Rescaling(1 / 128, -1.0, name="scale")(images)  # as in the graph: (x - 128) / 128
    for name, (_, convolution) in _STEM.items():
        x = _convolved(x, name, convolution, "valid" if name in _UNPADDED else "same")
        if name in _POOLED:
            x = layers.MaxPooling2D(3, 2)(x)
    for block, (_, branches) in _BLOCKS.items():
        x = layers.Concatenate(name=block)([end for branch in branches for end in _ends(x, block, branch)])
    features = layers.GlobalAveragePooling2D(name="features")(x)
    logits = layers.Dense(CLASSES, use_bias=False, name="fc")(features)
    return keras.Model(images, [features, logits], name="inception")


def _ends(x: keras.KerasTensor, block: str, branch: _Branch) -> list[keras.KerasTensor]:
    """The outputs of a branch: one, or two after a fork."""
    if branch.pooling == "halving":
        return [layers.MaxPooling2D(3, 2)(x)]
    if branch.pooling:
        pool = {"average": layers.AveragePooling2D, "max": layers.MaxPooling2D}[branch.pooling]
        x = pool(3, 1, "same")(x)  # with TensorFlow, the average is over the pixels inside the image
    for name, convolution in zip(_names(block, branch), branch.chain, strict=False):
        x = _convolved(x, name, convolution, "valid" if convolution.stride == 2 else "same")
    forked = _names(block, branch)[len(branch.chain) :]
    pairs = zip(forked, branch.fork, strict=True)
    return [_convolved(x, name, convolution, "same") for name, convolution in pairs] or [x]


def _convolved(x: keras.KerasTensor, name: str, convolution: _Convolution, padding: str) -> keras.KerasTensor:
    width, kernel, stride = convolution
    return layers.Conv2D(width, kernel, stride, padding, activation="relu", name=name.replace(".", "_"))(x)


def _names(block: str, branch: _Branch) -> list[str]:
    """Names of the convolutions of a branch in PyTorch, those of the fork last."""
    count = len(branch.chain)
    if count == 1 and not branch.fork:
        return [f"{block}.{branch.name}"]
    numbers = [str(number) for number in range(1, count + 1)]
    return [f"{block}.{branch.name}_{n}" for n in numbers + [f"{count + 1}{side}" for side in "ab"[: len(branch.fork)]]]


def _convolutions() -> Iterator[tuple[str, str]]:
    """Name of each convolution in PyTorch, and in the frozen graph."""
    for name, (frozen, _) in _STEM.items():
        yield name, frozen
    for block, (frozen, branches) in _BLOCKS.items():
        for branch in branches:
            place = "/".join(filter(None, (frozen, branch.tower)))
            chain = [f"{place}/conv{f'_{n}' * (n > 0)}" for n in range(len(branch.chain))]
            fork = [f"{place}/mixed/conv{f'_{n}' * (n > 0)}" for n in range(len(branch.fork))]
            yield from zip(_names(block, branch), chain + fork, strict=True) if branch.chain else ()


def load_inception(file: Path, flag: str = "--inception") -> keras.Model:
    """The network with the weights of a file, frozen.

    Args:
        file: the frozen graph (.pb), or an .npz that `convert` wrote.
        flag: the flag that named the file, for errors.

    Raises:
        UserError: naming the flag, if the file cannot be read or does not contain such weights.
    """
    arrays = convert(file, flag) if file.suffix != ".npz" else read_arrays(file, flag)
    network = inception()
    set_weights([layer for layer in network.layers if layer.weights], arrays, file, "the Inception network", flag)
    network.trainable = False
    return network


def convert(file: Path, flag: str = "--inception") -> dict[str, np.ndarray]:
    """Kernels and biases of the network, by the names in `inception`, as NAME_w (HWIO), NAME_b and fc (2048, 1008).

    Args:
        file: the frozen graph (.pb), or the network's parameters from PyTorch by their names there: a .pth file, or the
            same as .npz or .h5.
        flag: the flag that named the file, for errors.

    Raises:
        UserError: naming the flag, if the file cannot be read, or a parameter is missing.
    """
    parameters = _frozen(file, flag) if file.suffix == ".pb" else _named(file, flag)
    arrays = {}
    try:
        for name, frozen in _convolutions():
            at = (
                (f"{frozen}/conv2d_params", *(f"{frozen}/batchnorm/{p}" for p in _OF_GRAPH))
                if file.suffix == ".pb"
                else (f"{name}.conv.weight", *(f"{name}.bn.{p}" for p in _OF_TORCH))
            )
            kernel, gamma, beta, mean, variance = (np.asarray(parameters[key], np.float64) for key in at)
            kernel = kernel if file.suffix == ".pb" else kernel.transpose(2, 3, 1, 0)
            scale = gamma / np.sqrt(variance + _EPSILON)
            layer = name.replace(".", "_")
            arrays[f"{layer}_w"] = (kernel * scale).astype(np.float32)
            arrays[f"{layer}_b"] = (beta - mean * scale).astype(np.float32)
        fc = parameters["softmax/weights"] if file.suffix == ".pb" else parameters["fc.weight"].T
        arrays["fc"] = np.asarray(fc, np.float32)
    except (KeyError, ValueError) as error:
        raise UserError(
            f"{flag} {file} does not hold the Inception network of 2015 ({error}); accepted are its frozen graph "
            "(.pb), and its parameters from PyTorch as .pth, .npz or .h5."
        ) from None
    return arrays


_OF_GRAPH = ("gamma", "beta", "moving_mean", "moving_variance")
_OF_TORCH = ("weight", "bias", "running_mean", "running_var")


def _frozen(file: Path, flag: str) -> dict[str, np.ndarray]:
    """The constants of a frozen graph."""
    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(file.read_bytes())
    except Exception as error:  # DecodeError of protobuf, whose import would be a dependency
        if isinstance(error, OSError):
            raise UserError(f"{flag} {file} cannot be read: {error.strerror}.") from None
        raise UserError(f"{flag} {file} is not a frozen graph of TensorFlow; accepted is a .pb file.") from None
    return {node.name: tf.make_ndarray(node.attr["value"].tensor) for node in graph.node if node.op == "Const"}


def _named(file: Path, flag: str) -> Mapping[str, np.ndarray]:
    """The arrays of a .pth, .npz or .h5 file."""
    if file.suffix == ".npz":
        return read_arrays(file, flag)
    if file.suffix in (".h5", ".hdf5"):
        found: dict[str, np.ndarray] = {}

        def keep(name: str, item: h5py.Dataset | h5py.Group) -> None:
            if isinstance(item, h5py.Dataset):
                found[name.replace("/", ".")] = item[()]

        try:
            with h5py.File(file) as archive:
                archive.visititems(keep)
        except OSError as error:
            raise UserError(f"{flag} {file} cannot be read as an .h5 file ({error}).") from None
        return found
    try:
        return read_state(file)
    except (OSError, ValueError, EOFError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise UserError(f"{flag} {file} cannot be read as parameters of PyTorch ({error}).") from None

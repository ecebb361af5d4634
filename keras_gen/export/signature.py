"""Inputs and outputs of served networks: ports with a name, a kind, a shape and a range.

A shape alone does not say what a tensor holds: (32, 32, 4) may be an RGBA image, a latent map, or a label map of four
classes. A family declares it with the functions of this module. Signatures, files, metadata, reports and apps use the
declaration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

Kind = Literal["image", "vector", "sequence", "indices", "map", "volume", "clip", "scalar"]
Io = Literal["float", "uint8"]
Task = Literal["", "generate", "translate", "reconstruct", "denoise"]

_AXES = {"image": 3, "map": 3, "vector": 1, "sequence": 2, "volume": 4, "clip": 4, "scalar": 0}  # indices: any number
_CHANNELS = (1, 3, 4)  # of images: grey, RGB, RGBA


@dataclass(frozen=True)
class Port:
    """One input or output of a served network.

    Attributes:
        name: of the tensor in the signature.
        kind: "image" (height, width, channels) with 1, 3 or 4 channels in [-1, 1]; "map" (height, width, channels) for
            anything else on a grid, such as latents or the classes of pixels; "vector" (n,); "sequence" (steps,
            features); "volume" (depth, height, width, channels); "clip" (frames, height, width, channels); "indices",
            int32 of any shape, () for a class label; "scalar" ().
        shape: of one example, without the batch axis.
        dtype: "float32" or "int32".
        range: lowest and highest value; None: unlimited.
        num_classes: number of classes that the indices or channels stand for; 0: none.
        labels: class names in the order of their ids; () if unknown. For an image, the classes that its colours
            stand for.
        about: what the values mean, if kind and range do not say it.

    Raises:
        ValueError: if the shape or dtype does not fit the kind.

    Examples:
        >>> Port("source", "image", (32, 32, 3), range=(-1.0, 1.0)).description()
        'source: (batch, 32, 32, 3) float32 in [-1, 1]'
        >>> Port("label", "indices", (), "int32", (0, 9), 10).description(batch=1)
        'label: (1,) int32 from 0 to 9'
    """

    name: str
    kind: Kind
    shape: tuple[int | None, ...]
    dtype: str = "float32"
    range: tuple[float, float] | None = None
    num_classes: int = 0
    labels: tuple[str, ...] = ()
    about: str = ""

    def __post_init__(self) -> None:
        if len(self.shape) != _AXES.get(self.kind, len(self.shape)):
            raise ValueError(
                f"{self.name} has shape {self.shape}; accepted are {_AXES[self.kind]} axes for the kind {self.kind}."
            )
        if self.kind == "image" and self.shape[-1] not in _CHANNELS:
            raise ValueError(
                f"{self.name} has {self.shape[-1]} channels; accepted are 1, 3 and 4 for an image, any for a map."
            )
        if (self.dtype == "int32") != (self.kind == "indices"):
            accepted = "int32" if self.kind == "indices" else "float32"
            raise ValueError(f"{self.name} has dtype {self.dtype}; accepted is {accepted} for the kind {self.kind}.")

    @property
    def is_label_map(self) -> bool:
        """Whether it is a one-hot label map: a channel for each class, 1 for the class of a pixel and -1 elsewhere."""
        return self.kind == "map" and self.num_classes == self.shape[-1] and self.range == (-1, 1)

    @property
    def fits_uint8(self) -> bool:
        """Whether it can be stored as uint8 in [0, 255]: images and label maps."""
        return self.kind == "image" or self.is_label_map

    @property
    def count(self) -> int:
        """Number of values that indices can have."""
        return int(self.range[1]) + 1

    def values(self, io: Io = "float") -> str:
        """Type and range in words: "float32 in [-1, 1]"."""
        if io == "uint8" and self.fits_uint8:
            return "uint8 in [0, 255]"
        if self.kind == "indices":
            return f"int32 from 0 to {self.count - 1}"
        return self.dtype if self.range is None else f"{self.dtype} in [{self.range[0]:g}, {self.range[1]:g}]"

    def description(self, batch: int | None = None, io: Io = "float") -> str:
        """Name, shape, type, range and meaning in words: "source: (batch, 32, 32, 3) float32 in [-1, 1]".

        Args:
            batch: examples per call; None: any number.
            io: "uint8" if images are stored as uint8.
        """
        sides = ", ".join(map(str, (batch or "batch", *self.shape))) + ("," if not self.shape else "")
        notes = [f"one channel for each of {self.num_classes} classes"] if self.is_label_map else []
        notes += [self.about] if self.about else []
        return ", ".join([f"{self.name}: ({sides}) {self.values(io)}", *notes])


# -- one function for each kind of port; the shape is that of a Keras tensor -----------------------------------------


def image(name: str, tensor: Any, about: str = "") -> Port:
    """Images in [-1, 1] with 1, 3 or 4 channels; with another number of channels, a map in [-1, 1].

    Args:
        name: of the tensor in the signature.
        tensor: input or output of a Keras network, (batch, height, width, channels).
        about: what the values mean, if kind and range do not say it.
    """
    shape = _shape(tensor)
    return Port(name, "image" if shape[-1] in _CHANNELS else "map", shape, range=(-1.0, 1.0), about=about)


def vector(
    name: str, tensor: Any, about: str = "", *, range: tuple[float, float] | None = None, num_classes: int = 0
) -> Port:
    """Vectors of numbers, (n,).

    Args:
        name: of the tensor in the signature.
        tensor: input or output of a Keras network, (batch, n).
        about: what the values mean.
        range: lowest and highest value; None: unlimited.
        num_classes: n if there is one number for each class, else 0.
    """
    return Port(name, "vector", _shape(tensor), range=range, num_classes=num_classes, about=about)


def sequence(name: str, tensor: Any, about: str = "") -> Port:
    """Sequences, (steps, features)."""
    return Port(name, "sequence", _shape(tensor), about=about)


def indices(name: str, tensor: Any, count: int, about: str = "") -> Port:
    """Indices, int32 from 0 to `count` - 1, of any shape."""
    return Port(name, "indices", _shape(tensor), "int32", (0, count - 1), about=about)


def class_label(name: str, tensor: Any, num_classes: int) -> Port:
    """The class label of an example: int32 from 0 to `num_classes` - 1, ()."""
    return Port(name, "indices", _shape(tensor), "int32", (0, num_classes - 1), num_classes, about="the class")


def feature_map(name: str, tensor: Any, about: str = "", *, range: tuple[float, float] | None = None) -> Port:
    """Feature maps, (height, width, channels), such as latents."""
    return Port(name, "map", _shape(tensor), range=range, about=about)


def label_map(name: str, tensor: Any, about: str = "") -> Port:
    """One-hot label maps, (height, width, classes): 1 in the channel of a pixel's class, -1 in the others."""
    shape = _shape(tensor)
    return Port(name, "map", shape, range=(-1.0, 1.0), num_classes=shape[-1], about=about)


def volume(name: str, tensor: Any, about: str = "", *, range: tuple[float, float] | None = (-1.0, 1.0)) -> Port:
    """Volumes of voxels, (depth, height, width, channels)."""
    return Port(name, "volume", _shape(tensor), range=range, about=about)


def clip(name: str, tensor: Any, about: str = "") -> Port:
    """Video clips in [-1, 1], (frames, height, width, channels)."""
    return Port(name, "clip", _shape(tensor), range=(-1.0, 1.0), about=about)


def scalar(name: str, tensor: Any, about: str = "", *, range: tuple[float, float] | None = None) -> Port:
    """One number for each example, ()."""
    return Port(name, "scalar", _shape(tensor), range=range, about=about)


def _shape(tensor: Any) -> tuple[int | None, ...]:
    return tuple(tensor.shape[1:])


# -- a network and its ports -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Served:
    """A network to export, with its ports.

    Attributes:
        network: functional, deterministic, float32.
        inputs: one port for each input, in the order of the network.
        outputs: one port for each output, in the order of the network.
        about: what the network does, in a few words, for the report.
        task: the method of the model that computes the same: `generate(count, seed, network=...)` with this network in
            place of the model's own, or a function of the inputs. Apps offer an export for this task. "" for a part of
            a model.
        examples: batch of data -> one array for each input, to verify exports with; None: the batch's first arrays.
        chooses: whether the network chooses the nearest of several codes; if two are equally near, rounding decides.

    Raises:
        ValueError: if ports and tensors of the network differ in number, shape or dtype, or two ports have one name.

    Examples:
        >>> import keras
        >>> source = keras.Input((8, 8, 3))
        >>> network = keras.Model(source, keras.layers.Conv2D(1, 3, padding="same", activation="tanh")(source))
        >>> grey = Served(network, (image("image", source),), (image("grey", network.output),), "to greyscale")
        >>> grey(np.zeros((2, 8, 8, 3), "float32")).shape
        TensorShape([2, 8, 8, 1])
        >>> grey.ios
        ('float', 'uint8')
    """

    network: keras.Model
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    about: str
    task: Task = ""
    examples: Callable[[Any], Sequence[Any]] | None = None
    chooses: bool = False

    def __post_init__(self) -> None:
        for ports, tensors in ((self.inputs, self.network.inputs), (self.outputs, self.network.outputs)):
            if [(p.shape, p.dtype) for p in ports] != [(_shape(t), t.dtype) for t in tensors]:
                got = ", ".join(f"{port.name} {port.dtype} {port.shape}" for port in ports)
                own = ", ".join(f"{tensor.dtype} {_shape(tensor)}" for tensor in tensors)
                raise ValueError(f"{self.network.name} got the ports {got}; its tensors are {own}.")
        names = [port.name for port in (*self.inputs, *self.outputs)]
        if len({*names}) != len(names):
            raise ValueError(f"{self.network.name} got ports with the names {names}; accepted are different names.")

    @property
    def ports(self) -> tuple[Port, ...]:
        """Inputs and outputs."""
        return (*self.inputs, *self.outputs)

    @property
    def ios(self) -> tuple[Io, ...]:
        """Types that the images of a signature can have.

        "uint8" is possible if there are images or label maps on both sides, and otherwise only indices.
        """
        held = all(port.fits_uint8 or port.kind == "indices" for port in self.ports)
        pictures = all(any(port.fits_uint8 for port in ports) for ports in (self.inputs, self.outputs))
        return ("float", "uint8") if held and pictures else ("float",)

    @property
    def description(self) -> str:
        """Descriptions of all ports, joined by semicolons."""
        return "; ".join(port.description() for port in self.ports)

    def __call__(self, *arrays: Any) -> Any:
        """The outputs of the network in inference: a tensor, or a tuple of several."""
        outputs = self.call(*map(tf.convert_to_tensor, arrays))
        return outputs if len(outputs) > 1 else outputs[0]

    def call(self, *tensors: Any) -> tuple[Any, ...]:
        """As `__call__`, but always a tuple. Arguments and results are in the order of the ports."""
        packed = keras.tree.pack_sequence_as(self.network.input, list(tensors)) if len(tensors) > 1 else tensors[0]
        return tuple(keras.tree.flatten(self.network(packed, training=False)))

    def examples_of(self, batches: Sequence[Any]) -> tuple[np.ndarray, ...]:
        """One array for each input, with the examples of all batches."""
        chosen = self.examples or (lambda batch: batch[: len(self.inputs)])
        found = [[np.asarray(part, port.dtype) for part, port in self._paired(chosen(batch))] for batch in batches]
        return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))

    def _paired(self, parts: Sequence[Any]) -> list[tuple[Any, Port]]:
        return list(zip(parts, self.inputs, strict=True))


def with_labels(served: Mapping[str, Served], labels: Sequence[str]) -> dict[str, Served]:
    """The same networks, with class names at every port that has this number of classes."""

    def named(ports: tuple[Port, ...]) -> tuple[Port, ...]:
        count = len(labels)
        return tuple(replace(p, labels=tuple(labels)) if count and p.num_classes == count else p for p in ports)

    return {
        name: replace(item, inputs=named(item.inputs), outputs=named(item.outputs)) for name, item in served.items()
    }

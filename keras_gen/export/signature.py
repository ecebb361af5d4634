"""What a served network takes and gives: ports with a name, a kind, a shape and a range.

A shape alone does not tell what a tensor holds: (32, 32, 4) may be a picture with alpha, a latent map, or a label map
of four classes. A family says which, by one of the functions here, and everything that works with a finished model goes
by it: signatures, files, metadata, reports and apps.
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
_CHANNELS = (1, 3, 4)  # of pictures: grey, RGB, RGBA


@dataclass(frozen=True)
class Port:
    """One input or output of a served network.

    Attributes:
        name: in the signature.
        kind: image (height, width, 1, 3 or 4 channels) in [-1, 1]; map (height, width, channels) of anything else that
            has a place, such as latents or the classes of pixels; vector (n,); sequence (steps, features); volume
            (depth, height, width, channels); clip (frames, height, width, channels); indices, int32 of any shape, ()
            for the class of an example; scalar, ().
        shape: of one example, without the batch.
        dtype: "float32" or "int32".
        range: lowest and highest value; None: any.
        num_classes: classes of the data that indices or the channels stand for; 0: none.
        labels: names of the classes, in order of their ids, where they are known; of an image, those that its colours
            stand for.
        about: what the values are, where kind and range do not say it.
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
            raise ValueError(f"{self.name} of shape {self.shape} is no {self.kind}, which has {_AXES[self.kind]} axes.")
        if self.kind == "image" and self.shape[-1] not in _CHANNELS:
            raise ValueError(f"{self.name} has {self.shape[-1]} channels, and pictures 1, 3 or 4: it is a map.")
        if (self.dtype == "int32") != (self.kind == "indices"):
            raise ValueError(f"{self.name} holds {self.dtype}, and {self.kind} do not.")

    @property
    def is_label_map(self) -> bool:
        """Whether its channels are -1 and 1, one for each class of a pixel."""
        return self.kind == "map" and self.num_classes == self.shape[-1] and self.range == (-1, 1)

    @property
    def has_levels(self) -> bool:
        """Whether uint8 in [0, 255] can hold it: pictures, and maps of the classes of pixels."""
        return self.kind == "image" or self.is_label_map

    @property
    def count(self) -> int:
        """How many values indices have."""
        return int(self.range[1]) + 1

    def values(self, io: Io = "float") -> str:
        """Type and range, in words."""
        if io == "uint8" and self.has_levels:
            return "uint8 in [0, 255]"
        if self.kind == "indices":
            return f"int32 from 0 to {self.count - 1}"
        return self.dtype if self.range is None else f"{self.dtype} in [{self.range[0]:g}, {self.range[1]:g}]"

    def description(self, batch: int | None = None, io: Io = "float") -> str:
        """Name, shape, values and what they are: "source: (batch, 32, 32, 3) float32 in [-1, 1]"."""
        sides = ", ".join(map(str, (batch or "batch", *self.shape))) + ("," if not self.shape else "")
        notes = [f"one channel for each of {self.num_classes} classes"] if self.is_label_map else []
        notes += [self.about] if self.about else []
        return ", ".join([f"{self.name}: ({sides}) {self.values(io)}", *notes])


# -- one port of each kind, with the shape of a Keras tensor ---------------------------------------------------------


def image(name: str, tensor: Any, about: str = "") -> Port:
    """Pictures in [-1, 1] of one, three or four channels; with another number of them, a map of that range.

    Args:
        name: in the signature.
        tensor: input or output of a Keras network, which tells the shape.
        about: what the values are, where kind and range do not say it.
    """
    shape = _shape(tensor)
    return Port(name, "image" if shape[-1] in _CHANNELS else "map", shape, range=(-1.0, 1.0), about=about)


def vector(
    name: str, tensor: Any, about: str = "", *, range: tuple[float, float] | None = None, num_classes: int = 0
) -> Port:
    """Numbers, (n,); with `num_classes` one for each class. Other arguments as of `image`."""
    return Port(name, "vector", _shape(tensor), range=range, num_classes=num_classes, about=about)


def sequence(name: str, tensor: Any, about: str = "") -> Port:
    """Steps of features, (steps, features)."""
    return Port(name, "sequence", _shape(tensor), about=about)


def indices(name: str, tensor: Any, count: int, about: str = "") -> Port:
    """int32 from 0 to `count` - 1, of any shape."""
    return Port(name, "indices", _shape(tensor), "int32", (0, count - 1), about=about)


def class_label(name: str, tensor: Any, num_classes: int) -> Port:
    """The class of an example, int32, ()."""
    return Port(name, "indices", _shape(tensor), "int32", (0, num_classes - 1), num_classes, about="the class")


def feature_map(name: str, tensor: Any, about: str = "", *, range: tuple[float, float] | None = None) -> Port:
    """Values by place that are no picture, (height, width, channels)."""
    return Port(name, "map", _shape(tensor), range=range, about=about)


def label_map(name: str, tensor: Any, about: str = "") -> Port:
    """Classes of pixels, (height, width, classes): 1 in the channel of a pixel's class, -1 in the others."""
    shape = _shape(tensor)
    return Port(name, "map", shape, range=(-1.0, 1.0), num_classes=shape[-1], about=about)


def volume(name: str, tensor: Any, about: str = "", *, range: tuple[float, float] | None = (-1.0, 1.0)) -> Port:
    """Voxels, (depth, height, width, channels)."""
    return Port(name, "volume", _shape(tensor), range=range, about=about)


def clip(name: str, tensor: Any, about: str = "") -> Port:
    """Frames of pictures in [-1, 1], (frames, height, width, channels)."""
    return Port(name, "clip", _shape(tensor), range=(-1.0, 1.0), about=about)


def scalar(name: str, tensor: Any, about: str = "", *, range: tuple[float, float] | None = None) -> Port:
    """One number for each example, ()."""
    return Port(name, "scalar", _shape(tensor), range=range, about=about)


def _shape(tensor: Any) -> tuple[int | None, ...]:
    return tuple(tensor.shape[1:])


# -- a network and its ports -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Served:
    """A network to export.

    Attributes:
        network: functional, deterministic, float32.
        inputs: a port for each of its inputs, in their order.
        outputs: a port for each of its outputs, in their order.
        about: what it does, in a few words, for the report.
        task: the model's method that draws the same, if there is one: `generate(count, seed, network=...)` with this
            network in place of the model's own, or a function of the inputs. Apps ask exports for it.
        examples: batch of data -> an array for each input, on which the exports are proved; None: the first so many
            parts of the batch.
        chooses: whether it chooses the nearest of several codes; where two are equally near, rounding decides.
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
                raise ValueError(f"{self.network.name} has the tensors {tensors}, not {ports}.")
        names = [port.name for port in (*self.inputs, *self.outputs)]
        if len({*names}) != len(names):
            raise ValueError(f"{self.network.name} has ports of equal names: {names}.")

    @property
    def ports(self) -> tuple[Port, ...]:
        """Inputs and outputs."""
        return (*self.inputs, *self.outputs)

    @property
    def ios(self) -> tuple[Io, ...]:
        """Types that the values may have: uint8 where pictures go in and come out, and nothing but pictures or classes.

        One signature has one type for all pictures; what is neither has no levels.
        """
        held = all(port.has_levels or port.kind == "indices" for port in self.ports)
        pictures = all(any(port.has_levels for port in ports) for ports in (self.inputs, self.outputs))
        return ("float", "uint8") if held and pictures else ("float",)

    @property
    def description(self) -> str:
        """What goes in and what comes out, a sentence without its end."""
        return "; ".join(port.description() for port in self.ports)

    def __call__(self, *arrays: Any) -> Any:
        """The outputs of inference, one tensor or a tuple of them."""
        outputs = self.call(*map(tf.convert_to_tensor, arrays))
        return outputs if len(outputs) > 1 else outputs[0]

    def call(self, *tensors: Any) -> tuple[Any, ...]:
        """The outputs, in the order of their ports, of tensors in that of the inputs."""
        packed = keras.tree.pack_sequence_as(self.network.input, list(tensors)) if len(tensors) > 1 else tensors[0]
        return tuple(keras.tree.flatten(self.network(packed, training=False)))

    def examples_of(self, batches: Sequence[Any]) -> tuple[np.ndarray, ...]:
        """An array for each input, of all examples of the batches."""
        chosen = self.examples or (lambda batch: batch[: len(self.inputs)])
        found = [[np.asarray(part, port.dtype) for part, port in self._paired(chosen(batch))] for batch in batches]
        return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))

    def _paired(self, parts: Sequence[Any]) -> list[tuple[Any, Port]]:
        return list(zip(parts, self.inputs, strict=True))


def with_labels(served: Mapping[str, Served], labels: Sequence[str]) -> dict[str, Served]:
    """The same networks, with the names of the classes at every port of so many."""

    def named(ports: tuple[Port, ...]) -> tuple[Port, ...]:
        count = len(labels)
        return tuple(replace(p, labels=tuple(labels)) if count and p.num_classes == count else p for p in ports)

    return {
        name: replace(item, inputs=named(item.inputs), outputs=named(item.outputs)) for name, item in served.items()
    }

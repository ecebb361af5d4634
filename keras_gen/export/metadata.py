"""Metadata of exported files: names, shapes, ranges and classes of inputs and outputs, author and licence.

A .tflite holds them twice: as JSON, which `read_metadata` reads, and as TFLite metadata, which Android Studio, Netron
and the task libraries read. The latter (metadata_schema.fbs of tensorflow/tflite-support) is written here field by
field, because the tflite-support package does not support Python versions above 3.11. A SavedModel holds the JSON in
assets.extra/.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

import keras_gen
from keras_gen.errors import UserError
from keras_gen.export.signature import Io, Port, Task

_ENTRY = "keras_gen.json"
_TFLITE_ENTRY = "TFLITE_METADATA"


@dataclass(frozen=True)
class Provenance:
    """Author and licence of a model.

    Attributes:
        author: name; "" if unknown.
        licence: name of the licence; "" if unknown.
    """

    author: str = ""
    licence: str = ""


UNKNOWN = Provenance()


@dataclass(frozen=True)
class Metadata:
    """Metadata of one exported file.

    Attributes:
        name: of the network, such as "pix2pix generator".
        inputs, outputs: its ports, in the order of the arrays of `SavedModel` and `TFLiteModel`.
        task: what the network is for, see `signature.Served`; "" for a part of a model.
        origin: author and licence.
        variant: "float32", "float16", "dynamic8" or "int8".
        io: type of the images: "float" is float32 in [-1, 1], "uint8" is [0, 255].
        batch: examples per call; None: any number.
        version: version of keras_gen that wrote the file.

    Examples:
        >>> from keras_gen.export.signature import Port
        >>> picture = Port("image", "image", (32, 32, 3), range=(-1.0, 1.0))
        >>> code = Port("code", "vector", (8,))
        >>> Metadata("vae decoder", (code,), (picture,)).description
        'code: (batch, 8) float32; image: (batch, 32, 32, 3) float32 in [-1, 1]'
    """

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    task: Task = ""
    origin: Provenance = UNKNOWN
    variant: str = "float32"
    io: Io = "float"
    batch: int | None = None
    version: str = keras_gen.__version__

    @property
    def ports(self) -> tuple[Port, ...]:
        """Inputs and outputs."""
        return (*self.inputs, *self.outputs)

    @property
    def description(self) -> str:
        """Inputs and outputs in words, see `signature.Port.description`."""
        return "; ".join(port.description(self.batch, self.io) for port in self.ports)

    def as_dict(self) -> dict[str, Any]:
        """The fields and `description` as plain values."""
        return asdict(self) | {"description": self.description}

    def to_json(self) -> str:
        """The metadata as JSON, for `from_json`."""
        return json.dumps(self.as_dict(), indent=2)

    @classmethod
    def from_json(cls, text: bytes) -> Metadata:
        """The inverse of `to_json`; unknown fields, such as those of later versions, are ignored.

        Raises:
            ValueError: if `text` is not such JSON.
        """
        try:
            values = json.loads(text)
            values["inputs"], values["outputs"] = (
                tuple(_port(port) for port in values[side]) for side in ("inputs", "outputs")
            )
            values["origin"] = Provenance(**_known_fields(Provenance, values["origin"]))
            return cls(**_known_fields(cls, values))
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not the metadata of an export: {error}") from None


def _port(values: Mapping[str, Any]) -> Port:
    """A port from JSON, whose lists are tuples here."""
    return Port(**{k: tuple(v) if isinstance(v, list) else v for k, v in _known_fields(Port, values).items()})


def _known_fields(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in kind.__dataclass_fields__}


def with_metadata(content: bytes, metadata: Metadata) -> bytes:
    """Add `metadata` to the bytes of a .tflite."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    model.metadata = model.metadata or []
    for name, text in (
        (_ENTRY, metadata.to_json().encode()),
        (_TFLITE_ENTRY, _tflite_metadata(metadata, *_tensor_names(model))),
    ):
        buffer, entry = schema.BufferT(), schema.MetadataT()
        buffer.data = np.frombuffer(text, np.uint8)
        entry.name, entry.buffer = name, len(model.buffers)
        model.buffers.append(buffer)
        model.metadata.append(entry)
    builder = flatbuffers.Builder(len(content) + 2**16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _tensor_names(model: schema.ModelT) -> tuple[list[str], list[str]]:
    """Names of inputs and outputs in the order of the subgraph, which other tools use."""
    (signature, *_), graph = model.signatureDefs, model.subgraphs[0]
    sides = ((signature.inputs, graph.inputs), (signature.outputs, graph.outputs))
    maps = [({tensor.tensorIndex: tensor.name.decode() for tensor in named}, order) for named, order in sides]
    return tuple([names[number] for number in order] for names, order in maps)


def write_into_saved_model(saved_model: Path, metadata: Metadata) -> None:
    """Write `metadata` into a SavedModel folder."""
    place = _json_file(saved_model)
    place.parent.mkdir(exist_ok=True)
    place.write_text(metadata.to_json() + "\n", encoding="utf-8")


def read_metadata(path: Path) -> Metadata | None:
    """Read the metadata of a .tflite file or a SavedModel folder; None if keras_gen did not export it.

    Raises:
        UserError: if the metadata are damaged.
    """
    try:
        text = _json_file(path).read_bytes() if path.is_dir() else _embedded_json(path)
        return None if text is None else Metadata.from_json(text)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UserError(f"{path} has damaged metadata ({error}); accepted are unchanged exports.") from None


def _json_file(saved_model: Path) -> Path:
    return saved_model / "assets.extra" / _ENTRY


def _embedded_json(path: Path) -> bytes | None:
    # Memory-mapped, so that the weights are not read from the disk.
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        model = schema.Model.GetRootAs(content, 0)
        for number in range(model.MetadataLength()):
            entry = model.Metadata(number)
            if entry.Name() == _ENTRY.encode():
                return model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
    return None


# -- the format of other tools -------------------------------------------------------------------------------------


def _tflite_metadata(metadata: Metadata, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    """A ModelMetadata table with the tensors in this order; fields are in the order of metadata_schema.fbs."""
    build = flatbuffers.Builder(1024)

    def table(*fields: int | None) -> int:
        """A table of offsets; a field that is None is left out."""
        build.StartObject(len(fields))
        for slot, offset in enumerate(fields):
            if offset is not None:
                build.PrependUOffsetTRelativeSlot(slot, offset, 0)
        return build.EndObject()

    def union(kind: int, value: int, *more: int | None) -> int:
        """A table whose first two fields are the type and the value of a union."""
        build.StartObject(2 + len(more))
        build.PrependUint8Slot(0, kind, 0)
        build.PrependUOffsetTRelativeSlot(1, value, 0)
        for slot, offset in enumerate(more, 2):
            if offset is not None:
                build.PrependUOffsetTRelativeSlot(slot, offset, 0)
        return build.EndObject()

    def vector(offsets: Sequence[int]) -> int:
        build.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            build.PrependUOffsetTRelative(offset)
        return build.EndVector()

    def floats(*values: float) -> int:
        return build.CreateNumpyVector(np.array(values, np.float32))

    def text(content: str) -> int | None:
        return build.CreateString(content) if content else None

    def tensor(port: Port) -> int:
        """TensorMetadata: name and description; for images also colour space, size, normalisation and range."""
        if not port.fits_uint8:
            return table(text(port.name), text(port.description(metadata.batch)))
        height, width, channels = port.shape
        build.StartObject(2)  # ImageSize
        build.PrependUint32Slot(0, width, 0)
        build.PrependUint32Slot(1, height, 0)
        size = build.EndObject()
        build.StartObject(2)  # ImageProperties; colour spaces: 0 unknown, 1 RGB, 2 grey
        build.PrependUint8Slot(0, {3: 1, 1: 2}.get(channels, 0) if port.kind == "image" else 0, 0)
        build.PrependUOffsetTRelativeSlot(1, size, 0)
        content = union(2, build.EndObject())  # Content of kind ImageProperties
        # Readers compute (x - mean) / std from levels of 0 to 255. For int8 they then quantise by the tensor's scale.
        normalise = (127.5, 127.5) if metadata.io == "float" or metadata.variant == "int8" else (0.0, 1.0)
        unit = union(1, table(floats(normalise[0]), floats(normalise[1])))  # ProcessUnit of kind NormalizationOptions
        low, high = (-1.0, 1.0) if metadata.io == "float" else (0.0, 255.0)
        stats = table(floats(high), floats(low))
        about = text(port.description(metadata.batch, metadata.io))
        return table(text(port.name), about, None, content, vector([unit]), stats)

    ports = {port.name: port for port in metadata.ports}
    graph = table(
        None,
        None,
        vector([tensor(ports[name]) for name in inputs]),
        vector([tensor(ports[name]) for name in outputs]),
    )
    origin = metadata.origin
    build.Finish(
        table(
            text(metadata.name),
            text(metadata.description),
            text(f"keras_gen {metadata.version}"),
            vector([graph]),
            text(origin.author),
            text(origin.licence),
            None,
            text("1.0.0"),
        ),
        b"M001",
    )
    return bytes(build.Output())

"""Metadata: writing and reading, and the table for other tools, decoded here field by field."""

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers.table import Table

from keras_gen.errors import UserError
from keras_gen.export.metadata import Metadata, Provenance, read_metadata, with_metadata
from keras_gen.export.saved_model import write_saved_model
from keras_gen.export.signature import Port
from keras_gen.export.tflite import TFLiteModel, write_tflite

ORIGIN = Provenance("A. Author", "CC0-1.0")
PORTS = (
    Port("source", "image", (32, 48, 3), range=(-1.0, 1.0), labels=("wall", "window", "Tür")),
    Port("label", "indices", (), "int32", (0, 2), num_classes=3, labels=("a", "b", "c"), about="the class"),
)
DRAWN = Port("drawn", "image", (32, 48, 1), range=(-1.0, 1.0))
METADATA = Metadata("pix2pix generator", PORTS, (DRAWN,), "translate", ORIGIN, "int8", "uint8", 2)


def test_it_comes_back_from_json():
    assert Metadata.from_json(METADATA.to_json().encode()) == METADATA
    assert "uint8 in [0, 255]" in METADATA.to_json()
    later = METADATA.to_json().replace('"name"', '"field_of_a_later_version": 1, "name"')
    assert Metadata.from_json(later.encode()) == METADATA


def test_a_tflite_carries_it_and_draws_as_before(served, images, tmp_path):
    bare, described = tmp_path / "bare.tflite", tmp_path / "described.tflite"
    write_tflite(served, bare)
    about = Metadata("net", served.inputs, served.outputs, origin=ORIGIN, batch=1)
    write_tflite(served, described, metadata=about)
    assert read_metadata(bare) is None
    assert read_metadata(described) == about
    np.testing.assert_array_equal(TFLiteModel(described)(images), TFLiteModel(bare)(images))


def test_a_saved_model_carries_it_wherever_it_goes(served, tmp_path):
    write_saved_model(served, tmp_path / "saved", metadata=METADATA)
    (tmp_path / "elsewhere").mkdir()
    moved = (tmp_path / "saved").rename(tmp_path / "elsewhere" / "moved")
    assert read_metadata(moved) == METADATA
    next(moved.rglob("keras_gen.json")).write_text("[]")
    with pytest.raises(UserError, match="damaged metadata"):
        read_metadata(moved)
    write_saved_model(served, tmp_path / "bare")
    assert read_metadata(tmp_path / "bare") is None


def at(table, slot, kind):
    """A field of a flatbuffer table: a table, text, floats or a list of tables; None if it is empty."""
    offset = table.Offset(4 + 2 * slot)
    if not offset:
        return None
    if kind == "text":
        return table.String(table.Pos + offset).decode()
    if kind == "floats":
        start = table.Vector(offset)
        return [table.Get(flatbuffers.number_types.Float32Flags, start + 4 * n) for n in range(table.VectorLen(offset))]
    if kind == "tables":
        start = table.Vector(offset)
        return [Table(table.Bytes, table.Indirect(start + 4 * n)) for n in range(table.VectorLen(offset))]
    if kind == "table":
        return Table(table.Bytes, table.Indirect(table.Pos + offset))
    return table.Get(kind, table.Pos + offset)


@pytest.mark.parametrize(
    ("io", "variant", "normalisation", "limits"),
    [
        ("float", "float32", 127.5, (-1, 1)),
        ("uint8", "float32", 1, (0, 255)),
        ("uint8", "int8", 127.5, (0, 255)),  # whose tensors have a scale of their own, applied after it
    ],
)
def test_the_table_of_other_tools_says_the_same(served, tmp_path, io, variant, normalisation, limits):
    """Fields by their numbers in metadata_schema.fbs of tensorflow/tflite-support."""
    byte, word = flatbuffers.number_types.Uint8Flags, flatbuffers.number_types.Uint32Flags
    write_tflite(served, tmp_path / "m.tflite")
    described = Metadata("a name", PORTS[:1], (DRAWN,), "translate", ORIGIN, variant, io)
    model = schema.Model.GetRootAs(with_metadata((tmp_path / "m.tflite").read_bytes(), described), 0)
    (entry,) = (e for e in map(model.Metadata, range(model.MetadataLength())) if e.Name() == b"TFLITE_METADATA")
    content = bytearray(model.Buffers(entry.Buffer()).DataAsNumpy().tobytes())
    assert content[4:8] == b"M001"
    root = Table(content, flatbuffers.encode.Get(flatbuffers.packer.uoffset, content, 0))
    assert [at(root, slot, "text") for slot in (0, 4, 5, 7)] == ["a name", "A. Author", "CC0-1.0", "1.0.0"]
    (graph,) = at(root, 3, "tables")
    for slot, name, colour in ((2, "source", 1), (3, "drawn", 2)):
        (tensor,) = at(graph, slot, "tables")
        assert at(tensor, 0, "text") == name
        image = at(at(tensor, 3, "table"), 1, "table")
        assert at(at(tensor, 3, "table"), 0, byte) == 2  # ImageProperties
        assert at(image, 0, byte) == colour  # RGB or grey
        assert [at(at(image, 1, "table"), n, word) for n in (0, 1)] == [48, 32]  # width, height
        (unit,) = at(tensor, 4, "tables")
        assert at(unit, 0, byte) == 1  # NormalizationOptions
        assert at(at(unit, 1, "table"), 1, "floats") == [normalisation]
        assert [at(at(tensor, 5, "table"), n, "floats")[0] for n in (1, 0)] == list(limits)

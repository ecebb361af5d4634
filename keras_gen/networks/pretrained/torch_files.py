"""Parameters from PyTorch's .pth files, read without PyTorch and without running anything that a file contains.

A .pth file is a pickle, which could call any function when it is loaded. Here its instructions are only read, and of
the calls that it makes just those that describe a tensor are understood, everything else is refused. Both layouts are
read: the zip archive of PyTorch 1.6 and later, and the single stream of earlier versions.
"""

from __future__ import annotations

import math
import pickletools
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

_TYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "?",
}
_MAGIC = 0x1950A86A20F9469CFC6C  # the first object in the stream of earlier versions


class _Name(NamedTuple):
    """A function or class that a pickle names, and that is never looked up."""

    module: str
    name: str


class _Storage(NamedTuple):
    """A one-dimensional array that is stored outside the pickle."""

    dtype: np.dtype
    key: str
    count: int


class _Tensor(NamedTuple):
    """A view of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_state(file: Path) -> dict[str, np.ndarray]:
    """The tensors of a state dictionary, by name. Values that are not tensors are left out.

    Args:
        file: a .pth file that `torch.save` wrote.

    Raises:
        ValueError: if it is no such file, or contains something else than tensors, numbers, strings and their
            containers.
        OSError: if it cannot be read.
    """
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            (pickled,) = [name for name in archive.namelist() if name.endswith("data.pkl")]
            folder = pickled.removesuffix("data.pkl")
            with archive.open(pickled) as stream:
                state = _object(stream)
            return _tensors(state, lambda storage: archive.read(f"{folder}data/{storage.key}"))
    with open(file, "rb") as stream:
        if _object(stream) != _MAGIC:
            raise ValueError("it does not begin as a file of torch.save")
        _object(stream)  # the version of the layout
        _object(stream)  # the sizes of integers
        state = _object(stream)
        counts = {storage.key: storage for tensor in _found(state).values() for storage in [tensor.storage]}
        contents = {}
        for key in _object(stream):
            (count,) = struct.unpack("<q", stream.read(8))
            if key not in counts:
                raise ValueError("it holds data of no tensor")
            contents[key] = stream.read(count * counts[key].dtype.itemsize)
        return _tensors(state, lambda storage: contents[storage.key])


def _found(state: Any) -> dict[str, _Tensor]:
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict):
        raise ValueError("it holds no dictionary of parameters")
    return {name: value for name, value in state.items() if isinstance(value, _Tensor)}


def _tensors(state: Any, content: Callable[[_Storage], bytes]) -> dict[str, np.ndarray]:
    arrays, read = {}, {}
    for name, tensor in _found(state).items():
        storage = tensor.storage
        if storage.key not in read:
            read[storage.key] = np.frombuffer(content(storage), storage.dtype)
        values, size = read[storage.key], storage.dtype.itemsize
        last = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True))
        small = 0 < math.prod(tensor.shape) <= len(values) and min((tensor.offset, *tensor.strides)) >= 0
        if not small or last >= len(values):
            raise ValueError(f"the data of {name} are not complete")
        strides = [step * size for step in tensor.strides]
        arrays[name] = np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, strides).copy()
    return arrays


def _object(stream: IO[bytes]) -> Any:
    """The object of the next pickle in a stream."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    mark = object()

    def popped() -> list[Any]:
        """The values above the last mark, which go with it."""
        place = len(stack) - 1 - stack[::-1].index(mark)
        values = stack[place + 1 :]
        del stack[place:]
        return values

    for opcode, argument, _ in pickletools.genops(stream):
        name = opcode.name
        if name in ("PROTO", "FRAME"):
            continue
        if name == "STOP":
            return stack.pop()
        if name in _VALUES:
            stack.append(argument)
        elif name in _MADE:
            stack.append(_MADE[name]())
        elif name == "MARK":
            stack.append(mark)
        elif name == "TUPLE":
            stack.append(tuple(popped()))
        elif name in _TUPLES:
            values = stack[-_TUPLES[name] :]
            del stack[-_TUPLES[name] :]
            stack.append(tuple(values))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[int(argument)] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[int(argument)])
        elif name == "GLOBAL":
            stack.append(_Name(*argument.split(" ")))
        elif name == "STACK_GLOBAL":
            module, attribute = stack[-2:]
            stack[-2:] = [_Name(module, attribute)]
        elif name == "BINPERSID":
            stack.append(_storage(stack.pop()))
        elif name == "REDUCE":
            function, arguments = stack[-2:]
            stack[-2:] = [_called(function, arguments)]
        elif name == "BUILD":
            stack.pop()  # attributes of a dictionary, such as the versions of layers
        elif name == "SETITEM":
            key, value = stack[-2:]
            del stack[-2:]
            stack[-1][key] = value
        elif name == "SETITEMS":
            values = popped()
            stack[-1].update(zip(values[::2], values[1::2], strict=True))
        elif name == "APPEND":
            value = stack.pop()
            stack[-1].append(value)
        elif name == "APPENDS":
            values = popped()
            stack[-1].extend(values)
        else:
            raise ValueError(f"it contains the instruction {name}")
    raise ValueError("it ends early")


_VALUES = (
    *("BININT", "BININT1", "BININT2", "LONG1", "INT", "LONG", "BINFLOAT", "FLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "SHORT_BINSTRING", "BINSTRING", "SHORT_BINBYTES"),
)
_MADE = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def _storage(identity: Any) -> _Storage:
    match identity:
        case ("storage", _Name(name=kind), key, _, count, *_) if kind in _TYPES:
            return _Storage(np.dtype(_TYPES[kind]), str(key), int(count))
    raise ValueError("it holds data of an unknown type")


def _called(function: Any, arguments: Any) -> Any:
    """The result of a call, if it describes a tensor, a parameter or an empty dictionary."""
    match function, arguments:
        case _Name("torch._utils", "_rebuild_tensor_v2"), (_Storage() as storage, offset, shape, strides, *_):
            return _Tensor(storage, offset, tuple(shape), tuple(strides))
        case _Name("torch._utils", "_rebuild_parameter"), (_Tensor() as tensor, *_):
            return tensor
        case _Name("collections", "OrderedDict"), ():
            return {}
    named = f"{function.module}.{function.name}" if isinstance(function, _Name) else "something"
    raise ValueError(f"it calls {named}, which is not a tensor")

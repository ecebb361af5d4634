"""The operators of a .tflite: how many of each, which need the Flex delegate, and which XNNPACK runs."""

from __future__ import annotations

import mmap
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from keras_gen.console import quiet

_NAMES = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
_DELEGATE, _FLEX = "DELEGATE", "Flex"


@dataclass(frozen=True)
class Operators:
    """The operators of one file.

    Attributes:
        counts: operator -> number of uses, most frequent first; the names of Flex operators begin with "Flex".
        delegated: fraction of the operators that XNNPACK runs on this machine [0, 1]; None for a file with Flex
            operators, which the interpreter for Python cannot run.
        left: operator -> number of uses that the interpreter's own kernels run instead, most frequent first.

    Examples:
        >>> Operators({"CONV_2D": 12, "FlexErf": 1}).flex
        ('FlexErf',)
    """

    counts: dict[str, int]
    delegated: float | None = None
    left: dict[str, int] = field(default_factory=dict)

    @property
    def flex(self) -> tuple[str, ...]:
        """Operators that are not built into TFLite; an app must link TensorFlow's Flex delegate to run them."""
        return tuple(name for name in self.counts if name.startswith(_FLEX))


def operators_of(path: Path) -> Operators:
    """Read the operators of a .tflite file."""
    found = Operators(_operator_counts(path))
    return found if found.flex else replace(found, **_delegation(path))


def _operator_counts(path: Path) -> dict[str, int]:
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        model = schema.Model.GetRootAs(content, 0)
        codes = [model.OperatorCodes(number) for number in range(model.OperatorCodesLength())]
        names = [
            # Old readers know only the deprecated field, which ends at 127, so writers fill in both.
            code.CustomCode().decode()
            if code.CustomCode()
            else _NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            for code in codes
        ]
        graphs = [model.Subgraphs(number) for number in range(model.SubgraphsLength())]
        used = Counter(names[g.Operators(n).OpcodeIndex()] for g in graphs for n in range(g.OperatorsLength()))
    return dict(used.most_common())


def _delegation(path: Path) -> dict[str, Any]:
    """`delegated` and `left` of a file.

    The interpreter lists the original operators, followed by the delegate's nodes. A node replaces all operators on the
    paths from its inputs to its outputs.
    """
    with quiet():
        interpreter = Interpreter(str(path))
        interpreter.allocate_tensors()
        details: list[dict[str, Any]] = interpreter._get_ops_details()
    nodes = [node for node in details if node["op_name"] == _DELEGATE]
    original = [node for node in details if node["op_name"] != _DELEGATE]
    producer = {int(tensor): number for number, node in enumerate(original) for tensor in node["outputs"]}
    delegated: set[int] = set()
    for node in nodes:
        inputs = set(map(int, node["inputs"]))
        pending = [int(tensor) for tensor in node["outputs"]]
        while pending:
            tensor = pending.pop()
            number = producer.get(tensor)
            if tensor in inputs or number is None or number in delegated:
                continue
            delegated.add(number)
            pending += map(int, original[number]["inputs"])
    left = Counter(node["op_name"] for number, node in enumerate(original) if number not in delegated)
    return {"delegated": len(delegated) / max(1, len(original)), "left": dict(left.most_common())}

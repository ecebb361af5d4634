"""What a .tflite is made of: its operators, which of them need Flex, and which XNNPACK takes over."""

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
    """Operators of one file.

    Attributes:
        counts: name -> how often, the most frequent first; operators of Flex begin with "Flex".
        delegated: share of the operators that XNNPACK runs in this interpreter on this machine, [0, 1]; None for a file
            with operators of Flex, which it does not run at all.
        left: the others, which the interpreter's own kernels run, counted like all.
    """

    counts: dict[str, int]
    delegated: float | None = None
    left: dict[str, int] = field(default_factory=dict)

    @property
    def flex(self) -> tuple[str, ...]:
        """Operators that TFLite has not built in and an app must link TensorFlow's Flex delegate for."""
        return tuple(name for name in self.counts if name.startswith(_FLEX))


def operators_of(path: Path) -> Operators:
    """Look into a .tflite file."""
    found = Operators(_counted(path))
    return found if found.flex else replace(found, **_shared(path))


def _counted(path: Path) -> dict[str, int]:
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        model = schema.Model.GetRootAs(content, 0)
        codes = [model.OperatorCodes(number) for number in range(model.OperatorCodesLength())]
        names = [
            # Old readers know operators up to 127 by the deprecated field alone, so writers fill in both.
            code.CustomCode().decode()
            if code.CustomCode()
            else _NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            for code in codes
        ]
        graphs = [model.Subgraphs(number) for number in range(model.SubgraphsLength())]
        used = Counter(names[g.Operators(n).OpcodeIndex()] for g in graphs for n in range(g.OperatorsLength()))
    return dict(used.most_common())


def _shared(path: Path) -> dict[str, Any]:
    """`delegated` and `left`: a delegate has the operators between the inputs and the outputs of its nodes.

    The interpreter lists the original operators and, after them, the nodes that replaced some of them.
    """
    with quiet():
        interpreter = Interpreter(str(path))
        interpreter.allocate_tensors()
        details: list[dict[str, Any]] = interpreter._get_ops_details()
    nodes = [node for node in details if node["op_name"] == _DELEGATE]
    own = [node for node in details if node["op_name"] != _DELEGATE]
    maker = {int(tensor): number for number, node in enumerate(own) for tensor in node["outputs"]}
    replaced: set[int] = set()
    for node in nodes:
        given = set(map(int, node["inputs"]))
        open_ends = [int(tensor) for tensor in node["outputs"]]
        while open_ends:
            tensor = open_ends.pop()
            number = maker.get(tensor)
            if tensor in given or number is None or number in replaced:
                continue
            replaced.add(number)
            open_ends += map(int, own[number]["inputs"])
    left = Counter(node["op_name"] for number, node in enumerate(own) if number not in replaced)
    return {"delegated": len(replaced) / max(1, len(own)), "left": dict(left.most_common())}

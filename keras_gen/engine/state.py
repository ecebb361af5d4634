"""Names for the variables of networks and optimizers that are the same in every process.

Keras names a layer without a name of its own by the number of such layers that the process built before. Here, such a
layer is named by its type and its position among the layers of that type in the network. Two runs with the same
networks thus have the same names, so that one can load weights from a checkpoint of the other.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

import keras


def layer_paths(layer: keras.layers.Layer) -> dict[str, keras.layers.Layer]:
    """Path -> layer, for all layers inside a layer or network: "down/conv2d_1".

    A layer has its own name, or else its type and its position among layers of that type: "conv2d_0", "conv2d_1".
    Layers of `layers.fast` have the type of the Keras layers that they replace. A layer that is used several times has
    the path of the first.
    """
    return {path: found for path, found, _ in _walk(layer)}


def variable_paths(network: keras.layers.Layer) -> dict[str, keras.Variable]:
    """Path -> variable, for all variables of a network, including random states: "conv2d_0/kernel"."""
    found: dict[str, keras.Variable] = {}
    held: set[int] = set()
    for path, layer, inner in [("", network, _inner(network)), *_walk(network)]:
        below = {id(variable) for child in inner for variable in child.variables}
        for variable in layer.variables:
            if id(variable) in below or id(variable) in held:
                continue
            held.add(id(variable))
            name = "/".join(part for part in (path, variable.name) if part)
            while name in found:  # a layer can have several random states of the same name
                name += "_"
            found[name] = variable
    return found


def slot_paths(optimizer: keras.optimizers.Optimizer, moved: dict[str, keras.Variable]) -> dict[str, keras.Variable]:
    """Path -> variable of an optimizer: "iteration", or "generator/conv2d_0/kernel/momentum" for a slot.

    Args:
        optimizer: an optimizer that is built.
        moved: path -> variable, for all variables that it updates.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        inner = optimizer.inner_optimizer
        of_inner = {id(variable) for variable in inner.variables}
        scaling = {f"loss_scale/{v.name}": v for v in optimizer.variables if id(v) not in of_inner}
        return slot_paths(inner, moved) | scaling
    # Keras names a slot after the path of its variable, which variables of two networks can share.
    by_prefix = defaultdict(list)
    first = {id(variable): path for path, variable in reversed(moved.items())}  # networks can share layers
    for path, variable in moved.items():
        if first[id(variable)] != path:
            continue
        by_prefix[variable.path.replace("/", "_") + "_"].append(path)
    seen: Counter[str] = Counter()
    found = {}
    for variable in optimizer.variables:
        prefix = max((p for p in by_prefix if variable.name.startswith(p)), key=len, default=None)
        name = variable.name
        if prefix is not None:
            name = f"{by_prefix[prefix][seen[name]]}/{name[len(prefix) :]}"
            seen[variable.name] += 1
        found[name] = variable
    return found


def _inner(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    return layer._flatten_layers(include_self=False, recursive=False)


def _walk(
    layer: keras.layers.Layer, prefix: str = "", seen: set[int] | None = None
) -> Iterator[tuple[str, keras.layers.Layer, list[keras.layers.Layer]]]:
    """Yields (path, layer, the layers directly inside it), depth first."""
    seen = set() if seen is None else seen
    places: Counter[str] = Counter()
    for child in _inner(layer):
        kind, name = _snake_case(type(child).__name__), child.name
        if re.fullmatch(rf"{kind}(_\d+)?", name):
            kind = kind.removeprefix("fast_")
            name = f"{kind}_{places[kind]}"
            places[kind] += 1
        if id(child) in seen:
            continue
        seen.add(id(child))
        path = f"{prefix}{name}"
        yield path, child, _inner(child)
        yield from _walk(child, f"{path}/", seen)


def _snake_case(name: str) -> str:
    """Converts the name of a class as Keras does for the names of layers."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()

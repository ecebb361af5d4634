"""Starting points of a run: weights from another run (`--start-from`), and parts that stay fixed (`--freeze`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from keras_gen.engine.checkpoints import restore_networks, saved_shapes
from keras_gen.engine.config import read_config
from keras_gen.engine.model import GenerativeModel
from keras_gen.engine.state import layer_paths
from keras_gen.errors import UserError

_PREFIX = "network/"


def start_from(model: GenerativeModel, folder: Path, take: Sequence[str] = (), fitting: bool = False) -> str:
    """Loads weights of a model and its averaged copies from the newest checkpoint of a run.

    Args:
        model: a model of the same family as the run, or of one whose `starts_from` includes the run's family.
        folder: the run folder.
        take: patterns of parts to load, such as "generator" or "generator/down*"; (): everything that the families
            share.
        fitting: load only variables that the run has with the same shape; others keep their initial values.

    Returns:
        A sentence about what was loaded.

    Raises:
        UserError: naming `--start-from` or `--take`, if there is nothing to load, or shapes differ.
    """
    family = read_config(folder)["family"]
    networks = tuple(model.networks) if family == model.family else model.starts_from.get(family, ())
    if not networks:
        others = "".join(f" or {other} ({', '.join(names)})" for other, names in model.starts_from.items())
        raise UserError(f"--start-from got {folder}, a run of {family}; accepted is a run of {model.family}{others}.")
    own = {name.removeprefix(_PREFIX): v for name, v in model.state().items() if name.startswith(_PREFIX)}
    try:
        saved = {name.removeprefix(_PREFIX): shape for name, shape in saved_shapes(folder).items()}
    except UserError as error:
        raise UserError(f"--start-from got {folder}: {error}") from None
    there = {name for name in networks if any(path.startswith(f"{name}/") for path in saved)}
    wanted = {path: v for path, v in own.items() if path.split("/")[0] in there}
    if take:
        for pattern in take:
            if not any(_matches(path, pattern) for path in wanted):
                raise UserError(
                    f"--take got {pattern}; accepted are {', '.join(sorted(there))} and parts of them, such as "
                    f"{next(iter(wanted), '').rsplit('/', 1)[0]}."
                )
        wanted = {path: v for path, v in wanted.items() if any(_matches(path, pattern) for pattern in take)}
    misfits = {path: v for path, v in wanted.items() if saved.get(path) != tuple(v.shape)}
    if misfits and not fitting:
        path, variable = next(iter(misfits.items()))
        found = f"is {_size(saved[path])}" if path in saved else "is missing"
        raise UserError(
            f"--start-from got {folder}, where {path} {found} and not {_size(variable.shape)}; accepted are runs with "
            "the same networks, or --take-fitting, which skips variables that differ."
        )
    taken = {path: v for path, v in wanted.items() if path not in misfits}
    if not taken:
        raise UserError(
            f"--start-from got {folder}, which has no variable of the same name and shape; accepted is a run with some."
        )
    steps = restore_networks(folder, {_PREFIX + path: v for path, v in taken.items()})
    for name, average in model.averages.items():
        average.set_weights(model.networks[name].get_weights())
    return f"Loaded {_told(taken, own)} from {folder} ({family}, step {steps})."


def freeze(model: GenerativeModel, parts: Sequence[str]) -> None:
    """Excludes parts of a model's networks from training. Call it before `compile`.

    Args:
        model: the model.
        parts: patterns of networks and layers, such as "encoder" or "generator/down*".

    Raises:
        UserError: naming `--freeze`, if there is no such part, or a player has nothing left to train.
    """
    layers = dict(model.networks)
    for name, network in model.networks.items():
        layers |= {f"{name}/{path}": layer for path, layer in layer_paths(network).items() if layer.variables}
    for pattern in parts:
        found = [layer for path, layer in layers.items() if fnmatchcase(path, pattern)]
        if not found:
            raise UserError(
                f"--freeze got {pattern}; accepted are {', '.join(model.networks)} and layers of them, such as "
                f"{next(path for path in layers if '/' in path)}."
            )
        for layer in found:
            layer.trainable = False
    for player in model.players:
        if not model.player_variables(player):
            raise UserError(f"--freeze got {' '.join(parts)}, which leaves the {player} nothing to train.")


def _matches(path: str, pattern: str) -> bool:
    return fnmatchcase(path, pattern) or fnmatchcase(path, f"{pattern}/*")


def _size(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "a number"


def _told(taken: dict[str, object], own: dict[str, object]) -> str:
    """Names of networks, with the numbers of variables for those that are not complete."""
    counts, totals = (Counter(path.split("/")[0] for path in paths) for paths in (taken, own))
    parts = [
        name if count == totals[name] else f"{name} ({count} of {totals[name]} variables)"
        for name, count in counts.items()
    ]
    return ", ".join(parts)

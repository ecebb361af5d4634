"""The model families, one module each, and functions that rebuild a model from its run folder."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any

from keras_gen.engine.checkpoints import restore_networks
from keras_gen.engine.config import CONFIG_FILE, from_plain, read_config
from keras_gen.engine.model import GenerativeModel
from keras_gen.engine.run_inputs import require_same_files
from keras_gen.engine.tasks import Task
from keras_gen.errors import UserError


def families() -> list[str]:
    """Names of all families, which are the modules in this package."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def family(name: str) -> type[GenerativeModel]:
    """The class of a family, by the name of its module.

    Raises:
        UserError: if there is no such family.
    """
    if name not in families():
        raise UserError(f"there is no family {name!r}; accepted are {', '.join(families())}.")
    module = importlib.import_module(f"{__name__}.{name}")
    (found,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, GenerativeModel) and value.__dict__.get("family") == name
    )
    return found


def require_task(folder: Path, task: Task) -> type[GenerativeModel]:
    """The class of a run's family, which must have this task.

    Raises:
        UserError: if the folder is not a run folder, or the run does not have the task.
    """
    found, tasks = tasks_of_run(folder)
    if task not in tasks:
        others, does = ", ".join(name for name in families() if task in family(name).tasks), task.replace("_", " ")
        own = f" that was trained to {tasks[0].replace('_', ' ')}" if task in found.tasks else ""
        raise UserError(
            f"{folder} is a run of {found.family}{own}, which does not {does}; accepted are runs of "
            f"{others}{' that do' * bool(own)}."
        )
    return found


def tasks_of_run(folder: Path) -> tuple[type[GenerativeModel], tuple[Task, ...]]:
    """The class of a run's family, and what the run can do.

    Raises:
        UserError: if the folder is not a run folder.
    """
    content = read_config(folder)
    found = family(content["family"])
    return found, found.tasks_of(from_plain(found.Config, content["model"], Path(folder) / CONFIG_FILE))


def load(folder: Path, checkpoint: str = "newest", **changes: Any) -> tuple[GenerativeModel, int]:
    """The model of a run with the weights of a checkpoint, for generating and exporting.

    Args:
        folder: the run folder.
        checkpoint: "newest" or "best".
        changes: fields of the family's `Config` that replace those of the run, such as `noise_at_test`.

    Returns:
        The model, not compiled, and the number of training steps of the checkpoint.

    Raises:
        UserError: if the folder is not a run folder, the checkpoint does not exist, or it does not fit the model.
    """
    content = read_config(folder)
    kind = family(content["family"])
    config = from_plain(kind.Config, {**content["model"], **changes}, Path(folder) / CONFIG_FILE)
    model = kind(config)
    require_same_files(content.get("frozen", {}), model.frozen_files(), Path(folder))
    if content["run"]["ema"]:
        model.track_averages(content["run"]["ema"])
    weights = {name: v for name, v in model.state().items() if name.startswith(("network/", "average/"))}
    step = restore_networks(folder, weights, checkpoint)
    model.step.assign(step)
    return model, step

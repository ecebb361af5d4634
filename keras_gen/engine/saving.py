"""`model.save(folder)`: writes a folder with configuration and weights, without code, in the format of a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from keras_gen.engine.checkpoints import Checkpoints, Progress
from keras_gen.engine.config import CONFIG_FILE, RunConfig, Setup, read_config
from keras_gen.engine.run_inputs import copy_inputs, fingerprints
from keras_gen.errors import UserError
from keras_gen.files import remove, write

if TYPE_CHECKING:
    from keras_gen.engine.model import GenerativeModel

_FILES = (".keras", ".h5", ".hdf5", ".weights")


def save(model: GenerativeModel, folder: Path, overwrite: bool) -> None:
    """Writes config.json and a checkpoint of the networks and their averaged copies.

    Args:
        model: the model.
        folder: the folder to write; it may contain a saved model.
        overwrite: whether to replace a saved model.

    Raises:
        UserError: if the path has the suffix of a file, the folder contains a training run or, without `overwrite`, a
            saved model, or it cannot be written.
    """
    if folder.suffix in _FILES:
        raise UserError(
            f"save got {str(folder)!r}; accepted is a folder, which keras_gen.load reads. For weights alone, use "
            "save_weights; with ModelCheckpoint, save_weights_only=True and a name that ends in .weights.h5."
        )
    if (folder / CONFIG_FILE).exists():
        if read_config(folder)["run"]["out"] is not None:
            raise UserError(f"save got {str(folder)!r}, which holds a training run; accepted is another folder.")
        if not overwrite:
            raise UserError(f"save got {str(folder)!r}, which holds a model; overwrite=True replaces it.")
    preset = next((name for name, preset in model.presets.items() if preset.model == model.config), "")
    data = getattr(model.fitted_on, "config", None)  # the apps can only open data sets of keras_gen.data again
    state = {name: v for name, v in model.state().items() if name.startswith(("network/", "average/", "model/"))}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove(folder / "checkpoints")
        Checkpoints(folder / "checkpoints", state, keep=1).save(Progress(step=int(model.step)))
        config = copy_inputs(model.config, folder)
        setup = Setup(model.family, preset, config, data, RunConfig(ema=model.ema_decay))
        write(folder / CONFIG_FILE, setup.to_json(fingerprints(model.frozen_files())) + "\n")
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror or error}.") from None

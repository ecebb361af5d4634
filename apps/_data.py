"""Data for a finished run: its own opened again, or other data read in the same way."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from keras_gen import models
from keras_gen.data.builtin.facades import CLASSES
from keras_gen.data.config import DataConfig, kind_named
from keras_gen.data.files.sequence_files import Sequences
from keras_gen.data.kinds.pairs import PairsConfig, PairsData
from keras_gen.data.kinds.sequences import SequencesConfig, read_sequences
from keras_gen.engine.config import CONFIG_FILE, from_plain, read_config
from keras_gen.engine.data import Data
from keras_gen.errors import UserError
from keras_gen.flags import hidden_fields


def reopen(run: Path, spec: str = "", *, seed: int = 0) -> Data:
    """The data that a run was trained on, or other data read in the same way.

    Args:
        run: the run folder.
        spec: another SPEC, from `--data`; "" opens the run's own data.
        seed: seed of the order and the augmentation of training examples.

    Raises:
        UserError: if the data cannot be read (for the run's own data the message names `--data`), or if the channels or
            the size of `spec` differ from those of the run's model.
    """
    config, model = _configured(run)
    try:
        config = replace(config, data=spec or config.data)
        data = config.open(seed, model)
    except UserError as error:
        if spec:
            raise
        raise UserError(
            f"the data of {run} cannot be opened any more; --data SPEC gives their new location: {error}"
        ) from None
    for field in hidden_fields(type(model), of_training=False):
        given, taken = data.attributes().get(field), getattr(model, field)
        if given != taken:
            what = field.replace("_", " ")
            raise UserError(f"--data {config.data} has {what} {given}, but {run} needs {what} {taken}.")
    return data


def _configured(run: Path) -> tuple[DataConfig, Any]:
    """The data and model configurations of a run."""
    content, path = read_config(run), run / CONFIG_FILE
    if content["data"] is None:
        raise UserError(f"{run} was saved from Python without data; accepted is the folder of a training run.")
    try:
        kind = kind_named(content["data_kind"])
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    model = from_plain(models.family(content["family"]).Config, content["model"], path)
    return from_plain(kind, content["data"], path), model


def read_as(run: Path, spec: str, **changes: Any) -> Sequences:
    """All sequences of a SPEC, read with the settings of a run, for the run's model.

    Args:
        run: the run folder.
        spec: see `data.kinds.sequences.read_sequences`.
        changes: fields of `SequencesConfig` that replace those of the run.

    Raises:
        UserError: if the sequences cannot be read or do not fit the model, or the run's family does not use sequences.
    """
    config, model = _configured(run)
    if type(config) is not SequencesConfig:
        family = read_config(run)["family"]
        raise UserError(
            f"{run} is a run of {family}, which has no sequences; accepted are runs of recurrent_autoencoder."
        )
    return read_sequences(replace(config, data=spec, **changes), length=model.length, columns=model.columns)


def reopen_pairs(run: Path, spec: str = "", *, seed: int = 0) -> PairsData:
    """As `reopen`, for an app that needs pairs.

    Raises:
        UserError: see `reopen`; also if the run is of a family that trains on single images.
    """
    content = read_config(run)
    if content["data_kind"] != PairsConfig.kind():
        raise UserError(f"{run} is a run of {content['family']}, which has no pairs; accepted are runs of pix2pix.")
    return reopen(run, spec, seed=seed)


def classes_of(run: Path, spec: str = "") -> tuple[str, ...]:
    """Names of the classes in the label maps that a run translates, in order of their ids.

    They are known for the built-in facades. () for all other data and for photographs. Arguments as of `reopen_pairs`.
    """
    config = read_config(run)["data"] or {"data": "", "direction": "AtoB"}
    return CLASSES if (spec or config["data"]) == "facades" and config.get("direction") == "AtoB" else ()

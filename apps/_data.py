"""The kinds of data: how an app checks and opens them, and those of a finished run again.

Only here do data and engine meet: a kind is a configuration of the data layer, and what opens it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from keras_gen import models
from keras_gen.data.builtin.facades import CLASSES
from keras_gen.data.checks.rules import quick_check, quick_check_images
from keras_gen.data.files.sequence_files import Sequences
from keras_gen.data.kinds.images import ImagesConfig, open_images
from keras_gen.data.kinds.noisy import NoisyConfig, open_noisy
from keras_gen.data.kinds.pairs import PairsConfig, PairsData, open_pairs
from keras_gen.data.kinds.semi_supervised import SemiSupervisedConfig, open_semi_supervised
from keras_gen.data.kinds.sequences import SequencesConfig, open_sequences, read_sequences
from keras_gen.data.kinds.superres import SuperresConfig, open_superres
from keras_gen.engine.config import CONFIG_FILE, from_plain, read_config
from keras_gen.engine.data import Data
from keras_gen.errors import UserError
from keras_gen.flags import hidden_fields


@dataclass(frozen=True)
class Kind:
    """One kind of data.

    Attributes:
        config: its configuration.
        check: (data, model) configurations -> warnings, after a glance at the files.
        open: (data, model) configurations and the seed of order and augmentation -> the opened data.
    """

    config: type
    check: Callable[[Any, Any], list[str]]
    open: Callable[[Any, Any, int], Data]


_KINDS = (
    Kind(
        PairsConfig,
        lambda data, model: quick_check(data, model.image_size),
        lambda data, model, seed: open_pairs(data, model.image_size, seed),
    ),
    Kind(
        ImagesConfig,
        lambda data, model: quick_check_images(data),
        lambda data, model, seed: open_images(data, seed),
    ),
    Kind(
        SequencesConfig,
        lambda data, model: [],  # opening them reads every value
        lambda data, model, seed: open_sequences(
            data, seed, length=model.length, columns=model.columns, mean=model.mean, deviation=model.deviation
        ),
    ),
    Kind(
        NoisyConfig,
        lambda data, model: quick_check_images(data),
        lambda data, model, seed: open_noisy(data, seed),
    ),
    Kind(
        SemiSupervisedConfig,
        lambda data, model: quick_check_images(data),
        lambda data, model, seed: open_semi_supervised(data, seed),
    ),
    Kind(
        SuperresConfig,
        lambda data, model: [],  # opening them decodes every file
        lambda data, model, seed: open_superres(data, seed),
    ),
)


def kind_of(config: Any) -> Kind:
    """The kind whose configuration this is."""
    return next(kind for kind in _KINDS if type(config) is kind.config)


def reopen(run: Path, spec: str = "", *, seed: int = 0) -> Data:
    """The data that a run was trained on, or others read in the same way.

    Args:
        run: the run folder.
        spec: another SPEC, from `--data`; "" opens the run's own.
        seed: of the order and the augmentation of training examples.

    Raises:
        UserError: if the data cannot be read (for the run's own the message names `--data`), or `spec` has other
            channels or another size than the run's model.
    """
    kind, config, model = _configured(run)
    try:
        config = replace(config, data=spec or config.data)
        data = kind.open(config, model, seed)
    except UserError as error:
        if spec:
            raise
        raise UserError(
            f"the data of {run} cannot be opened any more, and --data SPEC names another place: {error}"
        ) from None
    for field in hidden_fields(type(model), of_training=False):
        given, taken = getattr(data, field), getattr(model, field)
        if given != taken:
            what = field.replace("_", " ")
            raise UserError(f"--data {config.data} has {what} {given}, and {run} takes {what} {taken}.")
    return data


def _configured(run: Path) -> tuple[Kind, Any, Any]:
    """The kind of a run's data, and its configurations of data and model."""
    content, path = read_config(run), run / CONFIG_FILE
    kinds = {kind.config.__name__: kind for kind in _KINDS}
    if content["data_kind"] not in kinds:
        raise UserError(f"{path} has data_kind {content['data_kind']!r}; accepted are {', '.join(kinds)}.")
    kind = kinds[content["data_kind"]]
    model = from_plain(models.family(content["family"]).Config, content["model"], path)
    return kind, from_plain(kind.config, content["data"], path), model


def read_as(run: Path, spec: str, **changes: Any) -> Sequences:
    """All sequences of a SPEC, read as a run reads its own, for the run's model.

    Args:
        run: the run folder.
        spec: see `data.kinds.sequences.read_sequences`.
        changes: fields of `SequencesConfig` to set otherwise than the run did.

    Raises:
        UserError: if the sequences cannot be read or do not fit the model, or the run is of a family without sequences.
    """
    kind, config, model = _configured(run)
    if kind.config is not SequencesConfig:
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
    if content["data_kind"] != PairsConfig.__name__:
        raise UserError(f"{run} is a run of {content['family']}, which has no pairs; accepted are runs of pix2pix.")
    return reopen(run, spec, seed=seed)


def classes_of(run: Path, spec: str = "") -> tuple[str, ...]:
    """Names of the classes in the label maps that a run translates, in order of their ids.

    They are known for the built-in facades; () for all other data and for photographs. Arguments as of `reopen_pairs`.
    """
    config = read_config(run)["data"]
    return CLASSES if (spec or config["data"]) == "facades" and config["direction"] == "AtoB" else ()

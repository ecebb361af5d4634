"""The data of a finished run, opened again for the apps that work on run folders."""

from dataclasses import replace
from pathlib import Path

from keras_gen.data.facades import CLASSES
from keras_gen.data.pairs import PairsConfig, PairsData, open_pairs
from keras_gen.engine.config import CONFIG_FILE, from_plain, read_config
from keras_gen.errors import UserError


def reopen_pairs(run: Path, spec: str = "", *, seed: int = 0) -> PairsData:
    """The pairs that a run was trained on, or others read in the same way.

    Args:
        run: the run folder.
        spec: another SPEC, from `--data`; "" opens the run's own.
        seed: of the order and the augmentation of training pairs.

    Raises:
        UserError: if the data cannot be read (for the run's own the message names `--data`), or `spec` has other
            channels than the run's model.
    """
    content = read_config(run)
    config = from_plain(PairsConfig, content["data"], run / CONFIG_FILE)
    try:
        config = replace(config, data=spec or config.data)
        data = open_pairs(config, content["model"]["image_size"], seed)
    except UserError as error:
        if spec:
            raise
        raise UserError(
            f"the data of {run} cannot be opened any more, and --data SPEC names another place: {error}"
        ) from None
    given = (data.source_channels, data.target_channels)
    taken = tuple(content["model"][f"{side}_channels"] for side in ("source", "target"))
    if given != taken:
        raise UserError(
            f"--data {config.data} holds pairs of {given[0]} to {given[1]} channels, and {run} translates "
            f"{taken[0]} to {taken[1]}."
        )
    return data


def classes_of(run: Path, spec: str = "") -> tuple[str, ...]:
    """Names of the classes in the label maps that a run translates, in order of their ids.

    They are known for the built-in facades; () for all other data and for photographs. Arguments as of `reopen_pairs`.
    """
    config = read_config(run)["data"]
    return CLASSES if (spec or config["data"]) == "facades" and config["direction"] == "AtoB" else ()

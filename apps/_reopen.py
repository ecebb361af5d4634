"""The data of a finished run, opened again for the apps that work on run folders."""

from dataclasses import replace
from pathlib import Path

from keras_gen.data.facades import CLASSES
from keras_gen.data.image_sets import ImagesConfig, ImagesData, open_images
from keras_gen.data.pairs import PairsConfig, PairsData, open_pairs
from keras_gen.engine.config import CONFIG_FILE, from_plain, read_config
from keras_gen.errors import UserError


def reopen(run: Path, spec: str = "", *, seed: int = 0) -> PairsData | ImagesData:
    """The data that a run was trained on, or others read in the same way.

    Args:
        run: the run folder.
        spec: another SPEC, from `--data`; "" opens the run's own.
        seed: of the order and the augmentation of training examples.

    Raises:
        UserError: if the data cannot be read (for the run's own the message names `--data`), or `spec` has other
            channels or another size than the run's model.
    """
    content = read_config(run)
    pairs = "direction" in content["data"]
    config = from_plain(PairsConfig if pairs else ImagesConfig, content["data"], run / CONFIG_FILE)
    try:
        config = replace(config, data=spec or config.data)
        data = open_pairs(config, content["model"]["image_size"], seed) if pairs else open_images(config, seed)
    except UserError as error:
        if spec:
            raise
        raise UserError(
            f"the data of {run} cannot be opened any more, and --data SPEC names another place: {error}"
        ) from None
    fields = ("source_channels", "target_channels") if pairs else ("image_size", "channels")
    for field in fields:
        given, taken = getattr(data, field), content["model"][field]
        if given != taken:
            what = field.replace("_", " ")
            raise UserError(f"--data {config.data} has {what} {given}, and {run} takes {what} {taken}.")
    return data


def reopen_pairs(run: Path, spec: str = "", *, seed: int = 0) -> PairsData:
    """As `reopen`, for an app that needs pairs.

    Raises:
        UserError: see `reopen`; also if the run is of a family that trains on single images.
    """
    content = read_config(run)
    if "direction" not in content["data"]:
        raise UserError(f"{run} is a run of {content['family']}, which has no pairs; accepted are runs of pix2pix.")
    return reopen(run, spec, seed=seed)


def classes_of(run: Path, spec: str = "") -> tuple[str, ...]:
    """Names of the classes in the label maps that a run translates, in order of their ids.

    They are known for the built-in facades; () for all other data and for photographs. Arguments as of `reopen_pairs`.
    """
    config = read_config(run)["data"]
    return CLASSES if (spec or config["data"]) == "facades" and config["direction"] == "AtoB" else ()

"""Inputs of a run besides its flags: other runs, and files with the weights of frozen networks.

Run folders are self-contained. If a configuration names another run (in a field of type `flags.RunFolder`), its
config.json and its newest checkpoint are copied to `inputs/FIELD` of the run folder, where `models.load` reads them.
Files of frozen networks are not copied, because they can be large and have licences of their own; config.json stores
their SHA-256 instead.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_gen.engine.checkpoints import newest
from keras_gen.engine.config import CONFIG_FILE, INPUTS
from keras_gen.errors import UserError
from keras_gen.files import replacing, sha256_of
from keras_gen.flags import input_runs


def copy_inputs(config: Any, folder: Path) -> Any:
    """Copies the runs that a configuration names into a run folder.

    Args:
        config: the configuration of a model.
        folder: the run folder.

    Returns:
        The configuration with the paths of the copies.

    Raises:
        UserError: if one of the runs has no checkpoint.
    """
    copies = {}
    for name, source in input_runs(config).items():
        copies[name] = target = folder / INPUTS / name
        if source.resolve() == target.resolve():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        checkpoint = newest(source)
        with replacing(target) as part:
            shutil.copytree(checkpoint, part / "checkpoints" / checkpoint.name)
            shutil.copy2(source / CONFIG_FILE, part)
            if (source / INPUTS).is_dir():
                shutil.copytree(source / INPUTS, part / INPUTS)
    return dataclasses.replace(config, **copies)


def fingerprints(files: Mapping[str, Path]) -> dict[str, dict[str, str]]:
    """Name of a frozen network -> the path and the SHA-256 of its file, for config.json."""
    return {name: {"file": str(file), "sha256": sha256_of(file)} for name, file in files.items()}


def require_same_files(recorded: Mapping[str, Mapping[str, str]], files: Mapping[str, Path], folder: Path) -> None:
    """Checks that the files of frozen networks have not changed since a run began.

    Args:
        recorded: the result of `fingerprints` when the run began.
        files: name of a frozen network -> its file now.
        folder: the run folder, for the message.

    Raises:
        UserError: if the content of a file is different.
    """
    for name, now in fingerprints(files).items():
        before = recorded.get(name, {}).get("sha256", "another file")
        if now["sha256"] != before:
            raise UserError(
                f"{now['file']} has the SHA-256 {now['sha256'][:12]}, but {folder} was trained with {before[:12]} as "
                f"its {name}: accepted is the same file."
            )

"""What a run stands on beside its flags: runs that it is made of, and files of frozen networks.

A run is self-contained: another run that its configuration names (a field of `flags.RunFolder`) is copied to
`inputs/FIELD` of its folder, its configuration and its newest checkpoint, where `models.load` reads it. Of the files of
frozen networks, which may be large and have licences of their own, config.json has the SHA-256.
"""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_gen.engine.checkpoints import newest
from keras_gen.engine.config import CONFIG_FILE, INPUTS
from keras_gen.errors import UserError
from keras_gen.files import replacing
from keras_gen.flags import input_runs


def copy_inputs(config: Any, folder: Path) -> Any:
    """Copy the runs that a configuration names into a run folder.

    Returns:
        The configuration with the copies in their place.

    Raises:
        UserError: if one of them holds no checkpoint.
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
    """Name of a frozen network -> its file and the file's SHA-256, for config.json."""
    found = {}
    for name, file in files.items():
        with open(file, "rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        found[name] = {"file": str(file), "sha256": digest}
    return found


def require_same_files(recorded: Mapping[str, Mapping[str, str]], files: Mapping[str, Path], folder: Path) -> None:
    """Refuse frozen networks of other files than those that a run was trained with.

    Args:
        recorded: `fingerprints` when the run began.
        files: those of now.
        folder: of the run.

    Raises:
        UserError: naming the file.
    """
    for name, now in fingerprints(files).items():
        before = recorded.get(name, {}).get("sha256", "another file")
        if now["sha256"] != before:
            raise UserError(
                f"{now['file']} has the SHA-256 {now['sha256'][:12]}, but {folder} was trained with {before[:12]} as "
                f"its {name}: accepted is the same file."
            )

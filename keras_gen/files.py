"""Files and folders that appear complete or not at all, whatever ends the process that writes them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_gen.console import shown
from keras_gen.errors import UserError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A place beside `path` to write a file or a folder to; at the end of the block it takes the name.

    What `path` held before stays until then, and for good if the block raises. A leftover of a killed process is
    overwritten.
    """
    temporary = path.with_name(path.name + ".part")
    remove(temporary)
    try:
        yield temporary
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(temporary, path)
    finally:
        remove(temporary)


def write(path: Path, content: bytes | str) -> None:
    """Write a file as a whole; text is UTF-8."""
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file as a whole, to be read by people too."""
    write(path, json.dumps(content, indent=2) + "\n")


def cache_folder() -> Path:
    """The user's folder for what can be had again: keras_gen below $XDG_CACHE_HOME or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "keras_gen"


@contextlib.contextmanager
def filling_cache(folder: Path) -> Iterator[None]:
    """Say how to name another folder if the cache cannot be written.

    Raises:
        UserError: instead of an OSError within.
    """
    try:
        yield
    except OSError as error:
        raise UserError(
            f"The cache folder {folder} cannot be written ({error.strerror}): "
            "name a folder that can be by the environment variable XDG_CACHE_HOME."
        ) from error


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def require_writable(file: Path, flag: str) -> None:
    """Refuse early what `write` could not write late.

    The sentence fits whether the flag was given or the file is its default.

    Raises:
        UserError: naming `flag`, unless `file` lies in a folder that exists and is writable, and is no folder itself.
    """
    if not file.parent.is_dir() or not os.access(file.parent, os.W_OK | os.X_OK) or file.is_dir():
        raise UserError(f"{file} cannot be written; {flag} FILE puts it into a folder that exists and is writable.")


def require_folder(folder: Path, flag: str) -> None:
    """Refuse early a folder, which may not exist yet, that could not be written to late.

    Raises:
        UserError: naming `flag`, unless the folder is writable, or can be made.
    """
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"{folder} cannot be written; {flag} DIR names one that is writable, or can be made.")


def require_utf8(path: Path | str) -> None:
    """Refuse a name that TensorFlow cannot open; Python and its libraries open any.

    Raises:
        UserError: if the name is not UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UserError(f"{shown(path)} is not UTF-8, and TensorFlow opens no other name: rename it.") from None

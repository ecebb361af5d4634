"""Atomic writing of files and folders: they appear complete or not at all, even if the process is killed. Digests."""

from __future__ import annotations

import contextlib
import hashlib
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
    """A temporary path beside `path` to write a file or a folder to, which is renamed to `path` after the block.

    An earlier file or folder at `path` is replaced then, and kept if the block raises. A temporary file that a killed
    process left behind is overwritten.
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
    """Writes a file atomically. Text is encoded as UTF-8."""
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def write_json(path: Path, content: Any) -> None:
    """Writes an indented JSON file atomically."""
    write(path, json.dumps(content, indent=2) + "\n")


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file's contents, in hexadecimal digits. Memory does not grow with the file.

    Raises:
        OSError: if it cannot be read.
    """
    digest = hashlib.sha256()
    with open(file, "rb") as content:
        while part := content.read(2**20):
            digest.update(part)
    return digest.hexdigest()


def cache_folder() -> Path:
    """Folder for files that can be created again: keras_gen in $XDG_CACHE_HOME, or else in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "keras_gen"


@contextlib.contextmanager
def filling_cache(folder: Path) -> Iterator[None]:
    """Converts an OSError raised within the block to a `UserError` that says how to choose another cache folder.

    Args:
        folder: the folder that the block writes to.

    Raises:
        UserError: instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise UserError(
            f"The cache folder {folder} cannot be written ({error.strerror}): set the environment variable "
            "XDG_CACHE_HOME to a writable folder."
        ) from error


def remove(path: Path) -> None:
    """Deletes a file or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def require_writable(file: Path, flag: str) -> None:
    """Checks that a file can be written, before the work whose results it will get.

    The message makes sense both if the flag was given and if `file` is its default.

    Raises:
        UserError: naming `flag`, if `file` is a folder, or its folder does not exist or is not writable.
    """
    if not file.parent.is_dir() or not os.access(file.parent, os.W_OK | os.X_OK) or file.is_dir():
        raise UserError(
            f"{file} cannot be written; {flag} FILE accepts a file in a folder that exists and is writable."
        )


def require_folder(folder: Path, flag: str) -> None:
    """Checks that a folder is writable or can be created, before the work whose results it will get.

    Raises:
        UserError: naming `flag`, if it is neither.
    """
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"{folder} cannot be written; {flag} DIR accepts a folder that is writable or can be created.")


def require_utf8(path: Path | str) -> None:
    """Checks that a path is valid UTF-8, because TensorFlow cannot open others, unlike Python.

    Raises:
        UserError: if it is not.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UserError(
            f"the name {shown(path)} is not UTF-8, and TensorFlow cannot open such files: rename it."
        ) from None

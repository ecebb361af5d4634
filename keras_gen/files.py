"""Files and folders that appear complete or not at all, whatever ends the process that writes them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def require_writable(file: Path, flag: str) -> None:
    """Refuse early what `write` could not write late.

    Raises:
        UserError: naming `flag`, unless `file` lies in a folder that exists and is writable, and is no folder itself.
    """
    if not file.parent.is_dir() or not os.access(file.parent, os.W_OK | os.X_OK) or file.is_dir():
        raise UserError(f"{flag} {file} cannot be written; accepted is a file in a folder that exists and is writable.")

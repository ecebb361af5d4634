"""Built-in pictures or pairs as a folder of files, which is drawn once and kept in the user's cache."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from keras_gen.files import cache_folder, filling_cache


def drawn_folder(
    name: str, draw: Callable[[int], np.ndarray], *, cache: Path | None = None, train: int, val: int
) -> Path:
    """The folder of a built-in data set, which is drawn at the first call and reused afterwards.

    It holds train/ and val/ with `0001.png`, `0002.png`, ... The folder is created atomically, so interruptions and
    concurrent processes never leave an incomplete one. val/ and train/ never share a picture, whatever their sizes.

    Args:
        name: name of the folder; it must change whenever the pictures change.
        draw: index of a picture -> uint8 RGB (height, width, 3); a pair has A in the left half and B in the right half.
        cache: parent folder; by default keras_gen in $XDG_CACHE_HOME or ~/.cache.
        train, val: numbers of pictures. Those for training are drawn with the indices 0, 2, 4, ..., those for
            validation with 1, 3, 5, ...

    Raises:
        UserError: the cache cannot be written.
    """
    cache = cache or cache_folder()
    folder = cache / name
    if folder.is_dir():
        return folder
    with filling_cache(cache):
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=cache) as drawing:
            whole = Path(drawing) / folder.name
            # Even indices are for training, odd ones for validation.
            for split, count, first in (("train", train, 0), ("val", val, 1)):
                (whole / split).mkdir(parents=True)
                for k in range(count):
                    picture = Image.fromarray(draw(2 * k + first))
                    picture.save(whole / split / f"{k + 1:04d}.png", compress_level=3)
            try:
                whole.rename(folder)
            except OSError:
                if not folder.is_dir():  # otherwise another process has drawn the same pictures first
                    raise
    return folder

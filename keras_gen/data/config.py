"""What the configurations of all kinds of data have in common: fields, which are flags, and what they may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from keras_gen.data.files.codecs import MAX_PIXELS
from keras_gen.flags import BaseConfig, Positive, Range


@dataclass(frozen=True)
class DataConfig(BaseConfig):
    """Where examples are, and which are held back.

    Attributes:
      accepted: the forms of a SPEC, for messages.
    """

    accepted: ClassVar[str]

    data: str
    """SPEC of the examples."""
    val_every: Annotated[int, Range(2)] = 10
    """Without a validation split, hold out every N-th example [examples]."""

    def check_together(self) -> None:
        """There are data."""
        super().check_together()
        if not self.data:
            raise self.fault(f"<data got>; accepted are {self.accepted}.")


@dataclass(frozen=True)
class CachedConfig(DataConfig):
    """Of data that are held in memory, all or as far as they fit."""

    cache_gib: Annotated[float, Range(0, infinite=True)] = 1.0
    """Keep decoded images in memory if they fit else decode at each access [GiB]; arrays have to fit."""

    @property
    def max_bytes(self) -> int:
        """What arrays may take in memory; as much as there is for an infinite `cache_gib`."""
        return int(min(self.cache_gib * 2**30, 2**62))


@dataclass(frozen=True)
class FilesConfig(CachedConfig):
    """Of files of images, each of which may be damaged."""

    tfds_dir: str = ""
    """For tfds: folder of the prepared data sets; empty: tensorflow-datasets' own."""
    skip_bad: bool = False
    """Leave out examples whose files cannot be decoded, and say how many, instead of refusing to start."""
    verify: bool = True
    """Decode every file before training, about 1 ms each; --no-verify reads headers only, of uncached files."""
    max_pixels: Positive[int] = MAX_PIXELS
    """Refuse images that say they have more, a guard against decompression bombs [pixels]."""
    check: bool = True
    """Check a sample of the files first, as check_data --quick does."""

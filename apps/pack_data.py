"""Pack aligned pairs into TFRecord shards, for data too large for one disk.

Images keep their encoding. Train on the folder with `--data DIR`, or spread its shards over several disks and train
with `--data tfrecord:/disk1/*.tfrecord,/disk2/*.tfrecord`.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from keras_gen.cli.parsing import app, parse
from keras_gen.console import command
from keras_gen.data.files.packing import pack_pairs
from keras_gen.data.kinds.pairs import PairsConfig
from keras_gen.flags import BaseConfig, Positive, Range

EXAMPLE = "pack_data photos_and_maps --out packed --shards 8"


@dataclass(frozen=True)
class Flags(BaseConfig):
    spec: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SPEC")]
    """Data to pack: any SPEC that --data of the training commands accepts."""
    out: Path
    """Output folder, new or empty."""
    shards: Positive[int] = 1
    """Number of training shards [files]; validation has at most as many."""
    val_every: Annotated[int, Range(2)] = 10
    """Without a validation split, hold out every N-th pair [pairs]."""
    image_size: Positive[int] = 256
    """Image size of the built-in facades [pixels]."""
    feature_a: str = ""
    """For tfds: name of the image feature that is side A."""
    feature_b: str = ""
    """For tfds: name of the image feature that is side B."""
    tfds_dir: str = ""
    """For tfds: folder of the prepared data sets; default: tensorflow-datasets' own."""


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Pack the pairs of one SPEC."""
    flags = parse(Flags, argv, example=EXAMPLE)
    source = {name: getattr(flags, name) for name in ("val_every", "image_size", "feature_a", "feature_b", "tfds_dir")}
    config = PairsConfig(data=flags.spec, cache_gib=0.0, **source)
    # This decodes every pair, so pairs that cannot be used for training are refused now, not when training starts.
    config.open()
    manifest = pack_pairs(config.split(), flags.out, flags.shards)
    print(f"{manifest['train']} training and {manifest['val']} validation pairs written to {flags.out}")
    print(f"next: {command(f'train_pix2pix --data {flags.out}')}")


if __name__ == "__main__":
    sys.exit(main())

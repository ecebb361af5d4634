"""Train a small classifier on labelled images, whose features then compare generated with real images of that kind.

`apps.evaluate --features FILE` uses it. The file of the package, mnist, was trained by this command.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import keras

from keras_gen.cli.parsing import app, parse
from keras_gen.console import say
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.errors import UserError
from keras_gen.files import require_writable
from keras_gen.flags import BaseConfig, Positive, Range
from keras_gen.metrics import small_networks

EXAMPLE = "train_features --data fashion_mnist --out fashion.npz --name fashion"
_BATCH = 128


@dataclass(frozen=True)
class Flags(BaseConfig):
    out: Path
    """File for the network, .npz."""
    name: str
    """Name of the network, which scores bear: frechet_NAME."""
    about: str = ""
    """What the data are, and their licence; default: the SPEC."""
    epochs: Positive[int] = 10
    """Epochs to train for [epochs]."""
    seed: Annotated[int, Range(0, 2**32 - 1)] = 0
    """Random seed of initial weights and order [integer]."""
    data: ImagesConfig = field(default_factory=ImagesConfig)

    def check_together(self) -> None:
        super().check_together()
        if not self.name.isidentifier() or self.name in ("inception", "squeezenet"):
            raise self.fault("<name got>; accepted are letters, digits and underscores, but not inception, squeezenet.")
        if self.out.suffix != ".npz":
            raise self.fault("<out got>; accepted is a file whose name ends in .npz.")


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, measure the accuracy on the validation images, and write the file."""
    flags = parse(Flags, argv, example=EXAMPLE)
    require_writable(flags.out, "--out")
    keras.utils.set_random_seed(flags.seed)
    data = flags.data.open(flags.seed)
    if len(data.classes) < 2 or data.channels == 4:
        raise UserError(
            f"--data {flags.data.data} has {len(data.classes)} classes and {data.channels} channels; accepted are grey "
            "or RGB images of two classes or more."
        )
    say(data.describe())
    network = small_networks.small_network(data.image_size, data.channels, len(data.classes))
    steps = max(1, data.train_size // _BATCH)
    small_networks.train(
        network, data.train(_BATCH), steps, flags.epochs, mirror=flags.data.mirror, verbose=int(sys.stdout.isatty())
    )
    share, images = small_networks.accuracy(network, data.validation(500))
    about = small_networks.About(
        flags.name, data.image_size, data.channels, tuple(data.classes), flags.about or flags.data.data, share, images
    )
    small_networks.save(flags.out, network, about)
    size = flags.out.stat().st_size
    print(f"{flags.out}: {size / 1000:.0f} KB, accuracy {100 * share:.2f} % of {images} validation images")


if __name__ == "__main__":
    sys.exit(main())

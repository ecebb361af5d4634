"""Denoise pictures of any size with a trained model: a run folder, a SavedModel or a .tflite file.

Pictures are processed in overlapping tiles of the model's size and the results are blended, so every result has the
size of its input. The result for NAME.jpg is DIR/NAME.png, or NAME-2.png if an earlier input has that name.
"""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from keras_gen import models
from keras_gen.cli.parsing import app, parse
from keras_gen.data.files.inputs import Reader
from keras_gen.errors import UserError
from keras_gen.export.metadata import read_metadata
from keras_gen.inference.tiling import Network, compiled, draw, image_ports

from ._draw import Pictures, open_network, write_drawings

EXAMPLE = "denoise savedmodels/restoration/RUN photos --out cleaned --sheet"


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Open the model, then denoise and write one picture after the other."""
    pictures = parse(Pictures, argv, example=EXAMPLE)
    network = open_network(pictures, partial(_open_run, checkpoint=pictures.checkpoint))
    if not pictures.is_run and (metadata := read_metadata(pictures.model)).task != "denoise":
        raise UserError(
            f"{pictures.model} is an export of {metadata.name}, which does not denoise; accepted are runs and exports "
            "of denoising autoencoders."
        )
    read = Reader(network.source.shape[-1], keep_colours=True)
    drawn = partial(draw, network, batch_size=pictures.batch_size, overlap=pictures.overlap)
    write_drawings(pictures, read, drawn, ("input", "reconstruction"))


def _open_run(path: Path, checkpoint: str) -> Network:
    models.require_task(path, "denoise")
    model, _ = models.load(path, checkpoint)
    (served, *_) = model.serving().values()
    return compiled(model.denoise, *image_ports(served, path))


if __name__ == "__main__":
    sys.exit(main())

"""Where examples lie in a latent space: planes that show them all, and TensorBoard's projector.

PCA: Pearson 1901. t-SNE: van der Maaten, Hinton, JMLR 9, 2008.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins import projector

from keras_gen.files import write
from keras_gen.visual.latent_views import Codes
from keras_gen.visual.plots import points
from keras_gen.visual.sheets import png_bytes
from keras_gen.visual.views import Picture

_PERPLEXITY = 30.0
_FEWEST = 10  # examples of which neighbourhoods say something
_FOLDER = "projector"


def maps(codes: Codes, classes: Sequence[str]) -> dict[str, Picture]:
    """Charts of the examples on a plane, by title.

    "plane" is the two units as they are, where there are two; "pca" the two directions of most variance and "tsne" a
    plane that keeps neighbours together, where there are more. The same vectors give the same charts.

    Args:
        codes: of the examples.
        classes: names of their labels; () where there are none.
    """
    vectors = codes.vectors.astype(np.float64)
    count, size = vectors.shape
    if size == 1 or count < 2:
        return {}
    if size == 2:
        title = f"{count} validation images in the latent space"
        chart = points(vectors, codes.labels, classes, title=title, axes=("unit 0", "unit 1"))
        return {"plane": Picture(chart, "Where the validation images lie in the latent space.")}
    places, shares = principal_components(vectors, 2)
    chart = points(
        places,
        codes.labels,
        classes,
        title=f"PCA of {size} latent units, {count} validation images",
        axes=tuple(f"component {n + 1}, {share:.0%} of the variance" for n, share in enumerate(shares)),
    )
    shown = {
        "pca": Picture(chart, "The two directions of the latent space in which the validation images differ most.")
    }
    if count >= _FEWEST:
        chart = points(
            tsne(vectors),
            codes.labels,
            classes,
            title=f"t-SNE of {size} latent units, {count} validation images",
            axes=("", ""),
        )
        shown["tsne"] = Picture(
            chart, "The validation images on a plane that keeps neighbours together; axes have no unit."
        )
    return shown


def principal_components(vectors: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors on the directions of most variance, and each direction's share of it.

    Args:
        vectors: (n, size).
        count: directions, at most min(n, size).

    Returns:
        (n, count) and (count,). Signs are such that the largest coordinate of each direction is positive.
    """
    centred = vectors - vectors.mean(axis=0)
    _, values, directions = np.linalg.svd(centred, full_matrices=False)
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    variances = np.square(values)
    return centred @ (directions * np.sign(largest))[:count].T, variances[:count] / max(variances.sum(), 1e-30)


def tsne(vectors: np.ndarray) -> np.ndarray:
    """The plane of t-SNE, (n, 2), from the principal components on."""
    from sklearn.manifold import TSNE  # takes a second to import
    from threadpoolctl import threadpool_limits

    start, _ = principal_components(vectors, 2)
    start *= 1e-4 / max(start[:, 0].std(), 1e-30)
    # The sums of several threads differ in the last bit from time to time, and t-SNE makes much of little.
    with threadpool_limits(1):
        return TSNE(perplexity=min(_PERPLEXITY, (len(vectors) - 1) / 3), init=start, random_state=0).fit_transform(
            vectors
        )


def write_projector(run: Path, codes: Codes, classes: Sequence[str]) -> None:
    """Write what TensorBoard's projector shows: the vectors, their labels and their pictures.

    Args:
        run: its folder.
        codes: of the examples.
        classes: names of their labels; () where there are none.
    """
    folder = run / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["\t".join(f"{value:.6g}" for value in vector) for vector in codes.vectors]
    write(folder / "latents.tsv", "\n".join(rows) + "\n")
    names = [classes[label] if 0 <= label < len(classes) else "none" for label in codes.labels]
    # Of one column alone TensorBoard expects no header.
    lines = [f"{' '.join(name.split())}\t{number}" for number, name in enumerate(names)]
    write(folder / "metadata.tsv", "\n".join(["label\timage", *lines]) + "\n")
    write(folder / "sprites.png", png_bytes(sprites(codes.thumbnails)))
    config = projector.ProjectorConfig()
    embedding = config.embeddings.add(
        tensor_name="latents",
        tensor_path=f"{_FOLDER}/latents.tsv",
        metadata_path=f"{_FOLDER}/metadata.tsv",
    )
    embedding.sprite.image_path = f"{_FOLDER}/sprites.png"
    height, width = codes.thumbnails.shape[1:3]
    embedding.sprite.single_image_dim.extend([width, height])
    write(run / "projector_config.pbtxt", text_format.MessageToString(config))


def sprites(thumbnails: np.ndarray) -> np.ndarray:
    """One square picture of (n, h, w, 3) uint8, row by row; TensorBoard takes sides of up to 8192 pixels."""
    count, height, width, _ = thumbnails.shape
    side = math.isqrt(count - 1) + 1
    picture = Image.new("RGB", (side * width, side * height), "white")
    for number, thumbnail in enumerate(thumbnails):
        row, column = divmod(number, side)
        picture.paste(Image.fromarray(thumbnail), (column * width, row * height))
    return np.asarray(picture)

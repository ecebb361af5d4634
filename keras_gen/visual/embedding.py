"""Two-dimensional maps of a latent space (PCA, t-SNE), and the files of TensorBoard's embedding projector.

Pearson: On Lines and Planes of Closest Fit to Systems of Points in Space, 1901 (PCA).
van der Maaten, Hinton: Visualizing Data using t-SNE, JMLR 9, 2008.
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
_MIN_EXAMPLES = 10  # for t-SNE: among fewer, neighbourhoods mean nothing
_FOLDER = "projector"


def maps(codes: Codes, classes: Sequence[str]) -> dict[str, Picture]:
    """Scatter plots of the latent vectors, coloured by class.

    With two latent units, "plane" plots them as they are. With more, "pca" projects onto the two directions of largest
    variance, and "tsne" (from 10 examples on) keeps neighbours close together. The result is deterministic.

    Args:
        codes: the encoded examples.
        classes: class names in the order of the labels; () without labels.

    Returns:
        title -> plot; empty for a single latent unit or a single example.
    """
    vectors = codes.vectors.astype(np.float64)
    count, size = vectors.shape
    if size == 1 or count < 2:
        return {}
    if size == 2:
        title = f"{count} validation images in the latent space"
        chart = points(vectors, codes.labels, classes, title=title, axes=("unit 0", "unit 1"))
        return {"plane": Picture(chart, "Latent vectors of the validation images.")}
    projections, shares = principal_components(vectors, 2)
    chart = points(
        projections,
        codes.labels,
        classes,
        title=f"PCA of {size} latent units, {count} validation images",
        axes=tuple(f"component {n + 1}, {share:.0%} of the variance" for n, share in enumerate(shares)),
    )
    shown = {"pca": Picture(chart, "Latent vectors of the validation images on their first two principal components.")}
    if count >= _MIN_EXAMPLES:
        chart = points(
            tsne(vectors),
            codes.labels,
            classes,
            title=f"t-SNE of {size} latent units, {count} validation images",
            axes=("", ""),
        )
        about = "t-SNE of the validation images' latent vectors: neighbours stay together; the axes have no meaning."
        shown["tsne"] = Picture(chart, about)
    return shown


def principal_components(vectors: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Project vectors onto their first principal components.

    Args:
        vectors: (n, size).
        count: number of components, at most min(n, size).

    Returns:
        The projections (n, count), and the fraction of the variance that each component explains (count,). The sign of
        a component is chosen so that its largest coordinate is positive.
    """
    centred = vectors - vectors.mean(axis=0)
    _, values, directions = np.linalg.svd(centred, full_matrices=False)
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    variances = np.square(values)
    return centred @ (directions * np.sign(largest))[:count].T, variances[:count] / max(variances.sum(), 1e-30)


def tsne(vectors: np.ndarray) -> np.ndarray:
    """t-SNE of vectors (n, size) in two dimensions, (n, 2), initialised with the principal components."""
    from sklearn.manifold import TSNE  # takes a second to import
    from threadpoolctl import threadpool_limits

    start, _ = principal_components(vectors, 2)
    start *= 1e-4 / max(start[:, 0].std(), 1e-30)
    # With several threads, sums differ in the last bit from run to run, and t-SNE amplifies such differences.
    with threadpool_limits(1):
        return TSNE(perplexity=min(_PERPLEXITY, (len(vectors) - 1) / 3), init=start, random_state=0).fit_transform(
            vectors
        )


def write_projector(run: Path, codes: Codes, classes: Sequence[str]) -> None:
    """Write the latent vectors, labels and thumbnails for TensorBoard's embedding projector.

    Args:
        run: the run folder, which gets projector/ and projector_config.pbtxt.
        codes: the encoded examples.
        classes: class names in the order of the labels; () without labels.
    """
    folder = run / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["\t".join(f"{value:.6g}" for value in vector) for vector in codes.vectors]
    write(folder / "latents.tsv", "\n".join(rows) + "\n")
    names = [classes[label] if 0 <= label < len(classes) else "none" for label in codes.labels]
    # The second column makes the header legal: TensorBoard forbids one in a file with a single column.
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
    """Tile thumbnails, uint8 (n, h, w, 3), row by row into a square sprite; TensorBoard takes up to 8192 pixels."""
    count, height, width, _ = thumbnails.shape
    side = math.isqrt(count - 1) + 1
    picture = Image.new("RGB", (side * width, side * height), "white")
    for number, thumbnail in enumerate(thumbnails):
        row, column = divmod(number, side)
        picture.paste(Image.fromarray(thumbnail), (column * width, row * height))
    return np.asarray(picture)

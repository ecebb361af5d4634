"""Continuity and completeness of a latent space: whether one can generate from anywhere in it.

- Continuity: latent vectors that are close decode to images that are close. Along the straight line between the codes
  of two images, in T steps with image distances d_1 ... d_T, the largest step is a share of the whole way:

      continuity = mean over pairs of (1 - max_t d_t / sum_t d_t) / (1 - 1/T)

  1 if all steps are equal, as for a linear decoder; 0 if the image jumps once and does not change otherwise.
- Completeness: a latent vector from the prior decodes to an image like those of the data. It is the share of decoded
  samples of the prior within the manifold of the reconstructions, which is the precision of `metrics.manifold`. It
  measures holes between the codes, not how sharp a decoder is, because reconstructions are as sharp as samples.

A latent space that is trained for reconstruction alone need not be either; the prior of a VAE makes it so.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from keras_gen.metrics.manifold import precision_recall
from keras_gen.ops.diversity import features
from keras_gen.ops.latents import straight

Decode = Callable[[np.ndarray], np.ndarray]
"""Maps latent vectors float32 (n, latent_dim) to images (n, height, width, channels) in [-1, 1]."""
PAIRS, STEPS = 200, 16
"""Pairs of codes of which `continuity` follows the line, and steps along each of them."""


def continuity(decode: Decode, codes: np.ndarray, *, pairs: int = PAIRS, steps: int = STEPS, seed: int = 0) -> float:
    """The continuity of the module, in [0, 1]. Distances are root-mean-square differences of pixels.

    Args:
        decode: see `Decode`.
        codes: latent vectors of different images, (n, latent_dim), n > 1.
        pairs: number of random pairs of codes.
        steps: number of steps T along the line.
        seed: seed of the pairs.

    Raises:
        ValueError: if all images along all lines are equal.
    """
    rng = np.random.default_rng(seed)
    one = rng.integers(0, len(codes), pairs)
    other = (one + rng.integers(1, len(codes), pairs)) % len(codes)
    shares, found = np.linspace(0.0, 1.0, steps + 1), []
    for start, end in zip(codes[one], codes[other], strict=True):
        images = np.asarray(decode(straight(start, end, shares).astype(np.float32)), np.float64)
        distances = np.sqrt(np.square(np.diff(images, axis=0)).mean(axis=(1, 2, 3)))
        if distances.any():
            found.append((1.0 - distances.max() / distances.sum()) / (1.0 - 1.0 / steps))
    if not found:
        raise ValueError("the decoder draws the same image for all codes; accepted are decoders that use them.")
    return float(np.mean(found))


def completeness(decode: Decode, codes: np.ndarray, prior: np.ndarray) -> float:
    """The completeness of the module, in [0, 1].

    Args:
        decode: see `Decode`.
        codes: latent vectors of different images, or samples of their posteriors, (n, latent_dim).
        prior: samples of the prior, (m, latent_dim).
    """
    manifold, drawn = (features(decode(np.asarray(vectors, np.float32))) for vectors in (codes, prior))
    return precision_recall(manifold, drawn)[0]

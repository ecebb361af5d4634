"""Evaluation of restoration: distances of restored images from the originals, beside those of the inputs."""

from __future__ import annotations

import tensorflow as tf

from keras_gen.evaluation.subject import Evaluation, Result, Subject
from keras_gen.metrics.denoising import Denoising
from keras_gen.metrics.reconstruction import title
from keras_gen.ops.noise import NOISES
from keras_gen.ops.resampling import enlarge

_BATCH = 50  # batch size


def denoising(subject: Subject) -> Result:
    """Compares denoised images with the originals, for the noise of the training data and for all other kinds."""
    reconstruction, data = subject.reconstruction(), subject.data
    low, high = data.strength
    about = (
        f"with a random strength between {low:g} and {high:g} for each image, the same at every evaluation, clipped to "
        f"black and white; the run was trained on {data.noise}"
    )
    by_noise = Denoising(reconstruction, about)
    for noise in dict.fromkeys((data.noise, *(noise for noise in NOISES if noise != "mixed"))):
        for noisy, clean in data.with_noise(noise).validation(_BATCH, limit=subject.options.limit or None):
            cleaned = subject.model.restore(noisy)
            by_noise.update(noise, noisy, cleaned, clean)
            if noise == data.noise:
                reconstruction.update(cleaned, clean)
    distances, figures = reconstruction.result(), by_noise.result()
    lines = [*reconstruction.lines(distances), "", *by_noise.lines(figures)]
    return Result({"reconstruction": distances, "denoising": figures}, lines)


def upscaling(subject: Subject) -> Result:
    """Compares sharpened images with the originals, and also the enlarged images that they were made from.

    Small sources, which the network enlarges itself, are enlarged by bicubic interpolation for this comparison.
    """
    sharpened = subject.reconstruction()
    enlarged = sharpened.empty_copy()
    for source, target in subject.batches(_BATCH):
        sharpened.update(subject.model.translate(source), target)
        scale = target.shape[1] // source.shape[1]
        enlarged.update(source if scale == 1 else tf.clip_by_value(enlarge(source, scale), -1.0, 1.0), target)
    distances, before = sharpened.result(), enlarged.means()
    lines = [f"{title(name):<24}{mean:12.4f}" for name, mean in before.items()]
    return Result(
        {"reconstruction": distances, "enlarged": before},
        [*sharpened.lines(distances), "", f"{'enlarged input':<24}{'mean':>12}", *lines],
    )


_FLAGS = ("seed", "metrics", "weights")
DENOISING = Evaluation(denoising, {"denoise": _FLAGS})
UPSCALING = Evaluation(upscaling, {"upscale": _FLAGS})

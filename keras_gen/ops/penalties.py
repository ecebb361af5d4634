"""Penalties beside adversarial objectives: on the critic's gradient, on what it says of an image that is shown twice,
and on how a generator's images differ.

A critic maps examples (batch, ...) to logits (batch, ...), or to a list of them. Where it gives several logits for an
example (a PatchGAN, or discriminators at several scales), its gradient is that of their mean, so that a bound holds for
the score of the whole example. Gradients and results are float32 whatever precision the networks compute in; results
are scalars without their weight.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from keras_gen.ops.adversarial import example_scores

_LEAST = 1e-12
"""Added to sums of squares under a root or in a denominator, where 0 would have no derivative."""


def gradient_penalty(
    critic: Callable[[tf.Tensor], tf.Tensor], real: tf.Tensor, fake: tf.Tensor, mix: tf.Tensor
) -> tf.Tensor:
    """E (||grad critic(x)||_2 - 1)^2 on lines between real and fake examples (Gulrajani et al. 2017, eq. 3).

    Args:
        critic: maps examples like `real` to logits.
        real: real examples, shape (batch, ...), any range.
        fake: generated examples of the same shape.
        mix: uniform numbers in [0, 1), shape (batch, 1, ...): the share of `real`.
    """
    mix = tf.cast(mix, real.dtype)
    norms = tf.sqrt(_squared_gradients(critic, mix * real + (1.0 - mix) * fake) + _LEAST)
    return tf.reduce_mean(tf.square(norms - 1.0))


def dragan_penalty(
    critic: Callable[[tf.Tensor], tf.Tensor], real: tf.Tensor, noise: tf.Tensor, mix: tf.Tensor
) -> tf.Tensor:
    """E (||grad critic(x)||_2 - 1)^2 around real examples (Kodali et al. 2017, arXiv 1705.07215).

    The x lie on lines from each real example to itself with noise of half the standard deviation of all numbers of the
    batch, as the paper's own program has it. So it couples the examples of a batch.

    Args:
        critic: maps examples like `real` to logits.
        real: real examples, shape (batch, ...), any range.
        noise: uniform numbers in [0, 1) of the same shape.
        mix: uniform numbers in [0, 1), shape (batch, 1, ...): the share of the example without noise.
    """
    return gradient_penalty(critic, real, real + 0.5 * tf.math.reduce_std(real) * tf.cast(noise, real.dtype), mix)


def r1_penalty(critic: Callable[[tf.Tensor], tf.Tensor], real: tf.Tensor) -> tf.Tensor:
    """E ||grad critic(x)||_2^2 / 2 at real examples (Mescheder et al. 2018, arXiv 1801.04406, eq. 9).

    Args:
        critic: maps examples like `real` to logits.
        real: real examples, shape (batch, ...), any range.
    """
    return 0.5 * tf.reduce_mean(_squared_gradients(critic, real))


def consistency_penalty(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """E ||p - q||_2^2 between two answers to the same examples, of another network or of other noise and augmentation.

    Laine and Aila 2017 (arXiv 1610.02242), section 2.1, and Tarvainen and Valpola 2017 (arXiv 1703.01780), section 2,
    where it is divided by the number of classes.

    Args:
        first: logits, (batch, classes), of which p is the softmax.
        second: those of q, of the same form.

    Returns:
        A number from 0 to 2.
    """
    p, q = (tf.nn.softmax(tf.cast(logits, tf.float32)) for logits in (first, second))
    return tf.reduce_mean(tf.reduce_sum(tf.square(p - q), axis=-1))


def pulling_away(features: tf.Tensor) -> tf.Tensor:
    """Mean squared cosine between examples, so that generated ones do not all look alike to the discriminator.

    Zhao, Mathieu, LeCun 2017 (arXiv 1609.03126), eq. 7:

        1 / (N (N - 1)) sum_i sum_(j != i) (s_i . s_j / (||s_i|| ||s_j||))^2

    Args:
        features: of generated examples, (N, ...), N > 1.

    Returns:
        A number from 0 (all orthogonal) to 1 (all parallel).
    """
    count = tf.shape(features)[0]
    units = tf.math.l2_normalize(tf.reshape(tf.cast(features, tf.float32), (count, -1)), axis=1, epsilon=_LEAST)
    cosines = tf.linalg.set_diag(tf.matmul(units, units, transpose_b=True), tf.zeros((count,)))
    return tf.reduce_sum(tf.square(cosines)) / tf.cast(count * (count - 1), tf.float32)


def geometric_penalty(
    generator: Callable[[tf.Tensor], tf.Tensor],
    latents: tf.Tensor,
    images: tf.Tensor,
    directions: tf.Tensor,
    step: float = 0.1,
) -> tf.Tensor:
    """How unevenly a generator's output changes along the directions from a latent vector.

    Of each latent vector z and each of its directions d, of length 1, the squared speed

        s = ||G(z + step d) - G(z)||^2 / step^2,

    and of each z the variance of s over its directions, divided by the square of their mean; the mean of that over z.
    It is 0 if and only if all directions move the image by the same amount, whatever that is, and at most the number
    of directions less 1. For many directions and a small step it is

        2 / (n + 2) (n tr((J^T J)^2) / tr(J^T J)^2 - 1),

    J the Jacobian of G at z and n its columns: the relaxed distortion measure of Lee et al. (ICLR 2022, Regularized
    Autoencoders for Isometric Representation Learning), here of each z by itself, so that only the directions are
    compared and examples are not coupled. The finite differences are those of Odena et al. 2018 (arXiv 1802.08768,
    algorithm 1), who clamp their lengths instead, which needs the scale to be known.

    Args:
        generator: latent vectors (batch, n) -> images (batch, ...).
        latents: z, (batch, n).
        images: G(z), which a step of training has already.
        directions: numbers from N(0, 1), (k, batch, n), k > 1; normalised here. Each of the k is one more pass through
            the generator.
        step: length of the finite difference, in standard deviations of z.
    """
    directions = tf.math.l2_normalize(directions, axis=-1)
    speeds = []
    for direction in tf.unstack(directions):
        difference = tf.cast(generator(latents + step * tf.cast(direction, latents.dtype)), tf.float32)
        difference -= tf.cast(images, tf.float32)
        speeds.append(_squared_norms(difference) / step**2)
    mean, variance = tf.nn.moments(tf.stack(speeds), axes=0)
    return tf.reduce_mean(variance / (tf.square(mean) + _LEAST))


def _squared_gradients(critic: Callable[[tf.Tensor], tf.Tensor], inputs: tf.Tensor) -> tf.Tensor:
    """||grad critic||_2^2 at each of `inputs`, (batch, ...) -> (batch,), float32."""
    inputs = tf.cast(inputs, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        scores = example_scores(critic(inputs))
    return _squared_norms(tape.gradient(scores, inputs))


def _squared_norms(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.square(values), axis=range(1, len(values.shape)))

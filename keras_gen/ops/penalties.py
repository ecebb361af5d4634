"""Regularisation terms of adversarial training: gradient penalties, consistency, and penalties on generated images.

A critic maps examples (batch, ...) to logits (batch, ...), or to a list of them. If it has several logits per example,
as a PatchGAN or discriminators at several scales have, the gradient is that of their mean, so that a bound on it holds
for the score of the whole example. Gradients and results are float32 in any precision of the networks. Results are
unweighted scalars.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from keras_gen.ops.adversarial import Logits, example_scores

_EPSILON = 1e-12
"""Added to sums of squares under a root or in a denominator, which are not differentiable at 0."""


def gradient_penalty(
    critic: Callable[[tf.Tensor], Logits], real: tf.Tensor, fake: tf.Tensor, mix: tf.Tensor
) -> tf.Tensor:
    """The gradient penalty of WGAN-GP: E (||grad critic(x)||_2 - 1)^2 on lines between real and generated examples.

    Gulrajani et al. 2017, arXiv 1704.00028, eq. 3.

    Args:
        critic: maps examples like `real` to logits.
        real: real examples, (batch, ...), in any range.
        fake: generated examples of the same shape.
        mix: uniform numbers in [0, 1), (batch,): the weight of each real example.

    Examples:
        >>> points = tf.random.stateless_normal((2, 4, 2), (0, 0))
        >>> slope_3 = lambda x: 3.0 * x[:, :1]
        >>> float(gradient_penalty(slope_3, points[0], points[1], tf.fill((4,), 0.5)))
        4.0
    """
    mix = tf.reshape(tf.cast(mix, real.dtype), (-1, *[1] * (len(real.shape) - 1)))
    norms = tf.sqrt(_squared_gradients(critic, mix * real + (1.0 - mix) * fake) + _EPSILON)
    return tf.reduce_mean(tf.square(norms - 1.0))


def dragan_penalty(
    critic: Callable[[tf.Tensor], Logits], real: tf.Tensor, noise: tf.Tensor, mix: tf.Tensor
) -> tf.Tensor:
    """The gradient penalty of DRAGAN: E (||grad critic(x)||_2 - 1)^2 around real examples.

    Kodali et al. 2017, arXiv 1705.07215. As in the authors' code, x lies on the line between a real example and the
    same example plus noise, scaled by half the standard deviation of all values of the batch. So the examples of a
    batch are coupled.

    Args:
        critic: maps examples like `real` to logits.
        real: real examples, (batch, ...), in any range.
        noise: uniform numbers in [0, 1), of the same shape.
        mix: uniform numbers in [0, 1), (batch,): the weight of each example without noise.
    """
    return gradient_penalty(critic, real, real + 0.5 * tf.math.reduce_std(real) * tf.cast(noise, real.dtype), mix)


def r1_penalty(critic: Callable[[tf.Tensor], Logits], real: tf.Tensor) -> tf.Tensor:
    """The R1 penalty: E ||grad critic(x)||_2^2 / 2 at real examples (Mescheder et al. 2018, arXiv 1801.04406, eq. 9).

    Args:
        critic: maps examples like `real` to logits.
        real: real examples, (batch, ...), in any range.
    """
    return 0.5 * tf.reduce_mean(_squared_gradients(critic, real))


def consistency_penalty(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """The consistency loss E ||p - q||_2^2 between two predictions for the same examples, in [0, 2].

    The predictions come from two networks, or from two calls with different noise or augmentation. Laine and Aila 2017
    (arXiv 1610.02242), section 2.1, and Tarvainen and Valpola 2017 (arXiv 1703.01780), section 2, also divide by the
    number of classes.

    Args:
        first: logits of p, (batch, classes).
        second: logits of q, of the same shape.
    """
    p, q = (tf.nn.softmax(tf.cast(logits, tf.float32)) for logits in (first, second))
    return tf.reduce_mean(tf.reduce_sum(tf.square(p - q), axis=-1))


def pulling_away(features: tf.Tensor) -> tf.Tensor:
    """The pulling-away term: the mean squared cosine similarity between the features of generated examples.

    It pushes generated examples apart, from 1 (all features parallel) to 0 (all orthogonal). Zhao, Mathieu, LeCun 2017
    (arXiv 1609.03126), eq. 7:

        1 / (N (N - 1)) sum_i sum_(j != i) (s_i . s_j / (||s_i|| ||s_j||))^2

    Args:
        features: features of generated examples, (N, ...), N > 1.
    """
    count = tf.shape(features)[0]
    directions = tf.math.l2_normalize(tf.reshape(tf.cast(features, tf.float32), (count, -1)), axis=1, epsilon=_EPSILON)
    cosines = tf.linalg.set_diag(tf.matmul(directions, directions, transpose_b=True), tf.zeros((count,)))
    return tf.reduce_sum(tf.square(cosines)) / tf.cast(count * (count - 1), tf.float32)


def geometric_penalty(
    generator: Callable[[tf.Tensor], tf.Tensor],
    latents: tf.Tensor,
    images: tf.Tensor,
    directions: tf.Tensor,
    step: float = 0.1,
) -> tf.Tensor:
    """Penalises a generator whose output changes faster along some latent directions than along others.

    For a latent vector z and a unit vector d, the squared speed of the image is

        s = ||G(z + step d) - G(z)||^2 / step^2.

    The penalty is the variance of s over directions, divided by the square of its mean; the result is the mean over z.
    It is 0 if and only if all directions change the image equally fast, and at most the number of directions minus 1.
    With many directions and a small step it approaches

        2 / (n + 2) (n tr((J^T J)^2) / tr(J^T J)^2 - 1),

    where J is the Jacobian of G at z and n the number of its columns. This is the relaxed distortion measure of Lee et
    al. (Regularized Autoencoders for Isometric Representation Learning, ICLR 2022), but for each z separately, so only
    directions are compared and examples are not coupled. The finite differences are those of Odena et al. 2018 (arXiv
    1802.08768, algorithm 1). Their penalty clamps the speed instead, which requires a known scale.

    Args:
        generator: maps latent vectors (batch, n) to images (batch, ...).
        latents: z, (batch, n).
        images: G(z), which the training step has computed already.
        directions: numbers from N(0, 1), (k, batch, n), k > 1; normalised here. Each of the k directions costs one
            forward pass of the generator.
        step: length of the finite difference, in standard deviations of z.
    """
    directions = tf.math.l2_normalize(directions, axis=-1)
    speeds = []
    for direction in tf.unstack(directions):
        difference = tf.cast(generator(latents + step * tf.cast(direction, latents.dtype)), tf.float32)
        difference -= tf.cast(images, tf.float32)
        speeds.append(_squared_norms(difference) / step**2)
    mean, variance = tf.nn.moments(tf.stack(speeds), axes=0)
    return tf.reduce_mean(variance / (tf.square(mean) + _EPSILON))


def _squared_gradients(critic: Callable[[tf.Tensor], Logits], inputs: tf.Tensor) -> tf.Tensor:
    """||grad critic||_2^2 at each of `inputs` (batch, ...): (batch,), float32."""
    inputs = tf.cast(inputs, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        scores = example_scores(critic(inputs))
    return _squared_norms(tape.gradient(scores, inputs))


def _squared_norms(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.square(values), axis=range(1, len(values.shape)))

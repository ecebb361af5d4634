"""How alike two maps of saliency are, by the measures that the field compares continuous maps with.

Bylinskii, Judd, Oliva, Torralba, Durand: What do different evaluation metrics tell us about saliency models?, 2019,
arXiv 1604.03605, section 4. AUC and NSS are of single fixations; where all that is known is their density, as here, NSS
is its mean under the density, and an AUC is not defined.

Maps are (batch, H, W, 1), not negative; their scale makes no difference. Every result has shape (batch,). A map without
any value is taken as the same everywhere.
"""

from __future__ import annotations

import tensorflow as tf

_LEAST = 1e-7


def density(saliency: tf.Tensor) -> tf.Tensor:
    """Each map divided by its sum, as (batch, H W)."""
    flat = tf.reshape(tf.cast(saliency, tf.float32), (tf.shape(saliency)[0], -1)) + _LEAST
    return flat / tf.reduce_sum(flat, axis=1, keepdims=True)


def kl_divergence(saliency: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
    """KL(reference || saliency) of the densities, in nats: 0 for equal ones, more is worse."""
    expected, found = density(reference), density(saliency)
    return tf.reduce_sum(expected * (tf.math.log(expected) - tf.math.log(found)), axis=1)


def correlation(saliency: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
    """Pearson's linear correlation coefficient (CC) over pixels, [-1, 1]; 0 if one of the maps is constant."""
    one, other = _standardised(density(saliency)), _standardised(density(reference))
    return tf.reduce_mean(one * other, axis=1)


def similarity(saliency: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
    """SIM, the intersection of the densities as histograms: from 0 to 1 for equal ones."""
    return tf.reduce_sum(tf.minimum(density(saliency), density(reference)), axis=1)


def normalised_scanpath(saliency: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
    """NSS: the map in standard deviations above its mean, where the reference's density looks; 0 is chance."""
    return tf.reduce_sum(_standardised(density(saliency)) * density(reference), axis=1)


def _standardised(values: tf.Tensor) -> tf.Tensor:
    """(batch, n) less its mean, divided by its standard deviation; 0 where that is 0 but for rounding."""
    centred = values - tf.reduce_mean(values, axis=1, keepdims=True)
    deviation = tf.math.reduce_std(values, axis=1, keepdims=True)
    tiny = 1e-5 * tf.reduce_mean(values, axis=1, keepdims=True)
    return tf.where(deviation > tiny, centred / tf.maximum(deviation, tiny), 0.0)

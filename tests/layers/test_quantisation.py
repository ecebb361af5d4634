"""Vector quantiser: appendix A.1 of its paper against NumPy, the straight-through gradient, and restarts."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gen.layers.quantisation import VectorQuantiser, nearest


def built(codes=5, size=3, **settings):
    keras.utils.set_random_seed(0)
    layer = VectorQuantiser(codes, **settings)
    layer.build((None, size))
    layer.codebook.assign(np.random.default_rng(1).normal(size=(codes, size)))
    return layer


def vectors(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def step(layer, batch):
    indices, _ = layer(batch)
    for variable, value in layer.running_state(layer.statistics(tf.constant(batch), indices)):
        variable.assign(value)
    return indices.numpy()


def test_the_nearest_code_is_that_of_the_definition():
    batch, codebook = vectors(2, 4, 5, 3), vectors(7, 3, seed=1)
    distances = np.linalg.norm(batch[..., None, :] - codebook, axis=-1)
    np.testing.assert_array_equal(nearest(tf.constant(batch), tf.constant(codebook)), distances.argmin(-1))


def test_the_codebook_follows_equations_6_to_8():
    """Two steps; codes that are not chosen do not change."""
    layer = built(codes=7, decay=0.9, restart_after=0)
    codebook, counts, sums = layer.codebook.numpy(), np.zeros(7), np.zeros((7, 3))
    for seed in range(2):
        batch = vectors(4, 3, seed=seed)
        indices = step(layer, batch)
        for code in range(7):
            counts[code] = 0.9 * counts[code] + 0.1 * (indices == code).sum()
            sums[code] = 0.9 * sums[code] + 0.1 * batch[indices == code].sum(axis=0)
            if counts[code]:
                codebook[code] = sums[code] / counts[code]
        np.testing.assert_allclose(layer.codebook.numpy(), codebook, rtol=1e-5)
    assert (counts == 0).any()
    np.testing.assert_allclose(layer.counts.numpy(), counts, rtol=1e-6)
    np.testing.assert_allclose(layer.sums.numpy(), sums, rtol=1e-5)


def test_a_code_that_was_not_chosen_for_ages_stays_finite():
    layer = built(codes=2, decay=0.1, restart_after=0)
    layer.codebook.assign([[0.0, 0.0, 0.0], [9.0, 9.0, 9.0]])
    step(layer, np.full((4, 3), 9, np.float32))
    for _ in range(60):  # 0.1^60 is no float32 any more
        step(layer, np.zeros((4, 3), np.float32))
    np.testing.assert_allclose(layer.codebook.numpy(), [[0, 0, 0], [9, 9, 9]], rtol=1e-4)


def test_the_gradient_goes_straight_through():
    layer, batch, weights = built(), tf.constant(vectors(6, 3)), vectors(6, 3, seed=2)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([batch, layer.codebook.value])
        _, codes = layer(batch, training=True)
        loss = tf.reduce_sum(weights * codes)
    np.testing.assert_array_equal(tape.gradient(loss, batch), weights)
    assert tape.gradient(loss, layer.codebook.value) is None


def test_codes_are_the_same_in_training_and_after():
    layer, batch = built(), vectors(6, 3)
    indices, codes = layer(batch)
    np.testing.assert_array_equal(codes, layer.codebook.numpy()[indices])
    np.testing.assert_allclose(layer(batch, training=True)[1], codes, atol=1e-6)


def test_idle_codes_are_put_on_vectors_of_the_batch():
    """Codes are restarted after three steps without being chosen, not earlier, and are chosen from then on."""
    layer = built(codes=4, restart_after=3)
    layer.idle.assign([0, 0, 0, 0])
    layer.codebook.assign([[0, 0, 0], [50, 0, 0], [0, 50, 0], [0, 0, 50]])
    for seed in range(3):
        assert not step(layer, vectors(32, 3, seed=seed)).any()
        far = np.linalg.norm(layer.codebook.numpy(), axis=1) > 40
        assert far.sum() == (3 if seed < 2 else 0)
    for code in layer.codebook.numpy()[1:]:
        assert (vectors(32, 3, seed=2) == code).all(axis=1).any()
    np.testing.assert_array_equal(layer.counts.numpy()[1:], 0)
    assert len(np.unique(step(layer, vectors(32, 3, seed=3)))) > 1


def test_never_restarted_if_so_asked():
    layer = built(codes=3, restart_after=0)
    layer.codebook.assign([[0, 0, 0], [50, 0, 0], [0, 50, 0]])
    for seed in range(5):
        step(layer, vectors(8, 3, seed=seed))
    np.testing.assert_array_equal(layer.codebook.numpy()[1:], [[50, 0, 0], [0, 50, 0]])


def test_the_first_step_spreads_the_codes_over_the_batch():
    keras.utils.set_random_seed(0)
    layer = VectorQuantiser(64)
    step(layer, vectors(500, 3))
    assert len(np.unique(layer(vectors(500, 3))[0])) > 40


@pytest.mark.parametrize("parts", [2, 4])
def test_the_sums_of_the_parts_are_those_of_the_whole(parts):
    """This includes restarts: the candidates do not depend on how the batch is split."""
    layer, batch = built(codes=6), tf.constant(vectors(8, 2, 2, 3))
    indices, _ = layer(batch)
    whole = layer.statistics(batch, indices)
    of_parts = [
        layer.statistics(batch[n : n + 8 // parts], indices[n : n + 8 // parts], (n * parts // 8, parts))
        for n in range(0, 8, 8 // parts)
    ]
    for name, expected in whole.items():
        np.testing.assert_allclose(sum(seen[name].numpy() for seen in of_parts), expected, rtol=1e-5, err_msg=name)
    assert all((batch.numpy() == candidate).all(-1).any() for candidate in whole["candidates"].numpy())


def test_candidates_are_others_at_each_step_and_the_same_for_the_same_seed():
    layer, again, batch = built(codes=50), built(codes=50), vectors(200, 3)
    drawn = []
    for one in (layer, again):
        for _ in range(2):
            indices, _ = one(batch)
            drawn.append(one.statistics(tf.constant(batch), indices)["candidates"].numpy())
            step(one, batch)
    assert not np.array_equal(drawn[0], drawn[1])
    np.testing.assert_array_equal(drawn[:2], drawn[2:])


def test_perplexity_of_equal_use_is_the_number_of_codes():
    layer = built(codes=8)
    assert float(layer.perplexity()) == 1.0  # before the first step
    layer.counts.assign(np.full(8, 3.0))
    assert float(layer.perplexity()) == pytest.approx(8, rel=1e-5)
    layer.counts.assign([1, 1, 0, 0, 0, 0, 0, 0])
    assert float(layer.perplexity()) == pytest.approx(2, rel=1e-5)
    assert float(layer.used()) == 0.25

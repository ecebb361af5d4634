import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_gen.data.dataset import Dataset, Stream, ordered_batches, random_bool, training_stream, uniforms


def load(index, key):
    return index, tf.random.stateless_uniform((), key)


def finish(index, draw):
    return index, draw


def rows(stream):
    """(examples, 2): index and draw, in order."""
    return np.concatenate([np.stack([i, d], axis=1) for i, d in stream.as_numpy_iterator()])


def take(size, batch_size, stop, **options):
    options = {"seed": 0, **options}
    return rows(training_stream(load, finish, size, batch_size, stop=stop, **options))


@pytest.mark.parametrize("seed", [0, 1, -5, 2**40])
def test_every_epoch_holds_every_example_once_in_another_order_with_another_draw(seed):
    stream = take(10, 5, 30, seed=seed)
    epochs = stream.reshape(3, 10, 2)
    for epoch in epochs:
        assert sorted(epoch[:, 0]) == list(range(10))
    assert not np.array_equal(epochs[0, :, 0], epochs[1, :, 0])
    assert len(np.unique(stream[:, 1])) == 30
    np.testing.assert_array_equal(take(10, 5, 30, seed=seed), stream)


def test_seeds_differ():
    orders = [tuple(take(50, 10, 50, seed=seed)[:, 0]) for seed in (0, 1, -1, 2)]
    assert len(set(orders)) == 4


def test_the_order_is_uniform():
    """Position of example 0 in 400 epochs of 8: chi-square with 7 degrees of freedom, whose 0.1 % quantile is 24.3."""
    stream = take(8, 8, 3200)[:, 0].reshape(400, 8)
    counts = np.bincount(np.argmin(stream, axis=1), minlength=8)
    assert np.sum((counts - 50) ** 2 / 50) < 24.3


@pytest.mark.parametrize("step", [0, 1, 4])
def test_a_stream_that_starts_late_goes_on_as_if_it_had_not_stopped(step):
    """Across the ends of epochs, with a batch size that does not divide the number of examples."""
    np.testing.assert_array_equal(take(7, 3, 30, start=step * 3), take(7, 3, 30)[step * 3 :])


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_share_the_batches_of_one(workers):
    whole = list(training_stream(load, finish, 7, 6, seed=0, stop=30).as_numpy_iterator())
    shares = [
        list(training_stream(load, finish, 7, 6, seed=0, stop=30, shard=(w, workers)).as_numpy_iterator())
        for w in range(workers)
    ]
    for step, (index, draw) in enumerate(whole):
        for worker, share in enumerate(shares):
            np.testing.assert_array_equal(share[step][0], index[worker::workers])
            np.testing.assert_array_equal(share[step][1], draw[worker::workers])


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_shares_of_all_workers_are_the_data_set(workers):
    """In one epoch every example occurs once, for one worker, and all random keys differ, so augmentations differ."""
    shares = [
        list(training_stream(load, finish, 30, 6, seed=3, stop=30, shard=(w, workers)).unbatch().as_numpy_iterator())
        for w in range(workers)
    ]
    indices = [int(index) for share in shares for index, _ in share]
    draws = {tuple(np.ravel(draw)) for share in shares for _, draw in share}
    assert sorted(indices) == list(range(30))
    assert len(draws) == 30


def test_batches_that_cannot_be_shared_are_refused():
    with pytest.raises(ValueError, match="4 workers cannot share"):
        training_stream(load, finish, 7, 6, seed=0, shard=(0, 4))
    with pytest.raises(ValueError, match="not a multiple"):
        training_stream(load, finish, 7, 6, seed=0, start=3)


def test_ordered_batches_hold_all_once():
    batches = [i for i, _ in ordered_batches(load, finish, 7, 3).as_numpy_iterator()]
    assert [list(batch) for batch in batches] == [[0, 1, 2], [3, 4, 5], [6]]
    limited = [list(i) for i, _ in ordered_batches(load, finish, 7, 3, limit=4).as_numpy_iterator()]
    assert limited == [[0, 1, 2], [3]]
    shares = [
        [i for batch, _ in ordered_batches(load, finish, 7, 4, shard=(w, 2)).as_numpy_iterator() for i in batch]
        for w in (0, 1)
    ]
    assert shares == [[0, 2, 4, 6], [1, 3, 5]]
    alone = [
        [list(i) for i, _ in ordered_batches(load, finish, 1, 4, shard=(w, 2)).as_numpy_iterator()] for w in (0, 1)
    ]
    assert alone == [[[0]], [[]]]


@pytest.mark.parametrize("vectorised", [False, True])
def test_the_number_of_batches_is_known(vectorised):
    how = {"load": load_batch if vectorised else load, "finish": finish, "vectorised": vectorised}
    for workers in (1, 2, 4):  # of four workers, two have an example fewer, and an empty last batch
        for worker in range(workers):
            held = ordered_batches(size=14, batch_size=4, shard=(worker, workers), **how)
            assert int(held.cardinality()) == len(list(held)) == 4
    for stop, count in ((14, 3), (None, tf.data.INFINITE_CARDINALITY)):
        stream = training_stream(size=14, batch_size=4, seed=0, stop=stop, **how)
        assert int(stream.cardinality()) == count


def test_shapes_are_static():
    stream = training_stream(load, finish, 7, 6, seed=0, shard=(1, 2))
    assert [spec.shape for spec in stream.element_spec] == [(3,), (3,)]


def load_batch(indices, keys):
    return indices, tf.map_fn(lambda key: tf.random.stateless_uniform((), key), keys, fn_output_signature=tf.float32)


@pytest.mark.parametrize(("size", "batch_size"), [(10, 6), (3, 12)])
@pytest.mark.parametrize("shard", [(0, 1), (1, 3)])
def test_a_vectorised_stream_is_the_same_stream(size, batch_size, shard):
    """Also if a batch contains the end of an epoch, or several epochs."""
    options = {"seed": 4, "start": 2 * batch_size, "stop": 9 * batch_size, "shard": shard}
    single = training_stream(load, finish, size, batch_size, **options)
    vectorised = training_stream(load_batch, finish, size, batch_size, **options, vectorised=True)
    np.testing.assert_array_equal(rows(vectorised), rows(single))
    assert vectorised.element_spec[0].shape == single.element_spec[0].shape == (batch_size // shard[1],)


def test_orders_are_independent_of_each_other_and_within():
    """60,000 examples: five standard deviations of a correlation are 0.02. TensorFlow's default reaches 0.9."""
    epochs = [
        indices
        for indices, _ in training_stream(
            lambda indices, keys: (indices, keys), finish, 60_000, 60_000, seed=0, stop=240_000, vectorised=True
        ).as_numpy_iterator()
    ]
    for one, other in itertools.pairwise(epochs):
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.02
    for lag in (1, 2, 8, 64):
        assert abs(np.corrcoef(epochs[0][lag:], epochs[0][:-lag])[0, 1]) < 0.02


def test_ordered_batches_can_be_vectorised():
    batches = ordered_batches(load_batch, finish, 7, 4, vectorised=True, shard=(1, 2))
    assert [list(indices) for indices, _ in batches.as_numpy_iterator()] == [[1, 3], [5]]


def test_coins_are_fair_and_independent_of_their_neighbours():
    """20,000 random bools of one epoch, and of one example: four standard deviations of a mean are 1.4 %."""
    counter, same = np.arange(20_000), np.full(20_000, 1234)
    for words in ((same, counter), (counter, same)):
        keys = tf.constant(np.stack(words, axis=1))
        coins = random_bool(keys).numpy()
        assert abs(coins.mean() - 0.5) < 0.014
        assert abs((coins[1:] == coins[:-1]).mean() - 0.5) < 0.014
        assert random_bool(keys[17]).numpy() == coins[17]


def test_uniforms_are_those_of_split_mix():
    """Against Python integers: the state of a row is that of the generator seeded by the first word, at the second."""

    def split_mix(state, counter):
        mixed = (state + counter * 0x9E3779B97F4A7C15) % 2**64
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ mixed >> shift) * factor % 2**64
        return mixed ^ mixed >> 31

    # The first output of java.util.SplittableRandom(0) is its first step from state 0.
    assert split_mix(0, 1) == 0xE220A8397B1DCDAF
    words = [(5, 0), (2**62 + 3, 7), (-4, 60_000)]
    expected = [[(split_mix(split_mix(a % 2**64, b), i) >> 40) / 2**24 for i in (1, 2, 3)] for a, b in words]
    np.testing.assert_array_equal(uniforms(tf.constant(words, tf.int64), 3), np.float32(expected))
    np.testing.assert_array_equal(uniforms(tf.constant(words[1], tf.int64), 3), np.float32(expected[1]))


def test_uniforms_are_uniform_and_independent_of_their_neighbours():
    """A million draws: four standard deviations of a mean are 0.0012, of a correlation 0.004."""
    keys = tf.constant(np.stack([np.full(1000, 99), np.arange(1000)], axis=1))
    draws = uniforms(keys, 1000).numpy()
    assert 0 <= draws.min() < draws.max() < 1
    assert abs(draws.mean() - 0.5) < 0.0012
    counts = np.histogram(draws, 100, (0, 1))[0]
    assert ((counts - 1e4) ** 2 / 1e4).sum() < 99 + 4 * np.sqrt(2 * 99)
    for one, other in ((draws[1:], draws[:-1]), (draws[:, 1:], draws[:, :-1])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.004


# -- data sets ---------------------------------------------------------------------------------------------------------


class Unpaired(Dataset):
    """Seven images and five sounds of one to four values with their lengths; they are not paired."""

    train_size, val_size = 7, 7

    def __init__(self, seed=0):
        self._seed = seed

    def streams(self, training):
        def picture(numbers, keys):
            return (tf.cast(numbers, tf.float32)[:, None, None, None] * tf.ones((2, 3, 1)),)

        def sound(number, key):
            length = 1 + number % 4
            return tf.where(tf.range(4, dtype=tf.int64) < length, number, -1), length

        return (
            Stream(picture, lambda images: (images,), 7),
            Stream(sound, lambda sounds, lengths: (sounds, lengths), 5, vectorised=False, number=1),
        )

    def describe(self):
        return "7 pictures and 5 sounds"


def sides(stream):
    """The numbers of pictures and sounds, in order."""
    batches = list(stream.as_numpy_iterator())
    return [np.concatenate([batch[0][:, 0, 0, 0] for batch in batches]), np.concatenate([b[1][:, 0] for b in batches])]


def test_sides_of_other_shapes_and_numbers_make_up_one_batch():
    image, sound, length = Unpaired().train(2).element_spec
    assert (image.shape, sound.shape, length.shape) == ((2, 2, 3, 1), (2, 4), (2,))
    assert [part.shape.as_list() for part in Unpaired().spec] == [[None, 2, 3, 1], [None, 4], [None]]


def test_each_side_is_drawn_without_replacement_in_its_own_order():
    pictures, sounds = sides(Unpaired().train(5, stop=35))
    for epoch in range(5):
        assert sorted(pictures[7 * epoch : 7 * epoch + 7]) == list(range(7))
    for epoch in range(7):
        assert sorted(sounds[5 * epoch : 5 * epoch + 5]) == list(range(5))
    assert len({tuple(sounds[5 * epoch : 5 * epoch + 5]) for epoch in range(7)}) > 4
    same = [training_stream(load, finish, 50, 50, seed=0, stop=50, number=number) for number in (0, 1)]
    assert not np.array_equal(*(rows(one) for one in same))  # also where there are equally many


@pytest.mark.parametrize("start", [2, 8, 12])
def test_sides_go_on_where_they_stopped_and_are_shared_among_workers(start):
    whole = sides(Unpaired(3).train(2, stop=24))
    rest = sides(Unpaired(3).train(2, start=start, stop=24))
    shares = [sides(Unpaired(3).train(2, stop=24, shard=(worker, 2))) for worker in (0, 1)]
    for side in (0, 1):
        np.testing.assert_array_equal(rest[side], whole[side][start:])
        np.testing.assert_array_equal(np.stack([share[side] for share in shares], axis=1).ravel(), whole[side])


def test_the_shorter_side_is_validated_again_from_its_beginning():
    pictures, sounds = sides(Unpaired().validation(4))
    assert (pictures.tolist(), sounds.tolist()) == ([0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4, 0, 1])
    assert [len(side) for side in sides(Unpaired().validation(4, limit=3))] == [3, 3]

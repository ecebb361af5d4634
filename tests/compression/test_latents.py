"""Transform coding of latent vectors, against closed forms for a linear model."""

import keras
import numpy as np
import pytest

from keras_gen.compression.latents import RESOLUTION, LatentCodec, Statistics
from keras_gen.errors import UserError

SIZE, UNITS, LEVELS = 8, 4, 127.5
SPREAD = np.array([40.0, 20.0, 10.0, 5.0])  # standard deviations of the directions [levels]


def linear(matrix, inverse, bias):
    """A linear encoder and decoder of 8x8 pictures: z = M (x - bias), x = M^-1 z + bias, for any matrix of
    full rank."""
    image, vector = keras.Input((SIZE, SIZE, 1)), keras.Input((UNITS,))
    down = keras.layers.Dense(UNITS)
    encoder = keras.Model(image, down(keras.layers.Flatten()(image)))
    up = keras.layers.Dense(SIZE * SIZE)
    decoder = keras.Model(vector, keras.layers.Reshape((SIZE, SIZE, 1))(up(vector)))
    down.set_weights([matrix.T, -matrix @ bias])
    up.set_weights([inverse.T, bias])
    return encoder, decoder


@pytest.fixture(scope="module")
def world():
    """Orthonormal directions, pictures that are normally distributed along them, and a mixing of latents of
    any scale."""
    generator = np.random.default_rng(0)
    directions = np.linalg.qr(generator.normal(size=(SIZE * SIZE, UNITS)))[0]
    bias = np.full(SIZE * SIZE, 0.05)

    def pictures(count):
        # A level along a direction is one level, root mean square over the 64 values.
        along = generator.normal(size=(count, UNITS)) * SPREAD * np.sqrt(SIZE * SIZE) / LEVELS
        return (along @ directions.T * 0.25 + bias).reshape(-1, SIZE, SIZE, 1).astype(np.float32)

    mixing = np.diag([1000.0, 1.0, 0.01, 3.0]) @ generator.normal(size=(UNITS, UNITS))
    training, others = pictures(20_000), pictures(2000)
    return directions, bias, training, others, mixing


def codec(world, mixing):
    directions, bias, training, _, _ = world
    networks = linear(mixing @ directions.T, directions @ np.linalg.inv(mixing), bias)
    batches = (training[i : i + 1000] for i in range(0, len(training), 1000))
    return LatentCodec(*networks, Statistics.fit(*networks, batches))


@pytest.mark.parametrize("mixed", [False, True])
def test_rate_and_error_are_those_of_ideal_transform_coding(world, mixed):
    """For any linear mixing of latents: an error of step^2 / 12 per direction, and Gaussian entropies minus
    log2 step."""
    found = codec(world, world[4] if mixed else np.eye(UNITS))
    others = world[3]
    step = 2 * RESOLUTION
    symbols = found.symbols(found.coefficients(list(others)), step)
    error = LEVELS**2 * np.square(found.decode(symbols, step) - others).mean()
    assert error == pytest.approx(UNITS * 2**2 / 12, rel=0.08)
    bits = np.mean([found.entropy_model(step).bits(row) for row in symbols])
    assert bits == pytest.approx(np.log2(SPREAD / 4 / 2 * np.sqrt(2 * np.pi * np.e)).sum(), rel=0.03)


def test_files_come_back_as_the_pictures_of_their_symbols(world):
    found, picture = codec(world, world[4]), world[3][0]
    for step in (1, 5, 64):
        contents = found.compress(picture, step)
        header, symbols = found.read(contents, "a")
        np.testing.assert_array_equal(symbols, found.symbols(found.coefficients([picture]), step)[0])
        np.testing.assert_array_equal(found.picture(header, symbols), found.decode(symbols[None], step)[0])
    assert (header.height, header.width, header.symbols) == (SIZE, SIZE, UNITS)


def test_a_latent_that_draws_nothing_costs_nothing(world):
    """Like collapsed units of a VAE: the direction has a single symbol, and the others are not affected."""
    directions, bias, training, others, _ = world
    encoder, decoder = linear(directions.T, directions, bias)
    up = decoder.layers[1]
    up.set_weights([up.get_weights()[0] * np.array([[1], [1], [1], [0]]), bias])
    found = LatentCodec(encoder, decoder, Statistics.fit(encoder, decoder, [training]))
    lengths = sorted(len(f) for f in found.entropy_model(RESOLUTION).frequencies)
    assert lengths[0] == 1
    assert lengths[1] > 5
    drawn = found.decode(found.symbols(found.coefficients(list(others)), 1), 1)
    ideal = decoder(encoder(others)).numpy()
    assert LEVELS * np.sqrt(np.square(drawn - ideal).mean()) < 0.25


def test_what_lies_beyond_the_training_images_becomes_the_nearest_that_they_reach(world):
    found = codec(world, np.eye(UNITS))
    far = np.full((UNITS, UNITS), 0) + 10_000 * np.eye(UNITS, dtype=int)
    symbols = found.symbols(far, 4)
    assert [symbols[i, i] for i in range(UNITS)] == [len(f) - 1 for f in found.entropy_model(4).frequencies]


def test_the_default_step_adds_up_to_a_tenth_to_the_error_of_the_model(world):
    directions, bias, training, _, _ = world
    training = training + np.random.default_rng(1).normal(0, 8 / LEVELS, training.shape).astype(np.float32)
    networks = linear(directions.T, directions, bias)
    found = LatentCodec(*networks, Statistics.fit(*networks, [training]))
    own = np.square(LEVELS * (networks[1](networks[0](training)).numpy() - training)).mean()
    symbols = found.symbols(found.coefficients(list(training[:4000])), found.default_step)
    whole = np.square(LEVELS * (found.decode(symbols, found.default_step) - training[:4000])).mean()
    assert 1.05 < whole / own < 1.1


def test_the_file_of_another_model_is_refused(world):
    directions, bias, training, others, mixing = world
    ours, theirs = codec(world, np.eye(UNITS)), codec(world, mixing)
    with pytest.raises(UserError, match=f"compressed by model {theirs.fingerprint.hex()}.*{ours.fingerprint.hex()}"):
        ours.read(theirs.compress(others[0], 4), "a")
    networks = linear(directions.T, directions, bias)
    counted_elsewhere = LatentCodec(*networks, Statistics.fit(*networks, [training[:1000]]))
    assert counted_elsewhere.fingerprint != ours.fingerprint


def test_statistics_come_back_from_their_file(world, tmp_path):
    networks = linear(world[0].T, world[0], world[1])
    statistics = Statistics.fit(*networks, [world[2]])
    path = tmp_path / "codec.npz"
    path.write_bytes(statistics.to_bytes())
    again = LatentCodec(*networks, Statistics.read(path))
    assert again.fingerprint == LatentCodec(*networks, statistics).fingerprint
    for length in (0, 10, len(statistics.to_bytes()) // 2):
        path.write_bytes(statistics.to_bytes()[:length])
        with pytest.raises(UserError, match=r"codec\.npz cannot be read"):
            Statistics.read(path)

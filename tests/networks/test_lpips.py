"""LPIPS: published distances, its formula in NumPy, and its file of weights."""

import io

import numpy as np
import pytest
import tensorflow as tf
from lpips_file import arrays_of, random_lpips
from PIL import Image

from keras_gen.errors import UserError
from keras_gen.networks.lpips import MIN_SIDE, load_lpips


def pictures(seed, size, count=2):
    return tf.random.stateless_uniform((count, size, size, 3), (seed, 0), -1.0, 1.0)


@pytest.fixture(scope="module", params=["alex", "squeeze"])
def network(request):
    return random_lpips(request.param)


@pytest.mark.parametrize(
    ("backbone", "distances"), [("alex", (0.72188, 0.13757)), ("squeeze", (0.71105, 0.14790))], ids=["alex", "squeeze"]
)
def test_the_published_example(shared, backbone, distances):
    """The authors' example prints 0.722 and 0.138 for AlexNet."""
    folder = shared / "data/lpips"
    images = [
        tf.constant(np.asarray(Image.open(folder / f"ex_{name}.png").convert("RGB"), np.float32)[None] / 127.5 - 1)
        for name in ("ref", "p0", "p1")
    ]
    network = load_lpips(folder / f"lpips_{backbone}.npz")
    found = [float(network([images[0], other])[0]) for other in images[1:]]
    assert found == pytest.approx(distances, abs=1e-5)


def test_the_distance_equals_its_formula(network):
    a, b = pictures(0, 48), pictures(1, 48)
    features = network.get_layer(network.name.removeprefix("lpips_"))
    mean, deviation = np.array([-0.030, -0.088, -0.188]), np.array([0.458, 0.448, 0.450])
    expected = np.zeros(2)
    of_a, of_b = (features(tf.cast((images - mean) / deviation, tf.float32)) for images in (a, b))
    for level, pair in enumerate(zip(of_a, of_b, strict=True)):
        f, g = (v / (np.linalg.norm(v, axis=-1, keepdims=True) + 1e-10) for v in map(np.float64, pair))
        (weights,) = network.get_layer(f"lin{level}").get_weights()
        expected += (np.square(f - g) * weights.ravel()).sum(-1).mean((1, 2))
    np.testing.assert_allclose(network([a, b]), expected, rtol=1e-4)
    np.testing.assert_allclose(network([b, a]), expected, rtol=1e-4)
    np.testing.assert_allclose(network([a, a]), [0, 0], atol=1e-7)


@pytest.mark.parametrize("more", range(8))
def test_sides_of_the_features_from_the_smallest_image_on(network, more):
    """Windows of 3 with stride 2; in SqueezeNet they may extend beyond the edge, in AlexNet not."""
    backbone = network.name.removeprefix("lpips_")
    side = MIN_SIDE[backbone] + more
    if backbone == "alex":
        first = (side + 2 * 2 - 11) // 4 + 1
        second = (first - 3) // 2 + 1
        sides = [first, second] + [(second - 3) // 2 + 1] * 3
    else:
        first = (side - 3) // 2 + 1
        halves = [first, *(first := -(-(first - 3) // 2) + 1 for _ in range(3))]
        sides = [halves[i] for i in (0, 1, 2, 3, 3, 3, 3)]
    assert min(sides) >= 1
    assert [feature.shape[1] for feature in network.get_layer(backbone)(pictures(0, side))] == sides


def test_pictures_that_are_equal_or_black_have_a_gradient(network):
    """The gradient of a loss: a feature vector of length 0 must not give NaN."""
    for image in (pictures(0, 32), -tf.ones((1, 32, 32, 3))):
        with tf.GradientTape() as tape:
            tape.watch(image)
            distance = network([image, tf.stop_gradient(image)])
        assert np.isfinite(tape.gradient(distance, image)).all()
    assert not network.trainable_variables


def test_weights_are_read_by_name(network, tmp_path):
    np.savez(tmp_path / "weights.npz", **arrays_of(network))
    loaded = load_lpips(tmp_path / "weights.npz")
    a, b = pictures(0, 40), pictures(1, 40)
    np.testing.assert_array_equal(loaded([a, b]), network([a, b]))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda arrays: arrays.pop("lin2"), r"has no array lin2; accepted are the weights of LPIPS, with lin2 \("),
        (lambda arrays: arrays.update(lin0=np.ones(3)), r"has lin0 of shape \(3,\); accepted are .* lin0 \(64,\)"),
        (lambda arrays: arrays.update(conv1_w=arrays["conv1_w"].T), r"has conv1_w of shape \(64, 3, "),
        (lambda arrays: arrays.clear(), "has no array conv1_w"),
    ],
    ids=["missing", "channels", "transposed", "empty"],
)
def test_weights_of_something_else_are_refused(network, tmp_path, spoil, said):
    arrays = arrays_of(network)
    spoil(arrays)
    np.savez(tmp_path / "other.npz", **arrays)
    with pytest.raises(UserError, match=rf"--weights .*other\.npz {said}"):
        load_lpips(tmp_path / "other.npz")


def of_one_array(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [None, b"", b"no archive", b"PK\x03\x04 cut off", of_one_array(np.ones(3))],
)
def test_a_file_that_is_no_archive_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "weights.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"--weights .*weights\.npz cannot be read as an \.npz file"):
        load_lpips(tmp_path / "weights.npz")

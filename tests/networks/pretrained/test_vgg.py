"""VGG against Keras' own, and the files of its weights."""

import hashlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_gen.errors import UserError
from keras_gen.networks.pretrained.vgg import SMALL_WIDTHS, WIDTHS, load_vgg, vgg


def pictures(seed=0, size=20):
    return tf.random.stateless_uniform((2, size, size, 3), (seed, 0), -1.0, 1.0)


@pytest.mark.parametrize("depth", [16, 19])
def test_features_are_those_of_keras(depth):
    """With the same random weights, and Keras' own preprocessing; down to the second block, to be quick."""
    kind, module = {
        16: (keras.applications.VGG16, keras.applications.vgg16),
        19: (keras.applications.VGG19, keras.applications.vgg19),
    }[depth]
    full = kind(include_top=False, weights=None)
    ours = vgg(("relu1_1", "relu2_2", "conv3_1"), depth=depth)
    for layer in ours.layers:
        if layer.name.startswith("conv"):
            layer.set_weights(
                full.get_layer(f"block{layer.name[4]}_{layer.name.replace(layer.name[4:6], '')}").get_weights()
            )
    names = ("block1_conv1", "block2_conv2", "block3_conv1")
    reference = keras.Model(full.input, [full.get_layer(name).output for name in names])
    expected = reference(module.preprocess_input(127.5 * (pictures().numpy() + 1)))
    found = ours(pictures())
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(np.maximum(found[2], 0), expected[2], rtol=1e-4, atol=1e-3)
    assert np.min(found[2]) < 0  # before the ReLU


def test_blocks_are_those_of_the_paper():
    """Table 1, configurations D and E."""
    for depth, count in ((16, 13), (19, 16)):
        last = {16: "relu5_3", 19: "relu5_4"}[depth]
        convolutions = [layer for layer in vgg((last,), depth=depth).layers if layer.name.startswith("conv")]
        assert len(convolutions) == count
        assert [layer.filters for layer in convolutions if layer.name.endswith("_1")] == list(WIDTHS)


def arrays(kind):
    rng = np.random.default_rng(0)
    widths = SMALL_WIDTHS if kind == "small" else WIDTHS
    join = "" if kind == "small" else "_"
    found, before = {}, 3
    if kind != "original":
        found |= {
            ("conv0" if kind == "small" else "pre") + end: rng.normal(size=s)
            for end, s in (("_w", (1, 1, 3, 3)), ("_b", (3,)))
        }
    for block, number in ((1, 1), (1, 2), (2, 1)):
        width = widths[block - 1]
        found[f"conv{block}{join}{number}_w"] = rng.normal(0, 0.1, (3, 3, before, width))
        found[f"conv{block}{join}{number}_b"] = rng.normal(0, 0.1, width)
        if kind == "small" and number == 1:
            found[f"conv{block}1_aux_w"] = rng.normal(0, 0.1, (1, 1, width, WIDTHS[block - 1]))
            found[f"conv{block}1_aux_b"] = rng.normal(0, 0.1, WIDTHS[block - 1])
        before = width
    return {name: np.asarray(array, np.float32) for name, array in found.items()}


def convolved(x, kernel, bias, mode):
    if kernel.shape[0] == 3:
        x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode)
    size = kernel.shape[0]
    rows, columns = x.shape[1] - size + 1, x.shape[2] - size + 1
    return bias + sum(x[:, i : i + rows, j : j + columns] @ kernel[i, j] for i in range(size) for j in range(size))


@pytest.mark.parametrize("kind", ["original", "normalised", "small"])
def test_files_of_each_kind_are_read(tmp_path, kind):
    """The deepest feature by NumPy, from the arrays in the file."""
    weights = arrays(kind)
    file = tmp_path / "vgg.npz"
    np.savez(file, **weights)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    network = load_vgg(file, ("relu2_1",), sha256=digest)
    assert not network.trainable_variables
    mode = "constant" if kind == "original" else "reflect"
    x = (pictures(size=6).numpy() + 1) / 2
    if kind == "original":
        x = 255 * x[..., ::-1] - np.array([103.939, 116.779, 123.68])
    else:
        before = "conv0" if kind == "small" else "pre"
        x = convolved(x, weights[f"{before}_w"], weights[f"{before}_b"], mode)
    join = "" if kind == "small" else "_"
    for place in ("1{}1", "1{}2", "2{}1"):
        name = f"conv{place.format(join)}"
        if place[0] == "2":
            x = x.reshape(2, 3, 2, 3, 2, -1).max(axis=(2, 4))
        x = np.maximum(convolved(x, weights[f"{name}_w"], weights[f"{name}_b"], mode), 0)
    if kind == "small":
        x = np.maximum(convolved(x, weights["conv21_aux_w"], weights["conv21_aux_b"], mode), 0)
    np.testing.assert_allclose(network(pictures(size=6)), x, rtol=1e-3, atol=1e-3)
    with pytest.raises(
        UserError, match=r"--weights .*vgg\.npz has no array conv2_2_w; accepted are the weights of VGG19"
    ):
        load_vgg(file, ("relu2_2",) if kind != "small" else ("relu3_1",))
    with pytest.raises(UserError, match=rf"vgg\.npz has SHA-256 {digest[:12]}\.\.\.; accepted is .* with 0{{12}}"):
        load_vgg(file, ("relu1_1",), sha256="0" * 64)


def test_unknown_features_are_refused():
    with pytest.raises(ValueError, match=r"features got relu3_4, which VGG16 \(original\)"):
        vgg(("relu3_4",), depth=16)
    with pytest.raises(ValueError, match=r"features got conv1_1, which VGG19 \(small\)"):
        vgg(("conv1_1",), kind="small")


def test_trained_weights_reconstruct_a_photograph(shared):
    """Encoded to relu3_1 and decoded by the trained decoder, the PSNR is 29.14 dB, as their source states."""
    folder = shared / "data/vgg19_normalised_wct"
    network = load_vgg(folder / "encoder_relu3_1.npz", ("relu3_1",))
    with Image.open(next((shared / "data/skimage_images").glob("chelsea*"))) as picture:
        pixels = np.asarray(picture.convert("RGB"), np.float32)
    top, left = (pixels.shape[0] - 256) // 2, (pixels.shape[1] - 256) // 2
    image = pixels[None, top : top + 256, left : left + 256] / 255
    x = network(2 * image - 1)
    decoder = np.load(folder / "decoder_relu3_1.npz")
    count = len(decoder.files) // 2
    for number in range(count):
        x = tf.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), "REFLECT")
        x = tf.nn.conv2d(x, decoder[f"d{number}_w"], 1, "VALID") + decoder[f"d{number}_b"]
        x = tf.nn.relu(x) if number < count - 1 else x
        if number in (0, 2):
            x = tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)
    error = np.mean(np.square(np.clip(x, 0, 1) - image))
    assert -10 * np.log10(error) == pytest.approx(29.14, abs=0.3)


def test_small_weights_give_features_of_the_original_channels(shared):
    """They are close to those of the full VGG, from which they were distilled: correlated over positions and
    channels."""
    true = load_vgg(shared / "data/vgg19_normalised_wct/encoder_relu3_1.npz", ("relu2_1", "relu3_1"))
    small = load_vgg(shared / "data/vgg19_small16x/encoder_relu5_1.npz", ("relu2_1", "relu3_1", "relu5_1"))
    with Image.open(next((shared / "data/skimage_images").glob("chelsea*"))) as picture:
        image = np.asarray(picture.convert("RGB").resize((128, 128)), np.float32)[None] / 127.5 - 1
    features = small(image)
    assert [feature.shape[-1] for feature in features] == [128, 256, 512]
    for one, other in zip(true(image), features, strict=False):
        assert np.corrcoef(np.ravel(one), np.ravel(other))[0, 1] > 0.5

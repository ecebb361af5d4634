import os
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from idx_files import write_idx
from PIL import Image
from tensorflow_datasets.core.download import resource

from keras_gen.data.builtin.heads import one_head, render
from keras_gen.data.checks.rules import quick_check_images
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.errors import UserError


def noise(number, shape=(8, 8, 3), dtype=np.uint8):
    """An image whose upper left pixel contains its number."""
    array = np.random.default_rng(number).integers(0, np.iinfo(dtype).max, shape, dtype)
    array[0, 0] = number
    return array


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array.squeeze(-1) if array.shape[-1] == 1 else array).save(path)


def write_classes(folder, counts, first=0):
    number = first
    for name, count in counts.items():
        for _ in range(count):
            write(folder / name / f"{number:03d}.png", noise(number))
            number += 1


def opened(spec, seed=0, **options):
    return ImagesConfig(data=str(spec), **options).open(seed)


def stack(stream):
    images, labels = zip(*stream.as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def numbers(images):
    """The numbers that `noise` wrote into the images."""
    return [round((image[0, 0, 0] + 1) * 127.5) for image in images]


def refused(pattern, spec, **options):
    with pytest.raises(UserError, match=pattern) as error:
        opened(spec, **options)
    assert "\n" not in str(error.value)


@pytest.fixture
def labelled(tmp_path):
    write_classes(tmp_path / "set", {"cat": 5, "dog": 4})
    return tmp_path / "set"


# -- built in ----------------------------------------------------------------------------------------------------------


def test_heads_are_built_in_with_their_factors(tmp_path, monkeypatch):
    """The label is the factor `glasses`, factors are in the order of the images, and correlations are for heads."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    data = opened("heads", heads=20, image_size=32, correlation=("beard,sex:0.5",))
    assert (data.train_size, data.val_size, data.image_size, data.channels) == (20, 2, 32, 3)
    assert data.classes == ("no glasses", "glasses")
    np.testing.assert_array_equal(data.train_labels, data.factors["glasses"])
    assert data.factors["identity"].shape == (20, 40)
    drawn = render(one_head(data.val_factors, 1), 32)["image"]
    images, _ = stack(data.validation(2))
    np.testing.assert_allclose(images[1], drawn / 127.5 - 1, atol=1e-5)
    with pytest.raises(UserError, match=r"correlation=.* does not apply to data='glyphs', only to heads"):
        ImagesConfig(data="glyphs", correlation=("beard,sex:0.5",))


def test_digits_are_the_scans_of_scikit_learn():
    from sklearn.datasets import load_digits

    data = opened("digits")
    assert (data.train_size, data.val_size, data.image_size, data.channels) == (1618, 179, 8, 1)
    assert data.classes == tuple("0123456789")
    assert "10 classes" in data.describe()
    images, labels = stack(data.validation(50))
    expected = load_digits()
    np.testing.assert_allclose(images[..., 0], expected.images[9:1790:10] / 8 - 1, atol=0.5001 / 127.5)
    np.testing.assert_array_equal(labels, expected.target[9:1790:10])


def test_shapes_are_drawn_with_their_factors():
    data = opened("shapes")
    assert (data.train_size, data.val_size) == (737_280 - 4096, 4096)
    assert (data.image_size, data.channels, data.classes) == (64, 1, ("square", "ellipse", "heart"))
    images, labels = stack(data.validation(64, limit=64))
    assert set(np.unique(images)) == {-1, 1}
    assert set(labels) == {0, 1, 2}
    assert "drawn at each access" in data.describe()
    index = data.shapes.index(np.array([[2, 5, 0, 3, 4]]))
    assert data.shapes.images(index).shape == (1, 64, 64, 1)


def test_shapes_are_resized_and_coloured_on_request():
    small = stack(opened("shapes", image_size=32, channels=4).validation(8, limit=8))[0]
    whole = stack(opened("shapes").validation(8, limit=8))[0]
    assert small.shape == (8, 32, 32, 4)
    assert (small[..., 3] == 1).all()
    expected = tf.image.resize((whole + 1) * 127.5, (32, 32), antialias=True)
    np.testing.assert_allclose((small[..., :1] + 1) * 127.5, expected, atol=0.51)


# -- the stream --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"mirror": True}, {"cache_gib": 0}, {"cache_gib": 0, "mirror": True}])
def test_the_stream_goes_on_where_it_stopped_and_ends_where_it_is_told(labelled, options):
    data = opened(labelled, seed=3, val_every=3, **options)
    assert ("in memory" in data.describe()) == ("cache_gib" not in options)
    images, labels = stack(data.train(4, stop=40))
    again = stack(opened(labelled, seed=3, val_every=3, **options).train(4, start=12, stop=40))
    np.testing.assert_array_equal(images[12:], again[0])
    np.testing.assert_array_equal(labels[12:], again[1])
    other = stack(opened(labelled, seed=4, val_every=3, **options).train(4, stop=40))
    assert not np.array_equal(other[0], images)


@pytest.mark.parametrize("mirror", [False, True])
def test_cached_and_streamed_are_the_same(labelled, mirror):
    one, other = (opened(labelled, cache_gib=gib, mirror=mirror, image_size=12) for gib in (1, 0))
    for streams in ((one.train(4, stop=24), other.train(4, stop=24)), (one.validation(4), other.validation(4))):
        for a, b in zip(*map(stack, streams), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_shares_of_all_workers_are_the_data_set(labelled, workers):
    data = opened(labelled, val_every=3)  # 6 for training
    shares = [stack(data.train(6, stop=6, shard=(worker, workers))) for worker in range(workers)]
    assert sorted(number for images, _ in shares for number in numbers(images)) == [0, 1, 3, 4, 6, 7]
    held = [stack(data.validation(3, shard=(worker, workers))) for worker in range(workers)]
    assert sorted(number for images, _ in held for number in numbers(images)) == [2, 5, 8]


def test_batches_have_static_shapes(labelled):
    image, label = opened(labelled).train(4).element_spec
    assert (image.shape, image.dtype) == ((4, 8, 8, 3), tf.float32)
    assert (label.shape, label.dtype) == ((4,), tf.int32)
    assert opened(labelled).validation(4).element_spec[0].shape.as_list() == [None, 8, 8, 3]


def test_mirrored_images_are_half_of_the_training_and_none_of_the_validation(labelled):
    data = opened(labelled, mirror=True)
    plain = {image.tobytes() for image in stack(opened(labelled).train(8, stop=8))[0]}
    images = stack(data.train(8, stop=800))[0]
    flipped = sum(image[:, ::-1].tobytes() in plain for image in images)
    unchanged = sum(image.tobytes() in plain for image in images)
    assert flipped + unchanged == 800
    assert 340 < flipped < 460  # four deviations
    np.testing.assert_array_equal(stack(data.validation(4))[0], stack(opened(labelled).validation(4))[0])


def test_binary_images_are_white_as_often_as_they_were_grey(tmp_path):
    """One image with 6,400 pixels of one grey, in 16 epochs: four standard deviations of the mean are below 1.3 %."""
    np.save(tmp_path / "grey.npy", np.full((4, 80, 80), 51, np.uint8))
    data = opened(tmp_path / "grey.npy", binarise="sample", val_every=4)
    images = stack(data.train(3, stop=48))[0]
    assert set(np.unique(images)) == {-1.0, 1.0}
    white = (images > 0).mean(axis=0)
    assert abs(white.mean() - 51 / 255) < 0.013 / np.sqrt(3)
    assert 0 < white.min() < white.max() < 0.7  # anew at each access: no pixel is always black
    held, again = stack(data.validation(1))[0], stack(data.validation(1))[0]
    np.testing.assert_array_equal(held, again)
    assert abs((held > 0).mean() - 51 / 255) < 4 * np.sqrt(0.2 * 0.8 / 6400)


def test_binary_images_by_a_threshold(tmp_path):
    np.save(tmp_path / "steps.npy", np.tile(np.array([0, 127, 128, 255], np.uint8), (4, 4, 1)))
    images = stack(opened(tmp_path / "steps.npy", binarise="threshold").train(2, stop=2))[0]
    np.testing.assert_array_equal(images[0, 0, :, 0], [-1, -1, 1, 1])


# -- folders -----------------------------------------------------------------------------------------------------------


def test_subfolders_are_classes(labelled):
    data = opened(labelled, val_every=4)
    assert data.classes == ("cat", "dog")
    for stream in (data.train(7, stop=7), data.validation(4)):
        images, labels = stack(stream)
        assert [number >= 5 for number in numbers(images)] == labels.tolist()
    assert (data.train_labels == 1).sum() == 3


def test_the_first_validation_images_are_of_several_classes(tmp_path):
    write_classes(tmp_path, {"cat": 20, "dog": 20})
    data = opened(tmp_path, val_every=2)
    labels = stack(data.validation(8, limit=8))[1]
    assert set(labels) == {0, 1}
    np.testing.assert_array_equal(stack(opened(tmp_path, val_every=2, seed=1).validation(8, limit=8))[1], labels)


def test_a_folder_of_images_has_no_labels(tmp_path):
    write_classes(tmp_path, {".": 6})
    data = opened(tmp_path)
    assert data.classes == ()
    images, labels = stack(data.train(5, stop=5))
    assert sorted(numbers(images)) == [0, 1, 2, 3, 4]
    assert set(labels) == {-1}
    assert "no labels" in data.describe()


@pytest.mark.parametrize("parts", [("train", "val"), ("train", "test"), ("", "val")])
def test_parts_are_folders(tmp_path, parts):
    train, held = parts
    write_classes(tmp_path / train, {"cat": 3, "dog": 3})
    write_classes(tmp_path / held, {"dog": 2}, first=6)
    data = opened(tmp_path)
    assert (data.train_size, data.val_size, data.classes) == (6, 2, ("cat", "dog"))
    images, labels = stack(data.validation(4))
    assert sorted(numbers(images)) == [6, 7]
    assert set(labels) == {1}


def test_folders_that_do_not_fit_are_refused(tmp_path, labelled):
    refused(
        "--data got nowhere, which does not exist; accepted are 'glyphs', 'digits', 'shapes', 'facades', 'heads', ",
        "nowhere",
    )
    (tmp_path / "empty").mkdir()
    refused(r"empty holds no images \(PNG.* and no folders of them; accepted are 'glyphs'", tmp_path / "empty")
    (tmp_path / "text.txt").write_text("x")
    refused("text.txt, which has an unknown format", tmp_path / "text.txt")
    (labelled / "eel").mkdir()
    refused("eel holds no images .* for each class", labelled)
    (labelled / "eel").rmdir()
    write(labelled / "stray.png", noise(1))
    refused("set holds both images, such as stray.png, and folders, such as cat", labelled)
    (labelled / "stray.png").unlink()
    write_classes(labelled / "val", {"cow": 1})
    refused("val/cow is a class without training images; accepted are cat, dog", labelled)
    (labelled / "val" / "cow").rename(labelled / "val" / "cat")
    assert opened(labelled).val_size == 1
    write(tmp_path / "one" / "1.png", noise(1))
    refused("one holds 1 image; at least 2", tmp_path / "one")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("Train Test", "Train and Test folders"),
        ("training valid test", "training and valid folders; not used: test"),
        ("train validation extra", "train and validation folders; not used: extra"),
        ("TRAIN dev", "TRAIN and dev folders"),
    ],
)
def test_parts_in_any_case_and_spelling(tmp_path, names, expected):
    for place, name in enumerate(names.split()):
        write_classes(tmp_path / name, {"cat": 2 + place, "dog": 2})
    data = opened(tmp_path)
    assert (data.train_size, data.val_size, data.classes) == (4, 5, ("cat", "dog"))
    assert f"({expected})" in data.describe()


def test_a_folder_that_could_be_a_part_or_a_class_is_refused(tmp_path):
    write_classes(tmp_path, {"train": 2, "bus": 2})
    refused("holds train and bus, so train could be the training part or a class", tmp_path)
    write_classes(tmp_path / "other", {"cat": 2, "dog": 2, "valid": 2})
    refused("valid has no class folders, but the training part has cat, dog; accepted are the same", tmp_path / "other")
    write_classes(tmp_path / "deep" / "cat", {"train": 2, "val": 2})
    refused("deep/cat/train is a part of the data set inside a class folder; accepted .* train/cat", tmp_path / "deep")


def test_classes_of_numbers_are_in_the_order_of_numbers(tmp_path):
    write_classes(tmp_path, {str(number): 2 for number in range(12)})
    data = opened(tmp_path, val_every=2)
    assert data.classes == tuple(map(str, range(12)))
    images, labels = stack(data.validation(24))
    assert [number // 2 for number in numbers(images)] == labels.tolist()


def test_the_content_of_a_file_decides_whether_it_is_an_image(tmp_path):
    for number, name in enumerate(("0.jpe", "1.JFIF", "2.pjpeg", "3", "4.dat", "5.jpg")):
        Image.fromarray(noise(number)).save(tmp_path / name, "PNG" if number == 4 else "JPEG")
    (tmp_path / "BMI.csv").write_text("BM,1,2,3,4,5")
    (tmp_path / "picture.tif").write_bytes(b"II*\0" * 4)
    data = opened(tmp_path)
    assert data.train_size + data.val_size == 6
    assert "left out as files of another kind: 2" in data.describe()
    assert "picture.tif" in data.describe()


def test_sizes_are_the_datas_own_or_asked_for(tmp_path):
    for number in range(3):
        write(tmp_path / f"{number}.png", noise(number, (8, 10 if number else 8, 3)))
    refused("--image-size got 0, but --data .* has images of 8x8 to 10x8; accepted is the size", tmp_path)
    data = opened(tmp_path, image_size=6)
    assert data.image_size == 6
    expected = tf.image.resize(noise(2, (8, 10, 3)), (6, 6), antialias=True)
    np.testing.assert_allclose((stack(data.validation(1))[0][0] + 1) * 127.5, np.rint(expected), atol=1e-4)
    (tmp_path / "0.png").unlink()
    refused("has images of 10x8; accepted", tmp_path)


def test_channels_follow_the_data_or_the_flag(tmp_path):
    for number in range(4):
        write(tmp_path / f"{number}.png", noise(number, (8, 8, 1)))
    assert opened(tmp_path).channels == 1
    write(tmp_path / "0.png", noise(0, (8, 8, 4)))
    assert opened(tmp_path).channels == 3
    assert opened(tmp_path, channels=4).train(1).element_spec[0].shape[-1] == 4


def test_unreadable_files_are_named_and_left_out_on_request(labelled):
    (labelled / "cat" / "001.png").write_text("no picture")
    (labelled / "dog" / "006.png").write_bytes((labelled / "dog" / "006.png").read_bytes()[:-30])
    (labelled / "dog" / "loop.png").symlink_to("loop.png")
    refused(r"2 of 9 images cannot be read \(.*001.png is not a PNG.*006.png is truncated", labelled)
    data = opened(labelled, skip_bad=True)
    assert (data.train_size, data.val_size, len(data.skipped)) == (6, 1, 2)
    assert "left out as unusable: 2" in data.describe()
    assert "left out as broken links: 1" in data.describe()
    images, labels = stack(data.train(6, stop=6))
    assert [number >= 5 for number in numbers(images)] == labels.tolist()
    refused("claims to have 8x8 pixels, more than --max-pixels 63", labelled, max_pixels=63)


def test_a_sample_of_a_folder_is_checked_first(labelled):
    config = ImagesConfig(data=str(labelled))
    assert quick_check_images(config) == []
    write(labelled / "dog" / "000.png", noise(0))
    assert quick_check_images(config) == ["1 of 10 images: identical files in two classes."]
    (labelled / "cat" / "001.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"fails the check of 10 of its 10 images \(1 of 10 .* is empty\);"):
        quick_check_images(config)
    assert quick_check_images(ImagesConfig(data=str(labelled), check=False)) == []
    assert quick_check_images(ImagesConfig()) == []


# -- arrays ------------------------------------------------------------------------------------------------------------


def test_arrays_are_held_resized_and_converted(tmp_path):
    images = np.stack([noise(number) for number in range(10)])
    np.savez(tmp_path / "set.npz", images=images, labels=np.arange(10) % 4)
    data = opened(tmp_path / "set.npz", val_every=5)
    assert (data.train_size, data.val_size, data.classes) == (8, 2, ("0", "1", "2", "3"))
    held, labels = stack(data.validation(4))
    np.testing.assert_allclose((held + 1) * 127.5, images[[4, 9]], atol=1e-4)
    assert labels.tolist() == [0, 1]
    held, _ = stack(opened(tmp_path / "set.npz", val_every=5, image_size=4, channels=1).validation(4))
    grey = np.rint(images[[4, 9]] @ [0.299, 0.587, 0.114])[..., None]
    expected = np.rint(tf.image.resize(grey, (4, 4), antialias=True))
    np.testing.assert_allclose((held + 1) * 127.5, expected, atol=1e-3)


def test_arrays_that_do_not_fit_are_refused(tmp_path):
    np.save(tmp_path / "set.npy", np.zeros((10, 8, 8), np.uint8))
    refused("--cache-gib 2.38419e-07 is the limit", tmp_path / "set.npy", cache_gib=2**-22)
    refused(
        r"set.npy needs 0.93 GiB of memory at 10000x10000; --cache-gib 0.5",
        tmp_path / "set.npy",
        image_size=10**4,
        cache_gib=0.5,
    )


def test_sixteen_bits_keep_their_precision(tmp_path):
    deep = np.arange(4 * 64, dtype=np.uint16).reshape(4, 8, 8) + 30000
    np.save(tmp_path / "set.npy", deep)
    held, _ = stack(opened(tmp_path / "set.npy").validation(1))
    np.testing.assert_allclose(held[0, ..., 0], deep[3] / 32767.5 - 1, atol=1e-6)


@pytest.mark.parametrize("part", [slice(0, 4), slice(4, 5)])
def test_twelve_bits_in_sixteen_are_refused_for_the_whole_set(tmp_path, part):
    images = np.stack([noise(number, dtype=np.uint16) >> 4 for number in range(5)])
    np.savez(tmp_path / "set.npz", x_train=images[:4], x_val=images[4:])
    refused("16-bit images with values of at most 40..*, which would be nearly black; .* by 16", tmp_path / "set.npz")
    images[part] <<= 4  # one part fills the range: then the other is dark, and right
    np.savez(tmp_path / "set.npz", x_train=images[:4], x_val=images[4:])
    assert opened(tmp_path / "set.npz").val_size == 1


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({"data": ""}, "data got ''"),
        ({"image_size": -1}, "image_size got -1"),
        ({"channels": 2}, "channels got 2"),
        ({"val_every": 1}, "val_every got 1"),
        ({"cache_gib": float("nan")}, "cache_gib got nan"),
        ({"max_pixels": 0}, "max_pixels got 0"),
    ],
)
def test_flags_out_of_range_are_refused(options, pattern):
    with pytest.raises(UserError, match=pattern):
        ImagesConfig(**options)


# -- real data ---------------------------------------------------------------------------------------------------------


def test_mnist_in_idx_files(shared: Path):
    data = opened(shared / "data" / "mnist")
    assert (data.train_size, data.val_size, data.image_size, data.channels) == (60_000, 10_000, 28, 1)
    assert np.bincount(data.train_labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    images, labels = stack(data.validation(1000))
    assert np.mean((images + 1) / 2) == pytest.approx(0.1325, abs=1e-4)
    assert labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


@pytest.fixture(
    params=[
        ("mnist", (60, 20)),
        ("fashion_mnist", (60, 20)),
        pytest.param(("mnist", (60_000, 10_000)), marks=pytest.mark.full),
        pytest.param(("fashion_mnist", (60_000, 10_000)), marks=pytest.mark.full),
    ],
    ids=lambda param: f"{param[0]}-{param[1][0]}",
)
def tfds_files(request, tmp_path, monkeypatch):
    """A data set of tensorflow-datasets: its name, the folder of its files, and its numbers of examples.

    The files are in the folder where its download manager looks before downloading. Preparing all 70,000 real examples
    takes a minute; for the small form, only the numbers of examples in its builder are replaced.
    """
    name, counts = request.param
    files, downloads = tmp_path / "files", tmp_path / "downloads" / name
    downloads.mkdir(parents=True)
    builder = tfds.builder_cls(name)
    if counts == (60_000, 10_000):
        files = request.getfixturevalue("shared") / "data" / name
    else:
        rng = np.random.default_rng(0)
        for part, count in zip(("train", "t10k"), counts, strict=True):
            write_idx(files, f"{part}-images-idx3-ubyte.gz", rng.integers(0, 256, (count, 28, 28), np.uint8))
            write_idx(files, f"{part}-labels-idx1-ubyte.gz", rng.integers(0, 10, count, np.uint8))
        module = sys.modules[builder.__module__]
        monkeypatch.setattr(module, "_TRAIN_EXAMPLES", counts[0])
        monkeypatch.setattr(module, "_TEST_EXAMPLES", counts[1])
    for url, info in builder.url_infos.items():
        file = downloads / resource.get_dl_fname(url, info.checksum)
        os.symlink(files / info.filename, file)
        resource.get_info_path(file).write_text("{}")
    return name, files, counts


def test_tfds_is_prepared_offline_by_its_own_builder(tfds_files, tmp_path, monkeypatch):
    """Fails if anything accesses the network."""
    name, files, counts = tfds_files

    def refuse(*arguments, **options):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    data = opened(f"tfds:{name}", tfds_dir=str(tmp_path))
    plain = opened(files)
    assert (data.train_size, data.val_size, data.image_size, data.channels) == (*counts, 28, 1)
    assert data.classes[-1] == {"mnist": "9", "fashion_mnist": "Ankle boot"}[name]
    assert "splits train and test" in data.describe()

    def content(data):
        images, labels = stack(data.validation(counts[1] // 10))
        return sorted((image.tobytes(), label) for image, label in zip(images, labels, strict=True))

    assert content(data) == content(plain)  # in another order: tensorflow-datasets shuffles
    sliced = opened(f"tfds:{name}:test[:10]", tfds_dir=str(tmp_path))
    assert (sliced.train_size, sliced.val_size) == (9, 1)
    refused(
        "--image-feature got 'label'; accepted .*: image", f"tfds:{name}", tfds_dir=str(tmp_path), image_feature="label"
    )
    refused(
        "--label-feature got 'image'; accepted .*: label", f"tfds:{name}", tfds_dir=str(tmp_path), label_feature="image"
    )

"""Few labelled images among many without labels: their selection, and a stream that is a function of the position."""

import numpy as np
import pytest
from PIL import Image

from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.data.kinds.semi_supervised import SemiSupervisedConfig
from keras_gen.errors import UserError


def opened(seed=0, **options):
    return SemiSupervisedConfig(**({"data": "digits"} | options)).open(seed)


def stack(stream):
    return [np.concatenate(parts) for parts in zip(*stream.as_numpy_iterator(), strict=True)]


def rows(images):
    return {image.tobytes() for image in images}


@pytest.mark.parametrize("count", [1, 7])
def test_as_many_images_of_each_class_keep_their_label(count):
    data, plain = opened(labels_per_class=count), ImagesConfig(data="digits").open(0)
    assert len(set(data.labelled)) == 10 * count
    np.testing.assert_array_equal(np.bincount(data.train_labels[data.labelled]), [count] * 10)
    images, labels, _ = stack(data.train(20, stop=20 * 10 * count))
    every, theirs = stack(plain.train(1618, stop=1618))
    label_of = {image.tobytes(): label for image, label in zip(every, theirs, strict=True)}
    assert len(rows(images)) == 10 * count
    assert all(label_of[image.tobytes()] == label for image, label in zip(images, labels, strict=True))
    assert f"{10 * count} training images keep their labels, {count} per class" in data.describe()


def test_they_are_chosen_by_the_seed_and_more_labels_are_those_and_others():
    chosen = set(opened(seed=3).labelled)
    assert chosen == set(opened(seed=3).labelled)
    assert len(chosen & set(opened(seed=4).labelled)) < 50
    assert chosen < set(opened(seed=3, labels_per_class=20).labelled)


def test_the_unlabelled_images_are_all_training_images():
    data, plain = opened(mirror=True), ImagesConfig(data="digits", mirror=True).open(0)
    _, _, unlabelled = stack(data.train(2, stop=2 * 1618))
    np.testing.assert_array_equal(unlabelled, stack(plain.train(2, stop=2 * 1618))[0])
    for one, other in zip(stack(data.validation(50)), stack(plain.validation(50)), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("options", [{}, {"mirror": True}, {"binarise": "sample"}])
def test_the_stream_goes_on_where_it_stopped(options):
    whole = stack(opened(labels_per_class=2, **options).train(6, stop=120))
    rest = stack(opened(labels_per_class=2, **options).train(6, start=48, stop=120))
    for one, other in zip(whole, rest, strict=True):
        np.testing.assert_array_equal(one[48:], other)
    shares = [stack(opened(labels_per_class=2, **options).train(6, stop=120, shard=(w, 2))) for w in (0, 1)]
    for number, one in enumerate(whole):
        np.testing.assert_array_equal(shares[0][number], one[0::2])
        np.testing.assert_array_equal(shares[1][number], one[1::2])


def test_batches_have_static_shapes():
    image, label, unlabelled = opened().train(4).element_spec
    assert (image.shape, label.shape, unlabelled.shape) == ((4, 8, 8, 1), (4,), (4, 8, 8, 1))


def test_files_that_are_decoded_at_each_access(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(12):
        place = tmp_path / "ab"[number % 2] / f"{number:02d}.png"
        place.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (5, 5), np.uint8)).save(place)
    cached, read = (
        stack(opened(data=str(tmp_path), labels_per_class=2, cache_gib=gib).train(4, stop=20)) for gib in (1, 0)
    )
    for one, other in zip(cached, read, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"labels_per_class": 0}, "labels_per_class got 0"),
        (
            {"labels_per_class": 160},
            "--labels-per-class got 160, but there are 159 training images of class 2; accepted is at most that",
        ),
        ({"data": "ring"}, "data='ring' generates new points at each access"),
    ],
)
def test_what_cannot_be(fields, said):
    with pytest.raises(UserError, match=said):
        opened(**fields)


def test_images_without_labels_are_refused(tmp_path):
    np.save(tmp_path / "images.npy", np.zeros((30, 6, 6), np.uint8))
    with pytest.raises(UserError, match="has no labels, but a classifier needs classes"):
        opened(data=str(tmp_path / "images.npy"))

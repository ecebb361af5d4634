import numpy as np
import pytest
from idx_files import idx, write_idx

from keras_gen.data.files.arrays import holds_idx, read_idx, read_numpy
from keras_gen.errors import UserError

MOST = 2**20
IMAGES = np.random.default_rng(0).integers(0, 256, (12, 6, 6), np.uint8)
LABELS = np.arange(12, dtype=np.uint8) % 3


def refused(pattern, read, path, max_bytes=MOST):
    with pytest.raises(UserError, match=pattern) as error:
        read(path, max_bytes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("names", ["train-{}-idx{}-ubyte.gz", "train-{}.idx{}-ubyte"])
def test_idx_folders_have_parts_and_labels_by_name(tmp_path, names):
    write_idx(tmp_path, names.format("images", 3), IMAGES)
    write_idx(tmp_path, names.format("labels", 1), LABELS)
    write_idx(tmp_path, names.replace("train", "t10k").format("images", 3), IMAGES[:4])
    write_idx(tmp_path, "t10k-labels-idx1-ubyte" if "-idx" in names else "t10k-labels.idx1-ubyte.gz", LABELS[:4])
    assert holds_idx(tmp_path)
    parts = read_idx(tmp_path, MOST)
    np.testing.assert_array_equal(parts.train.images[..., 0], IMAGES)
    np.testing.assert_array_equal(parts.train.labels, LABELS)
    np.testing.assert_array_equal(parts.held.images[..., 0], IMAGES[:4])
    np.testing.assert_array_equal(parts.held.labels, LABELS[:4])
    assert (parts.classes, parts.rule) == (("0", "1", "2"), "its own test part")


def test_a_single_idx_file_has_no_other_part(tmp_path):
    write_idx(tmp_path, "t10k-images-idx3-ubyte", IMAGES)
    refused("holds no training images, only test", read_idx, tmp_path)
    parts = read_idx(tmp_path / "t10k-images-idx3-ubyte", MOST)
    assert parts.held is None
    assert parts.classes == ()
    assert set(parts.train.labels) == {-1}


def test_damaged_idx_files_are_refused(tmp_path):
    file = write_idx(tmp_path, "train-images-idx3-ubyte", IMAGES)
    whole = file.read_bytes()
    for content, pattern in (
        (b"", "begins with the bytes .none.; accepted is an idx file of unsigned bytes with 3 or 4 dimensions"),
        (b"\x1f\x8b\x08\x00" + whole[4:], "begins with the bytes 1f8b0800"),
        (idx(IMAGES, kind=13), "begins with the bytes 00000d03"),
        (idx(LABELS), "begins with the bytes 00000801"),
        (whole[:9], "is truncated within its header"),
        (whole[:-1], "announces 432 bytes, but the file holds only 431"),
        (whole + b"x", "announces 432 bytes, but the file holds more"),
        (whole[:4] + b"\xff" * 12 + whole[16:], "GiB of data; --cache-gib 0.000976562 is the limit"),
        (idx(IMAGES[:0]), "which holds no images"),
    ):
        file.write_bytes(content)
        refused(f"train-images-idx3-ubyte.* {pattern}", read_idx, tmp_path)
    file.unlink()
    packed = write_idx(tmp_path, "train-images-idx3-ubyte.gz", IMAGES)
    for content in (packed.read_bytes()[:-20], b"no gzip", packed.read_bytes()[:40] + bytes(40)):
        packed.write_bytes(content)
        refused("train-images-idx3-ubyte.gz is truncated or damaged", read_idx, tmp_path)


def test_idx_files_that_do_not_belong_together_are_refused(tmp_path):
    write_idx(tmp_path, "train-images-idx3-ubyte", IMAGES)
    labels = write_idx(tmp_path, "train-labels-idx1-ubyte", LABELS[:-1])
    refused("has 12 images and 11 labels; accepted is one label per image", read_idx, tmp_path)
    labels.write_bytes(idx(IMAGES))
    refused("labels-idx1-ubyte begins with the bytes 00000803; .* with 1 dimension", read_idx, tmp_path)
    labels.unlink()
    write_idx(tmp_path, "train-images-idx3-ubyte.gz", IMAGES)
    refused("holds both train-images-idx3-ubyte and train-images-idx3-ubyte.gz", read_idx, tmp_path)


@pytest.mark.parametrize(
    ("train", "held"),
    [
        (("images", "labels"), None),
        (("x", "y"), None),
        (("x_train", "y_train"), ("x_test", "y_test")),
        (("train_images", "train_labels"), ("val_images", "val_labels")),
    ],
)
def test_npz_arrays_are_found_by_name(tmp_path, train, held):
    arrays = {train[0]: IMAGES, train[1]: LABELS[:, None].astype(np.int64)}
    if held:
        arrays |= {held[0]: IMAGES[:5], held[1]: LABELS[:5]}
    np.savez_compressed(tmp_path / "set.npz", **arrays, other=np.zeros(3))
    parts = read_numpy(tmp_path / "set.npz", MOST)
    np.testing.assert_array_equal(parts.train.images[..., 0], IMAGES)
    np.testing.assert_array_equal(parts.train.labels, LABELS)
    assert (parts.held is None) == (held is None)


def test_validation_is_preferred_to_test_and_classes_have_names(tmp_path):
    np.savez(
        tmp_path / "set.npz",
        x_train=IMAGES,
        y_train=LABELS,
        x_val=IMAGES[:2],
        y_val=[-1, 2],
        x_test=IMAGES[:3],
        classes=["cat", "dog", "emu", "fox"],
    )
    parts = read_numpy(tmp_path / "set.npz", MOST)
    assert parts.held.labels.tolist() == [-1, 2]
    assert parts.classes == ("cat", "dog", "emu", "fox")


def test_npy_holds_images_alone_of_any_byte_order(tmp_path):
    deep = np.arange(2 * 5 * 4 * 3, dtype=">u2").reshape(2, 5, 4, 3)
    np.save(tmp_path / "set.npy", deep)
    parts = read_numpy(tmp_path / "set.npy", MOST)
    assert parts.train.images.dtype == np.uint16
    assert parts.train.images.dtype.isnative
    np.testing.assert_array_equal(parts.train.images, deep)


@pytest.mark.parametrize(
    ("arrays", "pattern"),
    [
        (
            {"pictures": IMAGES},
            "holds pictures; accepted are images and labels, or x and y, also combined with train, .* such as x_train",
        ),
        ({}, "holds nothing; accepted"),
        ({"x_test": IMAGES}, "holds x_test; accepted"),
        ({"images": IMAGES / 255}, r"images of .*set.npz is an array of type float64 and shape \(12, 6, 6\); accepted"),
        ({"images": IMAGES[0]}, r"shape \(6, 6\); accepted are images of type uint8 or uint16"),
        ({"images": IMAGES[..., None, None]}, r"shape \(12, 6, 6, 1, 1\)"),
        ({"images": IMAGES.reshape(12, 3, 6, 2)}, r"shape \(12, 3, 6, 2\)"),
        ({"images": IMAGES[:0]}, "which holds no images"),
        ({"images": IMAGES, "labels": LABELS[:5]}, "has 12 images and 5 labels"),
        ({"images": IMAGES, "labels": LABELS / 2}, "are an array of type float64"),
        ({"images": IMAGES, "labels": np.eye(12, dtype=int)}, r"shape \(12, 12\); accepted are integers, one per"),
        (
            {"images": IMAGES, "labels": LABELS.astype(int) - 2},
            "range from -2 to 0; accepted are integers of at least 0, and -1",
        ),
        ({"images": IMAGES, "labels": LABELS.astype(int) * 2**31}, "range from 0 to 4294967296"),
        (
            {"images": IMAGES, "labels": LABELS, "classes": ["a", "b"]},
            "label 2 in its train part; accepted are labels from 0 to 1",
        ),
        ({"images": IMAGES, "labels": LABELS, "classes": LABELS}, "classes of .* type uint8 .* a vector of strings"),
        (
            {"x_train": IMAGES, "y_train": LABELS, "x_val": IMAGES, "y_val": LABELS + 1},
            "label 3 in its val part; accepted are labels from 0 to 2",
        ),
        (
            {"x_train": IMAGES, "x_val": IMAGES, "y_val": LABELS},
            "label 2 in its val part; accepted .* none, because the training images have none",
        ),
        ({"images": np.array([{}], object)}, "is damaged, is not a NumPy file, or holds Python objects"),
    ],
)
def test_npz_files_that_are_no_images_are_refused(tmp_path, arrays, pattern):
    np.savez(tmp_path / "set.npz", **arrays)
    refused(pattern, read_numpy, tmp_path / "set.npz")


def test_damaged_numpy_files_are_refused(tmp_path):
    np.savez_compressed(tmp_path / "set.npz", images=IMAGES)
    np.save(tmp_path / "set.npy", IMAGES)
    for name in ("set.npz", "set.npy"):
        whole = (tmp_path / name).read_bytes()
        for content in (b"", b"nothing", whole[: len(whole) // 2], whole[:100] + bytes(60) + whole[160:]):
            (tmp_path / name).write_bytes(content)
            refused(f"{name} is damaged|type|shape", read_numpy, tmp_path / name)
        (tmp_path / name).write_bytes(whole)
        refused(f"{name} holds 0.00 GiB of data; --cache-gib", read_numpy, tmp_path / name, max_bytes=300)


def test_labels_keep_their_numbers_as_names_and_no_class_is_made_up(tmp_path):
    labels = np.array([0, 7, 1000])[LABELS]
    np.savez(tmp_path / "set.npz", images=IMAGES, labels=labels, X_Val=IMAGES[:4], val_labels=labels[:4])
    parts = read_numpy(tmp_path / "set.npz", MOST)
    assert parts.classes == ("0", "7", "1000")
    np.testing.assert_array_equal(parts.train.labels, LABELS)
    np.testing.assert_array_equal(parts.held.labels, LABELS[:4])
    np.savez(tmp_path / "set.npz", images=IMAGES, labels=labels, x_val=IMAGES[:1], y_val=[8])
    refused(
        "the label 8 in its val part; accepted are labels of the training images: 0, 7, 1000",
        read_numpy,
        tmp_path / "set.npz",
    )
    np.savez(tmp_path / "set.npz", images=IMAGES, labels=LABELS == 2)
    assert read_numpy(tmp_path / "set.npz", MOST).classes == ("0", "1")


@pytest.mark.parametrize(
    "names",
    ["x_train y_train x_test y_test", "X_training labels_training X_Valid Y_valid", "train_x train_y dev_x dev_y"],
)
def test_arrays_are_known_by_all_usual_names(tmp_path, names):
    arrays = (IMAGES, LABELS, IMAGES[:4], LABELS[:4], np.zeros(3))
    np.savez(tmp_path / "set.npz", **dict(zip([*names.split(), "weights"], arrays, strict=True)))
    parts = read_numpy(tmp_path / "set.npz", MOST)
    assert (len(parts.train.images), len(parts.held.images), parts.unused) == (12, 4, "; not used: weights")
    np.testing.assert_array_equal(parts.held.labels, LABELS[:4])


def test_two_arrays_of_one_meaning_are_refused(tmp_path):
    np.savez(tmp_path / "set.npz", x=IMAGES, x_train=IMAGES)
    refused("holds both x and x_train; accepted is one array of images for each part", read_numpy, tmp_path / "set.npz")

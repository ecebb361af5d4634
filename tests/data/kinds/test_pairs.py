import os
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from keras_gen.data.builtin.facades import facades_folder
from keras_gen.data.files import codecs as images
from keras_gen.data.files import folders
from keras_gen.data.files.pair_sources import BUILT_IN
from keras_gen.data.kinds.pairs import PairsConfig
from keras_gen.errors import UserError
from keras_gen.ops.pixels import to_float

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"


def noise(seed, shape=(32, 32, 3), dtype=np.uint8):
    """An image whose upper left pixel contains its number."""
    array = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype)
    array[:4, :4] = seed
    return array


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    if array.dtype == np.uint16:
        path.write_bytes(tf.io.encode_png(array).numpy())
    else:
        Image.fromarray(array.squeeze()).save(path)


def write_side_by_side(folder, count, first=0):
    for number in range(first, first + count):
        write(folder / f"{number:03d}.png", np.concatenate([noise(number), noise(100 + number)], axis=1))


def write_parallel(folder_a, folder_b, count, first=0):
    for number in range(first, first + count):
        write(folder_a / f"{number:03d}.png", noise(number))
        write(folder_b / f"{number:03d}.bmp", noise(100 + number))


def layout_side_by_side(root):
    write_side_by_side(root / "train", 6)
    write_side_by_side(root / "val", 2, 6)
    write_side_by_side(root / "test", 3, 8)


def layout_side_by_side_test(root):
    write_side_by_side(root / "train", 6)
    write_side_by_side(root / "test", 2, 6)


def layout_a_b(root):
    write_parallel(root / "A" / "train", root / "B" / "train", 6)
    write_parallel(root / "A" / "val", root / "B" / "val", 2, 6)


def layout_train_a(root):
    write_parallel(root / "trainA", root / "trainB", 6)
    write_parallel(root / "testA", root / "testB", 2, 6)


def numbers(batches):
    """The numbers in source and target of every validation pair."""
    source, target = (np.concatenate(side) for side in zip(*batches.as_numpy_iterator(), strict=True))
    return [[round((picture[1, 1, 0] + 1) * 127.5) for picture in side] for side in (source, target)]


def open_quietly(spec, size=32, seed=0, **options):
    return PairsConfig(data=str(spec), **options, image_size=size).open(seed)


def stack(stream, count):
    source, target = zip(*stream.take(count).as_numpy_iterator(), strict=True)
    return np.concatenate(source), np.concatenate(target)


@pytest.mark.parametrize(
    "layout",
    [layout_side_by_side, layout_side_by_side_test, layout_a_b, layout_train_a],
    ids=lambda f: f.__name__,
)
def test_layouts_with_a_validation_part(tmp_path, layout):
    layout(tmp_path)
    data = open_quietly(tmp_path)
    assert (data.train_size, data.val_size, data.source_channels, data.target_channels) == (6, 2, 3, 3)
    assert numbers(data.validation(4)) == [[6, 7], [106, 107]]
    assert numbers(open_quietly(tmp_path, direction="BtoA").validation(4)) == [[106, 107], [6, 7]]


@pytest.mark.parametrize("form", ["flat", "train only", "A and B", "trainA and trainB", "two folders"])
def test_layouts_without_a_validation_part_hold_back_every_so_many(tmp_path, form):
    spec = tmp_path
    if form == "flat":
        write_side_by_side(tmp_path, 7)
    elif form == "train only":
        write_side_by_side(tmp_path / "train", 7)
    elif form == "A and B":
        write_parallel(tmp_path / "A", tmp_path / "B", 7)
    elif form == "trainA and trainB":
        write_parallel(tmp_path / "trainA", tmp_path / "trainB", 7)
    else:
        write_parallel(tmp_path / "noto", tmp_path / "twemoji", 7)
        spec = f"{tmp_path / 'noto'},{tmp_path / 'twemoji'}"
    data = open_quietly(spec, val_every=3)
    assert numbers(data.validation(4)) == [[2, 5], [102, 105]]
    assert data.train_size == 5
    assert "every 3rd pair" in data.describe()
    few = open_quietly(spec, val_every=100)
    assert numbers(few.validation(4)) == [[6], [106]]


@pytest.mark.parametrize(
    ("form", "train", "held"),
    [
        ("{part}", "Training", "valid"),
        ("{part}A {part}B", "Train", "Val"),
        ("{part}_a {part}_b", "training", "dev"),
        ("A/{part} B/{part}", "TRAIN", "Testing"),
        ("a/{part} b/{part}", "train", "validation"),
    ],
)
def test_parts_and_sides_in_any_case_and_spelling(tmp_path, form, train, held):
    for part, count, first in ((train, 6, 0), (held, 2, 6)):
        folders = [tmp_path / path for path in form.format(part=part).split()]
        write_side_by_side(*folders, count, first) if len(folders) == 1 else write_parallel(*folders, count, first)
    data = open_quietly(tmp_path)
    assert (data.train_size, numbers(data.validation(4))) == (6, [[6, 7], [106, 107]])
    assert "not used" not in data.describe()


@pytest.mark.parametrize("layout", [layout_side_by_side, layout_a_b, layout_train_a])
def test_what_is_not_used_is_named(tmp_path, layout):
    layout(tmp_path)
    write(tmp_path / "more" / "1.png", noise(1))
    expected = "; not used: more, test)" if layout is layout_side_by_side else "; not used: more)"
    assert expected in open_quietly(tmp_path).describe()


def test_images_beside_a_validation_folder_are_for_training(tmp_path):
    write_side_by_side(tmp_path, 6)
    write_side_by_side(tmp_path / "Valid", 2, 6)
    data = open_quietly(tmp_path)
    assert (data.train_size, numbers(data.validation(4))) == (6, [[6, 7], [106, 107]])


def test_folders_of_no_known_layout_are_refused_with_those_that_are(tmp_path):
    write_parallel(tmp_path / "input", tmp_path / "output", 3)
    refused(
        "holds input, output, but no images .* accepted as --data are 'facades', .* a folder with A/ and B/",
        tmp_path,
    )


def test_partners_that_are_missing_are_counted(tmp_path):
    write_parallel(tmp_path / "A", tmp_path / "B", 4)
    write(tmp_path / "A" / "alone.png", noise(9))
    data = open_quietly(tmp_path)
    assert data.train_size + data.val_size == 4
    assert "without a partner of the same name: 1" in data.describe()


def test_facades_are_built_in(tmp_path, monkeypatch):
    drawn = partial(facades_folder, cache=tmp_path, train=4, val=2)
    monkeypatch.setitem(BUILT_IN, "facades", drawn)
    data = open_quietly("facades", size=32)
    assert (data.train_size, data.val_size, data.source_channels, data.target_channels) == (4, 2, 3, 3)


@pytest.mark.parametrize("labels", [0, 5])
def test_cached_and_streamed_give_the_same_pixels(tmp_path, labels):
    for number in range(6):
        ids = np.random.default_rng(number).integers(0, 5, (40, 56), np.uint8)
        write(tmp_path / "A" / f"{number}.png", ids)
        write(tmp_path / "B" / f"{number}.png", noise(number, (40, 56, 3)))
    cached = open_quietly(tmp_path, size=32, num_classes=labels)
    streamed = open_quietly(tmp_path, size=32, num_classes=labels, cache_gib=0)
    assert "in memory" in cached.describe()
    assert "decoded at each access" in streamed.describe()
    for one, other in ((cached.train(2), streamed.train(2)), (cached.validation(2), streamed.validation(2))):
        for a, b in zip(stack(one, 6), stack(other, 6), strict=True):
            np.testing.assert_array_equal(a, b)


def test_both_sides_are_cropped_and_mirrored_alike(tmp_path):
    for number in range(4):
        write(tmp_path / "A" / f"{number}.png", noise(number))
        write(tmp_path / "B" / f"{number}.png", noise(number))
    data = open_quietly(tmp_path)
    source, target = stack(data.train(3), 20)
    np.testing.assert_array_equal(source, target)
    assert len(np.unique(source.reshape(60, -1), axis=0)) > 40


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_views_are_the_resized_image_cropped_and_mirrored(tmp_path, seed):
    """Each is one of the 2 * 5 * 5 crops from 36 (32 * 286 / 256 = 35.75) and their mirror images, and all occur."""
    write_side_by_side(tmp_path, 2)
    data = open_quietly(tmp_path, seed=seed)
    picture = images.read_image(tmp_path / "000.png")[:, :32]
    resized = np.rint(tf.image.resize(picture, (36, 36)).numpy())
    views = {
        to_float(view[:, ::step].astype(np.uint8)).tobytes(): (top, left, step)
        for top in range(5)
        for left in range(5)
        for step in (1, -1)
        for view in [resized[top : top + 32, left : left + 32]]
    }
    seen = {views[view.tobytes()] for view in stack(data.train(10), 40)[0]}
    assert len(seen) == 50  # 400 draws; the chance that one of 50 is missing is about 50 * 0.98 ** 400 = 1.5 %
    assert {step for *_, step in seen} == {1, -1}


def test_without_jitter_and_mirror_the_pictures_are_untouched(tmp_path):
    write_side_by_side(tmp_path, 3)
    data = open_quietly(tmp_path, jitter=False, mirror=False)
    originals = {to_float(images.read_image(f)[:, :32]).tobytes() for f in folders.list_images(tmp_path)}
    assert {picture.tobytes() for picture in stack(data.train(2), 1)[0]} <= originals


def test_validation_is_resized_to_the_image_size_and_not_augmented(tmp_path):
    write_side_by_side(tmp_path, 4)
    data = open_quietly(tmp_path, size=24)
    expected = np.rint(tf.image.resize(noise(3), (24, 24), antialias=True).numpy())
    for _ in range(2):
        np.testing.assert_allclose(stack(data.validation(1), 1)[0][0], expected / 127.5 - 1, atol=1e-6)


def test_small_pictures_are_enlarged(tmp_path):
    write_side_by_side(tmp_path, 4)
    source, target = stack(open_quietly(tmp_path, size=64).train(2), 1)
    assert source.shape == target.shape == (2, 64, 64, 3)


def test_the_stream_goes_on_where_it_stopped(tmp_path):
    write_side_by_side(tmp_path, 8)
    data = open_quietly(tmp_path, seed=3)
    whole = stack(data.train(2, stop=24), 12)
    again = stack(open_quietly(tmp_path, seed=3).train(2, start=10, stop=24), 7)
    for one, other in zip(whole, again, strict=True):
        np.testing.assert_array_equal(one[10:], other)


def test_batches_have_static_shapes_and_the_range_of_floats(tmp_path):
    write_side_by_side(tmp_path, 4)
    data = open_quietly(tmp_path)
    for spec in data.train(2).element_spec:
        assert (spec.shape, spec.dtype) == ((2, 32, 32, 3), tf.float32)
    for spec in data.validation(2).element_spec:
        assert spec.shape.as_list() == [None, 32, 32, 3]
    source, target = stack(data.train(2), 3)
    assert min(source.min(), target.min()) >= -1
    assert max(source.max(), target.max()) <= 1


def test_labels_become_one_hot_channels_on_the_source_side(tmp_path):
    ids = np.repeat(np.repeat(np.arange(16, dtype=np.uint8).reshape(4, 4) % 5, 8, 0), 8, 1)
    palette = Image.fromarray(ids).convert("P")
    palette.putpalette([200] * 768)
    for number in range(3):
        write(tmp_path / "A" / f"{number}.png", noise(number))
        (tmp_path / "B").mkdir(exist_ok=True)
        palette.save(tmp_path / "B" / f"{number}.png")
    data = open_quietly(tmp_path, num_classes=5, direction="BtoA")
    assert (data.num_classes, data.source_channels, data.target_channels) == (5, 5, 3)
    source, _ = stack(data.validation(1), 1)
    np.testing.assert_array_equal(source[0], np.where(ids[..., None] == np.arange(5), 1, -1))
    augmented, _ = stack(data.train(2), 4)
    assert set(np.unique(augmented)) == {-1, 1}
    assert np.all(np.sum(augmented == 1, axis=-1) == 1)


def test_sixteen_bits_keep_their_precision(tmp_path):
    deep = np.arange(1024, dtype=np.uint16).reshape(32, 32, 1) + 30000
    for number in range(3):
        write(tmp_path / "A" / f"{number}.png", deep)
        write(tmp_path / "B" / f"{number}.png", noise(7, (32, 32, 1)))
    write(tmp_path / "A" / "2.png", np.full((32, 32), 128, np.uint8))  # held back: 8 bits among 16
    data = open_quietly(tmp_path, jitter=False, mirror=False)
    assert (data.source_channels, data.target_channels) == (1, 1)
    source, target = stack(data.train(2), 1)
    np.testing.assert_allclose(source[0], deep / 32767.5 - 1, atol=1e-6)
    assert len(np.unique(source[0])) == 1024
    np.testing.assert_allclose(target[0], noise(7, (32, 32, 1)) / 127.5 - 1, atol=1e-6)
    np.testing.assert_allclose(stack(data.validation(1), 1)[0], 128 / 127.5 - 1, atol=1e-6)


@pytest.mark.parametrize("side", "AB")
def test_twelve_bits_in_sixteen_are_refused(tmp_path, side):
    write_parallel(tmp_path / "A", tmp_path / "B", 3)
    for file in (tmp_path / side).iterdir():
        file.unlink()
    for number in range(3):
        write(tmp_path / side / f"{number:03d}.png", noise(number, (32, 32, 1), np.uint16) >> 4)
    refused("16-bit images with values of at most 40.., which would be nearly black", tmp_path)


def test_channels_follow_the_data_or_the_flag(tmp_path):
    for number in range(3):
        write(tmp_path / "A" / f"{number}.png", noise(number, (32, 32, 1 if number else 4)))
        write(tmp_path / "B" / f"{number}.png", noise(number, (32, 32, 1)))
    data = open_quietly(tmp_path)
    assert (data.source_channels, data.target_channels) == (3, 1)
    data = open_quietly(tmp_path, source_channels=4, target_channels=3)
    assert [spec.shape[-1] for spec in data.train(1).element_spec] == [4, 3]


def refused(pattern, spec, **options):
    with pytest.raises(UserError, match=pattern) as error:
        open_quietly(spec, **options)
    assert "\n" not in str(error.value)


def test_specs_that_lead_nowhere_are_refused(tmp_path):
    refused("--data got nowhere, which is not a folder; accepted are 'facades', 'shapes-saliency', a folder", "nowhere")
    (tmp_path / "empty").mkdir()
    refused(r"empty is empty; accepted as --data", tmp_path / "empty")
    (tmp_path / "empty" / "notes.txt").write_text("x")
    refused("empty holds notes.txt, but no images", tmp_path / "empty")
    refused(f"got {tmp_path / 'other'}, which is not a folder", f"{tmp_path / 'empty'},{tmp_path / 'other'}")
    write_side_by_side(tmp_path / "one", 1)
    refused("one holds 1 pair; at least 2", tmp_path / "one")
    refused("matches no file", "tfrecord:nowhere/*.tfrecord")


def test_folders_without_a_common_name_are_refused(tmp_path):
    write_parallel(tmp_path / "A", tmp_path / "unused", 4)
    write_parallel(tmp_path / "unused", tmp_path / "B", 2, 10)
    refused(
        r"A \(4 images: 000.png, 001.png, 002.png, ...\) and .*B \(2 images: 010.bmp, 011.bmp\) have no",
        tmp_path,
    )


def test_two_files_of_one_name_are_refused(tmp_path):
    write_parallel(tmp_path / "A", tmp_path / "B", 4)
    write(tmp_path / "A" / "002.bmp", noise(2))
    refused(r"A holds both 002.bmp and 002.png", tmp_path)


def test_pairs_of_different_sizes_are_refused(tmp_path):
    write_parallel(tmp_path / "A", tmp_path / "B", 4)
    write(tmp_path / "B" / "001.bmp", noise(1, (30, 31, 3)))
    refused(r"A/001.png is 32x32 and .*B/001.bmp is 31x30; accepted are pairs of equal size", tmp_path)


def test_an_odd_width_is_refused(tmp_path):
    write_side_by_side(tmp_path, 4)
    write(tmp_path / "001.png", noise(1, (32, 63, 3)))
    refused(r"001.png is 63 pixels wide; accepted is an even width", tmp_path)


@pytest.mark.parametrize("cache_gib", [0, 1])
def test_unreadable_files_are_named_counted_and_skipped_on_request(tmp_path, cache_gib):
    write_side_by_side(tmp_path, 6)
    (tmp_path / "001.png").write_text("no picture")
    (tmp_path / "004.png").write_bytes((tmp_path / "004.png").read_bytes()[:-500])
    refused(
        r"2 of 6 pairs cannot be read \(.*001.png is not a PNG.*; .*004.png is truncated or damaged\); --skip-bad",
        tmp_path,
        cache_gib=cache_gib,
    )
    data = open_quietly(tmp_path, skip_bad=True, cache_gib=cache_gib)
    assert (data.train_size, data.val_size, len(data.skipped)) == (3, 1, 2)
    assert "left out as unusable: 2" in data.describe()
    source, _ = stack(data.train(1, stop=6), 6)
    assert len(np.unique(source[:, 0, 0, 0])) <= 6
    assert numbers(data.validation(1)) == [[5], [105]]


def test_a_folder_of_unreadable_files_is_refused(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.png").write_text("no picture")
    refused("3 of 3 pairs cannot be read", tmp_path)
    refused("0 training and 0 validation pairs can be read", tmp_path, skip_bad=True)


@pytest.mark.parametrize("cache_gib", [0, 1])
def test_label_ids_out_of_range_are_refused(tmp_path, cache_gib):
    for number in range(3):
        write(tmp_path / "A" / f"{number}.png", np.full((32, 32), 3 * number, np.uint8))
        write(tmp_path / "B" / f"{number}.png", noise(number))
    refused(r"A/2.png holds the label id 6; --num-classes 5 accepts ids from 0 to 4", tmp_path, num_classes=5)


def test_labels_of_colours_are_refused(tmp_path):
    write_side_by_side(tmp_path, 3)
    refused(r"000.png has colours .* --num-classes 5 reads label ids from grey or palette", tmp_path, num_classes=5)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission_is_refused(tmp_path):
    write_side_by_side(tmp_path, 3)
    (tmp_path / "001.png").chmod(0)
    refused("cannot be read.*001.png", tmp_path)


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({"data": ""}, "data got ''"),
        ({"direction": "AB"}, "direction got 'AB'"),
        ({"num_classes": 1}, "num_classes got 1"),
        ({"num_classes": -1}, "num_classes got -1"),
        ({"source_channels": 2}, "source_channels got 2"),
        ({"target_channels": -3}, "target_channels got -3"),
        ({"num_classes": 3, "source_channels": 3}, "source_channels got 3, but num_classes=3"),
        ({"val_every": 1}, "val_every got 1"),
        ({"cache_gib": -1}, "cache_gib got -1"),
        ({"cache_gib": float("nan")}, "cache_gib got nan"),
    ],
)
def test_flags_out_of_range_are_refused(options, pattern):
    with pytest.raises(UserError, match=pattern):
        PairsConfig(**options)


class Streets(tfds.core.GeneratorBasedBuilder):
    """Ten grey label maps and pictures in three shards."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "map": tfds.features.Image(shape=(32, 32, 1)),
            "photo": tfds.features.Image(shape=(32, 32, 3)),
            "name": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._examples(0, 10), "validation": self._examples(10, 13)}

    def _generate_examples(self):
        raise NotImplementedError

    def _examples(self, first, last):
        for number in range(first, last):
            photo = noise(100 + number)
            yield number, {"map": noise(number, (32, 32, 1)), "photo": photo, "name": str(number)}


@pytest.fixture(scope="module")
def streets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    config = tfds.download.DownloadConfig(num_shards=3)
    Streets(data_dir=folder).download_and_prepare(download_config=config)
    return {"tfds_dir": str(folder), "feature_a": "map", "feature_b": "photo"}


def test_tfds_is_read_by_number(streets):
    data = open_quietly("tfds:streets", **streets)
    assert (data.train_size, data.val_size, data.source_channels, data.target_channels) == (10, 3, 1, 3)
    source, target = numbers(data.validation(2))
    assert sorted(source) == [10, 11, 12]
    assert [number + 100 for number in source] == target


@pytest.mark.parametrize(("split", "size"), [("train", 10), ("train[20%:80%]", 6), ("train+validation", 13)])
def test_tfds_splits_can_be_sliced(streets, split, size):
    data = open_quietly(f"tfds:streets:1.0.0:{split}", val_every=3, **streets)
    assert data.train_size + data.val_size == size
    source, target = numbers(data.validation(2))
    assert len(set(source)) == data.val_size
    assert [number + 100 for number in source] == target


def test_tfds_that_does_not_fit_is_refused(streets):
    options = streets | {"feature_b": "image"}
    refused(
        "--feature-b got 'image'; accepted are the image features of .*: map, photo",
        "tfds:streets",
        **options,
    )
    refused("no split 'trian'.* train, validation", "tfds:streets:trian", **streets)
    refused("tfds:strets, which is neither known", "tfds:strets", **streets)


def test_facades_of_the_paper():
    folder = SHARED / "facades_cmp"
    if not folder.is_dir():
        pytest.skip("the CMP facades are not at hand")
    data = open_quietly(folder, size=64, direction="BtoA")
    assert (data.train_size, data.val_size, data.source_channels, data.target_channels) == (360, 40, 3, 3)
    source, target = stack(data.validation(40), 1)
    blueness = [np.mean(side[..., 2] - side[..., 0]) for side in (source, target)]
    assert blueness[0] > 0.5 > blueness[1]  # the label maps, now the source, have a blue ground


def test_emoji_in_two_folders():
    folder = SHARED / "emoji_pairs"
    if not folder.is_dir():
        pytest.skip("the emoji pairs are not at hand")
    data = open_quietly(f"{folder / 'noto'},{folder / 'twemoji'}", size=32)
    assert (data.train_size, data.val_size, data.source_channels) == (469, 52, 3)
    source, _ = stack(data.validation(52), 1)
    assert np.mean(source[:, 0, 0] == 1) > 0.9  # transparent corners are white


def test_tfds_without_a_network_ends_soon_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
    start = time.perf_counter()
    refused(
        r"tfds:oxford_iiit_pet is not prepared in .*, and cannot be downloaded from https://.*: Connection refused",
        "tfds:oxford_iiit_pet",
        feature_a="segmentation_mask",
        feature_b="image",
        tfds_dir=str(tmp_path),
    )
    assert time.perf_counter() - start < 15

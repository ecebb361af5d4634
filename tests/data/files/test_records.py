import os

import numpy as np
import pytest
import tensorflow as tf

from keras_gen.data.files.records import INDEX_SUFFIX, Records, find_shards, read_index, write_shard
from keras_gen.errors import UserError


@pytest.fixture
def shard(tmp_path):
    contents = [os.urandom(size) for size in (10, 0, 5000, 70_000, 1)]
    path = tmp_path / "x.tfrecord"
    assert write_shard(path, contents) == len(contents)
    return path, contents


def open_records(*paths):
    return Records((path, read_index(path)[:, 0]) for path in paths)


def test_reads_by_number_what_was_written(shard):
    path, contents = shard
    records = open_records(path)
    assert len(records) == len(contents)
    for index in (3, 0, 4, 2, 1):
        assert records.read(tf.constant(index)).numpy() == contents[index]


def test_reads_in_a_parallel_map_over_several_files(shard, tmp_path):
    path, contents = shard
    other = tmp_path / "other" / "y.tfrecord"
    other.parent.mkdir()
    write_shard(other, contents[::-1])
    records = open_records(path, other)
    order = np.random.default_rng(0).permutation(len(records))
    numbers = tf.data.Dataset.from_tensor_slices(order)
    got = list(numbers.map(records.read, 4).as_numpy_iterator())
    assert got == [(contents + contents[::-1])[index] for index in order]


def test_tensorflow_reads_the_same(shard):
    path, contents = shard
    assert list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator()) == contents


def test_scanning_finds_what_the_index_says(shard):
    path, _ = shard
    written = read_index(path)
    index = path.with_name(path.name + INDEX_SUFFIX)
    index.unlink()
    np.testing.assert_array_equal(read_index(path), written)
    for wrong in (b"0 5\n", b"0 5 7\n", b"zero\n", b"\xff\xfe", b"0 99999999999999999999\n"):
        index.write_bytes(wrong)  # of another shard, or damaged
        np.testing.assert_array_equal(read_index(path), written)


@pytest.mark.parametrize("place", [5, 300])
def test_a_flipped_bit_is_found(shard, place):
    path, _ = shard
    records = open_records(path)
    offset = int(read_index(path)[2, 0])
    content = bytearray(path.read_bytes())
    content[offset + place] ^= 1
    path.write_bytes(content)
    with pytest.raises(tf.errors.DataLossError):
        records.read(tf.constant(2))


@pytest.mark.parametrize("keep", [-3, 5])
def test_a_shard_that_ends_early_is_named(shard, keep):
    path, _ = shard
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"x\.tfrecord is truncated within the record"):
        read_index(path)


def test_shards_are_sorted_by_name_over_several_folders(tmp_path):
    for folder, numbers in (("one", (2, 0)), ("two", (1, 3))):
        (tmp_path / folder).mkdir()
        for number in numbers:
            write_shard(tmp_path / folder / f"train-{number:05d}-of-00004.tfrecord", [])
    patterns = [str(tmp_path / folder / "*") for folder in ("one", "two")]
    assert [shard.name[6:11] for shard in find_shards(patterns)] == ["00000", "00001", "00002", "00003"]
    with pytest.raises(UserError, match=r"2 of 4 shards of train exist; train-00001-of-00004\.tfrecord is missing"):
        find_shards(patterns[:1])
    with pytest.raises(UserError, match="matches no file"):
        find_shards([str(tmp_path / "nothing*")])

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from apps.pack_data import main
from keras_gen.data.files.records import write_shard
from keras_gen.data.kinds.pairs import PairsConfig


@pytest.fixture
def pairs(tmp_path):
    """Eleven pairs in two folders, one of them held out."""
    for number in range(11):
        for side in ("A", "B"):
            array = np.random.default_rng([number, ord(side)]).integers(0, 256, (16, 16, 3), np.uint8)
            (tmp_path / "pairs" / side).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(tmp_path / "pairs" / side / f"{number:02d}.jpg")
    return tmp_path / "pairs"


def content(spec, **options):
    data = PairsConfig(data=str(spec), **options, image_size=16).open(seed=0)
    batches = [*data.train(2, stop=20).as_numpy_iterator(), *data.validation(2).as_numpy_iterator()]
    return [np.concatenate(side) for side in zip(*batches, strict=True)]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_packed_pairs_are_those_of_the_folder(pairs, tmp_path, capsys):
    assert main([str(pairs), "--out", str(tmp_path / "packed"), "--shards", "3"]) == 0
    assert "10 training and 1 validation pairs" in capsys.readouterr().out
    assert json.loads((tmp_path / "packed" / "pairs.json").read_text()) == {
        "train": 10,
        "val": 1,
        "train_shards": 3,
        "val_shards": 1,
    }
    assert same(content(tmp_path / "packed"), content(pairs))
    assert same(content(tmp_path / "packed", cache_gib=0), content(pairs))
    assert not list(tmp_path.glob(".*"))


def test_images_are_not_encoded_again(pairs, tmp_path):
    main([str(pairs), "--out", str(tmp_path / "packed")])
    (shard,) = (tmp_path / "packed").glob("train-*.tfrecord")
    assert (pairs / "B" / "03.jpg").read_bytes() in shard.read_bytes()


def test_shards_may_lie_on_several_disks_without_their_index(pairs, tmp_path):
    main([str(pairs), "--out", str(tmp_path / "packed"), "--shards", "2"])
    (tmp_path / "disk2").mkdir()
    shutil.move(tmp_path / "packed" / "train-00000-of-00002.tfrecord", tmp_path / "disk2")
    spec = f"tfrecord:{tmp_path / 'packed'}/*.tfrecord,{tmp_path / 'disk2'}/*"
    assert same(content(spec), content(pairs))


def test_packed_pairs_can_be_packed_again(pairs, tmp_path):
    main([str(pairs), "--out", str(tmp_path / "one"), "--shards", "2"])
    main([str(tmp_path / "one"), "--out", str(tmp_path / "two"), "--shards", "5"])
    assert same(content(tmp_path / "two"), content(pairs))


def test_side_by_side_images_stay_so(pairs, tmp_path):
    folder = tmp_path / "joined"
    folder.mkdir()
    for file in (pairs / "A").iterdir():
        halves = [np.asarray(Image.open(pairs / side / file.name)) for side in ("A", "B")]
        Image.fromarray(np.concatenate(halves, axis=1)).save(folder / f"{file.stem}.png")
    main([str(folder), "--out", str(tmp_path / "packed")])
    assert same(content(tmp_path / "packed"), content(pairs))


def test_bad_flags_end_with_one_sentence_and_nothing_written(pairs, tmp_path, capsys):
    out = tmp_path / "packed"
    for argv, message in (
        ([str(pairs), "--out", str(out), "--shards", "0"], "--shards got 0; accepted are whole numbers from 1 on"),
        ([str(pairs), "--out", str(out), "--shards", "11"], "--shards got 11; accepted are 1 to 10"),
        ([str(pairs), "--out", str(pairs)], "which is not empty"),
        ([str(pairs / "nowhere"), "--out", str(out)], "nowhere, which is not a folder"),
        ([str(pairs), "--out", "/proc/packed"], "--out got /proc/packed, which cannot be written"),
    ):
        assert main(argv) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert not out.exists()
    assert not list(tmp_path.glob(".*"))


def test_other_records_are_refused(tmp_path, capsys):
    shard, arguments = tmp_path / "x.tfrecord", [str(tmp_path), "--out", str(tmp_path / "packed")]
    example = tf.train.Example(
        features=tf.train.Features(feature={"jpeg": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b""]))})
    )
    for write, message in (
        (lambda: shard.write_text("a text that is long enough to have a header"), "is truncated within the record"),
        (lambda: write_shard(shard, []), "holds no records"),
        (lambda: write_shard(shard, [b"no example"] * 3), "is damaged or holds no tf.train.Example"),
        (lambda: write_shard(shard, [example.SerializeToString()] * 3), "holds the features jpeg; a and b"),
    ):
        write()
        assert main(arguments) == 2
        assert message in capsys.readouterr().err

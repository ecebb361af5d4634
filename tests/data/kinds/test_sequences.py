"""Sequences from every type of file, and refusals in one sentence."""

import numpy as np
import pytest
import tensorflow as tf

from keras_gen.data.builtin.waves import KINDS, normal_waves
from keras_gen.data.kinds.sequences import SequencesConfig, read_sequences
from keras_gen.errors import UserError
from keras_gen.models.recurrent_autoencoder import Config


def opened(spec, seed=0, **options):
    return SequencesConfig(data=str(spec), **options).open(seed)


def read(spec, length=0, columns=(), **options):
    return read_sequences(SequencesConfig(data=str(spec), **options), length=length, columns=columns)


def stack(stream):
    return np.concatenate([batch for (batch,) in stream.as_numpy_iterator()])


def text(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def refused(pattern, spec, **options):
    with pytest.raises(UserError, match=pattern) as error:
        opened(spec, **options)
    assert "\n" not in str(error.value)


def ragged(values):
    """The existing steps of each sequence."""
    return [one[np.isfinite(one[:, 0])].tolist() for one in values]


@pytest.fixture
def long_format(tmp_path):
    """Two features, three sequences with mixed rows, and a label."""
    return text(
        tmp_path / "long.csv",
        "id,time,a,b,label",
        "x,10:00,1,-1,",
        "y,10:00,5,-5,0",
        "x,10:01,2,-2,normal",
        "z,10:01,7,-7,stuck",
        "x,10:02,3,-3,",
        "y,10:02,6,-6,0",
    )


# -- waves -------------------------------------------------------------------------------------------------------------


def test_waves():
    data = opened("waves")
    assert (data.train_size, data.val_size, data.length, data.columns) == (4000, 500, 64, ("value",))
    assert "4000 training and 500 validation sequences" in data.describe()
    assert "40 to 64 steps of 1 feature: value" in data.describe()
    np.testing.assert_array_equal(stack(data.validation(64)), normal_waves(500, 0, 1).values)
    values = normal_waves(4000, 0, 0).values
    np.testing.assert_allclose(data.mean, [np.nanmean(values, dtype=np.float64)])
    np.testing.assert_allclose(data.deviation, [np.nanstd(values, dtype=np.float64)])
    assert not np.array_equal(stack(opened("waves:3").validation(64)), stack(data.validation(64)))


def test_waves_to_read_are_those_with_anomalies():
    found = read("waves:2", length=70, columns=("anything",))
    assert found.values.shape == (1000, 70, 1)
    assert found.columns == ("anything",)
    assert sorted(set(found.labels)) == sorted(["", *KINDS])


# -- the stream --------------------------------------------------------------------------------------------------------


def test_the_stream_goes_on_where_it_stopped_and_is_another_for_another_seed():
    data = opened("waves")
    values = stack(data.train(32, stop=8064))
    np.testing.assert_array_equal(stack(opened("waves").train(32, start=4032, stop=8064)), values[4032:])
    assert len({one.tobytes() for one in values[:4000]}) == 4000
    assert not np.array_equal(stack(opened("waves", seed=1).train(32, stop=4000)), values[:4000])


@pytest.mark.parametrize("workers", [1, 2])
def test_the_shares_of_all_workers_are_the_data_set(workers):
    data = opened("waves")
    shares = [stack(data.train(40, stop=4000, shard=(worker, workers))) for worker in range(workers)]
    assert {one.tobytes() for share in shares for one in share} == {
        one.tobytes() for one in normal_waves(4000, 0, 0).values
    }
    held = [stack(data.validation(8, shard=(worker, workers), limit=24)) for worker in range(workers)]
    expected = {one.tobytes() for one in normal_waves(500, 0, 1).values[:24]}
    assert {one.tobytes() for share in held for one in share} == expected


def test_batches_have_static_shapes():
    (element,) = opened("waves").train(4).element_spec
    assert (element.shape, element.dtype) == ((4, 64, 1), tf.float32)
    assert opened("waves").validation(4).element_spec[0].shape.as_list() == [None, 64, 1]


# -- CSV ---------------------------------------------------------------------------------------------------------------


def test_rows_of_one_id_are_a_sequence(long_format):
    found = read(long_format, columns=("a", "b"))
    assert found.names == ("x", "y", "z")
    assert found.labels == ("", "", "stuck")
    assert ragged(found.values) == [[[1, -1], [2, -2], [3, -3]], [[5, -5], [6, -6]], [[7, -7]]]
    assert ragged(read(long_format, columns=("b",)).values)[1] == [[-5], [-6]]


def test_anomalies_are_neither_trained_on_nor_validated(long_format):
    data = opened(long_format, columns=("a", "b"))
    assert (data.train_size, data.val_size) == (1, 1)
    assert "anomalies left out: 1" in data.describe()
    assert (data.mean, data.deviation) == ((2.0, -2.0), (np.sqrt(2 / 3), np.sqrt(2 / 3)))


def test_ids_and_labels_of_other_names(tmp_path):
    file = text(tmp_path / "a.csv", "series,v,kind", "1,2,", "2,3,odd", "3,4,")
    options = {"id_column": "series", "label_column": "kind"}
    assert read(file, **options).labels == ("", "odd", "")
    assert opened(file, **options).columns == ("v",)


def test_a_folder_has_a_sequence_in_each_file(tmp_path):
    text(tmp_path / "b.csv", "q,p", "1,2", "", "3,4")
    text(tmp_path / "a.csv", "p,q", "5,6")
    (tmp_path / "notes.txt").write_text("mine")
    found = read(tmp_path)
    assert (found.names, found.columns, found.labels) == (("a", "b"), ("p", "q"), ())
    assert ragged(found.values) == [[[5, 6]], [[2, 1], [4, 3]]]


def test_labels_in_some_of_the_files(tmp_path):
    text(tmp_path / "a.csv", "v", "1")
    text(tmp_path / "b.csv", "label,v", "odd,2")
    assert read(tmp_path, columns=("v",)).labels == ("", "odd")


def test_no_step_vanishes(tmp_path):
    column = text(tmp_path / "column.csv", "", "v", "0", "", '""', "3", "  ", "5", "", "")
    table = text(tmp_path / "table.csv", "a,b", "0,0", ",", "2,4", "", "3,6")
    for file, steps in ((column, [[0], [1], [2], [3], [4], [5]]), (table, [[0, 0], [1, 2], [2, 4], [3, 6]])):
        assert ragged(read(file, missing="interpolate").values) == [steps]
        refused("has no value at step 1 in column", file)


@pytest.mark.parametrize("missing", ["NA", "", "nan", "n/a", "NULL"])
def test_a_missing_value_in_the_first_row_makes_no_header(tmp_path, missing):
    file = text(tmp_path / "a.csv", f"{missing},0.5", "1,1.5", "2,2.5")
    found = read(file, missing="interpolate")
    assert (found.columns, ragged(found.values)) == (("1", "2"), [[[1, 0.5], [1, 1.5], [2, 2.5]]])


def test_columns_are_found_in_any_case(tmp_path):
    file = text(tmp_path / "a.csv", "ID,Value,LABEL", "x,1,0", "y,2,odd")
    found = read(file)
    assert (found.names, found.labels, found.columns) == (("x", "y"), ("", "odd"), ("Value",))
    assert ragged(read(file, columns=("value",)).values) == [[[1]], [[2]]]
    both = text(tmp_path / "b.csv", "ID,id,v", "7,x,1", "8,y,2")
    assert (read(both).names, read(both).columns) == (("x", "y"), ("ID", "v"))


@pytest.mark.parametrize("number", ["1_0", "\u0661", "0x1", "1,0", "1 0"])
def test_only_plain_numbers_are_numbers(tmp_path, number):
    refused("in line 3 of column 'v'; accepted are numbers", text(tmp_path / "a.csv", "v", "0", f'"{number}"'))


def test_numbers_of_every_plain_form(tmp_path):
    file = text(tmp_path / "a.csv", "v", "1", "-2", "+3.", " .5 ", "1e-2", "-1.5E+2")
    assert ragged(read(file).values) == [[[1], [-2], [3], [0.5], [np.float32(0.01)], [-150]]]


@pytest.mark.parametrize(
    ("normal", "anomaly"),
    [("False", "True"), ("false", "TRUE"), ("no", "yes"), ("0.0", "1.0"), ("0", "1"), ("NA", "1")],
)
def test_usual_spellings_of_labels(tmp_path, normal, anomaly):
    file = text(tmp_path / "a.csv", "id,v,label", f"a,1,{normal}", f"b,2,{anomaly}", f"c,3,{normal}")
    assert read(file).labels == ("", "1", "")


def test_labels_of_arrays(tmp_path):
    for labels in (np.array([False, True, False]), np.array([0.0, 1.0, 0.0]), np.array(["no", "Yes", ""])):
        np.savez(tmp_path / "a.npz", x=np.zeros((3, 4)), labels=labels)
        assert read(tmp_path / "a.npz").labels == ("", "1", "")


def test_numbers_without_a_header(tmp_path):
    file = text(tmp_path / "a.csv", "1,10", "2,20", "3,30")
    found = read(file)
    assert found.columns == ("1", "2")
    assert ragged(found.values) == [[[1, 10], [2, 20], [3, 30]]]
    assert read(file, columns=("2",)).values[0, :, 0].tolist() == [10, 20, 30]
    assert read(file, columns=("p", "q")).columns == ("p", "q")  # of a model whose columns had names


def test_windows_cover_every_step_and_are_all_whole(tmp_path):
    file = text(tmp_path / "a.csv", "v,label", *(f"{n},{'late' if n == 9 else ''}" for n in range(10)))
    found = read(file, window=4)
    assert found.names == ("a[0:4]", "a[4:8]", "a[6:10]")
    assert found.values[..., 0].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [6, 7, 8, 9]]
    assert found.labels == ("", "", "late")
    assert read(file, window=5).names == ("a[0:5]", "a[5:10]")
    assert read(file, window=10).names == read(file, window=11).names == ("a",)


def test_missing_values_are_refused_or_drawn_between_their_neighbours(tmp_path):
    file = text(tmp_path / "a.csv", "v,w", "1,", "nan,5", "NA,6", "7,")
    with pytest.raises(UserError, match=r"sequence 'a' has no value at step 0 in column 'w'; accepted are numbers, or"):
        read(file)
    assert ragged(read(file, missing="interpolate").values) == [[[1, 5], [3, 5], [5, 6], [7, 6]]]
    empty = text(tmp_path / "b.csv", "v,w", "1,", "2,")
    with pytest.raises(UserError, match="sequence 'b' has no value in column 'w'; accepted are at least one"):
        read(empty, missing="interpolate")


# -- arrays ------------------------------------------------------------------------------------------------------------


def test_arrays_end_with_nan(tmp_path):
    values = np.arange(24, dtype=np.float64).reshape(3, 4, 2)
    values[1, 2:] = np.nan
    np.save(tmp_path / "a.npy", values)
    found = read(tmp_path / "a.npy")
    assert (found.names, found.columns, found.labels) == (("0", "1", "2"), ("1", "2"), ())
    assert found.lengths.tolist() == [4, 2, 4]
    np.testing.assert_array_equal(found.values, values)
    np.save(tmp_path / "b.npy", np.arange(6).reshape(2, 3))
    assert read(tmp_path / "b.npy").values.shape == (2, 3, 1)


def test_arrays_with_lengths_and_labels(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.ones((3, 5, 2)), lengths=[5, 1, 3], labels=["", "odd", "normal"])
    found = read(tmp_path / "a.npz")
    assert found.lengths.tolist() == [5, 1, 3]
    assert found.labels == ("", "odd", "")
    np.savez(tmp_path / "b.npz", x=np.ones((2, 5)), labels=np.array([True, False]))
    assert read(tmp_path / "b.npz").labels == ("1", "")


def test_a_feature_that_never_varies_is_only_centred(tmp_path):
    np.save(tmp_path / "a.npy", np.full((4, 5, 1), 3))
    data = opened(tmp_path / "a.npy")
    assert (data.mean, data.deviation) == ((3.0,), (1.0,))


def test_a_model_that_is_there_decides_length_and_statistics(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((4, 5, 1)))
    config = SequencesConfig(data=str(tmp_path / "a.npy"))
    data = config.open(0, Config(length=8, columns=("v",), mean=(2.0,), deviation=(3.0,)))
    assert (data.length, data.columns, data.mean, data.deviation) == (8, ("v",), (2.0,), (3.0,))
    assert stack(data.validation(1)).shape == (1, 8, 1)


# -- refused -----------------------------------------------------------------------------------------------------------


def pickled(path):
    np.save(path, np.array([[1], [2, 3]], object), allow_pickle=True)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "", "a.csv is empty"),
        ("a.csv", "v,w\n", "sequence 'a' has no steps; accepted are 1 or more"),
        ("a.csv", "id,v\n", "holds no sequence"),
        ("a.csv", "id,label\n1,2\n", "has no feature columns, only id, label"),
        ("a.csv", "v,v\n1,2\n", "has two columns named 'v'"),
        ("a.csv", "v,w\n1,2\n3\n", "has 1 cells in line 3; accepted are 2"),
        ("a.csv", "v,w\n1,2\n3,warm\n", r"has 'warm' in line 3 of column 'w'; accepted are numbers, and --columns"),
        ("a.csv", "v\n1\ninf\n", "has inf at step 1 of column 'v'; accepted are finite numbers"),
        ("a.csv", "v\n1\n1e39\n", r"has 1e\+39 at step 1"),
        ("a.csv", "v\n1\n\n", "holds 1 sequence; at least 2 are needed"),
        ("a.csv", 'v\n"' + "9" * 200_000 + '"\n', "is not a CSV file"),
        ("a.csv", "v\n\x1b[31m\n", r"has '\\x1b\[31m' in line 2"),
        ("a.npy", b"\x93NUMPY", "is damaged, is not a NumPy file"),
        ("a.npz", b"PK", "is damaged, is not a NumPy file"),
        ("a.npy", pickled, "holds Python objects instead of numbers"),
        ("a.npy", np.ones((2, 0, 1)), "sequence '0' has no steps"),
        ("a.npy", np.full((2, 3, 1), np.nan), "sequence '0' has no steps"),
        ("a.npy", np.array([[1, np.nan, 3]]), "sequence '0' has no value at step 1 in column '1'"),
        ("a.npy", np.ones(3), r"holds an array of type float64 and shape \(3,\); accepted are numbers of shape"),
        ("a.npy", np.full((2, 3), "a"), "holds an array of type <U1"),
        ("a.npy", np.ones((2, 3, 0)), "accepted are numbers of shape"),
        ("a.npy", np.ones((0, 3, 1)), "holds no sequence"),
        ("a.npz", {"y": np.ones(3)}, "holds y; accepted are x"),
        ("a.npz", {"x": np.ones((2, 3)), "lengths": [1, 4]}, "range from 1 to 4; accepted are 0 to 3, the number"),
        ("a.npz", {"x": np.ones((2, 3)), "lengths": [1, 0]}, "sequence '1' has no steps"),
        ("a.npz", {"x": np.ones((2, 3)), "lengths": [1.0, 2.0]}, "lengths of .* is an array of type float64"),
        ("a.npz", {"x": np.ones((2, 3)), "labels": ["a"]}, "labels of .* one value for each of the 2 sequences"),
        ("a.txt", "1", "has an unknown format; accepted are"),
    ],
)
def test_what_cannot_be_read(name, content, said, tmp_path):
    path = tmp_path / name
    if callable(content):
        content(path)
    elif isinstance(content, str):
        path.write_text(content)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        np.savez(path, **content)
    else:
        np.save(path, content)
    with pytest.raises(UserError, match=said) as error:
        opened(path)
    assert "\n" not in str(error.value)


def test_other_things_that_cannot_be_read(tmp_path, long_format):
    for spec, said in (
        ("nowhere", "nowhere does not exist"),
        ("waves:", "accepted are waves and waves:SEED"),
        ("waves:x", "got waves:x"),
        (tmp_path / "empty", "holds no .csv files"),
    ):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(UserError, match=said):
            opened(spec)
    with pytest.raises(UserError, match=r"long.csv has the columns id, time, a, b, label; the columns a, c are needed"):
        opened(long_format, columns=("a", "c"))
    with pytest.raises(UserError, match=r"'x' has 3 steps; accepted by the model are up to 2"):
        read(long_format, length=2, columns=("a",))
    with pytest.raises(UserError, match=r"waves has the features value; accepted by the model are a, b"):
        read("waves", columns=("a", "b"))
    with pytest.raises(UserError, match=r"holds 0.00 GiB of data; --cache-gib .* is the limit"):
        opened(long_format, columns=("a",), cache_gib=1e-9)
    text(tmp_path / "two.csv", "id,v", *(f"1,{n}" for n in range(2000)), *(f"{n},1" for n in range(2, 2000)))
    with pytest.raises(
        UserError, match=r"as 1999 sequences of up to 2000 steps; .* --window STEPS cuts long sequences"
    ):
        opened(tmp_path / "two.csv", cache_gib=0.01)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"data": ""}, "data got ''"),
        ({"window": -1}, "window got -1"),
        ({"val_every": 1}, "val_every got 1"),
        ({"cache_gib": -1.0}, "cache_gib got -1"),
    ],
)
def test_fields_that_cannot_be(fields, said):
    with pytest.raises(UserError, match=said):
        SequencesConfig(**fields)

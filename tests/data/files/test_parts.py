import pytest

from keras_gen.data.files.parts import in_order, not_used, part_in, part_of, sort_parts
from keras_gen.errors import UserError


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("train", "train Train TRAINING training_set train-images traindata"),
        ("val", "val Valid validation VALIDATION dev Dev development val_split validation-set"),
        ("test", "test Test testing test_set t10k T10K TESTING"),
        (None, "cat trains testament value deviation contest pretrain 0 test2 _ set"),
    ],
)
def test_parts_are_known_by_all_usual_names_in_any_case(part, names):
    assert {part_of(name) for name in names.split()} == {part}


def test_a_part_is_one_of_the_words_of_a_name():
    names = ("x_train", "emnist-letters-test", "Y.Valid", "images", "attested")
    assert [part_in(name) for name in names] == ["train", "test", "val", None, None]


def test_validation_goes_before_test_and_what_is_not_used_is_named():
    parts = sort_parts(["test", "Valid", "extra", "Train"], "set")
    assert (parts.train, parts.held, parts.unused, parts.others) == ("Train", "Valid", ("test",), ("extra",))
    assert not_used((*parts.unused, *parts.others)) == "; not used: extra, test"
    assert sort_parts(["Testing"], "set").held == "Testing"
    assert not_used(()) == ""


def test_two_names_of_one_part_are_refused():
    with pytest.raises(UserError, match="set holds both dev and val; accepted is one val part"):
        sort_parts(["train", "dev", "val"], "set")


def test_numbers_in_names_of_classes_are_in_their_order():
    assert in_order(map(str, range(11, -1, -1))) == list(map(str, range(12)))
    assert in_order(["c10", "c9", "b", "a", "07", "7"]) == ["07", "7", "a", "b", "c9", "c10"]

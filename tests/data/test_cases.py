"""Small inputs that were once read wrongly, as they were found (../shared/cases). The tests of the modules also create
each of them."""

import numpy as np
import pytest
from PIL import Image

from keras_gen.data.checks.rules import quick_check
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.data.kinds.pairs import PairsConfig
from keras_gen.data.kinds.sequences import SequencesConfig, read_sequences


@pytest.fixture
def cases(shared):
    if not (shared / "cases").is_dir():
        pytest.skip("the cases are not beside this checkout (../shared/cases)")
    return shared / "cases"


def test_cases_are_read_right(cases):
    def images(name, **options):
        return ImagesConfig(data=str(cases / name), **options).open(0)

    for name in ("01-exif-ascii", "01-exif-junk"):
        assert images(name).train_size + images(name).val_size == 12
    white = np.array(Image.open(cases / "02-png16-trns" / "09.png")) == 0
    (picture, _), *_ = images("02-png16-trns").validation(1).as_numpy_iterator()
    assert np.all(picture[0, white, 0] == 1)
    assert images("03-numeric-classes").classes == tuple(map(str, range(12)))
    for name, count in (("04-uppercase-parts", 12), ("04b-valid-part", 12), ("30-validation-part", 12)):
        data = images(name, image_size=8)
        assert (data.train_size, data.val_size, data.num_classes) == (count, 12, 2)
    assert images("35-jfif", image_size=8).train_size == 18
    assert "do not look like pairs" in quick_check(PairsConfig(data=str(cases / "40-squares-as-pairs")))[0]
    assert PairsConfig(data=str(cases / "41b-pairs-lower"), image_size=32).open(0).train_size == 11

    def sequences(name):
        return read_sequences(
            SequencesConfig(data=str(cases / "sequences" / f"{name}.csv"), missing="interpolate"), length=0, columns=()
        )

    lines = (cases / "sequences" / "onecol_blank.csv").read_text().rstrip("\n").split("\n")
    assert sequences("onecol_blank").lengths.tolist() == [len(lines) - 1]
    assert sequences("noheader_firstNA").columns == ("1", "2")
    assert sequences("cap_id").columns == ("value",)
    assert set(sequences("bool_label").labels) == {"", "1"}

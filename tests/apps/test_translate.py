"""`apps.translate` from the command line: three kinds of MODEL, sizes, sides, names, sheets and refusals."""

import keras
import numpy as np
import pytest
from PIL import Image

from apps.translate import main
from keras_gen.export.exporter import export
from keras_gen.export.signature import Served, label_map, vector
from keras_gen.export.signature import image as image_port

SIZES = [(32, 32), (20, 47), (70, 33), (1, 1), (64, 64)]  # (width, height): equal, smaller, larger, odd


def pixels(path):
    return np.asarray(Image.open(path))


def save(path, width, height, mode="RGB", seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (height, width, len(mode)) if len(mode) > 1 else (height, width)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8)).save(path)
    return path


def run(*arguments):
    return main([str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path):
    """A folder of RGB pictures of many sizes."""
    for number, size in enumerate(SIZES):
        save(tmp_path / "in" / f"{number}.png", *size, seed=number)
    return tmp_path / "in"


def refused(capsys, tmp_path, *arguments):
    """Checks that arguments are refused in one sentence, without writing anything; returns the sentence."""
    assert run(*arguments) == 2
    assert not list((tmp_path / "out").rglob("*"))
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize("mode", [[], ["--resize"]])
def test_three_kinds_of_model_draw_the_same_pictures_of_the_inputs_sizes(tiny_run, folder, tmp_path, mode, capsys):
    kinds = {"run": "", "saved": "saved_model", "tflite": "model.tflite"}
    for kind, name in kinds.items():
        batch = 3 if kind == "run" else 1
        assert run(tiny_run.folder / name, folder, "--out", tmp_path / kind, "--batch-size", batch, *mode) == 0
        assert f"{len(SIZES)} pictures written to {tmp_path / kind}" in capsys.readouterr().out
    for number, size in enumerate(SIZES):
        drawn = {kind: pixels(tmp_path / kind / f"{number}.png").astype(int) for kind in kinds}
        assert drawn["run"].shape == (*size[::-1], 3)
        for kind in ("saved", "tflite"):
            assert np.abs(drawn[kind] - drawn["run"]).max() <= 1
    assert pixels(tmp_path / "run" / "4.png").std() > 1  # a picture, not one colour


def test_a_half_of_a_pair_is_what_the_model_draws_from_that_half_alone(tiny_run, tmp_path):
    source = tiny_run.data / "val" / "1.png"
    for side, half in (("left", pixels(source)[:, :32]), ("right", pixels(source)[:, 32:])):
        Image.fromarray(half).save(tmp_path / f"{side}.png")
        assert run(tiny_run.folder, tmp_path / f"{side}.png", "--out", tmp_path / "alone") == 0
        assert run(tiny_run.folder, source, "--side", side, "--out", tmp_path / side) == 0
        np.testing.assert_array_equal(pixels(tmp_path / side / "1.png"), pixels(tmp_path / "alone" / f"{side}.png"))


@pytest.mark.parametrize("kind", ["", "saved_model", "model.tflite", "moved"])
def test_label_ids_are_drawn_as_one_hot(label_run, tmp_path, kind):
    ids = np.random.default_rng(0).integers(0, 5, (40, 50), np.uint8)
    Image.fromarray(ids).save(tmp_path / "ids.png")
    model = label_run / kind
    if kind == "moved":
        model = tmp_path / "moved.tflite"
        model.write_bytes((label_run / "model.tflite").read_bytes())
    assert run(model, tmp_path / "ids.png", "--out", tmp_path / "out", "--sheet") == 0
    drawn = pixels(tmp_path / "out" / "ids.png")
    assert drawn.shape == (40, 50)
    assert drawn.std() > 1
    Image.fromarray(np.where(ids == 4, 5, ids).astype(np.uint8)).save(tmp_path / "more.png")
    assert run(model, tmp_path / "more.png", "--out", tmp_path / "out2") == 2


@pytest.mark.parametrize("kind", ["saved_model", "model.tflite"])
def test_a_moved_export_of_three_labels_takes_ids_and_no_picture(tmp_path, kind, capsys):
    image = keras.Input((16, 16, 3))
    network = keras.Model(image, image[..., :1])  # white where the id is 0
    ports = (label_map("source", network.input),), (image_port("generated", network.output),)
    export({"generator": Served(network, *ports, "about")}, tmp_path, [(np.full((1, 16, 16, 3), -1, np.float32),)])
    (tmp_path / "elsewhere").mkdir()
    model = (tmp_path / kind).rename(tmp_path / "elsewhere" / kind)
    ids = np.random.default_rng(0).integers(0, 3, (20, 30), np.uint8)
    Image.fromarray(ids).save(tmp_path / "ids.png")
    assert run(model, tmp_path / "ids.png", "--out", tmp_path / "out") == 0
    np.testing.assert_array_equal(pixels(tmp_path / "out" / "ids.png"), np.where(ids == 0, 255, 0))
    save(tmp_path / "picture.png", 20, 30)
    assert run(model, tmp_path / "picture.png", "--out", tmp_path / "out") == 2
    assert "label ids" in capsys.readouterr().err


def test_an_export_that_enlarges_draws_larger_pictures(tmp_path):
    """Enlarging by three in tiles of 8x8: each pixel becomes a block, for any size."""
    source = keras.Input((8, 8, 3))
    network = keras.Model(source, keras.layers.UpSampling2D(3)(source))
    ports = (image_port("small", source),), (image_port("large", network.output),)
    export({"enlarger": Served(network, *ports, "about", "translate")}, tmp_path, [(np.zeros((1, 8, 8, 3)),)])
    small = pixels(save(tmp_path / "in" / "x.png", 21, 13))
    for name, flags in (("model.tflite", []), ("saved_model", ["--sheet"])):
        assert run(tmp_path / name, tmp_path / "in", "--out", tmp_path / "out" / name, *flags) == 0
        np.testing.assert_array_equal(pixels(tmp_path / "out" / name / "x.png"), small.repeat(3, 0).repeat(3, 1))
    assert run(tmp_path / "model.tflite", tmp_path / "in", "--resize", "--out", tmp_path / "whole") == 0
    assert pixels(tmp_path / "whole" / "x.png").shape == (39, 63, 3)


def test_exports_that_make_no_picture_of_a_picture_are_refused(tmp_path, capsys):
    source = keras.Input((8, 8, 3))
    network = keras.Model(source, keras.layers.Flatten()(source))
    ports = (image_port("pictures", source),), (vector("numbers", network.output),)
    export({"encoder": Served(network, *ports, "about")}, tmp_path, [(np.zeros((1, 8, 8, 3)),)])
    picture = save(tmp_path / "x.png", 8, 8)
    error = refused(capsys, tmp_path, tmp_path / "model.tflite", picture, "--out", tmp_path / "out")
    assert "has pictures: (1, 8, 8, 3) float32 in [-1, 1]; numbers: (1, 192) float32; accepted are models" in error


def test_any_kind_of_picture_is_converted_to_what_the_model_takes(tiny_run, tmp_path):
    inputs = tmp_path / "in"
    save(inputs / "grey.png", 30, 40, "L")
    save(inputs / "alpha.png", 30, 40, "RGBA")
    save(inputs / "photo.jpg", 30, 40)
    deep = np.random.default_rng(1).integers(0, 65536, (40, 30), np.uint16)
    Image.fromarray(deep).save(inputs / "deep.png")
    assert run(tiny_run.folder / "model.tflite", inputs, "--out", tmp_path / "out", "--threads", 1) == 0
    for name in ("grey", "alpha", "photo", "deep"):
        assert pixels(tmp_path / "out" / f"{name}.png").shape == (40, 30, 3)


def test_equal_stems_do_not_overwrite_each_other(tiny_run, tmp_path):
    inputs = [
        save(tmp_path / name, 32, 32, seed=i) for i, name in enumerate(("a/x.png", "b/X.jpg", "b/x.bmp", "x-2.png"))
    ]
    assert run(tiny_run.folder / "model.tflite", *inputs, inputs[0], "--out", tmp_path / "out") == 0
    drawn = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert drawn == ["X-2.png", "x-2-2.png", "x-3.png", "x.png"]
    assert len({pixels(tmp_path / "out" / name).tobytes() for name in drawn}) == 4


def test_a_folder_is_translated_in_order_of_name_and_shown_on_sheets(tiny_run, tmp_path):
    for number in range(9):
        save(tmp_path / "in" / f"{number}.png", 40, 20, seed=number)
    assert run(tiny_run.folder / "model.tflite", tmp_path / "in", "--out", tmp_path / "out", "--sheet") == 0
    sheets = sorted((tmp_path / "out" / "sheets").iterdir())
    assert [sheet.name for sheet in sheets] == ["001.png", "002.png"]
    last = pixels(sheets[1])  # one pair in the middle of white cells of 40 * 3 pixels
    shown = np.asarray(Image.open(tmp_path / "in" / "8.png").resize((120, 60), Image.Resampling.NEAREST))
    for sheet in (tmp_path / "out").glob("*.png"):
        sheet.unlink()
    assert run(tiny_run.folder / "model.tflite", tmp_path / "in", "--out", tmp_path / "out", "--sheet") == 2
    np.testing.assert_array_equal(last[18 + 30 : 18 + 90, 4 : 4 + 120], shown)


def test_noise_at_test_changes_the_pictures_and_is_repeatable(tiny_run, folder, tmp_path):
    for name, flags in (("calm", []), ("noisy", ["--noise-at-test"]), ("again", ["--noise-at-test"])):
        assert run(tiny_run.folder, folder / "4.png", "--out", tmp_path / name, *flags) == 0
    calm, noisy, again = (pixels(tmp_path / name / "4.png") for name in ("calm", "noisy", "again"))
    assert (noisy != calm).any()
    np.testing.assert_array_equal(noisy, again)


def test_the_best_checkpoint_can_be_asked_for(tiny_run, folder, tmp_path):
    assert run(tiny_run.folder, folder / "0.png", "--checkpoint", "best", "--out", tmp_path / "out") == 0


def test_drawings_that_are_there_are_replaced_only_on_request(tiny_run, folder, tmp_path, capsys):
    arguments = (tiny_run.folder / "model.tflite", folder, "--out", tmp_path / "out")
    assert run(*arguments) == 0
    (tmp_path / "out" / "mine.txt").write_text("kept")
    (tmp_path / "out" / "0.png").write_bytes(b"old")
    assert run(*arguments) == 2
    assert "0.png and 4 more would be replaced" in capsys.readouterr().err
    assert (tmp_path / "out" / "0.png").read_bytes() == b"old"
    assert run(*arguments, "--overwrite") == 0
    assert pixels(tmp_path / "out" / "0.png").shape == (32, 32, 3)
    assert (tmp_path / "out" / "mine.txt").read_text() == "kept"


def test_an_input_is_never_overwritten(tiny_run, folder, capsys):
    before = (folder / "0.png").read_bytes()
    assert run(tiny_run.folder / "model.tflite", folder, "--out", folder, "--overwrite") == 2
    assert "is an input" in capsys.readouterr().err
    assert (folder / "0.png").read_bytes() == before


def test_unreadable_files_are_named_and_skipped_only_on_request(tiny_run, folder, tmp_path, capsys):
    (folder / "text.png").write_text("no picture")
    (folder / "cut.png").write_bytes((folder / "4.png").read_bytes()[:-40])
    arguments = (tiny_run.folder / "model.tflite", folder, "--out", tmp_path / "out")
    error = refused(capsys, tmp_path, *arguments)
    assert error == (
        f"error: 2 of 7 images cannot be read ({folder / 'cut.png'} is truncated or damaged; {folder / 'text.png'} is "
        "not a PNG, JPEG, WebP, BMP or GIF image); --skip-bad leaves them out.\n"
    )
    for number in range(3):
        (folder / f"void{number}.png").write_bytes(b"")
    error = refused(capsys, tmp_path, *arguments)
    assert "5 of 10 images" in error
    assert "; and 2 more); --skip-bad" in error
    assert run(*arguments, "--skip-bad") == 0
    assert "5 of 10 images left out (" in capsys.readouterr().out
    assert len(list((tmp_path / "out").iterdir())) == 5


def test_bad_input_is_refused_in_one_sentence_and_nothing_is_written(tiny_run, folder, tmp_path, capsys):
    tflite, out = tiny_run.folder / "model.tflite", ("--out", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    for arguments, named in (
        ((tflite, *out), "INPUT"),
        ((tflite, tmp_path / "absent", *out), "absent does not exist"),
        ((tflite, tmp_path / "empty", *out), "empty holds no images"),
        ((tmp_path / "nothing", folder, *out), "nothing does not exist"),
        ((folder, folder, *out), "accepted are a run folder"),
        ((tflite, tmp_path / "file", *out, "--skip-bad"), "1 of 1 images"),
        ((tflite, folder, "--out", tmp_path / "file"), "--out"),
        ((tflite, folder, *out, "--side", "left"), "3.png is 1 pixels wide"),
        ((tflite, folder, *out, "--overlap", 1.5), "--overlap"),
        ((tflite, folder, *out, "--batch-size", 0), "--batch-size"),
        ((tflite, folder, *out, "--threads", -1), "--threads"),
        ((tflite, folder, *out, "--noise-at-test"), "--noise-at-test"),
        ((tflite, folder, *out, "--checkpoint", "best"), "--checkpoint"),
        ((tiny_run.folder, folder, *out, "--threads", 2), "--threads"),
        ((tiny_run.folder / "saved_model", folder, *out, "--threads", 2), "--threads"),
    ):
        assert named in refused(capsys, tmp_path, *arguments)

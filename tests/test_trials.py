"""Small families of kinds that the package does not have yet, as an author would write them: files in `trials`.

Each is a module that is found by its name, as if it lay in the package. They ask the base for what coming families ask:
several generators and unpaired data, volumes, a time beside an image, a frozen network that is served too, and drawings
larger than what they are drawn from.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from trial_run import same_state, train

import keras_gen
from apps import evaluate, generate, translate
from keras_gen import models
from keras_gen.data import kinds
from keras_gen.data.config import kind_named
from keras_gen.engine.checkpoints import newest
from keras_gen.engine.config import read_config
from keras_gen.engine.run_exports import read_report
from keras_gen.engine.strategy import mirrored
from keras_gen.errors import UserError
from keras_gen.export.metadata import read_metadata
from keras_gen.export.saved_model import SavedModel
from keras_gen.export.tflite import TFLiteModel
from keras_gen.files import remove

TRIALS = Path(__file__).parent / "trials"


@pytest.fixture(autouse=True, scope="module")
def in_place():
    """The trials' modules beside those of the package, until these tests are over."""
    packages = {models: TRIALS / "models", kinds: TRIALS / "kinds"}
    with pytest.MonkeyPatch.context() as patch:
        for package, folder in packages.items():
            patch.setattr(package, "__path__", [*package.__path__, str(folder)])
        yield
    for package, folder in packages.items():
        for file in folder.glob("*.py"):
            sys.modules.pop(f"{package.__name__}.{file.stem}", None)
            vars(package).pop(file.stem, None)


@pytest.fixture(scope="module")
def collections(tmp_path_factory):
    """Four pictures of noise, and six dark ones, of 16x16 pixels."""
    root, rng = tmp_path_factory.mktemp("collections"), np.random.default_rng(0)
    for name, count, brightest in (("noise", 4, 256), ("dark", 6, 64)):
        (root / name).mkdir()
        for number in range(count):
            Image.fromarray(rng.integers(0, brightest, (16, 16, 3), np.uint8)).save(root / name / f"{number}.png")
    return f"{root / 'noise'},{root / 'dark'}"


def picture(folder, height, width):
    path = folder / "picture.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)).save(path)
    return path


def drawn(path):
    with Image.open(path) as image:
        return np.asarray(image)


# -- translation without pairs -----------------------------------------------------------------------------------------


def test_unpaired_translation(collections, tmp_path, capsys):
    """Two generators, two discriminators, two collections: a run, its resume, what it exports, and its apps."""
    family, data = models.family("unpaired"), kind_named("two_collections")(data=collections, val_every=2)
    settings = {"epochs": 2, "steps_per_epoch": 1, "batch_size": 2, "checkpoint_every": 1}
    folder = tmp_path / "run"
    model = train(family, family.Config(), data, folder, **settings)
    assert read_config(folder)["data_kind"] == "two_collections"
    assert model.config.image_size == 16

    remove(folder / "checkpoints" / "step-0000002")
    same_state(train(family, family.Config(), data, folder, resume=True, export=True, **settings), model)
    source = tf.random.stateless_uniform((2, 16, 16, 3), (0, 0), -1, 1)
    loaded, step = models.load(folder)
    assert step == 2
    np.testing.assert_array_equal(loaded.translate(source), model.translate(source))

    exports = {"to_second": ("saved_model", "model.tflite"), "to_first": ("saved_model_to_first", "to_first.tflite")}
    assert list(read_report(folder)["export"]) == list(exports)
    for name, (saved, tflite) in exports.items():
        expected = model.inference(name)(source, training=False)
        assert set(read_report(folder)["export"][name]["files"]) == {saved, tflite}
        for network in (SavedModel(folder / saved), TFLiteModel(folder / tflite)):
            np.testing.assert_allclose(network(source.numpy()), expected, atol=1e-5)
        ports = read_metadata(folder / tflite).ports
        sides = ["first", "second"] if name == "to_second" else ["second", "first"]
        assert [(port.name, port.kind, port.range) for port in ports] == [(side, "image", (-1, 1)) for side in sides]

    there, back = tmp_path / "there", tmp_path / "back"
    assert translate.main([str(folder), str(picture(tmp_path, 20, 24)), "--out", str(there)]) == 0
    assert translate.main([str(folder / "to_first.tflite"), str(there / "picture.png"), "--out", str(back)]) == 0
    assert drawn(back / "picture.png").shape == (20, 24, 3)
    assert not np.array_equal(drawn(back / "picture.png"), drawn(there / "picture.png"))
    assert evaluate.main([str(folder)]) == 2
    assert "was trained on data without pairs" in capsys.readouterr().err


def test_pools_hold_the_pictures_of_the_whole_batch():
    """In its order, over two parts on each of two replicas; and what discriminators saw of them tell their weights."""
    family = models.family("unpaired")
    batches = [
        tuple(tf.random.stateless_uniform((4, 16, 16, 3), (step, side), -1, 1) for side in range(2)) for step in (0, 1)
    ]
    data = tf.data.Dataset.from_tensor_slices(tuple(tf.concat(parts, 0) for parts in zip(*batches, strict=True)))

    def fit(strategy, parts):
        with strategy.scope():
            keras.utils.set_random_seed(0)
            model = family(pool=6)
            optimizers = {player: keras.optimizers.SGD(0.1) for player in model.players}
            model.compile(optimizers, accumulate=parts, run_eagerly=True)
        model.fit(data.batch(4), verbose=0, checked=False)
        return {name: v.numpy() for name, v in model.state().items() if name.startswith(("network/", "model/"))}

    expected, found = fit(tf.distribute.get_strategy(), 1), fit(mirrored(), 2)
    assert np.abs(expected["model/pool_first"]).reshape(6, -1).max(axis=1).min() > 0
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-6, err_msg=name)


# -- other shapes, other inputs ----------------------------------------------------------------------------------------


def fitted(model, data, *callbacks):
    """After one step, its previews drawn."""
    model.compile(learning_rate=1e-3, run_eagerly=True)
    history = model.fit(data, batch_size=4, steps_per_epoch=1, callbacks=list(callbacks), verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    for view in model.preview(next(iter(data.validation(4)))).values():
        if hasattr(view, "draw"):
            assert view.draw().dtype == np.uint8
    return model


def exported(model, data, folder):
    """Name of a served network -> its .tflite, after all files were proved."""
    report = model.export(folder, examples=data)
    files = {name: next(file for file in item["files"] if file.endswith(".tflite")) for name, item in report.items()}
    return {name: folder / file for name, file in files.items()}


def test_a_gan_of_volumes(tmp_path, capsys):
    data = kind_named("voxels")().open()
    health = keras_gen.callbacks.Health(data)
    model = fitted(models.family("voxel_gan")(penalty="dragan"), data, health)
    assert health.report()["distance"] > 0
    moved = health.report()["update_ratio"]["discriminator"] > 0
    assert moved == (int(model.optimizers["discriminator"].iterations) == 1)
    (file,) = exported(model, data, tmp_path).values()
    latents, drawn = read_metadata(file).ports
    assert (latents.kind, drawn.kind, drawn.shape, drawn.range) == ("vector", "volume", (8, 8, 8, 1), (-1, 1))
    network = TFLiteModel(file)
    np.testing.assert_allclose(model.generate(3, network=network), model.generate(3), atol=1e-5)

    model.save(tmp_path / "saved")
    for saved in (tmp_path / "saved", file):
        assert generate.main([str(saved), "--out", str(tmp_path / "drawn")]) == 2
        assert "generates arrays of 8x8x8x1, not images" in capsys.readouterr().err
    assert evaluate.main([str(tmp_path / "saved")]) == 0
    assert json.loads((tmp_path / "saved" / "evaluation.json").read_text())["energy_score"] > 0


def test_a_network_that_takes_an_image_and_a_time(tmp_path):
    data = kind_named("images")(data="digits").open()
    model = fitted(models.family("diffusion")(), data)
    (file,) = exported(model, data, tmp_path).values()
    assert read_metadata(file).description == (
        "noisy: (1, 8, 8, 1) float32, an image and noise; time: (1,) float32 in [0, 1], 0 to 1; "
        "image: (1, 8, 8, 1) float32 in [-1, 1]"
    )
    np.testing.assert_allclose(
        model.generate(3, seed=1, network=TFLiteModel(file)), model.generate(3, seed=1), atol=1e-5
    )


def test_a_frozen_network_that_is_served(collections, tmp_path, capsys):
    data = kind_named("two_collections")(data=collections, val_every=2).open()
    style = models.family("style")
    weights = tmp_path / "encoder.npz"
    np.savez(weights, *style().frozen["encoder"].get_weights())
    model = fitted(style(encoder=weights), data)
    (file,) = exported(model, data, tmp_path).values()
    content, style = next(iter(data.validation(2)))
    np.testing.assert_allclose(TFLiteModel(file)(content, style), model.translate(content, style), atol=1e-5)
    model.save(tmp_path / "saved")
    names = [name for name, _ in tf.train.list_variables(str(newest(tmp_path / "saved") / "state"))]
    assert any("decoder" in name for name in names)
    assert not any("encoder" in name for name in names)
    loaded, _ = models.load(tmp_path / "saved")
    np.testing.assert_array_equal(loaded.translate(content, style), model.translate(content, style))
    source = str(picture(tmp_path, 16, 16))
    for saved in (tmp_path / "saved", file):
        assert translate.main([str(saved), source, "--out", str(tmp_path / "drawn")]) == 2
        assert "with one image as input and one as output" in capsys.readouterr().err
    np.savez(weights, *(weight + 1 for weight in loaded.frozen["encoder"].get_weights()))
    with pytest.raises(UserError, match="as its encoder"):
        models.load(tmp_path / "saved")


def test_drawings_of_more_pixels_than_their_sources(tmp_path):
    """A model and its export draw pictures of any size, `scale` times as large; its evaluation knows bicubic."""
    data = kind_named("small_and_sharp")(data="digits", channels=3).open()
    model = fitted(models.family("sub_pixel").for_data(data), data)
    assert (model.config.scale, model.config.image_size) == (2, 8)
    (file,) = exported(model, data, tmp_path).values()
    saved, source = tmp_path / "saved", picture(tmp_path, 5, 11)
    model.save(saved)
    for name, network in (("run", saved), ("file", file)):
        assert translate.main([str(network), str(source), "--out", str(tmp_path / name)]) == 0
    by_run, by_file = (drawn(tmp_path / name / "picture.png").astype(int) for name in ("run", "file"))
    assert by_run.shape == (10, 22, 3)
    assert np.abs(by_run - by_file).max() <= 1
    assert evaluate.main([str(saved), "--limit", "8", "--metrics", "psnr"]) == 0
    assert {"reconstruction", "enlarged"} <= set(json.loads((saved / "evaluation.json").read_text()))

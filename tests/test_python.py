"""keras_gen as a Keras user expects it: what works, and what is refused with a sentence that says what to do
instead."""

import ast
import json
import logging
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_gen
from apps import export, generate, translate
from keras_gen import models
from keras_gen.errors import UserError

SMALL = {"image_size": 8, "latent_dim": 2, "hidden_units": (8,), "filters": 2}
IMAGES = np.random.default_rng(0).uniform(-1, 1, (24, 8, 8, 1)).astype(np.float32)
LABELS = np.arange(24) % 4


@pytest.fixture(scope="module")
def vae():
    model = keras_gen.VAE(**SMALL)
    model.compile(learning_rate=1e-3)
    model.fit(IMAGES, batch_size=8, verbose=0)
    return model


@pytest.fixture
def cgan():
    model = keras_gen.CGAN(image_size=8, latent_dim=2, hidden_units=(8,), architecture="mlp", num_classes=4)
    model.compile()
    return model


# -- the package -------------------------------------------------------------------------------------------------------


def test_importing_and_listing_does_not_import_tensorflow():
    code = (
        "import sys, keras_gen, keras_gen.data\n"
        "assert {'Pix2Pix', 'VAE', 'WGANGP', 'data', 'callbacks', 'load'} <= set(dir(keras_gen))\n"
        "assert {'pairs', 'images'} <= set(dir(keras_gen.data))\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules), 'imported'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(keras_gen.__file__).parents[1]
    )
    assert done.returncode == 0, done.stderr


def test_every_family_has_its_name():
    classes = {models.family(name) for name in models.families()}
    assert classes == {getattr(keras_gen, name) for name in dir(keras_gen) if name[0].isupper()}


@pytest.mark.parametrize("name", ["Nothing", "vae", "pix2pix", "Config", "_VAE"])
def test_other_names_are_attribute_errors(name):
    with pytest.raises(AttributeError, match=f"no attribute '{name}'"):
        getattr(keras_gen, name)


def test_type_checkers_know_the_names():
    file = Path(keras_gen.__file__)
    assert (file.parent / "py.typed").is_file()
    (block, *_) = (node for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.If))
    imported = {f"{node.module}.{alias.name}" for node in block.body for alias in node.names if alias.asname}
    families = {f"{kind.__module__}.{kind.__name__}" for kind in map(models.family, models.families())}
    assert imported == families | {"keras_gen.callbacks", "keras_gen.data", "keras_gen.models"}


# -- making and compiling ----------------------------------------------------------------------------------------------


def test_a_config_a_preset_or_fields_make_a_model():
    config = keras_gen.VAE.Config(**SMALL)
    assert keras_gen.VAE(config).config == keras_gen.VAE(**SMALL).config == config
    assert keras_gen.VAE(config, filters=3).config.filters == 3
    tiny = keras_gen.VAE.from_preset("tiny", image_size=8)
    assert tiny.config == keras_gen.VAE.Config(image_size=8, hidden_units=(8,), filters=2, latent_dim=2)


def test_a_model_follows_its_data():
    data = keras_gen.data.images("digits")
    model = keras_gen.VAE.for_data(data, latent_dim=2, hidden_units=(8,), filters=2)
    assert (model.config.image_size, model.config.channels, model.config.filters) == (8, 1, 2)
    with pytest.raises(
        UserError, match="pix2pix takes source_channels, target_channels from its data, and ImagesData has none"
    ):
        keras_gen.Pix2Pix.for_data(data)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: keras_gen.VAE(image_sise=8),
            r"no field 'image_sise' \(did you mean image_size\?\); accepted are ",
        ),
        (lambda: keras_gen.VAE(likelihood="normal"), "likelihood got 'normal'; accepted are bernoulli"),
        (
            lambda: keras_gen.VAE({"latent_dim": 2}),
            r"config got .*; accepted are instances of keras_gen.models.vae",
        ),
        (lambda: keras_gen.VAE.from_preset("huge"), "preset got 'huge'; accepted are demo"),
        (lambda: keras_gen.data.images("digits", imagesize=8), "no field 'imagesize'"),
        (lambda: keras_gen.data.images("digits", channels=2), "channels got 2; accepted are 0, 1, 3, 4"),
        (lambda: keras_gen.data.pairs("nowhere"), "^data got nowhere, which is not a folder"),
        (lambda: keras_gen.RecurrentAutoencoder(), "length got 0"),
    ],
)
def test_what_cannot_be_made(make, said):
    with pytest.raises(UserError, match=said):
        make()


def test_optimizers_are_those_of_the_paper_unless_given():
    model = keras_gen.WGAN(image_size=8, latent_dim=2, hidden_units=(8,), architecture="mlp")
    model.compile()
    assert model.learning_rates() == pytest.approx(dict.fromkeys(model.players, 5e-5))
    model.compile(learning_rate=1e-3)
    assert model.learning_rates() == pytest.approx(dict.fromkeys(model.players, 1e-3))
    demo = keras_gen.Pix2Pix.from_preset("demo")
    assert demo._paper_rate() == 1e-3


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"optimizers": "adam"},
            "optimizers got 'adam'; accepted is a dictionary with an optimizer for each player",
        ),
        ({"optimizers": {"gan": "adam"}}, r"optimizers got \['gan'\]"),
        ({"loss": "mse", "metrics": []}, "compile got loss, metrics, but losses and metrics of vae are its paper's"),
        ({"optimizers": {}, "learning_rate": 1.0}, "optimizers and learning_rate; accepted is one of them"),
    ],
)
def test_what_compile_refuses(vae, settings, said):
    with pytest.raises(UserError, match=said):
        vae.compile(**settings)


# -- fitting -----------------------------------------------------------------------------------------------------------

WAYS = {
    "array": IMAGES,
    "tuple": (IMAGES,),
    "with labels": (IMAGES, LABELS),
    "float64": IMAGES.astype(np.float64),
    "tensor": tf.constant(IMAGES),
    "tf.data": tf.data.Dataset.from_tensor_slices(IMAGES).batch(8),
    "tf.data of tuples": tf.data.Dataset.from_tensor_slices((IMAGES,)).batch(8),
    "tf.data with labels": tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(8),
}


@pytest.mark.parametrize("way", WAYS)
def test_evaluation_is_the_same_whatever_holds_the_images(vae, way):
    expected = vae.evaluate(IMAGES, LABELS, batch_size=24, verbose=0, return_dict=True)
    found = vae.evaluate(WAYS[way], batch_size=8, verbose=0, return_dict=True)
    assert found == pytest.approx(expected, rel=0.05)  # of other noise
    assert found["psnr"] == pytest.approx(expected["psnr"], rel=1e-4)


@pytest.mark.parametrize("way", ["array", "tf.data"])
def test_images_without_labels_train(vae, way):
    history = vae.fit(WAYS[way], batch_size=8, epochs=2, validation_data=IMAGES[:8], verbose=0).history
    assert len(history["reconstruction"]) == len(history["val_psnr"]) == 2
    assert np.isfinite(history["reconstruction"]).all()


def test_a_data_set_brings_its_validation_part():
    data = keras_gen.data.images("digits")
    model = keras_gen.VAE.for_data(data, latent_dim=2, hidden_units=(8,), filters=2)
    model.compile(learning_rate=1e-3)
    before = int(model.step)
    history = model.fit(data, batch_size=500, verbose=0).history
    assert int(model.step) - before == data.train_size // 500
    expected = model.evaluate(data.validation(32), verbose=0, return_dict=True)
    assert history["val_psnr"][0] == pytest.approx(expected["psnr"], rel=1e-4)


def test_a_step_has_the_batches_that_its_players_need():
    model = keras_gen.WGAN(image_size=8, latent_dim=2, hidden_units=(8,), architecture="mlp", n_critic=2)
    model.compile()
    model.fit(IMAGES, batch_size=4, verbose=0)
    assert int(model.step) == 3  # 24 images, 2 batches of 4 a step


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        (
            IMAGES * 100,
            "image of a batch has values from -.* to .*; accepted are -1 to 1: convert",
        ),
        ((IMAGES * 127.5 + 127.5).astype(np.uint8), "image of a batch has values from 0 to"),
        (IMAGES[:, :6], r"image of a batch has shape \(24, 6, 8, 1\); accepted is \(batch, 8, 8, 1\)"),
        (IMAGES[..., 0], r"image of a batch has shape \(24, 8, 8\)"),
        (np.repeat(IMAGES, 3, axis=3), r"shape \(24, 8, 8, 3\); accepted is \(batch, 8, 8, 1\)"),
        ((IMAGES, IMAGES), r"label of a batch has shape .*; accepted is \(batch,\), a whole number for each"),
        ((IMAGES, LABELS[:5]), "arrays have 24, 5 examples"),
        ((IMAGES, LABELS, IMAGES), r"a batch has 3 parts; accepted are \(image, label if any\)"),
        (tf.data.Dataset.from_tensor_slices(IMAGES + 9).batch(8), "image of a batch has values from 8"),
        (tf.data.Dataset.from_tensor_slices(IMAGES), r"shape \(8, 8, 1\)"),
        (
            tf.data.Dataset.from_tensor_slices({"image": IMAGES}).batch(8),
            r"dictionary; accepted are tuples \(image",
        ),
    ],
)
@pytest.mark.parametrize("what", ["fit", "evaluate", "validation"])
def test_a_first_batch_that_the_model_does_not_take_is_refused(vae, batch, said, what):
    given = (IMAGES, {"validation_data": batch}) if what == "validation" else (batch, {})
    with pytest.raises(UserError, match=said):
        getattr(vae, "evaluate" if what == "evaluate" else "fit")(given[0], verbose=0, **given[1])


def test_labels_that_are_needed_are_asked_for(cgan):
    cgan.fit(IMAGES, LABELS, verbose=0)
    with pytest.raises(UserError, match=r"a batch has 1 part; accepted are \(image, label\)"):
        cgan.fit(IMAGES, verbose=0)
    with pytest.raises(UserError, match="label of a batch has values from 0 to 4; accepted are the classes"):
        cgan.fit(IMAGES, LABELS + (LABELS == 3), verbose=0)


def test_data_of_another_size_are_refused(vae):
    with pytest.raises(UserError, match=r"shape \(.*, 12, 12, 1\); accepted is \(batch, 8, 8, 1\)"):
        vae.fit(keras_gen.data.images("digits", image_size=12), verbose=0)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"class_weight": {0: 2.0}}, "fit got class_weight; the losses are those of the paper, in which all examples"),
        ({"sample_weight": LABELS}, "fit got sample_weight; the losses"),
        ({"validation_split": 0.2}, "fit got validation_split; accepted is validation_data"),
    ],
)
def test_what_fit_refuses(vae, setting, said):
    with pytest.raises(UserError, match=said):
        vae.fit(IMAGES, verbose=0, **setting)
    vae.fit(IMAGES[:8], verbose=0, **dict.fromkeys(setting))  # None is Keras' default


class Batches(keras.utils.PyDataset):
    """Batches of 8, with as many parts as given."""

    def __init__(self, *parts):
        super().__init__()
        self.parts, self.ended = parts, 0

    def __len__(self):
        return 3

    def __getitem__(self, number):
        batch = tuple(part[8 * number : 8 * number + 8] for part in self.parts)
        return batch if len(batch) > 1 else batch[0]

    def on_epoch_end(self):
        self.ended += 1


@pytest.mark.parametrize("parts", [(IMAGES,), (IMAGES, LABELS)])
def test_batches_of_a_pydataset_and_of_a_generator(vae, parts):
    expected = vae.evaluate(IMAGES, verbose=0, return_dict=True)["psnr"]
    batches = Batches(*parts)
    for given in (batches, (batches[number] for number in range(3))):
        assert vae.evaluate(given, steps=3, verbose=0, return_dict=True)["psnr"] == pytest.approx(expected, rel=1e-4)
    plain = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])
    plain.compile("sgd", "mse")
    own, of_keras = Batches(*parts), Batches(IMAGES, LABELS)
    plain.fit(of_keras, epochs=2, verbose=0)
    before = int(vae.step)
    vae.fit(own, epochs=2, verbose=0)
    assert own.ended == of_keras.ended
    assert own.ended >= 2
    vae.fit((batches[number % 3] for number in range(6)), steps_per_epoch=3, epochs=2, verbose=0)
    assert int(vae.step) == before + 12


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Batches(IMAGES * 100), "image of a batch has values from"),
        ((batch for batch in [IMAGES[:, :6]]), r"image of a batch has shape \(24, 6, 8, 1\)"),
        ((batch for batch in [{"image": IMAGES}]), r"a batch is a dictionary; accepted are tuples \(image"),
        ({"image": IMAGES}, r"a batch is a dictionary; accepted are tuples \(image"),
        ("folder", "the data are a str; accepted are arrays, a tf.data.Dataset, a data set of keras_gen.data"),
    ],
)
def test_batches_that_the_model_does_not_take_are_refused(vae, given, said):
    with pytest.raises(UserError, match=said):
        vae.fit(given, verbose=0)


def test_steps_on_one_batch(vae, cgan):
    before = int(vae.step)
    terms = vae.train_on_batch(IMAGES[:8], return_dict=True)
    assert int(vae.step) == before + 1
    assert set(terms) == set(vae.fit(IMAGES[:8], verbose=0).history)
    assert len(vae.train_on_batch(IMAGES[:8], LABELS[:8])) == len(terms)
    expected = vae.evaluate(IMAGES[:8], verbose=0, return_dict=True)["psnr"]
    assert vae.test_on_batch(IMAGES[:8], return_dict=True)["psnr"] == pytest.approx(expected, rel=1e-4)
    for method in (vae.train_on_batch, vae.test_on_batch):
        with pytest.raises(UserError, match="image of a batch has values from"):
            method(IMAGES * 100)
        with pytest.raises(UserError, match="_on_batch got sample_weight; the losses are those of the paper"):
            method(IMAGES, sample_weight=LABELS)
    with pytest.raises(UserError, match=r"a batch has 1 part; accepted are \(image, label\)"):
        cgan.train_on_batch(IMAGES)
    assert np.isfinite(cgan.train_on_batch(IMAGES, LABELS)).all()


# -- drawing, describing -----------------------------------------------------------------------------------------------


def test_calling_and_predicting_draw(vae, cgan):
    np.testing.assert_allclose(vae(IMAGES), vae.reconstruct(IMAGES))
    np.testing.assert_allclose(vae.predict(IMAGES, batch_size=24, verbose=0), vae(IMAGES), atol=1e-5)
    latents, labels = np.zeros((2, 2), np.float32), np.array([0, 3])
    drawn = cgan((latents, labels))
    assert drawn.shape == (2, 8, 8, 1)
    np.testing.assert_allclose(cgan.predict((latents, labels), verbose=0), drawn, atol=1e-5)


def test_summary_is_of_all_networks(vae):
    lines = []
    vae.summary(print_fn=lambda text, **_: lines.append(text))
    assert [name in "\n".join(lines) for name in vae.networks] == [True, True]


def test_a_configuration_makes_the_model_again(vae):
    config = json.loads(json.dumps(vae.get_config()))
    assert keras_gen.VAE.from_config(config).config == vae.config
    copy = keras.models.clone_model(vae)
    assert copy.config == vae.config
    assert copy is not vae


def test_help_lists_the_fields():
    text = keras_gen.Pix2Pix.__doc__
    assert "discriminator_filters: " in text
    assert "Receptive field of the discriminator [pixels]" in text


def test_a_network_can_be_plotted(vae):
    pytest.importorskip("pydot")
    text = keras.utils.model_to_dot(vae.networks["encoder"], show_shapes=True).to_string()
    assert all(layer.name in text for layer in vae.networks["encoder"].layers)


# -- saving ------------------------------------------------------------------------------------------------------------


def test_a_saved_model_draws_the_same(tmp_path):
    model = keras_gen.VAE(**SMALL)
    model.compile(learning_rate=1e-2, ema_decay=0.9)
    model.fit(IMAGES, batch_size=8, epochs=2, verbose=0)
    model.save(tmp_path / "vae")
    again = keras_gen.load(tmp_path / "vae")
    np.testing.assert_array_equal(again(IMAGES), model(IMAGES))
    for name, average in model.averages.items():
        np.testing.assert_array_equal(again.averages[name].get_weights()[0], average.get_weights()[0])
        assert not np.array_equal(average.get_weights()[0], model.networks[name].get_weights()[0])
    assert (int(again.step), again.ema_decay) == (6, 0.9)
    again.compile()
    again.fit(IMAGES, batch_size=8, verbose=0)
    again.save(str(tmp_path / "vae"))
    assert int(keras_gen.load(str(tmp_path / "vae")).step) == 9


def test_what_cannot_be_saved(vae, tmp_path):
    for name in ("model.keras", "model.h5", "model.weights.h5"):
        with pytest.raises(UserError, match=f"{name}'; accepted is a folder, which keras_gen.load reads"):
            vae.save(tmp_path / name)
    vae.save(tmp_path / "vae")
    with pytest.raises(UserError, match="holds a model; overwrite=True replaces it"):
        vae.save(tmp_path / "vae", overwrite=False)
    with pytest.raises(UserError, match="save got zipped; accepted are a folder and overwrite"):
        vae.save(tmp_path / "vae", zipped=True)
    config = json.loads((tmp_path / "vae" / "config.json").read_text())
    (tmp_path / "vae" / "config.json").write_text(json.dumps(config | {"run": config["run"] | {"out": "vae"}}))
    with pytest.raises(UserError, match="holds a training run; accepted is another folder"):
        vae.save(tmp_path / "vae")
    with pytest.raises(UserError, match="is not a run folder"):
        keras_gen.load(tmp_path / "nothing")


def test_weights_alone_go_into_a_file(vae, tmp_path):
    vae.save_weights(tmp_path / "vae.weights.h5")
    other = keras_gen.VAE(**SMALL)
    assert not np.allclose(other(IMAGES), vae(IMAGES))
    other.load_weights(tmp_path / "vae.weights.h5")
    np.testing.assert_allclose(other(IMAGES), vae(IMAGES), atol=1e-6)


def test_apps_read_what_was_saved(vae, tmp_path, capsys):
    vae.fitted_on = None
    vae.save(tmp_path / "vae")
    assert generate.main([str(tmp_path / "vae"), "--seeds", "0-2", "--out", str(tmp_path / "drawn")]) == 0
    assert len(list((tmp_path / "drawn").glob("*.png"))) >= 3
    pix2pix = keras_gen.Pix2Pix(image_size=32, filters=4, discriminator_filters=4, patch=16)
    pix2pix.save(tmp_path / "pix2pix")
    keras.utils.save_img(tmp_path / "photo.png", np.zeros((32, 32, 3)), scale=False)
    command = [str(tmp_path / "pix2pix"), str(tmp_path / "photo.png"), "--out", str(tmp_path / "translated")]
    assert translate.main(command) == 0
    assert (tmp_path / "translated" / "photo.png").is_file()
    data = keras_gen.data.images("digits")
    vae.fit(data, steps_per_epoch=1, verbose=0)
    vae.save(tmp_path / "of data")
    assert export.main([str(tmp_path / "of data"), "--images", "2", "--runs", "1"]) == 0
    assert (tmp_path / "of data" / "model.tflite").is_file()
    capsys.readouterr()
    assert export.main([str(tmp_path / "vae")]) == 2
    assert "was saved from Python without data; accepted is the folder of a training run" in capsys.readouterr().err


def test_a_refused_fit_leaves_no_data_behind(vae):
    before, data = vae.fitted_on, keras_gen.data.images("digits", image_size=12)
    with pytest.raises(UserError, match="shape"):
        vae.fit(data, verbose=0)
    assert vae.fitted_on is before


def test_exports_are_proved_on_examples(vae, tmp_path):
    report = vae.export(tmp_path / "exported", examples=IMAGES[:4])
    assert (tmp_path / "exported" / "model.tflite").is_file()
    assert set(report) == {"vae", "encoder", "decoder"}
    with pytest.raises(UserError, match="variants got int8; accepted are float32, float16, dynamic8"):
        vae.export(tmp_path / "exported", examples=IMAGES, variants=("int8",))
    with pytest.raises(UserError, match="export got format; accepted are examples and variants"):
        vae.export(tmp_path / "exported", examples=IMAGES, format="onnx")


# -- callbacks ---------------------------------------------------------------------------------------------------------


def test_callbacks_of_keras_work(vae, tmp_path):
    best = tmp_path / "best.weights.h5"
    watch = {"monitor": "val_reconstruction", "mode": "min"}
    callbacks = [
        keras.callbacks.ModelCheckpoint(best, save_weights_only=True, save_best_only=True, **watch),
        keras.callbacks.EarlyStopping(patience=0, min_delta=1e9, restore_best_weights=True, **watch),
        keras.callbacks.TensorBoard(tmp_path / "logs"),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.TerminateOnNaN(),
    ]
    history = vae.fit(IMAGES, epochs=5, validation_data=IMAGES[:8], callbacks=callbacks, verbose=0)
    assert len(history.epoch) == 2  # nothing is better by 1e9
    assert best.is_file()
    assert list((tmp_path / "logs").rglob("events*"))
    assert "val_psnr" in (tmp_path / "log.csv").read_text().splitlines()[0]


def test_the_optimizer_is_that_of_the_only_player(vae, cgan):
    assert [vae.optimizer] == list(vae.optimizers.values())
    assert keras_gen.VAE(**SMALL).optimizer is None
    with pytest.raises(AttributeError, match=r"no single optimizer with .learning_rate.; .* has one for each player: "):
        _ = cgan.optimizer.learning_rate


@pytest.mark.parametrize("update_freq", ["batch", 2])
def test_tensorboard_of_keras_logs_batches(vae, cgan, tmp_path, update_freq):
    for model in (vae, cgan):
        callback = keras.callbacks.TensorBoard(tmp_path, update_freq=update_freq, histogram_freq=1)
        model.fit(IMAGES, LABELS, validation_data=(IMAGES, LABELS), callbacks=[callback], verbose=0)
    assert {path.name for path in tmp_path.iterdir()} == {"train", "validation"}


def test_callbacks_that_change_the_rate(vae, cgan):
    history = vae.fit(
        IMAGES,
        epochs=2,
        validation_data=IMAGES,
        callbacks=[
            keras.callbacks.ReduceLROnPlateau("val_reconstruction", patience=1, factor=0.5, mode="min", min_delta=1e9)
        ],
        verbose=0,
    ).history
    assert history["learning_rate"] == pytest.approx([1e-3, 1e-3])
    assert vae.learning_rates() == pytest.approx({"vae": 5e-4})
    vae.fit(IMAGES, callbacks=[keras.callbacks.LearningRateScheduler(lambda epoch: 1e-3)], verbose=0)
    assert vae.learning_rates() == pytest.approx({"vae": 1e-3})
    for callback in (keras.callbacks.ReduceLROnPlateau(), keras.callbacks.LearningRateScheduler(lambda epoch: 1e-3)):
        with pytest.raises(UserError, match=r"one for each player; accepted is a schedule: compile\(learning_rate="):
            cgan.fit(IMAGES, LABELS, callbacks=[callback], verbose=0)


def test_callbacks_that_cannot_work_say_what_to_do(vae, tmp_path):
    with pytest.raises(UserError, match="save_weights_only=True"):
        vae.fit(IMAGES, callbacks=[keras.callbacks.ModelCheckpoint(tmp_path / "model.keras")], verbose=0)


def test_previews_and_health_in_a_plain_fit(tmp_path, caplog, capsys):
    data = keras_gen.data.images("digits")
    model = keras_gen.GAN.for_data(data, latent_dim=2, hidden_units=(8,))
    model.compile()
    previews = keras_gen.callbacks.Previews(tmp_path / "samples", data, every=2, logs=tmp_path / "logs")
    health = keras_gen.callbacks.Health(data, every=2)
    with caplog.at_level(logging.INFO, "keras_gen"):
        model.fit(data, batch_size=64, steps_per_epoch=3, callbacks=[previews, health], verbose=0)
    assert {path.name for path in (tmp_path / "samples").glob("*.png")} >= {"step-0000002.png", "step-0000003.png"}
    assert (tmp_path / "samples" / "index.html").is_file()
    assert list((tmp_path / "logs").iterdir())
    assert health.report()["step"] == 3
    assert health.verdicts
    assert "health at step" in caplog.text
    assert capsys.readouterr() == ("", "")
    vae = keras_gen.VAE(**SMALL)
    vae.compile()
    with pytest.raises(UserError, match="Health is for GANs"):
        vae.fit(IMAGES, callbacks=[keras_gen.callbacks.Health(IMAGES)], verbose=0)


def test_without_logs_nothing_is_written_to_the_writer_of_others(tmp_path):
    others = tf.summary.create_file_writer(str(tmp_path / "others"))
    with others.as_default(step=0):
        others.close()
        model = keras_gen.VAE(image_size=8, latent_dim=2, hidden_units=(8,), filters=2)
        model.compile()
        previews = keras_gen.callbacks.Previews(tmp_path / "samples", IMAGES[:4], every=1)
        model.fit(IMAGES[:8], batch_size=4, callbacks=[previews], verbose=0)
    assert list((tmp_path / "samples").glob("*.png"))

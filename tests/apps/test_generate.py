"""`apps.generate`: images by seed and class, from runs and exports; and flags of families with labels or factors."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from apps import generate, train_beta_tcvae, train_cvae, train_factor_vae
from keras_gen.export.metadata import read_metadata

DIGITS = ["--preset", "tiny", "--epochs", "1"]
SHAPES = [*DIGITS, "--image-size", "16"]


@pytest.fixture(scope="module")
def cvae(tmp_path_factory):
    out = tmp_path_factory.mktemp("cvae") / "run"
    assert train_cvae.main([*DIGITS, "--out", str(out)]) == 0
    return out


def drawn(model, out, *flags):
    assert generate.main([str(model), "--out", str(out), *flags]) == 0
    return {path.name: np.asarray(Image.open(path)).astype(int) for path in out.glob("*.png")}


def test_run_and_exports_draw_the_same_pictures_of_a_class(cvae, tmp_path):
    flags = ("--seeds", "3,5-6", "--label", "7")
    expected = drawn(cvae, tmp_path / "run", *flags)
    assert set(expected) == {f"class-7-seed-{seed}.png" for seed in (3, 5, 6)}
    assert expected["class-7-seed-3.png"].shape == (8, 8)
    assert not np.array_equal(expected["class-7-seed-3.png"], expected["class-7-seed-5.png"])
    for name in ("saved_model_decoder", "decoder.tflite"):
        found = drawn(cvae / name, tmp_path / name, *flags)
        assert all(np.abs(found[name] - expected[name]).max() <= 1 for name in expected)


def test_without_a_label_every_class_of_each_seed_is_drawn(cvae, tmp_path):
    pictures = drawn(cvae, tmp_path, "--seeds", "0-1", "--sheet")
    assert len(pictures) == 2 * 10 + 1
    assert pictures["sheet.png"].shape[1] > pictures["sheet.png"].shape[0]  # ten columns of two rows


def test_the_exports_take_the_class_as_an_input_of_its_own(cvae):
    report = json.loads((cvae / "report.json").read_text())["export"]
    assert list(report) == ["cvae", "encoder", "decoder"]
    latents, label = read_metadata(cvae / "decoder.tflite").inputs
    assert (latents.shape, label.shape, label.num_classes) == ((2,), (), 10)
    assert label.labels == tuple(map(str, range(10)))
    assert "label: (batch,) int32 from 0 to 9, the class" in report["decoder"]["description"]


def test_a_class_can_be_asked_for_by_its_name(tmp_path, capsys):
    """Names are those of the data's folders, for runs and exports. A name takes precedence over a number."""
    for number, name in enumerate(["boot", "0", "bag"]):
        (tmp_path / "data" / name).mkdir(parents=True)
        for image in range(6):
            pixels = np.random.default_rng([number, image]).integers(0, 256, (8, 8), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{image}.png")
    flags = {"preset": "tiny", "epochs": 1, "batch-size": 4, "data": tmp_path / "data", "out": tmp_path / "run"}
    assert train_cvae.main([f"--{name}={value}" for name, value in flags.items()]) == 0
    names = tuple(json.loads((tmp_path / "run" / "config.json").read_text())["data_identity"]["classes"])
    assert set(names) == {"boot", "0", "bag"}
    assert read_metadata(tmp_path / "run" / "decoder.tflite").inputs[1].labels == names
    expected = {name: f"class-{number}-seed-1.png" for number, name in enumerate(names)}
    for kind in ("", "decoder.tflite", "saved_model_decoder"):
        model = tmp_path / "run" / kind
        for name, file in expected.items():
            assert set(drawn(model, tmp_path / f"{name}{kind}", "--seeds", "1", "--label", name)) == {file}
        assert generate.main([str(model), "--out", str(tmp_path / "none"), "--label", "shoe"]) == 2
        said = f"accepted are the classes 0 to 2 or their names, {', '.join(names)}."
        assert capsys.readouterr().err == f"error: --label got shoe; {said}\n"


@pytest.mark.parametrize(("app", "family"), [(train_beta_tcvae, "beta_tcvae"), (train_factor_vae, "factor_vae")])
def test_families_of_factors_train_on_shapes_and_draw(app, family, tmp_path):
    out = tmp_path / "run"
    assert app.main([*SHAPES, "--out", str(out)]) == 0
    config = json.loads((out / "config.json").read_text())
    assert (config["family"], config["data"]["data"]) == (family, "shapes")
    pictures = drawn(out, tmp_path / "drawn", "--seeds", "0-1")
    assert set(pictures) == {"seed-0.png", "seed-1.png"}
    found = drawn(out / "decoder.tflite", tmp_path / "again", "--seeds", "0-1")
    assert all(np.abs(found[name] - pictures[name]).max() <= 1 for name in pictures)


def test_a_class_that_the_run_does_not_know_is_refused(cvae, tmp_path, capsys):
    assert generate.main([str(cvae), "--out", str(tmp_path / "drawn"), "--label", "10"]) == 2
    assert "--label got 10; accepted are the classes 0 to 9" in capsys.readouterr().err
    assert not (tmp_path / "drawn").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--truncation", "0"], "--truncation got 0.0; accepted are numbers greater than 0"),
        (["--truncation", "nan"], "--truncation got nan; accepted are numbers greater than 0"),
        (["--seeds", "3-1"], "--seeds got 3-1; accepted are numbers and ranges"),
        (["--seeds", "x"], "--seeds got x; accepted are numbers and ranges"),
        (["--seeds", "0-99999999999"], "--seeds got 0-99999999999; accepted are at most 100,000 numbers"),
        (["--seeds", "0-9,0-99999"], "accepted are at most 100,000 numbers of at most 2,147,483,647"),
        (["--seeds", "2147483648"], "accepted are at most 100,000 numbers of at most 2,147,483,647"),
        (["--seeds", "9" * 5000], "accepted are at most 100,000 numbers of at most 2,147,483,647"),
    ],
)
def test_wrong_flags_are_refused_before_the_model_is_opened(flags, said, tmp_path, capsys):
    assert generate.main([str(tmp_path / "nowhere"), "--out", str(tmp_path / "drawn"), *flags]) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "drawn").exists()


def test_what_is_there_stays_unless_it_may_be_replaced(cvae, tmp_path, capsys):
    (tmp_path / "class-1-seed-0.png").write_text("mine")
    flags = [str(cvae), "--out", str(tmp_path), "--seeds", "0", "--label", "1"]
    assert generate.main(flags) == 2
    assert "--overwrite allows it" in capsys.readouterr().err
    assert generate.main([*flags, "--overwrite"]) == 0


def test_models_that_draw_nothing_new_are_refused(cvae, tmp_path, capsys):
    assert generate.main([str(cvae / "encoder.tflite"), "--out", str(tmp_path / "drawn")]) == 2
    assert "accepted are models that generate images from noise" in capsys.readouterr().err
    shutil.copytree(cvae, tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    (tmp_path / "run" / "config.json").write_text(json.dumps(config | {"family": "autoencoder", "model": {}}))
    assert generate.main([str(tmp_path / "run"), "--out", str(tmp_path / "drawn")]) == 2
    assert "is a run of autoencoder, which does not generate; accepted are runs of acgan, " in capsys.readouterr().err


def test_images_without_labels_cannot_be_conditioned_on(tmp_path, capsys):
    np.save(tmp_path / "grey.npy", np.zeros((20, 8, 8, 1), np.uint8))
    assert train_cvae.main([*DIGITS, "--data", str(tmp_path / "grey.npy"), "--out", str(tmp_path / "run")]) == 2
    complaint = capsys.readouterr().err
    assert "--data has images without labels" in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("app", "flags", "said"),
    [
        (train_cvae, ["--latent-dim", "0"], "--latent-dim got 0"),
        (train_cvae, ["--beta", "-1"], "--beta got -1.0"),
        (train_beta_tcvae, ["--beta", "-1"], "--beta got -1.0"),
        (train_beta_tcvae, ["--batch-size", "1"], "--batch-size got 1; accepted are at least 2"),
        (train_factor_vae, ["--gamma", "-1"], "--gamma got -1.0"),
        (train_factor_vae, ["--batch-size", "8", "--accumulate", "8"], "--batch-size got 8; accepted are at least 16"),
    ],
)
def test_bad_flags_of_training(app, flags, said, tmp_path, capsys):
    assert app.main(["--preset", "tiny", *flags, "--out", str(tmp_path / "run")]) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "run").exists()

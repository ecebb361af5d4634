"""A complete run of the training app on tiny data, and the files in its folder."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_run import train, weights

from apps import export
from keras_gen import models
from keras_gen.engine.run_lock import LOCK_FILE
from keras_gen.export.saved_model import SavedModel
from keras_gen.export.tflite import TFLiteModel

ROOT = Path(__file__).resolve().parents[2]


def test_a_run_leaves_what_the_readme_lists(run):
    listed = {
        "config.json",
        "index.html",
        "checkpoints",
        "samples",
        "saved_model",
        "model.tflite",
        "report.json",
        "validation",
    }
    (events,) = run.glob("events.out.tfevents.*")
    assert {path.name for path in run.iterdir()} == listed | {events.name}


def test_config_json_tells_everything(run, pairs):
    config = json.loads((run / "config.json").read_text())
    assert config["family"] == "pix2pix"
    assert config["preset"] == "tiny"
    assert config["data"]["data"] == str(pairs)
    assert config["model"]["source_channels"] == 3
    assert config["run"]["seed"] == 0
    assert set(config["versions"]) >= {"tensorflow", "keras", "python", "keras_gen"}


def test_report_json_has_the_parity_of_both_exports(run):
    report = json.loads((run / "report.json").read_text())
    files = report["export"]["generator"]["files"]
    assert set(files) == {"saved_model", "model.tflite"}
    assert all(0 <= figures["max_abs_difference"] < 1e-4 for figures in files.values())
    assert report["training"]["steps"] == 6
    assert report["health"]["verdict"] == "too early to say, before step 1000"
    assert report["health"]["step"] == 6


def test_both_exports_draw_the_same(run):
    images = np.random.default_rng(1).uniform(-1, 1, (2, 16, 16, 3)).astype(np.float32)
    saved, lite = SavedModel(run / "saved_model"), TFLiteModel(run / "model.tflite")
    assert saved.input_shape == (None, 16, 16, 3)
    assert lite.input_shape == (1, 16, 16, 3)
    np.testing.assert_allclose(saved(images), lite(images), atol=1e-5)
    signature = tf.saved_model.load(str(run / "saved_model")).signatures["serving_default"]
    assert list(signature.structured_input_signature[1]) == ["source"]
    assert list(signature.structured_outputs) == ["generated"]


def test_tensorboard_has_every_term(run):
    events = EventAccumulator(str(run), size_guidance={"tensors": 0, "images": 0}).Reload()
    validation = EventAccumulator(str(run / "validation"), size_guidance={"tensors": 0}).Reload()
    tags = set(events.Tags()["tensors"])
    for term in ("l1", "generator_gan", "discriminator_loss", "generator_gradient_norm"):
        assert [event.step for event in events.Tensors(f"step/{term}")] == [1, 2, 3, 4, 5, 6]
        assert [event.step for event in events.Tensors(f"epoch/{term}")] == [3, 6]
    for term in ("l1", "psnr", "ssim"):
        assert [event.step for event in validation.Tensors(f"epoch/{term}")] == [3, 6]
    assert [event.step for event in events.Tensors("best/l1")] == [3, 6]
    best = min(float(tf.make_ndarray(event.tensor_proto)) for event in validation.Tensors("epoch/l1"))
    assert float(tf.make_ndarray(events.Tensors("best/l1")[-1].tensor_proto)) == best
    # TensorBoard draws a tag of both into one chart, and what it says of it is of the first value.
    assert "epoch/l1" in tags & set(validation.Tags()["tensors"])
    # The table of hparams has the metrics in this order, and the one by which runs are compared comes first.
    assert min(tag for tag in tags if events.SummaryMetadata(tag).plugin_data.plugin_name == "scalars") == "best/l1"
    undescribed = {tag for tag in tags if not events.SummaryMetadata(tag).summary_description}
    assert undescribed == {"_hparams_/session_start_info"}
    assert "in units of [-1, 1]" in events.SummaryMetadata("step/l1").summary_description
    assert [event.step for event in events.Tensors("samples")] == [2, 4, 6]
    assert {"config", "discriminator_patches"} <= tags
    mean = np.mean([float(tf.make_ndarray(e.tensor_proto)) for e in events.Tensors("step/l1")[:3]])
    assert float(tf.make_ndarray(events.Tensors("epoch/l1")[0].tensor_proto)) == pytest.approx(mean, rel=1e-5)


def test_samples_are_sheets_with_a_page(run):
    sheets = [f"step-000000{step}.png" for step in (2, 4, 6)]
    others = ["discriminator_patches", "film.gif", "index.html"]
    assert sorted(p.name for p in (run / "samples").iterdir()) == [*others, *sheets]
    assert sorted(path.name for path in (run / "samples" / "discriminator_patches").iterdir()) == sheets
    page = (run / "samples" / "index.html").read_text()
    assert all(f'"{name}"' in page and f'"discriminator_patches/{name}"' in page for name in sheets)
    with Image.open(run / "samples" / sheets[-1]) as sheet:
        assert sheet.width > 3 * 128


def test_the_newest_and_the_best_checkpoint_are_kept(run):
    assert models.load(run)[1] == 6
    assert models.load(run, "best")[1] in (3, 6)
    kept = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert [name for name in kept if name.startswith("step-")] == ["step-0000005", "step-0000006"]
    assert len([name for name in kept if name.startswith("best-")]) == 1


def test_a_reader_of_the_output_that_goes_away_ends_the_run_as_ctrl_c_does(pairs, tmp_path):
    out = tmp_path / "run"
    flags = ["--preset", "tiny", "--data", str(pairs), "--out", str(out), "--image-size", "16", "--val-every", "4"]
    command = [sys.executable, "-m", "apps.train_pix2pix", *flags, "--patch", "16", "--levels", "3", "--epochs", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        while "epoch 1" not in process.stdout.readline():
            assert process.poll() is None
        process.stdout.close()
        error = process.stderr.read()
    assert process.returncode == 141
    assert error.startswith("Stopped after step ")
    assert not (out / LOCK_FILE).exists()
    assert models.load(out)[1] > 0


def test_a_run_starts_from_the_weights_of_another(run, pairs, tmp_path, capsys):
    """A step with learning rate 1e-12 does not change the weights; averaged copies start from them."""
    flags = ("--epochs", "1", "--steps-per-epoch", "1", "--learning-rate", "1e-12", "--ema", "0.5")
    assert train(pairs, tmp_path / "next", *flags, "--start-from", str(run)) == 0
    assert f"Loaded generator, discriminator from {run} (pix2pix, step 6)." in capsys.readouterr().out
    before, after = weights(run), weights(tmp_path / "next")
    for name, value in after.items():
        source = name.replace("average/", "network/")
        if "seed_generator" not in name and value.dtype == np.float32:
            np.testing.assert_allclose(value, before[source], atol=1e-6, err_msg=name)


def test_a_run_without_exports(pairs, tmp_path, capsys):
    """The run says so and writes everything else. `apps.export` writes the exports later."""
    out = tmp_path / "run"
    schedule = ("--schedule", "cosine", "--warm-up-steps", "20", "--steps-per-epoch", "15")
    assert train(pairs, out, "--epochs", "1", *schedule) == 0
    assert "no exports (--no-export)" in capsys.readouterr().out
    assert not (out / "saved_model").exists()
    assert not list(out.glob("*.tflite"))
    assert json.loads((out / "report.json").read_text())["training"]["steps"] == 15
    rate = EventAccumulator(str(out), size_guidance={"tensors": 0}).Reload().Tensors("learning_rate/generator")[0]
    assert float(tf.make_ndarray(rate.tensor_proto)) == pytest.approx(2e-4 * 0.25 * 11 / 20)  # of step 10, the next
    assert export.main([str(out), "--variants", "float32", "--runs", "1"]) == 0
    assert (out / "model.tflite").exists()

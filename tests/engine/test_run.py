"""Whole runs of the training app on tiny data: what they leave, how they resume, and what they refuse."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from apps import train_pix2pix
from benchmarks.kill_resume import differences
from keras_gen import models
from keras_gen.engine import callbacks
from keras_gen.engine.checkpoints import Checkpoints, Progress
from keras_gen.engine.run_lock import LOCK_FILE
from keras_gen.export.saved_model import SavedModel
from keras_gen.export.tflite import TFLiteModel

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Twelve side-by-side pairs of 20x20: noise on the left, its negative on the right."""
    folder = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(0)
    for number in range(12):
        left = rng.integers(0, 256, (20, 20, 3), np.uint8)
        Image.fromarray(np.concatenate([left, 255 - left], 1)).save(folder / f"{number:02d}.png")
    return folder


def train(pairs, out, *flags):
    common = ["--preset", "tiny", "--data", str(pairs), "--out", str(out), "--image-size", "16", "--filters", "4"]
    return train_pix2pix.main([*common, "--levels", "3", "--val-every", "4", "--steps-per-epoch", "3", *flags])


def weights(folder):
    model, _ = models.load(folder)
    return {name: v.numpy() for name, v in model.state().items() if name.startswith(("network/", "average/"))}


@pytest.fixture(scope="module")
def run(pairs, tmp_path_factory):
    """A complete run of two epochs of three steps."""
    out = tmp_path_factory.mktemp("runs") / "run"
    assert train(pairs, out, "--epochs", "2", "--preview-every", "2", "--ema", "0.5") == 0
    return out


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
    undescribed = {tag for tag in tags if not events.SummaryMetadata(tag).summary_description}
    assert undescribed == {"_hparams_/session_start_info"}
    assert "in units of [-1, 1]" in events.SummaryMetadata("step/l1").summary_description
    assert [event.step for event in events.Tensors("samples")] == [2, 4, 6]
    assert {"config", "discriminator_patches"} <= tags
    mean = np.mean([float(tf.make_ndarray(e.tensor_proto)) for e in events.Tensors("step/l1")[:3]])
    assert float(tf.make_ndarray(events.Tensors("epoch/l1")[0].tensor_proto)) == pytest.approx(mean, rel=1e-5)


@pytest.mark.parametrize("device", [[], ["--distribute", "mirrored", "--cpu-replicas", "2", "--batch-size", "2"]])
def test_several_steps_in_one_call_are_the_same_steps(pairs, tmp_path, device):
    """Two calls an epoch, of two steps and of the one that is left: every step's logs, weights, sheets as without."""
    flags = ["--preview-every", "3", "--ema", "0.5", *device]
    assert train(pairs, tmp_path / "one", *flags, "--epochs", "2") == 0
    assert train(pairs, tmp_path / "two", *flags, "--epochs", "2", "--steps-per-execution", "2") == 0
    assert [line for line in differences(tmp_path / "one", tmp_path / "two") if "config" not in line] == []


def test_a_stop_comes_after_the_call(pairs, tmp_path):
    """And the run goes on exactly, also with the end of an epoch in the middle of a call."""
    flags = ["--preview-every", "3", "--epochs", "2", "--steps-per-execution", "2"]
    assert train(pairs, tmp_path / "whole", *flags) == 0
    assert train(pairs, tmp_path / "run", *flags, "--max-hours", "1e-9") == 143
    assert models.load(tmp_path / "run")[1] == 2
    assert train_pix2pix.main(["--resume", str(tmp_path / "run"), "--max-hours", "1"]) == 0
    assert differences(tmp_path / "whole", tmp_path / "run") == []


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


def test_an_interrupted_run_resumes_to_the_same_weights(run, pairs, tmp_path, monkeypatch, capsys):
    """Ctrl-C in the middle of the second epoch, then --resume without any other flag: bit-identical weights."""
    out = tmp_path / "run"
    original = callbacks.StopOnRequest.after_steps

    def interrupt(self, logs):
        assert (out / LOCK_FILE).exists()
        if self.progress.step == 4:
            os.kill(os.getpid(), signal.SIGINT)
        original(self, logs)

    monkeypatch.setattr(callbacks.StopOnRequest, "after_steps", interrupt)
    code = train(pairs, out, "--epochs", "2", "--preview-every", "2", "--ema", "0.5")
    monkeypatch.undo()
    assert code == 130
    assert f"python -m apps.train_pix2pix --resume {out}" in capsys.readouterr().err
    assert models.load(out)[1] == 4
    assert train_pix2pix.main(["--resume", str(out)]) == 0
    expected = weights(run)
    for name, value in weights(out).items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)
    assert sorted(p.name for p in (out / "samples").iterdir()) == sorted(p.name for p in (run / "samples").iterdir())


@pytest.mark.parametrize("moment", ["on_test_batch_end", "after_steps"])
def test_a_run_stopped_at_the_end_of_an_epoch_misses_nothing(run, pairs, tmp_path, monkeypatch, moment):
    """After the last step of the first epoch or during its validation: the resumed run validates that epoch first."""
    out = tmp_path / "run"
    original = getattr(callbacks.StopOnRequest, moment)

    def interrupt(self, *arguments, **named):
        if self.progress.step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        original(self, *arguments, **named)

    monkeypatch.setattr(callbacks.StopOnRequest, moment, interrupt)
    assert train(pairs, out, "--epochs", "2", "--preview-every", "2", "--ema", "0.5") == 130
    monkeypatch.undo()
    assert not list((out / "checkpoints").glob("best-*"))
    assert train_pix2pix.main(["--resume", str(out)]) == 0
    assert differences(run, out) == []


def test_differences_are_found(run, tmp_path):
    """The comparison that the tests of resuming rely on is not blind."""
    out = tmp_path / "run"
    shutil.copytree(run, out)
    assert train_pix2pix.main(["--resume", str(out), "--epochs", "3"]) == 0
    found = " ".join(differences(run, out))
    for what in ("checkpoints", "step/l1: steps", "samples: steps", "sheets"):
        assert what in found


def test_the_end_of_the_time_stops_as_sigterm_does(pairs, tmp_path, capsys):
    out = tmp_path / "run"
    assert train(pairs, out, "--epochs", "1", "--max-hours", "1e-9") == 143
    assert f"--resume {out}" in capsys.readouterr().err
    assert models.load(out)[1] == 1
    assert train_pix2pix.main(["--resume", str(out), "--max-hours", "1"]) == 0
    assert models.load(out)[1] == 3


def test_one_command_begins_and_goes_on(pairs, tmp_path, capsys):
    """What a queue starts again and again: the same flags, switches too, with --out and --resume of one folder."""
    out = tmp_path / "run"
    flags = ["--resume", str(out), "--no-jitter", "--epochs", "1"]
    assert train(pairs, out, *flags, "--max-hours", "1e-9") == 143
    capsys.readouterr()
    assert train(pairs, out, *flags, "--max-hours", "1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"Resuming {out} after step 1." in lines
    plan = lines[lines.index(f"Training pix2pix in {out}") :]
    assert re.fullmatch(r"  device   CPU \(\d+ cores\), float32", plan[1])
    assert re.fullmatch(r"  weights  generator [\d,]+, discriminator [\d,]+", plan[2])
    assert plan[3] == "  steps    3, 3 an epoch; 1 are done"
    assert plan[-3:] == [
        f"  python -m apps.evaluate {out}",
        f"  python -m apps.export {out} --variants float32,dynamic8",
        f"  python -m apps.train_pix2pix --resume {out} --epochs 2",
    ]
    assert models.load(out)[1] == 3
    assert train(pairs, tmp_path / "other", *flags) == 2
    assert f"--out got {tmp_path / 'other'}, but" in capsys.readouterr().err


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


def test_a_damaged_checkpoint_is_said_and_the_one_before_gone_on_with(run, tmp_path, capsys):
    out = tmp_path / "run"
    shutil.copytree(run, out)
    data = out / "checkpoints" / "step-0000006" / "state.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-100])
    assert train_pix2pix.main(["--resume", str(out)]) == 0
    said = capsys.readouterr().out
    assert "step-0000006 is left out: " in said
    assert "after step 5" in said
    assert differences(run, out) == []


def test_a_disk_that_fills_up_loses_nothing(pairs, tmp_path, capsys):
    """A file system of a few megabytes, on which the first checkpoint has room and a later one has not."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        flags = ["--filters", "8", "--discriminator-filters", "8", "--checkpoint-every", "1", "--preview-every", "100"]
        code = train(pairs, disk / "run", *flags, "--epochs", "50", "--keep-checkpoints", "50")
        complaint = capsys.readouterr().err
        assert code == 2
        assert complaint.startswith("error: ")
        assert complaint.count("\n") == 1
        kept = models.load(disk / "run")[1]
        assert kept > 0
        assert f"the checkpoint of step {kept} is kept" in complaint
        shutil.copytree(disk / "run", tmp_path / "run")
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert train_pix2pix.main(["--resume", str(tmp_path / "run"), "--max-hours", "1e-9"]) == 143
    assert models.load(tmp_path / "run")[1] == kept + 1


@pytest.mark.parametrize(("kilobytes", "complains"), [(20, "events.out.tfevents"), (40, "the checkpoint")])
def test_a_quota_on_files_loses_nothing(run, tmp_path, capsys, kilobytes, complains):
    """As above without root: no file may be larger than a few kilobytes, and a checkpoint is, and the next logs."""
    out = tmp_path / "run"
    shutil.copytree(run, out)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000 * kilobytes, before[1]))
    try:
        code = train_pix2pix.main(["--resume", str(out), "--epochs", "4", "--checkpoint-every", "5"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    complaint = capsys.readouterr().err
    assert code == 2
    assert complaint.count("\n") == 1
    assert complains in complaint.split("the checkpoint of step 6 is kept")[0]
    assert models.load(out)[1] == 6


def test_sigterm_stops_as_ctrl_c_does(pairs, tmp_path, monkeypatch):
    original = callbacks.StopOnRequest.after_steps

    def terminate(self, logs):
        os.kill(os.getpid(), signal.SIGTERM)
        original(self, logs)

    monkeypatch.setattr(callbacks.StopOnRequest, "after_steps", terminate)
    assert train(pairs, tmp_path / "run", "--epochs", "1") == 143
    assert models.load(tmp_path / "run")[1] == 1


def test_more_epochs_go_on_and_fewer_do_not(run, tmp_path, capsys):
    out = tmp_path / "run"
    shutil.copytree(run, out)
    assert train_pix2pix.main(["--resume", str(out), "--epochs", "1"]) == 2
    assert "accepted are more" in capsys.readouterr().err
    assert train_pix2pix.main(["--resume", str(out), "--epochs", "3"]) == 0
    assert models.load(out)[1] == 9
    assert json.loads((out / "config.json").read_text())["run"]["epochs"] == 3
    events = EventAccumulator(str(out), size_guidance={"tensors": 0}).Reload()
    steps = {e.step: float(tf.make_ndarray(e.tensor_proto)) for e in events.Tensors("step/l1")}
    epochs = {e.step: float(tf.make_ndarray(e.tensor_proto)) for e in events.Tensors("epoch/l1")}
    assert epochs[9] == pytest.approx(np.mean([steps[7], steps[8], steps[9]]), rel=1e-5)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--seed", "5"], "--seed got 5, but"),
        (["--filters", "6"], "--filters got 6, but"),
        (["--batch-size", "3"], "--batch-size got 3, but"),
        (["--preset", "paper"], "--preset got 'paper', but"),
        (["--data", "facades"], "--data got facades, but"),
        (["--overwrite"], "--resume and --overwrite exclude each other"),
    ],
)
def test_resume_names_the_field_that_differs(run, capsys, flags, said):
    assert train_pix2pix.main(["--resume", str(run), *flags]) == 2
    assert said in capsys.readouterr().err


def test_resume_of_another_family_or_of_no_run(run, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    assert train_pix2pix.main(["--resume", str(other)]) == 2
    assert "is not a run folder" in capsys.readouterr().err
    config = json.loads((run / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"family": "cyclegan"}))
    assert train_pix2pix.main(["--resume", str(other)]) == 2
    assert "a run of cyclegan; accepted is a run of pix2pix" in capsys.readouterr().err
    (other / "config.json").write_text("{")
    assert train_pix2pix.main(["--resume", str(other)]) == 2
    assert "cannot be read as JSON" in capsys.readouterr().err


def test_an_out_that_holds_a_run_is_refused_or_overwritten(pairs, run, tmp_path, capsys):
    out = tmp_path / "run"
    shutil.copytree(run, out)
    (out / "notes.txt").write_text("mine")
    (out / "model-int8.tflite").write_text("of the old weights")
    assert train(pairs, out) == 2
    assert "already holds a run" in capsys.readouterr().err
    assert models.load(out)[1] == 6
    assert train(pairs, out, "--epochs", "1", "--overwrite") == 0
    assert models.load(out)[1] == 3
    assert (out / "notes.txt").read_text() == "mine"
    assert not (out / "model-int8.tflite").exists()
    assert not (out / "samples" / "step-0000006.png").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--epochs", "0"], "--epochs got 0; accepted are whole numbers from 1 on"),
        (["--batch-size", "-1"], "--batch-size got -1"),
        (["--learning-rate", "0"], "--learning-rate got 0"),
        (["--learning-rate", "inf"], "--learning-rate got inf"),
        (["--seed", "4294967296"], "--seed got 4294967296; accepted are whole numbers from 0 to 4294967295"),
        (["--patch", "286"], "--patch got 286 with --image-size 16; sizes from 65 on are accepted"),
        (["--preview-every", "0"], "--preview-every got 0"),
        (["--checkpoint-every", "-5"], "--checkpoint-every got -5"),
        (["--steps-per-epoch", "-1"], "--steps-per-epoch got -1"),
        (["--ema", "1"], "--ema got 1.0"),
        (["--image-size", "20"], "--image-size got 20; accepted are multiples of 2^levels = 8"),
        (["--jit", "--distribute", "mirrored"], "--jit does not work with --distribute mirrored"),
        (["--jit", "--deterministic"], "exclude each other"),
        (["--distribute", "multiworker"], "TF_CONFIG"),
        (["--distribute", "mirrored"], "--batch-size got 1; accepted are multiples of the 2 replicas of --distribute"),
        (["--distribute", "mirrored", "--cpu-replicas", "3", "--batch-size", "3"], "--cpu-replicas got 3, but"),
        (["--cpu-replicas", "2"], "--cpu-replicas got 2 with --distribute none"),
        (["--accumulate", "3", "--batch-size", "4"], "multiples of the 1 replica times --accumulate 3"),
        (["--accumulate", "0"], "--accumulate got 0"),
        (["--max-hours", "-1"], "--max-hours got -1"),
        (["--steps-per-epoch", "0", "--batch-size", "40"], "--batch-size got 40, but there are 9 training examples"),
        (["--imagesize", "16"], "Unrecognized options: --imagesize"),
        (["--epochs", "many"], "error: Error parsing --epochs: invalid literal"),
        (["--preset", "huge"], "--preset got 'huge'; accepted are demo, paper, tiny"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_flags_that_cannot_be_met_write_nothing(pairs, tmp_path, capsys, monkeypatch, flags, said):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert train(pairs, tmp_path / "run", *flags) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_an_out_below_a_file_is_refused(pairs, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert train(pairs, tmp_path / "file" / "run") == 2
    assert "is a file; accepted is a folder" in capsys.readouterr().err


def test_a_full_disk_is_noticed_before_the_first_step(pairs, tmp_path, capsys, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    assert train(pairs, tmp_path / "run") == 2
    assert "one checkpoint takes" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_checkpoint(pairs, tmp_path, capsys):
    """A learning rate that no float survives: real divergence."""
    code = train(pairs, tmp_path / "run", "--learning-rate", "1e30", "--checkpoint-every", "1", "--epochs", "2")
    complaint = capsys.readouterr().err
    assert code == 1
    assert "became" in complaint
    assert "step" in complaint
    assert "Traceback" not in complaint
    for path in (tmp_path / "run" / "checkpoints").glob("*/state.index"):
        values = tf.train.load_checkpoint(str(path.with_suffix("")))
        for name in values.get_variable_to_shape_map():
            value = values.get_tensor(name)
            if isinstance(value, np.ndarray) and value.dtype.kind == "f" and "best" not in name:
                assert np.isfinite(value).all(), name


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:60]), "is truncated or damaged; "),
        (lambda file: file.unlink(), "No such file or directory; "),
    ],
)
def test_a_picture_that_fails_in_the_middle_ends_the_run_in_order(pairs, tmp_path, capsys, monkeypatch, damage, said):
    """The pictures are decoded at each access, and are damaged after the second step: an orderly end, and a resume."""
    data, out = tmp_path / "data", tmp_path / "run"
    shutil.copytree(pairs, data)
    original = callbacks.StopOnRequest.after_steps

    def spoil(self, logs):
        if self.progress.step == 2:
            for file in data.iterdir():
                damage(file)
        original(self, logs)

    monkeypatch.setattr(callbacks.StopOnRequest, "after_steps", spoil)
    flags = ["--cache-gib", "0", "--no-verify", "--checkpoint-every", "2", "--steps-per-epoch", "500"]
    assert train(data, out, *flags) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith(f"error: {data}")
    assert said in complaint
    assert complaint.count("\n") == 1
    kept = models.load(out)[1]
    assert f"the checkpoint of step {kept} is kept in {out}, and python -m apps.train_pix2pix --resume" in complaint


def test_a_run_whose_samples_cannot_be_written_says_so(pairs, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "samples").write_text("a file where the folder belongs")
    assert train(pairs, tmp_path / "run", "--preview-every", "2") == 2
    complaint = capsys.readouterr().err
    assert f"error: {tmp_path / 'run' / 'samples'}: " in complaint
    assert complaint.count("\n") == 1


def test_an_overflow_of_float16_is_skipped_and_the_run_goes_on(pairs, tmp_path):
    """The L1 gradient of this weight overflows at the first loss scales, 2^15 and below."""
    out = tmp_path / "run"
    flags = ["--precision", "mixed_float16", "--l1-weight", "3000", "--epochs", "1", "--checkpoint-every", "1"]
    try:
        assert train(pairs, out, *flags) == 0
    finally:
        keras.config.set_dtype_policy("float32")
    events = EventAccumulator(str(out), size_guidance={"tensors": 0}).Reload()
    norms = [float(tf.make_ndarray(event.tensor_proto)) for event in events.Tensors("step/generator_gradient_norm")]
    assert norms[0] == 0
    assert np.isfinite(norms).all()


def test_a_checkpoint_of_another_model_does_not_fit(tmp_path):
    one = Checkpoints(tmp_path, {"a": tf.Variable([1.0, 2.0])}, keep=1)
    one.save(Progress(5))
    other = Checkpoints(tmp_path / "b", {"a": tf.Variable([1.0, 2.0, 3.0])}, keep=1)
    with pytest.raises(Exception, match="does not fit the model"):
        other.restore(tmp_path)


def test_a_profile_has_the_operations_of_so_many_steps(pairs, tmp_path, monkeypatch):
    """Also of a run that is stopped in between."""

    def interrupt(self, logs):
        if self.progress.step == 5 and len(list(tmp_path.iterdir())) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(callbacks.Preview, "after_steps", interrupt)
    for wanted, epochs, code, traced in ((2, 1, 0, 2), (9, 2, 143, 3)):
        out = tmp_path / str(wanted)
        assert train(pairs, out, "--epochs", str(epochs), "--steps-per-epoch", "5", "--profile", str(wanted)) == code
        (trace,) = (out / "plugins" / "profile").glob("*/*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(trace.read_bytes())
        names = [
            plane.event_metadata[event.metadata_id].name
            for plane in space.planes
            for line in plane.lines
            for event in line.events
        ]
        moved = Counter(name for name in names if name.endswith(":ResourceApplyAdam"))
        assert len(moved) == 22  # the variables of both players
        assert set(moved.values()) == {traced}


def test_mirrored_counts_every_validation_example_once(pairs, tmp_path):
    """Two replicas, three validation pairs: the epoch's validation terms are those of one device."""
    results = []
    for name, flags in (("one", []), ("two", ["--distribute", "mirrored", "--cpu-replicas", "2"])):
        out = tmp_path / name
        common = ["--batch-size", "2", "--epochs", "1", "--dropout", "0", "--no-jitter", "--no-mirror"]
        assert train(pairs, out, *common, *flags) == 0
        events = EventAccumulator(str(out), size_guidance={"tensors": 0}).Reload()
        validation = EventAccumulator(str(out / "validation"), size_guidance={"tensors": 0}).Reload()
        values = [(validation, "epoch/l1"), (validation, "epoch/psnr"), (events, "epoch/l1"), (events, "step/l1")]
        results.append([float(tf.make_ndarray(of.Tensors(tag)[-1].tensor_proto)) for of, tag in values])
    np.testing.assert_allclose(results[0], results[1], rtol=2e-3)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_out_without_permission_is_refused(pairs, tmp_path, capsys):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    assert train(pairs, locked / "run") == 2
    assert "there is no permission to write" in capsys.readouterr().err


def test_a_run_starts_from_the_weights_of_another(run, pairs, tmp_path, capsys):
    """A step of rate 1e-12 leaves them as they are; the averaged copies begin as the weights do."""
    flags = ("--epochs", "1", "--steps-per-epoch", "1", "--learning-rate", "1e-12", "--ema", "0.5")
    assert train(pairs, tmp_path / "next", *flags, "--start-from", str(run)) == 0
    assert f"Took generator, discriminator from {run} (pix2pix, after step 6)." in capsys.readouterr().out
    before, after = weights(run), weights(tmp_path / "next")
    for name, value in after.items():
        source = name.replace("average/", "network/")
        if "seed_generator" not in name and value.dtype == np.float32:
            np.testing.assert_allclose(value, before[source], atol=1e-6, err_msg=name)


def test_other_networks_cannot_be_started_from(run, pairs, tmp_path, capsys):
    assert train(pairs, tmp_path / "next", "--filters", "6", "--start-from", str(run)) == 2
    assert "where generator/down0_conv/kernel is 4x4x3x4 and not 4x4x3x6" in capsys.readouterr().err
    assert not (tmp_path / "next").exists()
    assert train(pairs, tmp_path / "last", "--start-from", str(tmp_path)) == 2
    assert "is not a run folder" in capsys.readouterr().err

"""Refusals before the first step of a run: one sentence, and no files."""

import json
import os
import shutil

import pytest
import tensorflow as tf
from tiny_run import train

from apps import train_pix2pix
from keras_gen import models
from keras_gen.engine.checkpoints import Checkpoints, Progress


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


def test_a_checkpoint_of_another_model_does_not_fit(tmp_path):
    one = Checkpoints(tmp_path, {"a": tf.Variable([1.0, 2.0])}, keep=1)
    one.save(Progress(5))
    other = Checkpoints(tmp_path / "b", {"a": tf.Variable([1.0, 2.0, 3.0])}, keep=1)
    with pytest.raises(Exception, match="does not fit the model"):
        other.restore(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_out_without_permission_is_refused(pairs, tmp_path, capsys):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    assert train(pairs, locked / "run") == 2
    assert "there is no permission to write" in capsys.readouterr().err


def test_other_networks_cannot_be_started_from(run, pairs, tmp_path, capsys):
    assert train(pairs, tmp_path / "next", "--filters", "6", "--start-from", str(run)) == 2
    assert "where generator/down0_conv/kernel is 4x4x3x4 and not 4x4x3x6" in capsys.readouterr().err
    assert not (tmp_path / "next").exists()
    assert train(pairs, tmp_path / "last", "--start-from", str(tmp_path)) == 2
    assert "is not a run folder" in capsys.readouterr().err

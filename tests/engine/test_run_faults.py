"""Whole runs that meet a fault, and runs in other ways that must be the same run."""

import os
import resource
import shutil
import signal
import subprocess
from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorflow.tsl.profiler.protobuf import xplane_pb2
from tiny_run import train

from apps import train_pix2pix
from benchmarks.kill_resume import differences
from keras_gen import models
from keras_gen.engine import callbacks


@pytest.mark.parametrize("device", [[], ["--distribute", "mirrored", "--cpu-replicas", "2", "--batch-size", "2"]])
def test_several_steps_in_one_call_are_the_same_steps(pairs, tmp_path, device):
    """Two calls an epoch, of two steps and of the one that is left: every step's logs, weights, sheets as without."""
    flags = ["--preview-every", "3", "--ema", "0.5", *device]
    assert train(pairs, tmp_path / "one", *flags, "--epochs", "2") == 0
    assert train(pairs, tmp_path / "two", *flags, "--epochs", "2", "--steps-per-execution", "2") == 0
    assert [line for line in differences(tmp_path / "one", tmp_path / "two") if "config" not in line] == []


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
        assert f"has the checkpoint of step {kept}" in complaint
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
    assert complains in complaint.split("has the checkpoint of step 6")[0]
    assert models.load(out)[1] == 6


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
    assert f"{out} has the checkpoint of step {kept}, and python -m apps.train_pix2pix --resume" in complaint


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

"""Sequences from the command line: a run, its exports, its resume, and anomalies in other files."""

import csv
import json

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from apps import detect_anomalies, export, train_recurrent_autoencoder
from benchmarks.anomalies import squared_distance
from benchmarks.kill_resume import differences
from keras_gen import models
from keras_gen.export.tflite import TFLiteModel

TINY = ["--preset", "tiny", "--epochs", "3", "--cell", "gru", "--columns", "a", "b"]


def write_csv(path, count, *, labels=False, columns=("b", "note", "a"), seed=0):
    """Sequences of 4 to 9 steps. With labels, the anomalous ones are ten times as large."""
    rng = np.random.default_rng(seed)
    lines = [",".join(["id", *columns, *["label"] * labels])]
    for number in range(count):
        scale = 10 if labels and number % 2 else 1
        for _ in range(rng.integers(4, 10)):
            values = {"a": scale * rng.normal(), "b": 100 + scale * 5 * rng.normal(), "note": "x"}
            kind = ["large" if number % 2 else "normal"] * labels
            lines.append(",".join(map(str, [f"s{number}", *(values[c] for c in columns), *kind])))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_csv(tmp_path_factory.mktemp("sequences") / "normal.csv", 40)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """A GRU run of three epochs of four steps."""
    out = tmp_path_factory.mktemp("recurrent") / "run"
    assert train_recurrent_autoencoder.main([*TINY, "--data", str(data), "--out", str(out)]) == 0
    return out


def test_encoder_and_decoder_are_exported_and_are_the_whole(run):
    sequences = np.random.default_rng(0).normal((0, 100), (1, 5), (3, 9, 2)).astype(np.float32)
    sequences[1, 4:] = np.nan
    whole, down, up = (TFLiteModel(run / f"{name}.tflite") for name in ("model", "encoder", "decoder"))
    assert down.input_shape == (1, 9, 2)
    assert up.input_shape == (1, 4)
    np.testing.assert_allclose(whole(sequences), up(down(sequences)), rtol=1e-5)
    report = json.loads((run / "report.json").read_text())["export"]
    assert list(report) == ["recurrent_autoencoder", "encoder", "decoder"]
    metadata = report["encoder"]["files"]["encoder.tflite"]["metadata"]
    assert metadata["description"] == (
        "sequences: (1, 9, 2) float32, in the data's units, NaN from the end of a shorter one on; "
        "latents: (1, 4) float32"
    )
    assert not report["recurrent_autoencoder"]["files"]["model.tflite"]["flex"]


def test_what_the_data_are_is_part_of_the_model(run):
    config = models.load(run)[0].config
    assert (config.length, config.columns) == (9, ("a", "b"))
    assert abs(config.mean[1] - 100) < 2
    assert 4 < config.deviation[1] < 6


def test_a_stopped_run_goes_on_exactly(run, data, tmp_path):
    flags = [*TINY, "--no-export", "--data", str(data), "--out", str(tmp_path / "run")]
    flags += ["--resume", str(tmp_path / "run")]
    assert train_recurrent_autoencoder.main([*flags, "--max-hours", "1e-9"]) == 143
    assert train_recurrent_autoencoder.main([*flags, "--max-hours", "1"]) == 0
    assert differences(run, tmp_path / "run") == []


def test_sheets_are_plots(run):
    (first, *_) = sorted((run / "samples").glob("step-*.png"))
    picture = np.asarray(Image.open(first))
    assert picture.shape[2] == 3
    assert (picture == (255, 255, 255)).all(axis=2).mean() > 0.6
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20


def test_variants(run, capsys):
    flags = ["--variants", "dynamic8", "--runs", "1", "--images", "2", "--out", str(run / "more")]
    assert export.main([str(run), *flags]) == 0
    assert "model-dynamic8.tflite" in capsys.readouterr().out
    assert "data:image/png" in (run / "more" / "report.html").read_text()
    assert export.main([str(run), "--variants", "int8"]) == 2
    assert (
        "--variants got int8, but TFLite cannot calibrate the recurrent layers of recurrent_autoencoder"
        in capsys.readouterr().err
    )


def test_anomalies_are_found(run, tmp_path, capsys):
    other = write_csv(tmp_path / "new.csv", 12, labels=True, columns=("a", "b"), seed=1)
    assert detect_anomalies.main([str(run), str(other), "--out", str(tmp_path / "found.csv"), "--worst", "3"]) == 0
    said = capsys.readouterr().out
    with open(tmp_path / "found.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [f"s{n}" for n in range(12)]
    assert [row["label"] for row in rows] == ["", "large"] * 6
    assert [row["anomaly"] for row in rows[1::2]] == ["1"] * 6
    scores = [float(row["score"]) for row in rows]
    assert f"AUROC by the labels: all {roc_auc_score([0, 1] * 6, scores):.3f}, large " in said
    assert f"  s{np.argmax(scores)}: score {max(scores):.4g}, worst at step" in said
    assert np.asarray(Image.open(tmp_path / "found.png")).std() > 10

    assert (
        detect_anomalies.main([str(run), str(other), "--out", str(tmp_path / "found.json"), "--quantile", "0.5"]) == 0
    )
    found = json.loads((tmp_path / "found.json").read_text())
    model, _ = models.load(run)
    assert found["rule"] == "the 0.5 quantile of 4 normal validation sequences"
    assert [row["anomaly"] for row in found["sequences"]] == [int(score > found["threshold"]) for score in scores]
    assert sum(row["anomaly"] for row in found["sequences"]) < 12
    assert found["auroc"]["all"] == roc_auc_score([0, 1] * 6, scores)
    steps = found["sequences"][1]["steps"]
    padded = np.full((1, 9, 2), np.nan, np.float32)
    lines = [line.split(",") for line in other.read_text().splitlines() if line.startswith("s1,")]
    padded[0, :steps] = np.array([line[1:3] for line in lines], np.float32)
    errors = model.errors(padded).numpy()[0]
    np.testing.assert_allclose(scores[1], errors.sum() / steps, rtol=1e-4)
    assert found["sequences"][1]["worst_step"] == errors.argmax()


def test_a_threshold_needs_no_data_of_the_run(run, data, tmp_path, capsys):
    array = np.full((2, 5, 2), (0, 100), np.float32)
    array[1, 3:] = np.nan
    np.save(tmp_path / "new.npy", array)
    moved = data.rename(data.with_suffix(".moved"))
    try:
        flags = [str(run), str(tmp_path / "new.npy"), "--out", str(tmp_path / "found.csv")]
        assert detect_anomalies.main(flags) == 2
        assert "cannot be opened any more" in capsys.readouterr().err
        assert detect_anomalies.main([*flags, "--threshold", "0"]) == 0
        assert "2 score above 0, as given" in capsys.readouterr().out
    finally:
        moved.rename(data)


def test_names_of_any_bytes_and_values_of_any_size(run, tmp_path, capsys):
    rows = [b"id,a,b,label", b"\xff,0,100,", b"\xff,1,101,", b"far,1e38,100,$^$", b"far,0,-3e38,$^$"]
    (tmp_path / "new.csv").write_bytes(b"\n".join(rows))
    flags = [str(run), str(tmp_path / "new.csv"), "--threshold", "1e9"]
    assert detect_anomalies.main([*flags, "--out", str(tmp_path / "found.json")]) == 0
    one, far = json.loads((tmp_path / "found.json").read_text())["sequences"]
    assert (one["name"], one["anomaly"], far["name"], far["anomaly"]) == (r"\xff", 0, "far", 1)
    assert "AUROC by the labels: all 1.000, $^$ 1.000" in capsys.readouterr().out
    assert detect_anomalies.main([*flags, "--out", str(tmp_path / "new.csv")]) == 2
    assert "which is DATA itself" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "flags", "said"),
    [
        ("id,a,b\n1,1,\n", [], "sequence '1' has no value at step 0 in column 'b'; accepted are numbers"),
        ("id,a,b\n1,1,nan\n", [], "has no value at step 0"),
        ("id,a,b\n1,1,warm\n", [], "has 'warm' in line 2 of column 'b'; accepted are numbers.\n"),
        ("id,a,b\n1,1,inf\n", [], "has inf at step 0"),
        ("id,a\n1,1\n", [], "has the columns id, a; the columns a, b are needed"),
        ("1,2,3\n", [], "has 3 columns without names; the columns a, b are needed"),
        ("a,b\n", [], "sequence 'new' has no steps"),
        ("a,b\n" + "1,2\n" * 10, [], "sequence 'new' has 10 steps; accepted by the model are up to 9"),
        ("a,b\n1,2\n", ["--quantile", "1"], "--quantile got 1.0; accepted are numbers between 0 and 1"),
        ("a,b\n1,2\n", ["--threshold", "-1"], "--threshold got -1.0"),
        ("a,b\n1,2\n", ["--worst", "0"], "--worst got 0"),
        ("a,b\n1,2\n", ["--out", "found.txt"], "--out got found.txt; accepted is a file that ends in .csv or .json"),
        ("a,b\n1,2\n", ["--out", "nowhere/found.csv"], "nowhere/found.csv cannot be written; --out FILE"),
    ],
)
def test_bad_input_of_detection(content, flags, said, run, tmp_path, capsys):
    (tmp_path / "new.csv").write_text(content)
    given = [] if "--out" in flags else ["--out", str(tmp_path / "found.csv")]
    assert detect_anomalies.main([str(run), str(tmp_path / "new.csv"), *given, *flags]) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "found.csv").exists()


def test_windows_and_missing_values_may_be_of_this_file(run, tmp_path, capsys):
    (tmp_path / "new.csv").write_text("a,b\n" + "1,2\n,3\n" * 8)
    flags = [str(run), str(tmp_path / "new.csv"), "--out", str(tmp_path / "found.csv"), "--threshold", "1"]
    assert detect_anomalies.main([*flags, "--window", "6", "--missing", "interpolate"]) == 0
    assert "3 sequences of" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--latent-dim", "0"], "--latent-dim got 0"),
        (["--data", "nowhere"], "nowhere does not exist"),
        (["--batch-size", "5000"], "--batch-size got 5000, but there are"),
        (["--cell", "rnn"], "--cell"),
    ],
)
def test_bad_input_of_training(flags, said, tmp_path, capsys):
    assert train_recurrent_autoencoder.main(["--preset", "tiny", "--out", str(tmp_path / "run"), *flags]) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_runs_without_sequences_are_refused(label_run, tmp_path, capsys):
    assert detect_anomalies.main([str(label_run), "waves", "--out", str(tmp_path / "found.csv")]) == 2
    assert "is a run of pix2pix, which has no sequences" in capsys.readouterr().err


def test_the_moving_average_of_the_benchmark_by_hand():
    """For 1 2 6, the means of the existing values are 1.5, 3 and 4."""
    values = np.array([[1, 2, 6, np.nan]])
    np.testing.assert_allclose(squared_distance(values, 3), [[0.25, 1, 4, 0]])

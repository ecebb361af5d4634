"""`train_vq_vae`: a run from the command line to its exports, and invalid inputs."""

import json

import numpy as np
import pytest

from apps import generate, train_vq_vae
from keras_gen import models
from keras_gen.export.metadata import read_metadata
from keras_gen.export.tflite import TFLiteModel


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on the digits, two epochs of four steps, with gradient accumulation and restarts."""
    out = tmp_path_factory.mktemp("vq_vae") / "run"
    flags = ["--preset", "tiny", "--restart-after", "3", "--accumulate", "2"]
    assert train_vq_vae.main([*flags, "--out", str(out)]) == 0
    return out


def test_it_ends_with_samples_from_the_prior(run):
    assert (run / "samples" / "prior" / "step-0000008.png").is_file()
    assert "prior" in (run / "samples" / "index.html").read_text()


def test_pictures_can_be_compressed_and_drawn_by_the_files_alone(run):
    """Encoder and decoder together reconstruct; the prior generates a map position by position."""
    digits = np.random.default_rng(0).uniform(-1, 1, (3, 8, 8, 1)).astype(np.float32)
    whole, encode, decode, prior = (TFLiteModel(run / f"{n}.tflite") for n in ("model", "encoder", "decoder", "prior"))
    indices = encode(digits)
    assert (indices.shape, indices.dtype) == ((3, 4, 4), np.int32)
    np.testing.assert_allclose(decode(indices), whole(digits), atol=1e-5)
    model, _ = models.load(run)
    np.testing.assert_array_equal(model.encode(digits), indices)

    rng = np.random.default_rng(0)
    drawn = np.zeros((1, 16), np.int32)
    for place in range(16):
        logits = prior(drawn.reshape(1, 4, 4)).reshape(16, 8)[place]
        drawn[0, place] = np.argmax(logits + rng.gumbel(size=8))
    assert decode(drawn.reshape(1, 4, 4)).shape == (1, 8, 8, 1)
    report = json.loads((run / "report.json").read_text())["export"]
    assert list(report) == ["vq_vae", "encoder", "decoder", "prior"]
    (indices,) = read_metadata(run / "encoder.tflite").outputs
    assert (indices.kind, indices.dtype, indices.count) == ("indices", "int32", 8)


def test_generate_draws_by_the_prior_of_a_run(run, tmp_path, capsys):
    """A decoder alone has no prior, and its input is not a noise vector."""
    assert generate.main([str(run), "--seeds", "3,2147483647", "--out", str(tmp_path / "drawn")]) == 0
    assert {path.name for path in (tmp_path / "drawn").iterdir()} == {"seed-3.png", "seed-2147483647.png"}
    assert generate.main([str(run), "--truncation", "1", "--out", str(tmp_path / "cut")]) == 2
    assert "--truncation got 1.0, but vq_vae does not sample normal numbers" in capsys.readouterr().err
    assert generate.main([str(run / "decoder.tflite"), "--out", str(tmp_path / "drawn")]) == 2
    assert "accepted are models that generate images from noise" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--num-codes", "0"], "--num-codes got 0"),
        (["--code-dim", "0"], "--code-dim got 0"),
        (["--levels", "-1"], "--levels got -1"),
        (["--decay", "1"], "--decay got 1.0"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_bad_input(flags, said, tmp_path, capsys):
    assert train_vq_vae.main(["--preset", "tiny", "--out", str(tmp_path / "run"), *flags]) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "run").exists()

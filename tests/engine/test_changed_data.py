"""config.json identifies the data of a run, and a resume with other data is refused."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from apps import generate, train_cgan, train_pix2pix
from keras_gen import models
from keras_gen.data.files.digests import digest, of_files

CLASSES = {"boot": 6, "cap": 6, "shoe": 6}


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(0)
    for name, count in CLASSES.items():
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(tmp_path / "data" / name / f"{number}.png")
    return tmp_path / "data"


def start(family, data, out, *flags):
    return family.main(
        ["--preset", "tiny", "--data", str(data), "--out", str(out), "--batch-size", "2", "--no-export", *flags]
    )


@pytest.fixture
def run(pictures, tmp_path):
    flags = ("--filters", "2", "--latent-dim", "2", "--epochs", "1", "--steps-per-epoch", "1")
    assert start(train_cgan, pictures, tmp_path / "run", *flags) == 0
    return tmp_path / "run"


def test_a_run_knows_its_data_again(pictures, run, capsys):
    identity = json.loads((run / "config.json").read_text())["data_identity"]
    assert (identity["classes"], identity["train_size"], identity["val_size"]) == (list(CLASSES), 17, 1)

    def resume(*flags):
        code = train_cgan.main(["--resume", str(run), "--epochs", "2", *flags])
        said = capsys.readouterr()
        return code, said.err + said.out * (not said.err)

    (pictures / "boot").rename(pictures / "zeppelin")  # shoe would be 1 now, and zeppelin 2
    code, said = resume()
    assert (code, said.count("\n")) == (2, 1)
    assert "whose data have changed: no class 'boot', a new class 'zeppelin'; --allow-changed-data continues" in said
    (pictures / "zeppelin").rename(pictures / "boot")

    shutil.copytree(pictures / "cap", pictures / "sock")
    code, said = resume("--allow-changed-data")  # its networks know three classes
    assert (code, said.count("\n")) == (2, 1)
    assert "which takes num classes 3, and the data have num classes 4" in said
    shutil.rmtree(pictures / "sock")

    files = sorted(pictures.glob("*/*.png"))
    kept = {file: file.read_bytes() for file in files[::2]}
    for file in kept:
        file.unlink()
    assert "8 training examples instead of 17" in resume()[1]
    for file, content in kept.items():
        file.write_bytes(content)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(files[0])
    assert "as many examples, but of other files or contents" in resume()[1]
    code, said = resume("--allow-changed-data")
    assert code == 0, said
    config = json.loads((run / "config.json").read_text())
    assert config["data_identity"]["digest"] != identity["digest"]
    assert not config["run"]["allow_changed_data"]
    assert train_cgan.main(["--resume", str(run)]) == 0  # these are its data now


def test_classes_are_called_by_their_names(run, tmp_path):
    config = json.loads((run / "config.json").read_text())
    assert config["model"]["classes"] == list(CLASSES)
    model, _ = models.load(run)
    batch = (np.zeros((3, 8, 8, 1), np.float32), np.arange(3, dtype=np.int32))
    assert list(model.preview(batch)["classes"].columns) == list(CLASSES)
    np.testing.assert_array_equal(model.generate(2, label="cap"), model.generate(2, label=1))
    assert generate.main([str(run), "--label", "cap", "--seeds", "3", "--out", str(tmp_path / "drawn")]) == 0
    assert [file.name for file in (tmp_path / "drawn").iterdir()] == ["class-1-seed-3.png"]


def test_pairs_of_another_size_are_refused_before_they_are_read(tmp_path, capsys):
    code = start(train_pix2pix, tmp_path / "nowhere", tmp_path / "run", "--levels", "3", "--image-size", "20")
    assert (code, "image-size got 20; accepted are multiples of 2^levels = 8" in capsys.readouterr().err) == (2, True)


def test_a_digest_is_of_names_and_sizes_wherever_they_lie(tmp_path):
    for folder in ("one", "other"):
        (tmp_path / folder / "a").mkdir(parents=True)
        (tmp_path / folder / "a" / "1.png").write_bytes(b"abc")
        (tmp_path / folder / "2.png").write_bytes(b"de" if folder == "one" else b"fg")

    def of(folder):
        return of_files(sorted((tmp_path / folder).rglob("*.png")))

    assert of("one") == of("other")
    (tmp_path / "other" / "2.png").write_bytes(b"fgh")
    assert of("one") != of("other")
    assert of_files([]) == digest()
    array = np.arange(6)
    assert digest(array) == digest(array.copy())
    assert len({digest(array), digest(array.reshape(2, 3)), digest(array.astype(np.int32)), digest(array + 1)}) == 4

"""Event files of training and validation: reading them, and truncating them to the sizes at a checkpoint."""

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from keras_gen.engine.event_files import VALIDATION, EventWriters, cut, last_text, scalars, sizes


@pytest.fixture
def folder(tmp_path):
    with EventWriters(tmp_path) as writers:
        for step in range(5):
            with writers.train.as_default(step):
                tf.summary.scalar("epoch/loss", 1 / (1 + step), description="How wrong.")
                tf.summary.scalar("step/loss", step)
                tf.summary.text("health", f"verdict {step}")
            with writers.validation.as_default(step):
                tf.summary.scalar("epoch/loss", 2.0 * step)
    return tmp_path


def test_scalars_are_those_that_tensorboard_finds(folder):
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    found = scalars(folder)
    assert set(found) == {"epoch/loss", "step/loss"}
    for tag, (_, points) in found.items():
        assert points == [(e.step, float(tf.make_ndarray(e.tensor_proto))) for e in events.Tensors(tag)]
    assert found["epoch/loss"].description == "How wrong."
    assert set(scalars(folder, "epoch/")) == {"epoch/loss"}
    assert scalars(folder / VALIDATION)["epoch/loss"].points == [(step, 2.0 * step) for step in range(5)]
    assert last_text(folder, "health") == "verdict 4"
    assert last_text(folder, "other") == ""


@pytest.mark.parametrize("damage", ["cut", "overwritten"])
def test_what_follows_a_damaged_place_is_left_out(folder, damage):
    (path,) = folder.glob("events.out.*")
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + (b"\xff" * 200 if damage == "overwritten" else b""))
    steps = [step for step, _ in scalars(folder)["epoch/loss"].points]
    assert steps == list(range(len(steps)))
    assert 0 < len(steps) < 5


def test_both_files_are_cut_to_their_sizes_and_later_ones_deleted(folder):
    kept = sizes(folder)
    assert len(kept) == 2
    assert sum(name.startswith(f"{VALIDATION}/") for name in kept) == 1
    before = {name: (folder / name).read_bytes() for name in kept}
    for name in kept:
        with open(folder / name, "ab") as file:
            file.write(b"steps of a killed process")
    with EventWriters(folder) as writers:  # of the same process, later
        with writers.train.as_default(9):
            tf.summary.scalar("step/loss", 9.0)
        with writers.validation.as_default(9):
            tf.summary.scalar("epoch/loss", 9.0)
    cut(folder, kept)
    assert {name: (folder / name).read_bytes() for name in sizes(folder)} == before

"""Checkpoints are complete or absent, and damaged ones are skipped."""

import pytest
import tensorflow as tf

from keras_gen.engine.checkpoints import Checkpoints, Progress, restore_networks
from keras_gen.errors import UserError


def variables(value):
    return {"a": tf.Variable(tf.fill((1000,), float(value))), "b": tf.Variable(value)}


@pytest.fixture
def folder(tmp_path):
    """Checkpoints of steps 2 and 4, whose variables have the values 2 and 4."""
    for step in (2, 4):
        Checkpoints(tmp_path / "checkpoints", variables(step), keep=2).save(Progress(step, epochs=1, best=0.5))
    return tmp_path / "checkpoints"


def restored(folder):
    state = variables(0)
    progress, damaged = Checkpoints(folder, state, keep=2).restore(folder)
    assert {float(v) for v in state["a"]} == {float(state["b"])} == {float(progress.step)}
    return progress, damaged


def cut(file, share):
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


DAMAGE = {
    "emptied": lambda file: cut(file, 0),
    "cut": lambda file: cut(file, 0.5),
    "without its end": lambda file: cut(file, 0.9),
    "deleted": lambda file: file.unlink(),
    "altered by one bit": flip,
}


def test_the_newest_is_restored(folder):
    assert restored(folder) == (Progress(4, epochs=1, best=0.5), [])


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        (file, damage)
        for file in ("state.index", "state.data-00000-of-00001", "progress.json")
        for damage in DAMAGE
        if file != "progress.json" or damage != "altered by one bit"  # it may well be another valid text
    ],
)
def test_a_damaged_one_is_named_and_the_one_before_is_used(folder, file, damage):

    DAMAGE[damage](folder / "step-0000004" / file)
    progress, damaged = restored(folder)
    assert progress.step == 2
    assert len(damaged) == 1
    assert str(folder / "step-0000004") in damaged[0]


def test_none_that_can_be_read_is_an_error_and_not_a_new_beginning(folder):
    for path in folder.glob("*/state.index"):
        path.write_bytes(b"")
    with pytest.raises(UserError, match="holds 2 checkpoints, and none can be read"):
        Checkpoints(folder, variables(0), keep=2).restore(folder)


def test_no_checkpoint_is_a_beginning(tmp_path):
    assert Checkpoints(tmp_path, variables(0), keep=2).restore(tmp_path) == (Progress(), [])


def test_what_a_killed_process_left_is_deleted(folder):
    (folder / "step-0000006.part").mkdir()
    checkpoints = Checkpoints(folder, variables(5), keep=2)
    checkpoints.save_best(Progress(5, best=0.4, best_step=5))
    checkpoints.forget_what_follows(2)
    assert [path.name for path in folder.iterdir()] == ["step-0000002"]


def test_the_best_that_the_newest_checkpoint_knows_is_kept_until_a_newer_one_knows_another(tmp_path):
    """A run that resumes from the newest checkpoint needs the best one of that time."""
    checkpoints = Checkpoints(tmp_path, variables(1), keep=1)

    def kept():
        return sorted(path.name for path in tmp_path.iterdir())

    checkpoints.save_best(Progress(1, best=0.9, best_step=1))
    checkpoints.save(Progress(2, best=0.9, best_step=1))
    checkpoints.save_best(Progress(3, best=0.8, best_step=3))
    assert kept() == ["best-0000001", "best-0000003", "step-0000002"]
    checkpoints.save_best(Progress(4, best=0.7, best_step=4))
    assert kept() == ["best-0000001", "best-0000004", "step-0000002"]
    checkpoints.save(Progress(5, best=0.7, best_step=4))
    assert kept() == ["best-0000004", "step-0000005"]


def test_a_best_that_is_gone_is_not_waited_for(folder):
    """Otherwise its value would prevent all later ones, and there would be no best checkpoint."""
    Checkpoints(folder, variables(6), keep=2).save(Progress(6, best=0.1, best_step=5))
    progress, _ = restored(folder)
    assert (progress.best, progress.best_step) == (None, None)


def test_networks_of_a_damaged_checkpoint_are_refused(folder):
    cut(folder / "step-0000004" / "state.data-00000-of-00001", 0.5)
    with pytest.raises(UserError, match=r"the newest checkpoint .* cannot be read"):
        restore_networks(folder.parent, {"variables/a": tf.Variable(tf.zeros(1000))})


def test_a_variable_that_is_not_finite_is_not_saved(folder):
    state = variables(6)
    state["a"][3].assign(float("nan"))
    checkpoints = Checkpoints(folder, state, keep=2)
    assert not checkpoints.save(Progress(6))
    assert checkpoints.not_finite() == "a"
    assert restored(folder)[0].step == 4


class Counts:
    """A callback that stores a number."""

    def __init__(self, progress):
        self.count = 0
        progress.remember("counts", self)

    def state(self):
        return {"count": self.count}

    def restore(self, state):
        self.count = state["count"]


def test_callbacks_go_on_with_what_they_remembered(tmp_path):
    progress = Progress(4)
    Counts(progress).count = 3
    checkpoints = Checkpoints(tmp_path, {"a": tf.Variable(1.0)}, keep=1)
    checkpoints.save(progress)
    restored, _ = Checkpoints(tmp_path / "next", {"a": tf.Variable(1.0)}, keep=1).restore(tmp_path)
    again = Counts(restored)
    assert again.count == 3
    again.count = 5
    assert restored.content()["callbacks"] == {"counts": {"count": 5}}
    assert Counts(restored).count == 5  # a second `fit` makes its callbacks anew
    unused, _ = Checkpoints(tmp_path / "last", {"a": tf.Variable(1.0)}, keep=1).restore(tmp_path)
    assert unused.content()["callbacks"] == {"counts": {"count": 3}}  # kept for one that is not there now

"""The progress line of a run."""

import numpy as np
import pytest

from keras_gen.engine import progress_line
from keras_gen.engine.checkpoints import Progress
from keras_gen.engine.progress_line import ProgressLine


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

    monkeypatch.setattr(progress_line.time, "monotonic", lambda: Clock.now)
    return Clock


def test_a_log_has_the_means_of_the_epoch_and_the_time_of_the_whole_run(clock, capsys):
    """Ten epochs of 8 steps, resumed at step 8. The first call takes a minute to compile, later steps 10 s."""
    progress = Progress(8)
    line = ProgressLine(progress, steps_per_epoch=8, epochs=10)
    line.on_epoch_begin(1)
    for loss, seconds in (([4.0, 2.0], 60), ([3.0, 3.0], 20), ([0.0, 0.0], 20)):
        clock.now += seconds
        progress.step += 2
        line.on_train_batch_end(0, {"loss": np.array(loss), "real_logit": np.zeros(2)})
    first, second = (text.split(" ", 2)[2] for text in capsys.readouterr().out.splitlines())
    assert first == "epoch 2/10, step 4 of 8: loss 3; 11 min left"  # 68 steps
    assert second == "epoch 2/10, step 6 of 8: loss 2; 11 min left"  # 66 steps

    progress.step = 80
    line.on_epoch_end(9, {"loss": 1.5, "val_loss": 2.25})
    assert capsys.readouterr().out.split(" ", 2)[2] == "epoch 10/10: loss 1.5, val_loss 2.25\n"


def test_lines_of_a_log_are_some_seconds_apart(clock, capsys):
    progress = Progress(0)
    line = ProgressLine(progress, steps_per_epoch=1000, epochs=1)
    for _ in range(201):
        clock.now += 0.1
        progress.step += 1
        line.on_train_batch_end(0, {"loss": np.zeros(1)})
    assert len(capsys.readouterr().out.splitlines()) == 2

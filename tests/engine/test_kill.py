"""A real process is killed at random moments and resumed: nothing of it may differ from one that was not."""

import random

from benchmarks.kill_resume import MOMENTS, differences, kill_and_resume, run, words_for


def test_kills_change_nothing(pairs, tmp_path):
    """One at each kind of moment, and a second while a checkpoint is written, as a kill may come just after it."""
    moments = [*MOMENTS, "writing a checkpoint"]
    seed = random.randrange(2**32)
    words = [*words_for(len(moments)), "--data", str(pairs), "--image-size", "16", "--filters", "4"]
    run(words, tmp_path / "undisturbed")
    survived = kill_and_resume(words, tmp_path / "killed", moments, random.Random(seed))
    assert "writing a checkpoint" in survived, f"seed {seed}"
    assert differences(tmp_path / "undisturbed", tmp_path / "killed") == [], f"seed {seed}"

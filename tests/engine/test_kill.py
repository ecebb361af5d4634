"""A real process is killed at random moments and resumed: nothing of it may differ from one that was not."""

import random

from benchmarks.kill_resume import command_for, differences, kill_and_resume, run


def test_five_kills_change_nothing(tmp_path):
    moments = ["starting", "after a step", "writing a checkpoint", "after a step", "writing a checkpoint"]
    seed = random.randrange(2**32)
    command = command_for(len(moments))
    run(command, tmp_path / "undisturbed")
    survived = kill_and_resume(command, tmp_path / "killed", moments, random.Random(seed))
    assert "writing a checkpoint" in survived, f"seed {seed}"
    assert differences(tmp_path / "undisturbed", tmp_path / "killed") == [], f"seed {seed}"

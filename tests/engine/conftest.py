"""Tiny data, and a run that is trained once."""

import numpy as np
import pytest
from PIL import Image
from tiny_run import train


@pytest.fixture(scope="session")
def pairs(tmp_path_factory):
    """Twelve side-by-side pairs of 20x20: noise on the left, its negative on the right."""
    folder = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(0)
    for number in range(12):
        left = rng.integers(0, 256, (20, 20, 3), np.uint8)
        Image.fromarray(np.concatenate([left, 255 - left], 1)).save(folder / f"{number:02d}.png")
    return folder


@pytest.fixture(scope="session")
def run(pairs, tmp_path_factory):
    """A complete run of two epochs of three steps, with its exports. Tests must not change it."""
    out = tmp_path_factory.mktemp("runs") / "run"
    assert train(pairs, out, "--epochs", "2", "--preview-every", "2", "--ema", "0.5", export=True) == 0
    return out

"""Fuzzing with thousands of damaged files; `benchmarks/fuzz_data.py` uses 100,000."""

from fuzzing import FORMATS, fuzz


def test_two_thousand_mutations_neither_crash_nor_hang_nor_become_wrong_pictures(tmp_path):
    outcomes = fuzz(2000, seed=1, folder=tmp_path)
    assert sum(outcomes.values()) == 2000
    for form in FORMATS:
        assert outcomes[form, "refused"] > 50  # the mutations do damage ...
        assert outcomes[form, "same"] + outcomes[form, "other"] > 0  # ... and not everything is refused
    assert outcomes["PNG", "other"] == 0

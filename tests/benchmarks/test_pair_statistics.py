"""The ablation of the pair statistics: which variants there are, and what its table says."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.pair_statistics import _config_with, table, variants

PAIRS = ["ease", "cosine", "conditional"]


def test_each_is_left_out_in_turn_and_all_at_last() -> None:
    assert dict(variants(PAIRS)) == {
        "all": PAIRS,
        "without ease": ["cosine", "conditional"],
        "without cosine": ["ease", "conditional"],
        "without conditional": ["ease", "cosine"],
        "none": [],
    }


def test_some_are_left_out_together() -> None:
    assert dict(variants(PAIRS, ["ease,conditional"])) == {"all": PAIRS, "without ease,conditional": ["cosine"]}


def test_the_change_is_a_mean_over_banks_with_its_standard_error() -> None:
    def bank(without: list[float]) -> dict[str, np.ndarray]:
        whole = np.array([0.5, 0.7])
        return {"all": whole, "retrieval": whole - 0.1, "without ease": np.array(without)}

    # The changes are -0.1 and +0.1: their mean is 0, their standard deviation 0.1414, over the root of 2.
    found = table([bank([0.4, 0.6]), bank([0.6, 0.8])])
    assert "| without ease | +0.0000 ± 0.1000 |" in found
    assert "retrieval" not in found


def test_one_banks_error_is_over_its_customers() -> None:
    found = table([{"all": np.zeros(4), "retrieval": np.zeros(4), "none": np.array([0.0, 0.2, 0.0, 0.2])}])
    assert "| none | +0.1000 ± 0.0500 |" in found


def test_a_variants_config_differs_in_its_pairs_alone(tmp_path: Path) -> None:
    config = tmp_path / "bank.toml"
    for text in ("[statistics]\nease_l2 = 3\n", '[statistics]\npairs = ["ease"]\nease_l2 = 3\n'):
        config.write_text(text)
        changed = _config_with(config, "without ease", ["cosine"])
        assert changed.read_text() == '[statistics]\npairs = ["cosine"]\nease_l2 = 3\n'
    config.write_text("[data]\n")
    assert _config_with(config, "none", []).read_text() == "[data]\n\n[statistics]\npairs = []\n"

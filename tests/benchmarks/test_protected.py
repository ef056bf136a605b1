"""The cost of protection: which columns, what differs between the runs, and what is said of them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from benchmarks.protected import _compare, choose_columns, protected_config
from nextbest.data.errors import InputError
from nextbest.evaluation.config import EvaluationConfig
from nextbest.evaluation.test_set import TestSet
from nextbest.pipeline.config import RunConfig, load_config


@pytest.fixture(scope="module")
def config(small_bank: Path) -> RunConfig:
    return load_config(small_bank)


TOML = Path("bank.toml")


def test_columns_are_those_wanted_or_protected_or_named_so(config: RunConfig) -> None:
    assert choose_columns(config, TOML) == ("gender", "marital_status")
    stated = protected_config(config, ["age"], True, 0)
    assert choose_columns(stated, TOML) == ("age",)
    assert choose_columns(stated, TOML, ["region"]) == ("region",)


def test_all_that_cannot_be_left_out_is_told(config: RunConfig) -> None:
    with pytest.raises(InputError, match=r"(?s)'size'.*no such column.*data\.segment.*the ranker reads"):
        choose_columns(config, TOML, ["size", "segment"])
    without = protected_config(config, ["gender", "marital_status"], False, 0)
    with pytest.raises(InputError, match="no column is protected; name some with --columns"):
        choose_columns(without, TOML)


def test_the_runs_differ_in_the_columns_and_the_seed_alone(config: RunConfig) -> None:
    read, kept = (protected_config(config, ["gender"], protected, 3) for protected in (False, True))
    assert (read.seed, kept.seed) == (3, 3)
    assert "gender" in read.data.customers.model_columns and "gender" not in kept.data.customers.model_columns
    assert protected_config(kept, ["gender"], False, 3) == read


def test_the_difference_is_paired_and_of_the_means_over_seeds() -> None:
    test_set = TestSet(
        customers=np.arange(4),
        relevant=sp.csr_matrix(np.ones((4, 5))),
        allowed=lambda rows: np.ones((len(rows), 5), bool),
        cutoff=date(2024, 1, 1),
        until=date(2024, 2, 1),
    )
    config = RunConfig.model_construct(evaluation=EvaluationConfig())
    read = [np.array([0.1, 0.5, 0.9, 0.5]), np.array([0.3, 0.5, 0.7, 0.5])]
    # Every customer loses 0.1 with the first seed, 0.2 with the second: 0.0707 is their standard deviation, and over
    # the root of 2 the mean's standard error, of which 0.15 is 3.
    values = {"read": read, "protected": [read[0] - 0.1, read[1] - 0.2]}
    found = _compare(["gender"], config, test_set, values, (0, 1))
    assert found.read.value == pytest.approx(0.5) and found.protected.value == pytest.approx(0.35)
    assert (found.difference.value, found.difference.low, found.difference.high) == pytest.approx((-0.15,) * 3)
    assert found.seed_spread == pytest.approx(0.1 / np.sqrt(2))
    assert found.text == (
        "Without gender the ranking has ndcg@5 0.3500 instead of 0.5000: -0.1500 [-0.1500, -0.1500], on the same 4 "
        "customers after 2024-01-01, 2 trainings each; from seed to seed it varies by 0.0707, which leaves the mean a "
        "standard error of 0.0500 that the interval does not hold."
    )

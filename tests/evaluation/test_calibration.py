import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from nextbest.evaluation.calibration import measure_calibration


def test_by_hand() -> None:
    # Two bins of two pairs: mean 0.15 with rate 0, mean 0.7 with rate 1/2.
    found = measure_calibration(np.array([0.8, 0.1, 0.6, 0.2]), np.array([1, 0, 0, 0]), bins=2, level=0.95)
    assert [one.count for one in found.bins] == [2, 2]
    assert [one.probability for one in found.bins] == pytest.approx([0.15, 0.7])
    assert [one.rate for one in found.bins] == [0, 0.5]
    assert found.ece == pytest.approx((2 * 0.15 + 2 * 0.2) / 4)
    assert found.brier == pytest.approx((0.2**2 + 0.1**2 + 0.6**2 + 0.2**2) / 4)
    assert (found.base_rate, found.mean_probability) == pytest.approx((0.25, 0.425))


def test_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.beta(1, 8, 2000)
    outcomes = rng.random(2000) < probabilities**1.3
    found = measure_calibration(probabilities, outcomes, bins=10, level=0.95)
    assert found.brier == pytest.approx(brier_score_loss(outcomes, probabilities))
    assert found.log_loss == pytest.approx(log_loss(outcomes, probabilities))
    rates, means = calibration_curve(outcomes, probabilities, n_bins=10, strategy="quantile")
    np.testing.assert_allclose([one.rate for one in found.bins], rates)
    np.testing.assert_allclose([one.probability for one in found.bins], means)


def test_true_probabilities_are_calibrated_and_distorted_ones_are_not() -> None:
    rng = np.random.default_rng(1)
    truth = rng.random(40_000)
    outcomes = rng.random(40_000) < truth
    honest = measure_calibration(truth, outcomes, bins=10, level=0.99)
    # 4000 pairs a bin: the rate's standard error is at most sqrt(0.25 / 4000) = 0.008.
    assert honest.ece < 0.01
    assert all(one.low <= one.probability <= one.high for one in honest.bins)
    assert measure_calibration(truth**2, outcomes, bins=10, level=0.99).ece > 0.1


def test_equal_probabilities_share_a_bin() -> None:
    # Cutting a sorted list into equal parts would split these by their order and find an error of 1/2.
    found = measure_calibration(np.full(10, 0.5), np.repeat([1, 0], 5), bins=5, level=0.95)
    assert [one.count for one in found.bins] == [10]
    assert found.ece == 0


def test_a_certain_and_wrong_probability_costs_much_but_not_everything() -> None:
    assert 10 < measure_calibration(np.array([0.0]), np.array([1]), bins=2, level=0.95).log_loss < 40


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60), st.integers(2, 12))
def test_bins_hold_every_pair(pairs: list[tuple[float, bool]], bins: int) -> None:
    probabilities, outcomes = np.array([p for p, _ in pairs]), np.array([o for _, o in pairs])
    found = measure_calibration(probabilities, outcomes, bins=bins, level=0.9)
    assert sum(one.count for one in found.bins) == len(pairs)
    assert len(found.bins) <= bins
    assert 0 <= found.ece <= 1
    assert all(0 <= one.low <= one.high <= 1 for one in found.bins)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"2 probabilities are NaN or outside.*1 outcomes are neither"):
        measure_calibration(np.array([0.5, np.nan, 1.5]), np.array([0, 1, 2]), bins=5, level=0.95)


def test_nothing_to_measure_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"\(0,\) and \(0,\) must be equal and not empty"):
        measure_calibration(np.array([]), np.array([]), bins=5, level=0.95)

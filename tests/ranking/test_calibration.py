from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from nextbest.data.dataset import Array
from nextbest.ranking.calibration import Calibration, fit_calibration


def probabilities(calibration: Calibration, logits: Array) -> Array:
    return expit(calibration.slope * logits + calibration.intercept)


@pytest.mark.parametrize(("slope", "intercept"), [(0.5, -2.0), (3.0, 1.0), (1.0, 0.0)])
def test_it_recovers_what_made_the_labels(slope: float, intercept: float) -> None:
    random = np.random.default_rng(1)
    logits = random.normal(size=100_000).astype(np.float32)
    labels = (random.random(len(logits)) < expit(slope * logits + intercept)).astype(np.float32)
    fitted = fit_calibration(logits, labels, np.ones(len(logits), np.float32))
    assert fitted.slope == pytest.approx(slope, abs=0.05)
    assert fitted.intercept == pytest.approx(intercept, abs=0.05)


def test_a_weight_of_three_is_three_observations() -> None:
    random = np.random.default_rng(2)
    logits = random.normal(size=50)
    labels = (random.random(50) < expit(2 * logits)).astype(np.float32)
    weight = np.where(np.arange(50) < 20, 3.0, 1.0)
    repeated = np.repeat(np.arange(50), weight.astype(int))
    weighted = fit_calibration(logits, labels, weight)
    written_out = fit_calibration(logits[repeated], labels[repeated], np.ones(len(repeated)))
    assert weighted.slope == pytest.approx(written_out.slope, rel=1e-3)
    assert weighted.intercept == pytest.approx(written_out.intercept, rel=1e-3)


def test_probabilities_come_true_on_average() -> None:
    random = np.random.default_rng(3)
    logits = random.normal(4, 2, 20_000)
    labels = (random.random(len(logits)) < 0.02 + 0.1 * (logits > 5)).astype(np.float32)
    fitted = fit_calibration(logits, labels, np.ones(len(logits)))
    assert probabilities(fitted, logits).mean() == pytest.approx(labels.mean(), rel=0.01)


@pytest.mark.parametrize("level", [0.0, -300.0, 1e4])
@pytest.mark.parametrize("spread", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_labels_that_are_all_alike(label: float, spread: float, level: float) -> None:
    # The target is Platt's: with 98 observations (n + 1) / (n + 2) = 0.99 or 1 / (n + 2) = 0.01.
    logits = level + spread * np.random.default_rng(4).normal(size=98)
    fitted = fit_calibration(logits, np.full(98, label), np.ones(98))
    assert probabilities(fitted, logits).mean() == pytest.approx(0.99 if label else 0.01, abs=1e-3)


def test_equal_logits_give_the_base_rate() -> None:
    labels = np.array([1.0] * 29 + [0.0] * 69)  # Platt: 30/31 and 1/71, on average 0.2973
    fitted = fit_calibration(np.full(98, 2.0), labels, np.ones(98))
    expected = (29 * 30 / 31 + 69 / 71) / 98
    assert fitted.slope * 2.0 + fitted.intercept == pytest.approx(logit(expected), abs=1e-3)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(-1e3, 1e3, width=32), st.booleans()), min_size=1, max_size=20))
def test_the_order_stays_and_nothing_overflows(observations: list[tuple[float, bool]]) -> None:
    logits = np.array([observation[0] for observation in observations])
    labels = np.array([float(observation[1]) for observation in observations])
    fitted = fit_calibration(logits, labels, np.ones(len(logits)))
    assert np.isfinite([fitted.slope, fitted.intercept]).all()
    assert fitted.slope > 0

import numpy as np
import pytest
from scipy import stats

from nextbest.evaluation.intervals import percentile_interval, resampled_means


def test_agrees_with_scipy() -> None:
    values = np.random.default_rng(1).exponential(size=(400, 1))
    low, high = percentile_interval(resampled_means(values, resamples=4000, seed=0), 0.9)
    peer = stats.bootstrap(
        (values[:, 0],), np.mean, n_resamples=4000, confidence_level=0.9, method="percentile", random_state=0
    ).confidence_interval
    width = peer.high - peer.low
    assert low[0] == pytest.approx(peer.low, abs=0.08 * width)
    assert high[0] == pytest.approx(peer.high, abs=0.08 * width)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    # 300 samples of 100 from a uniform law with mean 1/2; 90% intervals miss it in about 30 of them.
    samples = np.random.default_rng(2).random((300, 100))
    covered = 0
    for number, sample in enumerate(samples):
        low, high = percentile_interval(resampled_means(sample[:, None], resamples=400, seed=number), 0.9)
        covered += bool(low[0] <= 0.5 <= high[0])
    # The count's own standard deviation is sqrt(300 * 0.9 * 0.1) = 5.2.
    assert 254 <= covered <= 286


def test_columns_share_their_resamples() -> None:
    values = np.random.default_rng(3).random((50, 1))
    resampled = resampled_means(np.hstack([values, values + 0.25]), resamples=200, seed=0)
    np.testing.assert_allclose(resampled[:, 1] - resampled[:, 0], 0.25)


def test_seed_decides() -> None:
    values = np.random.default_rng(4).random((30, 2))
    first = resampled_means(values, resamples=100, seed=5)
    np.testing.assert_array_equal(first, resampled_means(values, resamples=100, seed=5))
    assert (first != resampled_means(values, resamples=100, seed=6)).any()


def test_chunks_leave_no_customer_out() -> None:
    # 7 rows in chunks of 3: a constant column averages to itself only if weights and sums agree.
    resampled = resampled_means(np.full((7, 1), 0.3), resamples=100, seed=0, chunk=3)
    np.testing.assert_allclose(resampled, 0.3)


def test_one_customer_has_an_interval_without_width() -> None:
    # A third of the resamples (1/e) draw no one; they are dropped, not NaN.
    resampled = resampled_means(np.array([[0.7]]), resamples=300, seed=0)
    assert 0 < len(resampled) < 300
    np.testing.assert_allclose(resampled, 0.7)

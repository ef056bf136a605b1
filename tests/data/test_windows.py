"""How time is cut, by hand: days are counted from 1970-01-01."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbest.data.config import WindowsConfig
from nextbest.data.windows import Window, cut_windows, day_of, labels
from tests.worlds import ANN, BOB, CARD, CAT, FUND, TINY


def test_days_are_counted_from_1970() -> None:
    assert day_of(date(1970, 1, 1)) == 0
    assert day_of(date(1971, 1, 2)) == 366
    assert Window(0, 31).dates == (date(1970, 1, 1), date(1970, 2, 1))


def test_windows_follow_each_other_up_to_the_last_day() -> None:
    windows = cut_windows(WindowsConfig(horizon_days=10, ranking_windows=3, stride_days=7), 0, 100)
    assert windows.test == Window(90, 100)
    assert windows.ranking == (Window(60, 70), Window(70, 80), Window(80, 90))


def test_the_test_window_may_be_shorter_and_may_lie_earlier() -> None:
    config = WindowsConfig(horizon_days=10, ranking_windows=2, stride_days=7)
    shorter = cut_windows(config.model_copy(update={"test_days": 4}), 0, 100)
    assert shorter.test == Window(96, 100)
    assert shorter.ranking[-1] == Window(86, 96)
    earlier = cut_windows(config.model_copy(update={"test_cutoff": date(1970, 2, 20)}), 0, 100)  # day 31 + 19
    assert earlier.test == Window(50, 60)
    assert earlier.ranking == (Window(30, 40), Window(40, 50))


def test_no_day_need_be_kept_back_to_measure_by() -> None:
    config = WindowsConfig(horizon_days=10, ranking_windows=2, stride_days=7, test_days=0)
    newest = cut_windows(config, 0, 100)
    assert newest.test == Window(100, 100)
    assert newest.ranking[-1] == Window(90, 100)
    assert not newest.measured
    assert cut_windows(config.model_copy(update={"test_days": 1}), 0, 100).measured
    with pytest.raises(ValueError, match="1970-04-12 must lie within"):
        cut_windows(config.model_copy(update={"test_cutoff": date(1970, 4, 12)}), 0, 100)


@pytest.mark.parametrize("cutoff", [date(1969, 12, 31), date(1970, 1, 1), date(1970, 4, 11), date(1980, 1, 1)])
def test_a_test_cutoff_outside_of_the_interactions_is_refused(cutoff: date) -> None:
    """They run from day 0 to day 100, which is 31 + 28 + 31 + 10 days after New Year: April 11th."""
    with pytest.raises(ValueError, match=rf"{cutoff} must lie .* from 1970-01-01 to 1970-04-11; fix windows.test_cut"):
        cut_windows(WindowsConfig(test_cutoff=cutoff), 0, 100)


def test_too_short_a_history_is_refused() -> None:
    """Two windows of 10 days before day 90 begin on day 70; a window and a stride before that is day 53."""
    config = WindowsConfig(horizon_days=10, ranking_windows=2, stride_days=7)
    assert cut_windows(config, 53, 100).ranking[0].cutoff == 70
    with pytest.raises(ValueError, match=r"from 1970-02-23 on, but they begin on 1970-02-24; lower windows\.ranking_w"):
        cut_windows(config, 54, 100)


def test_without_a_window_for_the_retrievers_epochs_less_history_will_do() -> None:
    """The same windows, which begin on day 70."""
    config = WindowsConfig(horizon_days=10, ranking_windows=2, stride_days=7)
    assert cut_windows(config, 70, 100, selection=False).ranking[0].cutoff == 70
    with pytest.raises(ValueError, match="need interactions from 1970-03-12 on"):
        cut_windows(config, 71, 100, selection=False)


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 6), st.integers(1, 40), st.integers(-1000, 20_000))
def test_windows_never_overlap(horizon: int, test_days: int, number: int, stride: int, first: int) -> None:
    config = WindowsConfig(horizon_days=horizon, test_days=test_days, ranking_windows=number, stride_days=stride)
    windows = cut_windows(config, first, first + (number + 1) * horizon + stride + test_days)
    ordered = [*windows.ranking, windows.test]
    assert len(windows.ranking) == number
    assert all(earlier.until == later.cutoff for earlier, later in pairwise(ordered))
    assert {window.until - window.cutoff for window in windows.ranking} == {horizon}


def test_labels_are_counted_in_what_was_known_at_the_cutoff() -> None:
    """In days 46 to 100 ann takes a loan and a pension, bob a fund, cat and dan a card.

    Neither the pension (known from day 60) nor dan (day 100) was known on day 45; bob holds his card.
    """
    dataset = TINY.dataset()
    history = dataset.until(45)
    assert history.products.ids.tolist() == ["card", "fund", "loan", "vault"]
    acquired = labels(dataset, history, Window(45, 100))
    found = zip(acquired.customer.tolist(), acquired.product.tolist(), acquired.day.tolist(), strict=True)
    assert list(found) == [(BOB, FUND, 50), (CAT, CARD, 50), (ANN, 2, 60)]
    assert acquired.customer.dtype == acquired.product.dtype == "int32"


def test_labels_follow_ids_where_positions_moved() -> None:
    """On day 25 cat is unknown, and so is the pension, so that the vault is at 3 instead of 4."""
    events = [*TINY.events, (28, "ann", "vault", 1), (28, "cat", "vault", 1)]
    dataset = type(TINY)(TINY.config, TINY.customers, TINY.products, events).dataset()
    acquired = labels(dataset, dataset.until(25), Window(25, 29))
    assert (acquired.customer.tolist(), acquired.product.tolist()) == ([ANN], [3])

"""Counts in bins: by hand, for any values, and the same when they are read back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbest.data.errors import InputError
from nextbest.serving.artifacts.assets import MONITORING
from nextbest.serving.monitoring.training_statistics import Distribution, TrainingStatistics, read_statistics
from nextbest.serving.recommender import Recommender


def words(*values: str) -> np.ndarray:
    return np.array(values, object)


class TestNumbers:
    def test_by_hand(self) -> None:
        counted = Distribution.from_values(np.float32([0, 0, 0, 1, np.nan]))
        # Most are 0, so that the edges are 0 and 1: below 0, from 0 on, from 1 on.
        assert counted.edges == (0, 1)
        assert counted.counts == (0, 3, 1) and counted.missing == 1
        assert counted.labels() == ["below 0", "0 to 1", "1 and more"]

    def test_ten_bins_and_the_tails(self) -> None:
        counted = Distribution.from_values(np.arange(1000, dtype=np.float32))
        assert len(counted.counts) == 12
        assert counted.counts == (9, 90, *[100] * 8, 90, 11)

    def test_others_are_counted_in_the_same_bins(self) -> None:
        counted = Distribution.from_values(np.arange(1000, dtype=np.float32))
        counts, missing = counted.count(np.float32([-5, 5000, 5000, np.nan]))
        assert (counts[0], counts[-1], missing) == (1, 2, 1)

    def test_time_is_made_good(self) -> None:
        counted = Distribution.from_values(np.arange(1000, dtype=np.float32)).model_copy(update={"per_day": 1.0})
        older = np.arange(1000, dtype=np.float32) + 30
        assert counted.count(older, 30)[0].tolist() == list(counted.counts)
        new = np.where(np.arange(1000) < 500, 30, 0)  # the others came since
        assert counted.count(older - 30 + new, new)[0].tolist() == list(counted.counts)

    def test_nothing_is_known(self) -> None:
        counted = Distribution.from_values(np.full(3, np.nan, np.float32))
        assert counted.counts == (0,) and counted.missing == 3 and counted.labels() == ["any"]


class TestWords:
    def test_by_hand(self) -> None:
        counted = Distribution.from_values(words("b", "a", "b", ""))
        assert counted.words == ("b", "a") and counted.counts == (2, 1, 0) and counted.missing == 1

    def test_unseen_ones_are_the_last_bin(self) -> None:
        counts, missing = Distribution.from_values(words("b", "a", "b")).count(words("a", "z", "", "b", "Z"))
        assert counts.tolist() == [1, 1, 2] and missing == 1

    def test_the_commonest_are_compared_one_by_one(self) -> None:
        counted = Distribution.from_values(words(*(f"{place:02d}" for place in range(30) for _ in range(40 - place))))
        compared = counted.compared(np.array(counted.counts))
        assert len(compared) == 21 == len(counted.labels())
        assert compared[0] == 40 and compared[-1] == sum(40 - place for place in range(20, 30))


NUMBERS = st.lists(st.none() | st.floats(-1e6, 1e6, width=32), max_size=40)
WORDS = st.lists(st.sampled_from(["", "a", "b", "longer", "ü"]) | st.text(max_size=4), max_size=40)


class TestAnyValues:
    @given(NUMBERS, NUMBERS)
    def test_each_number_is_in_a_bin_or_missing(self, before: list[float | None], now: list[float | None]) -> None:
        values, others = (
            np.array([np.nan if one is None else one for one in some], np.float32) for some in (before, now)
        )
        counted = Distribution.from_values(values)
        assert sum(counted.counts) + counted.missing == len(values)
        counts, missing = counted.count(others)
        assert counts.sum() + missing == len(others) and len(counts) == len(counted.counts) == len(counted.labels())
        assert Distribution.model_validate_json(counted.model_dump_json()) == counted

    @given(WORDS, WORDS)
    def test_each_word_too(self, before: list[str], now: list[str]) -> None:
        counted = Distribution.from_values(np.array(before, object))
        assert sum(counted.counts) + counted.missing == len(before) and counted.counts[-1] == 0
        counts, missing = counted.count(np.array(now, object))
        assert counts.sum() + missing == len(now) and missing == now.count("")
        assert counts[-1] == sum(bool(one) and one not in before for one in now)
        assert Distribution.model_validate_json(counted.model_dump_json()) == counted


class TestOfAnExport:
    def test_they_are_the_customers_of_the_cutoff(self, recommender: Recommender) -> None:
        found, customers = read_statistics(recommender), recommender.customers()
        assert found.day == recommender.manifest["as_of_day"] and found.customers == len(customers.ids) == 400
        assert set(found.inputs) == {*recommender.customer_columns, "products held", "categories held"}
        for name in recommender.customer_columns:
            assert sum(found.inputs[name].counts) + found.inputs[name].missing == 400, name
        segments, counts = np.unique(customers.columns["segment"].astype(str), return_counts=True)
        assert dict(zip(found.inputs["segment"].words, found.inputs["segment"].counts, strict=False)) == dict(
            zip(segments.tolist(), counts.tolist(), strict=True)
        )
        assert sum(found.inputs["categories held"].counts) == int((customers.columns["held_products"] != "").sum())

    def test_what_grows_with_time_is_known(self, recommender: Recommender) -> None:
        inputs = read_statistics(recommender).inputs
        assert inputs["joined"].per_day == pytest.approx(1)  # it is an age in days
        assert inputs["tenure_years"].per_day == pytest.approx(1 / 365.25, rel=0.05)
        assert {inputs[name].per_day for name in ("income", "savings", "credit_score", "home_owner")} == {0}

    def test_activity_is_that_of_twelve_strides(self, recommender: Recommender) -> None:
        activity = read_statistics(recommender).activity
        assert (activity.stride_days, len(activity.customers), len(activity.products)) == (30, 12, 3)
        assert list(activity.customers) == sorted(activity.customers) and activity.customers[-1] <= 400
        lately = sum(activity.of(kind)[-3:].sum() for kind in ("opened", "looked at"))
        assert lately == sum(map(sum, activity.products)) > 0

    def test_it_is_small(self, recommender: Recommender) -> None:
        file = recommender.asset(MONITORING)
        assert file is not None and len(file.read()) < 20_000

    @pytest.mark.parametrize(
        ("content", "says"),
        [(None, "exported without the training's statistics"), (b'{"format": 9}', "format 9, and this nextbest reads")],
    )
    def test_another_export_is_refused_in_a_line(
        self, recommender: Recommender, monkeypatch: pytest.MonkeyPatch, content: bytes | None, says: str
    ) -> None:
        assets = {name: held for name, held in recommender._assets.items() if name != MONITORING}
        monkeypatch.setattr(recommender, "_assets", assets | ({} if content is None else {MONITORING: content}))
        with pytest.raises(InputError) as refused:
            read_statistics(recommender)
        assert says in str(refused.value) and "nextbest refresh" in str(refused.value)
        assert len(str(refused.value).splitlines()) == 1

    def test_saved_and_read_they_are_the_same(self, recommender: Recommender) -> None:
        found = read_statistics(recommender)
        assert TrainingStatistics.model_validate_json(found.model_dump_json()) == found

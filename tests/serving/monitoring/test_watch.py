"""Each fault raises the alarm that is about it, and customers like the training's raise none, however few they are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nextbest.data.dataset import ACQUIRE, RELEASE, SIGNAL, Array, Features, Interactions
from nextbest.data.errors import FailedError
from nextbest.serving.artifacts.assets import CUSTOMERS
from nextbest.serving.insights.version_report import METRICS
from nextbest.serving.monitoring.checks import Check
from nextbest.serving.monitoring.watch import MonitoringReport, check_gate, load_outcomes, watch
from nextbest.serving.recommender import Recommender
from nextbest.serving.requests import take
from tests.trained import Trained

SCORED = 60


def look(recommender: Recommender, changed: Features, ids: Array | None = None) -> MonitoringReport:
    customers = recommender.customers()
    ids = customers.ids if ids is None else ids
    return watch(recommender, ids, customers.columns | changed, scored=SCORED)


def about(report: MonitoringReport) -> set[tuple[str, str]]:
    return {(alarm.subject, alarm.measure) for alarm in report.alarms}


@pytest.fixture(scope="module")
def columns(recommender: Recommender) -> Features:
    return recommender.customers().columns


@pytest.fixture(scope="module")
def events(trained: Trained, recommender: Recommender) -> Interactions:
    """What the customers did in all the three years, the last quarter of which came after the cutoff."""
    return load_outcomes(recommender, recommender.customers().ids, trained.config.parent / "interactions.csv")


class TestCustomers:
    def test_those_of_the_training_raise_none(self, recommender: Recommender) -> None:
        report = look(recommender, {})
        assert report.alarms == [] and report.until is None and report.remarks == ()
        assert max(check.value for check in report.checks if check.group == "customers") == 0

    @pytest.mark.parametrize("size", [1, 2, 7, 30, 150])
    def test_nor_do_a_few_of_them(self, recommender: Recommender, size: int) -> None:
        customers, random = recommender.customers(), np.random.default_rng(size)
        for _ in range(5):
            rows = random.choice(len(customers.ids), size, replace=False)
            assert watch(recommender, customers.ids[rows], take(customers.columns, rows), scored=30).alarms == []

    def test_nor_do_none(self, recommender: Recommender) -> None:
        customers = recommender.customers()
        assert watch(recommender, customers.ids[:0], take(customers.columns, slice(0, 0))).alarms == []

    def test_an_export_without_customers_knows_no_ids(
        self, recommender: Recommender, columns: Features, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = recommender.customers().ids
        assets = {name: held for name, held in recommender._assets.items() if name != CUSTOMERS}
        monkeypatch.setattr(recommender, "_assets", assets)
        report = watch(recommender, ids, columns, scored=SCORED)
        assert report.alarms == [] and "ids" not in {check.subject for check in report.checks}

    @pytest.mark.parametrize("factor", [1000, 0.001])
    def test_another_unit(self, recommender: Recommender, columns: Features, factor: float) -> None:
        changed = (columns["income"] * factor).astype(np.float32)
        assert ("income", "PSI") in about(look(recommender, {"income": changed}))

    def test_another_word(self, recommender: Recommender, columns: Features) -> None:
        renamed = np.where(columns["region"] == "North", "NORTH", columns["region"]).astype(object)
        report = look(recommender, {"region": renamed})
        assert ("region", "unseen") in about(report)
        assert any("for example 'NORTH'" in alarm.detail for alarm in report.alarms)

    def test_a_column_that_is_empty(self, recommender: Recommender) -> None:
        report = look(recommender, {"credit_score": np.full(400, np.nan, np.float32)})
        assert ("credit_score", "missing") in about(report)

    def test_ids_that_are_spelt_otherwise(self, recommender: Recommender) -> None:
        ids = np.array([f"K{one}" for one in recommender.customers().ids], object)
        assert ("ids", "unknown") in about(look(recommender, {}, ids))

    def test_products_that_are_spelt_otherwise(self, recommender: Recommender, columns: Features) -> None:
        lists = columns["held_products"]
        renamed = np.array([[f"X{one}" if one else "" for one in row] for row in lists], object)
        assert ("products held", "unknown") in about(look(recommender, {"held_products": renamed}))

    def test_time_alone_is_no_fault(self, recommender: Recommender, columns: Features) -> None:
        customers = recommender.customers()
        later = recommender.manifest["as_of_day"] + 700
        changed = columns | {"tenure_years": columns["tenure_years"] + np.float32(700 / 365.25)}
        report = watch(recommender, customers.ids, changed, day=later, scored=SCORED)
        assert {"joined", "tenure_years"}.isdisjoint(alarm.subject for alarm in report.alarms)


class TestOutcomes:
    def test_those_of_the_bank_raise_none(self, recommender: Recommender, events: Interactions) -> None:
        customers = recommender.customers()
        report = watch(recommender, customers.ids, customers.columns, events)
        assert report.alarms == [], report.alarms
        assert str(report.until) == "2024-12-27"

    def test_they_are_measured_as_the_evaluation_does(self, recommender: Recommender, events: Interactions) -> None:
        customers = recommender.customers()
        report = watch(recommender, customers.ids, customers.columns, events)
        file = recommender.asset(METRICS)
        assert file is not None
        measured = json.load(file)
        expected = measured["models"]["ranking"]["ndcg@5"]["value"]
        ndcg = next(check for check in report.checks if check.subject == "ndcg@5")
        assert ndcg.value == pytest.approx(0, abs=1e-6)
        assert f"{expected:.3f} for {measured['window']['customers']} customers in 91 days" in ndcg.detail
        said = next(check for check in report.checks if check.subject == "acquisitions")
        assert said.value == pytest.approx(1, abs=0.02)

    def check_of(self, recommender: Recommender, events: Interactions, subject: str, measure: str) -> Check:
        customers = recommender.customers()
        report = watch(recommender, customers.ids, customers.columns, events, scored=SCORED)
        (found,) = (check for check in report.alarms if (check.subject, check.measure) == (subject, measure))
        return found

    def test_a_feed_that_stops(self, recommender: Recommender, events: Interactions) -> None:
        cutoff = recommender.manifest["as_of_day"]
        without = events[(events.kind != SIGNAL) | (events.day <= cutoff + 40)]
        found = self.check_of(recommender, without, "looked at", "days without any")
        assert found.value == 51 and "none since 2024-11-06" in found.detail
        assert self.check_of(recommender, without, "looked at", "events a customer").detail.startswith("0, expected")

    def test_no_acquisition_at_all(self, recommender: Recommender, events: Interactions) -> None:
        cutoff = recommender.manifest["as_of_day"]
        without = events[(events.kind != ACQUIRE) | (events.day <= cutoff)]
        found = self.check_of(recommender, without, "acquisitions", "happened against said")
        assert found.detail.startswith("0 of those recommended")

    def test_a_product_that_is_no_longer_sold(self, recommender: Recommender, events: Interactions) -> None:
        cutoff = recommender.manifest["as_of_day"]
        # In the test window each event of the product counts five times, until it ends a stride before the last day.
        best = int(np.bincount(events[events.day > cutoff].product).argmax())
        rows = np.arange(len(events))
        rows = np.sort(np.concatenate([rows, np.repeat(rows[events.product == best], 4)]))
        sold = events[rows]
        sold = sold[(sold.product != best) | (sold.day <= int(events.day[-1]) - 30)]
        found = self.check_of(recommender, sold, "products", "fall of the events")
        assert found.detail.startswith(f"{recommender.products.ids[best]}: 0 events") and found.value == 1

    def test_nothing_came_since(self, recommender: Recommender, events: Interactions) -> None:
        customers, cutoff = recommender.customers(), recommender.manifest["as_of_day"]
        report = watch(recommender, customers.ids, customers.columns, events[events.day <= cutoff], scored=SCORED)
        assert report.alarms == [] and report.until is None
        assert report.remarks == ("no interaction of these customers after 2024-09-27: nothing to compare outcomes by",)

    def test_positions_are_those_of_the_file(self, trained: Trained, recommender: Recommender, tmp_path: Path) -> None:
        first, last = "C000001,P0001,2024-10-01,open", "C000003,P0002,2024-10-02,close"
        table = tmp_path / "since.csv"
        table.write_text(f"customer_id,product_id,timestamp,event\n{first}\n{last}\nsomebody,P0001,2024-10-03,view\n")
        found = load_outcomes(recommender, np.array(["C000003", "C000001"], object), table)
        assert found.customer.tolist() == [1, 0] and found.product.tolist() == [0, 1]
        assert found.kind.tolist() == [ACQUIRE, RELEASE]


class TestGate:
    def test_it_lets_pass(self, recommender: Recommender) -> None:
        customers = recommender.customers()
        check_gate(recommender, customers.ids, customers.columns)

    def test_it_says_what_is_wrong(self, recommender: Recommender, columns: Features) -> None:
        customers = recommender.customers()
        changed = columns | {"income": columns["income"] / 1000}
        with pytest.raises(FailedError, match=r"nothing was scored(?s:.*)income: PSI .*limit 0.2"):
            check_gate(recommender, customers.ids, changed)

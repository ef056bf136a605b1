"""What the tabs show of the small bank."""

from __future__ import annotations

import base64
import csv
import io
from datetime import date
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from nextbest.data.dataset import Features
from nextbest.data.errors import InputError
from nextbest.serving.insights.customer_columns import FormField
from nextbest.serving.insights.explanations import Contribution, Explanation, FeatureImportance, Importance
from nextbest.serving.insights.profiles import Attribute, Holding, Profile
from nextbest.serving.recommender import Filters, Recommender
from nextbest.serving.requests import requests_for_ids
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.controls import highest_risks, read_filters
from nextbest.ui.page.customer import card, read_customers, template_link
from nextbest.ui.page.tabs.models import report_view
from nextbest.ui.page.tabs.neighbourhood import map_figure, neighbours_view
from nextbest.ui.page.tabs.products import excluded_list, product_details, recommendations_table
from nextbest.ui.page.tabs.profile import holdings_view, profile_view
from nextbest.ui.page.tabs.what_if import changed_columns, comparison, form_value, raw_value
from nextbest.ui.page.tabs.why import beeswarm, waterfall
from nextbest.ui.page.version_data import (
    Recommendation,
    SelectedCustomer,
    VersionData,
    excluded_products,
    recommend_products,
    selected_product,
)
from tests.trained import Trained
from tests.ui.tables import known_customers


@pytest.fixture(scope="module")
def data(recommender: Recommender) -> VersionData:
    return VersionData(recommender)


@pytest.fixture
def customer(data: VersionData) -> SelectedCustomer:
    return SelectedCustomer(str(data.customers.ids[16]))


class TestVersionData:
    def test_an_id_is_found_by_any_part_of_it(self, data: VersionData) -> None:
        assert data.find_customers("c00001", 3) == ["C000010", "C000011", "C000012"]
        assert data.find_customers("99", 100) == ["C000099", "C000199", "C000299", "C000399"]
        assert data.find_customers("  C000007 ", 8) == ["C000007"]
        assert data.find_customers("no-one", 8) == []
        assert len(data.find_customers("", 8)) == 8

    def test_the_request_of_a_known_customer_is_that_of_the_id(
        self, data: VersionData, customer: SelectedCustomer
    ) -> None:
        expected = requests_for_ids(data.recommender, np.array([customer.id], object))
        for name, values in data.request(customer).items():
            np.testing.assert_array_equal(values, expected[name])

    def test_what_is_edited_comes_before_what_is_uploaded_and_that_before_what_is_known(
        self, data: VersionData
    ) -> None:
        known = str(data.customers.ids[0])
        customer = SelectedCustomer(known, {"income": 1.0, "age": 2.0}, {"age": 3.0})
        request = data.request(customer)
        assert (request["income"][0], request["age"][0]) == (1.0, 3.0)
        assert request["savings"][0] == data.customers.columns["savings"][0]
        assert request["age"].dtype == np.float32

    def test_a_stranger_must_be_uploaded(self, data: VersionData) -> None:
        with pytest.raises(InputError, match="there is no customer 'no-one'"):
            data.request(SelectedCustomer("no-one"))
        request = data.request(SelectedCustomer("no-one", {"age": 40.0}))
        assert request["age"].tolist() == [40.0] and not any(request["held_products"][0])
        assert np.isnan(request["income"][0])

    def test_a_column_of_another_version_is_left_out(self, data: VersionData, customer: SelectedCustomer) -> None:
        other = SelectedCustomer(customer.id, {}, {"shoe_size": 44.0})
        assert "shoe_size" not in data.request(other)


class TestProducts:
    def test_the_table_shows_what_is_recommended(self, data: VersionData, customer: SelectedCustomer) -> None:
        request = data.request(customer)
        found = data.recommender.recommend(request, 5)
        recommendations = recommend_products(data, request, 5, Filters())
        assert [one.product_id for one in recommendations] == found.product_id[0, : found.count[0]].tolist()
        assert [one.rank for one in recommendations] == list(range(1, len(recommendations) + 1))
        shown = recommendations_table(data, recommendations, recommendations[1].product_id)
        assert shown.count('aria-pressed="true"') == 1
        assert f'data-product="{recommendations[1].product_id}" aria-pressed="true"' in shown
        for one in recommendations:
            assert one.name in shown and f"{one.probability:.1%}" in shown

    def test_nothing_left_says_what_to_do(self, data: VersionData) -> None:
        assert "No product is left" in recommendations_table(data, [], "")

    def test_every_product_is_either_recommended_or_excluded(
        self, data: VersionData, customer: SelectedCustomer
    ) -> None:
        request = data.request(customer)
        recommendations = recommend_products(data, request, 40, Filters(max_risk=2))
        excluded = excluded_products(data, request, Filters(max_risk=2))
        rows = [row for _, rows in excluded for row in rows]
        assert sorted([*rows, *(one.row for one in recommendations)]) == list(range(40))
        counts = [len(rows) for _, rows in excluded]
        assert counts == sorted(counts, reverse=True)
        shown = excluded_list(data, excluded)
        assert f"{len(rows)} of 40 products" in shown
        for reason, _ in excluded:
            assert reason[1:] in shown

    def test_a_product_that_is_not_recommended_any_more_is_not_selected(self) -> None:
        recommendations = [
            Recommendation("P1", 0, "one", 1, 1, 0.1, 0.1),
            Recommendation("P2", 1, "two", 2, 2, 0.1, 0.1),
        ]
        assert (
            selected_product(recommendations, "P2"),
            selected_product(recommendations, "P9"),
            selected_product([], "P1"),
        ) == ("P2", "P1", "")

    def test_details_have_all_columns(self, data: VersionData) -> None:
        product = data.recommender.products.ids[0]
        shown = product_details(data, product)
        columns = data.recommender.manifest["products"]["columns"]
        assert shown.count("<dt>") == 1 + sum(column["role"] not in ("id", "text") for column in columns.values())
        assert product_details(data, "<b>") == ""

    def test_appetites_are_shares_of_the_catalogues_risk(self, data: VersionData) -> None:
        assert data.risks.tolist() == [1.0, 2.0, 3.0, 4.0]  # of the small bank's products
        config = PageConfig(cautious_risk=0.4, balanced_risk=0.7)  # of the way from 1 to 4: 2.2 and 3.1
        assert highest_risks(data, config) == {"Cautious": 2.0, "Balanced": 3.0, "Risk-tolerant": None}
        filters = read_filters(data, config, "Cautious", ["fund"], [])
        assert (filters.max_risk, filters.categories) == (2.0, ("fund",))
        with pytest.raises(InputError, match="there is no category 'yachts'"):
            read_filters(data, PageConfig(), None, ["yachts"], [])


class TestCustomer:
    def test_the_card_shows_what_the_policy_looks_at(self, data: VersionData, customer: SelectedCustomer) -> None:
        shown = card(data, customer)
        for text in (customer.id, "Risk tolerance", "Income", "EUR/year", "Age", "Savings", "Segment", "Holds"):
            assert text in shown
        edited = card(data, SelectedCustomer(customer.id, {}, {"income": np.float32(1)}))
        assert "edited: income" in edited and "edited" not in shown
        assert "No customer is chosen" in card(data, SelectedCustomer())

    def test_the_template_can_be_uploaded_again(self, data: VersionData, tmp_path: Path) -> None:
        (link,) = [part for part in template_link(data).split('"') if part.startswith("data:")]
        text = base64.b64decode(link.partition("base64,")[2]).decode()
        header, example = csv.reader(io.StringIO(text))
        assert header[0] == "customer_id" and len(example) == len(header)
        file = tmp_path / "template.csv"
        file.write_text(text)
        customers = read_customers(data, file, 10)
        assert list(customers) == ["new-customer"]
        assert recommend_products(data, data.request(customers["new-customer"]), 5, Filters())

    def test_an_uploaded_customer_is_answered_as_by_id(
        self, data: VersionData, trained: Trained, tmp_path: Path
    ) -> None:
        rows = known_customers(trained.config.parent).head(3)
        rows.to_csv(tmp_path / "customers.csv", index=False)
        customers = read_customers(data, tmp_path / "customers.csv", 10)
        assert list(customers) == rows["customer_id"].tolist()
        for customer, uploaded in customers.items():
            expected = recommend_products(data, data.request(SelectedCustomer(customer)), 5, Filters())
            assert recommend_products(data, data.request(uploaded), 5, Filters()) == expected

    def test_too_many_customers_belong_into_a_batch(self, data: VersionData, trained: Trained, tmp_path: Path) -> None:
        known_customers(trained.config.parent).head(3).to_csv(tmp_path / "customers.csv", index=False)
        with pytest.raises(InputError, match="at most 2") as refused:
            read_customers(data, tmp_path / "customers.csv", 2)
        assert "Batch" in str(refused.value) and str(tmp_path) not in str(refused.value)


class TestProfile:
    def test_every_attribute_is_shown_once(self, data: VersionData, customer: SelectedCustomer) -> None:
        shown = profile_view(data.profiles.profile(data.request(customer)))
        assert shown.count('scope="row"') == len(data.recommender.customer_columns)

    def test_a_unit_is_said_once_and_a_few_are_not_none(self) -> None:
        income = Attribute(
            "income", "income", "number", "money", "5 EUR", False, 50.0, quartiles=("1 EUR", "4 EUR", "9 EUR")
        )
        job = Attribute("job", "job", "category", None, "clown", False, share=0.004)
        home = Attribute("home", "home", "boolean", None, "no", False, share=0.0)
        shown = profile_view(Profile("retail", 250, 500, (income, job, home), {"Money": (income,)}, ()))
        assert "1 to 9 EUR" in shown
        assert "under 1% of the segment" in shown and ">0% of the segment" in shown

    def test_holdings_are_on_a_time_line(self) -> None:
        holdings = [
            Holding("P2", "Two <b>", "card", date(2024, 7, 1)),
            Holding("P1", "One", "", date(2024, 1, 1)),
            Holding("P0", "Zero", "fund", None),
        ]
        shown = holdings_view(holdings, date(2024, 12, 30))
        assert "Two &lt;b&gt;" in shown and "01 Jul 2024" in shown
        assert "left:50.0%" in shown and "left:0.0%" in shown  # 182 of 364 days, and the first day
        assert "Nothing is held" in holdings_view([], date(2024, 12, 30))


class TestWhatIf:
    FIELDS = (
        FormField("income", "income", "number", "EUR"),
        FormField("joined", "joined", "date", ""),
        FormField("owner", "owner", "boolean", ""),
        FormField("region", "region", "category", "", choices=("North", "South")),
    )
    ORIGINAL: ClassVar[Features] = {
        "income": np.array([0.67], np.float32),
        "joined": np.array([19000.0], np.float32),
        "owner": np.array([np.nan], np.float32),
        "region": np.array(["North"], object),
    }

    def test_an_untouched_form_changes_nothing(self, data: VersionData) -> None:
        fields = [field for field in data.form_fields.values() if field.role != "id"]
        for customer in data.customers.ids[:40]:
            request = data.request(SelectedCustomer(str(customer)))
            shown = [form_value(field, request[field.name][0]) for field in fields]
            assert changed_columns(fields, request, shown) == {}

    def test_what_is_shown_is_short(self) -> None:
        shown = [form_value(field, self.ORIGINAL[field.name][0]) for field in self.FIELDS]
        assert shown == [0.67, "2022-01-08", None, "North"]  # day 19000 after 1970-01-01

    def test_changes_are_found(self) -> None:
        changed = changed_columns(self.FIELDS, self.ORIGINAL, [None, "2022-01-09", "yes", "South"])
        assert np.isnan(changed.pop("income"))
        assert changed == {"joined": 19001.0, "owner": 1.0, "region": "South"}

    def test_a_day_that_does_not_exist_is_refused(self) -> None:
        with pytest.raises(InputError, match="'2023-02-30' is not a day"):
            changed_columns(self.FIELDS, self.ORIGINAL, [0.67, "2023-02-30", None, "North"])

    def test_a_form_that_is_empty_means_missing(self) -> None:
        number, day, yes, text = (raw_value(field, "") for field in self.FIELDS)
        assert np.isnan([number, day, yes]).all() and text == ""

    def test_both_answers_stand_side_by_side(self) -> None:
        before = [Recommendation("P1", 0, "One", 1, 1, 0.20, 0.1), Recommendation("P2", 1, "Two", 2, 2, 0.10, 0.1)]
        after = [Recommendation("P3", 2, "Three", 1, 1, 0.30, 0.1), Recommendation("P1", 0, "One", 2, 1, 0.15, 0.1)]
        shown = comparison(before, after, ["Income: 1 → 2"], ["Three <i>"], [])
        assert "gone" in shown and "new" in shown and "▼ 1" in shown and "\N{MINUS SIGN}5.0 points" in shown
        assert "1 product now suitable" in shown and "Three &lt;i&gt;" in shown and "no longer" not in shown


class TestWhy:
    EXPLANATION = Explanation(
        "ranking",
        "P1",
        base=-2.0,
        score=-0.5,
        contributions=(
            Contribution("savings", "customer", "8,000 EUR", 2.0),
            Contribution("popularity", "product", "<b>", -0.4),
            Contribution("gap", "cross", "1", -0.1),
        ),
        sentence="Higher savings raise this.",
    )

    def test_bars_lead_from_the_typical_score_to_this_one(self) -> None:
        shown = waterfall(self.EXPLANATION, "1. Name", 2)
        # From -2 up by 2 to 0, down by 0.4 to -0.4 and by 0.1 to -0.5; the drawing is wider by 4% of 2 on either side.
        assert "left:3.70%;width:92.59%" in shown and 'class="more"' in shown
        assert "left:77.78%;width:18.52%" in shown and 'class="less"' in shown
        for text in (
            "A typical score: 11.9%",
            "This score: 37.8%",
            "+2.00",
            "\N{MINUS SIGN}0.40",
            "1 other features",
            "&lt;b&gt;",
        ):
            assert text in shown
        assert shown.count('class="kind"') == 2

    def test_a_similarity_is_not_a_probability(self) -> None:
        shown = waterfall(Explanation("retrieval", "P1", 0.1, 0.4, (), "so"), "Name", 3)
        assert "This score" in shown and "This score:" not in shown and "cosine" in shown

    def test_a_swarm_has_all_points_within_its_edges(self) -> None:
        values = np.array([0, 0.5, 1, np.nan], np.float32)
        feature = FeatureImportance("age", "customer", 0.5, values, np.array([-9, 0, 1, 1], np.float32))
        shown = beeswarm(Importance("ranking", (feature,)), 5)
        assert shown.count("h0") == 4 and 'class="level-none"' in shown and 'class="level-4"' in shown
        assert "M4.0 9.0h0" in shown and "M50.0 9.0h0" in shown

    def test_without_a_sample_there_are_no_points(self) -> None:
        none = np.zeros(0, np.float32)
        shown = beeswarm(Importance("ranking", (FeatureImportance("age", "customer", 0.5, none, none),)), 5)
        assert "Age" in shown and "h0" not in shown


class TestNeighbourhood:
    def test_the_map_has_every_product_once_and_the_customer(
        self, data: VersionData, customer: SelectedCustomer
    ) -> None:
        request = data.request(customer)
        top = [one.product_id for one in recommend_products(data, request, 5, Filters())]
        view = data.neighbourhood.view(request, top, customer.id)
        figure = map_figure(view)
        assert sum(len(trace.x) for trace in figure.data) == 40 + 1
        numbers = sorted(text for trace in figure.data for text in trace.text or ())
        assert numbers == [str(place) for place in range(1, len(top) + 1)]
        shown = neighbours_view(view)
        assert f"{view.num_neighbours} most similar customers" in shown
        assert not any(customer in shown for customer in data.customers.ids)


def test_the_report_shows_the_version_and_all_models(data: VersionData) -> None:
    assert data.report is not None
    shown = report_view(data.report)
    for text in ("Version 1 is", "How good it is", "Item-kNN", "EASE", "served", "by segment", "exact"):
        assert text in shown


def test_a_batch_is_shown_as_it_was_written(data: VersionData, trained: Trained, tmp_path: Path) -> None:
    from nextbest.ui.page.tabs.batch import preview, score_file

    rows = known_customers(trained.config.parent).head(5)
    rows.to_csv(tmp_path / "customers.csv", index=False)
    seen: list[tuple[int, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
        for ending, read in ((".csv", pd.read_csv), (".parquet", pd.read_parquet)):
            out, customers, written = score_file(
                data, tmp_path / "customers.csv", 3, ending, lambda *progress: seen.append(progress)
            )
            table = read(out)
            assert (customers, written, out.suffix) == (5, len(table), ending)
            assert out.is_relative_to(tmp_path)
            shown = preview(data, out, 4)
            assert shown.count('scope="row"') == min(4, written)
            assert str(table["customer_id"][0]) in shown
    assert seen == [(5, 5)] * 2

"""The card says what was measured and required; it is Markdown whatever the bank's names are."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from nextbest.data.errors import InputError
from nextbest.data.rules import PolicyConfig, Rule
from nextbest.evaluation.approval import Approval, Check
from nextbest.evaluation.results import Evaluation, Group, GroupDifference, Interval, ProtectedCost, Slice
from nextbest.pipeline.model_card import PROTECTED_COST, model_card
from nextbest.pipeline.run import Run, open_run
from nextbest.serving.artifacts.load_check import LoadCheck, ModelCheck
from nextbest.serving.insights.version_report import CARD
from tests.trained import Trained

APPROVED = Approval(
    blessed=True, checks=(Check(name="must_beat", passed=True, text="a beats b: yes"),), compared_with=None
)
REFUSED = Approval(blessed=False, checks=(Check(name="lowest", passed=False, text="a is 0.1"),), compared_with=None)
LOADED = LoadCheck({"recommender": ModelCheck("", records=14)})


@pytest.fixture(scope="module")
def run(trained: Trained) -> Run:
    return open_run(trained.run, lambda what: lambda doing, share: None)


@pytest.fixture(scope="module")
def evaluation(trained: Trained) -> Evaluation:
    return Evaluation.model_validate_json((trained.run / "evaluation" / "metrics.json").read_text(encoding="utf-8"))


def section(card: str, title: str) -> str:
    """Return the text below a heading."""
    (text,) = [part.partition("\n")[2] for part in card.split("\n## ") if part.partition("\n")[0] == title]
    return text.strip()


def rows(text: str) -> list[list[str]]:
    """Return the cells of a section's table."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").replace(r"\|", "¦").split("|")] for line in lines]


def test_the_pushed_card_has_the_measured_figures(trained: Trained, evaluation: Evaluation) -> None:
    card = (trained.models / "recommender" / "1" / "assets.extra" / CARD).read_text(encoding="utf-8")
    heading, _, *models = rows(section(card, "How good it is"))
    assert heading[:2] == ["model", evaluation.main_metric]
    assert [row[0] for row in models] == list(evaluation.models)
    for name, text, *_ in models:
        found = evaluation.models[name][evaluation.main_metric]
        assert text == rf"{found.value:.3f} \[{found.low:.3f}, {found.high:.3f}\]"
    groups = rows(section(card, "NDCG@5 by group").partition("\n\n")[0])
    assert {row[0] for row in groups[2:]} == set(evaluation.slices["segment"])
    fair = section(card, "Is any group served worse?")
    titles = [part.partition("\n")[0] for part in fair.split("### ")[1:]]
    of_customers = ["segment", "gender", "marital status", "age", "tenure years", "known or new"]
    assert titles[: len(of_customers)] == [f"Customers by {name}" for name in of_customers]
    assert titles[len(of_customers) :][:2] == ["Products by category", "Products by time on offer"]
    assert titles[-1] == "The popular and the rest"
    assert "the chance of one wrong finding is below 5%" in fair
    assert "1,000" not in section(card, "Intended use") and "40 products" in section(card, "Intended use")
    assert section(card, "Verdict").startswith("It is approved")
    assert "income" in section(card, "Data") and str(evaluation.window.cutoff) in card.splitlines()[0]


def test_a_forced_version_says_that_it_is_not_approved(run: Run, evaluation: Evaluation) -> None:
    verdict = section(model_card(run, evaluation, REFUSED, LOADED), "Verdict")
    assert "not approved, and was pushed all the same (`--force`)" in verdict and "- failed: a is 0.1" in verdict
    assert "- passed: 1 models answered 14 recorded requests" in verdict


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (
            {"customer": "income", "op": ">=", "product": "min_income"},
            "where the customer's income is below the product's min income, or that is unknown;",
        ),
        (
            {"customer": "age", "op": "<", "product": "max_age", "missing": "allow"},
            "where the customer's age is at least the product's max age;",
        ),
        ({"product": "risk_level", "op": "<=", "value": 4}, "where the product's risk level is above 4;"),
        ({"customer": "country", "op": "!=", "value": "US"}, "where the customer's country is US, or that is unknown;"),
        (
            {"holds": "category", "product": "requires", "when": {"product": "requires", "op": "!=", "value": "none"}},
            "where the product's requires is not none, unless the customer holds at least 1 of the products whose "
            "category is the product's requires;",
        ),
        (
            {"any": [{"customer": "age", "op": "<=", "value": 60}, {"not": {"product": "group", "value": ["a", "b"]}}]},
            "unless (the customer's age is at most 60) or (it is not so that the product's group is one of a or b), or "
            "that is unknown;",
        ),
    ],
)
def test_rules_are_sentences(run: Run, evaluation: Evaluation, rule: dict[str, Any], sentence: str) -> None:
    policy = PolicyConfig(rules=(Rule(reason="no!", **rule),))
    data = run.config.data.model_copy(update={"policy": policy})
    ruled = replace(run, config=run.config.model_copy(update={"data": data}))
    text = section(model_card(ruled, evaluation, APPROVED, LOADED), "What is never recommended")
    assert f'- "no!": {sentence}' in text.splitlines()


def test_names_cannot_break_the_card(run: Run, evaluation: Evaluation) -> None:
    label = "a|b <img src=x> *c* [d](e)"
    groups = {label: Slice(customers=3, models={"ranking": Interval(value=0.5)})}
    odd = evaluation.model_copy(update={"slices": {"group": groups}})
    text = section(model_card(run, odd, APPROVED, LOADED), "NDCG@5 by group")
    ((name, customers, figure),) = rows(text)[2:]
    assert (customers, figure) == ("3", "0.500")
    assert name == r"a¦b \<img src=x\> \*c\* \[d\](e)"


def test_limits_name_a_group_as_worse_only_where_it_is_shown(run: Run, evaluation: Evaluation) -> None:
    def group(customers: int, value: float, finding: str) -> Group:
        interval = Interval(value=value, low=value - 0.1, high=value + 0.1)
        told = {"difference": -0.3, "low": -0.4, "high": -0.2, "p": 0.001, "finding": finding}
        return Group(customers=customers, metrics={"ndcg@5": interval}, difference=GroupDifference.model_validate(told))

    def limits(finding: str) -> str:
        groups = {"young": group(30, 0.5, "better"), "old": group(900, 0.2, finding)}
        changed = evaluation.model_copy(update={"groups": {"age_band": groups}})
        return section(model_card(run, changed, APPROVED, LOADED), "Limits")

    assert r"By age band it is worse for old (NDCG@5 0.200 \[0.100, 0.300\]); it is least tested for" in limits("worse")
    assert "By age band no group is shown to be served worse; it is least tested for young (30 customers)" in limits(
        "none shown"
    )


class TestProtectedColumns:
    def card(self, run: Run, evaluation: Evaluation, source: Path | None = None, **protected: bool) -> str:
        columns = run.config.data.customers.columns
        changed = {name: columns[name].model_copy(update={"protected": value}) for name, value in protected.items()}
        customers = run.config.data.customers.model_copy(update={"columns": columns | changed})
        data = run.config.data.model_copy(update={"customers": customers})
        config = run.config.model_copy(update={"data": data})
        moved = replace(run, config=config, source=source or run.source, same_tables_as=run)
        return model_card(moved, evaluation, APPROVED, LOADED)

    def test_by_default_their_names_alone_protect_them(self, run: Run, evaluation: Evaluation) -> None:
        card = self.card(run, evaluation)
        text = section(card, "Protected columns")
        assert "No column is protected" in text
        assert "gender, marital status: protected by name alone. The models read it, and reasons never name it." in text
        assert "gender, marital status" in section(card, "Data")

    def test_what_is_protected_is_read_by_rules_alone(self, run: Run, evaluation: Evaluation) -> None:
        card = self.card(run, evaluation, gender=True, age=True, marital_status=False)
        text = section(card, "Protected columns")
        assert "- age, gender: no model reads it nor anything made of it; results are measured by it." in text
        assert "- age: rules of the policy read it; they mask products, and teach no model." in text
        assert "marital" not in text and "was not measured (`python -m benchmarks.protected`)" in text
        read = section(card, "Data").partition("Read of a customer")[2].partition("\n")[0]
        assert "marital status" in read and "gender" not in read and " age," not in read

    def test_its_cost_is_stated(self, run: Run, evaluation: Evaluation, tmp_path: Path) -> None:
        cost = ProtectedCost(
            columns=("gender",),
            metric="ndcg@5",
            customers=1234,
            cutoff=date(2024, 9, 27),
            seeds=(0, 1),
            read=Interval(value=0.5),
            protected=Interval(value=0.49),
            difference=Interval(value=-0.01, low=-0.02, high=0.003),
            seed_spread=0.004,
        )
        file = tmp_path / PROTECTED_COST
        file.write_text(cost.model_dump_json())
        text = section(self.card(run, evaluation, tmp_path, gender=True), "Protected columns")
        assert (
            r"Without gender the ranking has ndcg@5 0.4900 instead of 0.5000: -0.0100 \[-0.0200, +0.0030\], which may "
            "be chance, on the same 1,234 customers after 2024-09-27, 2 trainings each; from seed to seed it varies by "
            "0.0040," in text
        )
        file.write_text("{}")
        with pytest.raises(InputError, match=r"protected_cost\.json.*it is not what `python -m benchmarks.protected`"):
            self.card(run, evaluation, tmp_path, gender=True)


def test_unknown_calibration_is_reported(run: Run, evaluation: Evaluation, tmp_path: Path) -> None:
    card = model_card(run, evaluation.model_copy(update={"calibration": None}), APPROVED, LOADED)
    assert section(card, "Do the probabilities mean what they say?").startswith("Not measured")

"""The card says what was measured and required; it is Markdown whatever the bank's names are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nextbest.data.rules import PolicyConfig, Rule
from nextbest.evaluation.approval import Approval, Check
from nextbest.evaluation.results import Evaluation, Interval, Slice
from nextbest.pipeline.model_card import model_card
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
    groups = rows(section(card, "NDCG@5 by group"))
    assert {row[0] for row in groups[2:]} == set(evaluation.slices["segment"])
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


def test_limits_name_the_weakest_group(run: Run, evaluation: Evaluation) -> None:
    groups = {
        "young": Slice(customers=30, models={"ranking": Interval(value=0.5)}),
        "old": Slice(customers=900, models={"ranking": Interval(value=0.2, low=0.1, high=0.3)}),
    }
    limits = section(
        model_card(run, evaluation.model_copy(update={"slices": {"age_band": groups}}), APPROVED, LOADED), "Limits"
    )
    assert r"By age band it is worst for old (NDCG@5 0.200 \[0.100, 0.300\])" in limits
    assert "least tested for young (30 customers)" in limits
    none = section(model_card(run, evaluation.model_copy(update={"slices": {}}), APPROVED, LOADED), "Limits")
    assert "no groups of customers" in none


def test_unknown_calibration_is_reported(run: Run, evaluation: Evaluation, tmp_path: Path) -> None:
    card = model_card(run, evaluation.model_copy(update={"calibration": None}), APPROVED, LOADED)
    assert section(card, "Do the probabilities mean what they say?").startswith("Not measured")

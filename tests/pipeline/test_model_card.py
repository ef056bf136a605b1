"""The card says what was measured and required; it is Markdown whatever the bank's names are."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nextbest.data.errors import InputError
from nextbest.data.rules import PolicyConfig, Rule
from nextbest.evaluation.approval import Approval, Check
from nextbest.evaluation.results import (
    Difference,
    Evaluation,
    Group,
    GroupCalibration,
    GroupDifference,
    Interval,
    ProtectedCost,
    Slice,
)
from nextbest.pipeline.governance import GOVERNANCE
from nextbest.pipeline.model_card import PROTECTED_COST, model_card
from nextbest.pipeline.model_card_page import model_card_page
from nextbest.pipeline.run import Run, open_run
from nextbest.pipeline.sensitivity import HISTORY, measure_sensitivity
from nextbest.serving.artifacts.load_check import LoadCheck, ModelCheck
from nextbest.serving.insights.version_report import CARD
from tests.conftest import ROOT
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


QUESTIONS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "trust_card.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| question")
]


def test_there_are_twenty_questions() -> None:
    assert len(QUESTIONS) == 20


@pytest.mark.parametrize(("question", "title", "words"), QUESTIONS)
def test_the_card_answers_a_validators_question(
    run: Run, evaluation: Evaluation, question: str, title: str, words: str
) -> None:
    changes = {"income": Difference(difference=-0.1, low=-0.2, high=-0.05, share_positive=0)}
    card = model_card(run, evaluation, APPROVED, LOADED, changes)
    assert words in section(card, title), question


class TestEvidence:
    def test_who_is_named(self, run: Run, evaluation: Evaluation, tmp_path: Path) -> None:
        (tmp_path / GOVERNANCE).write_text(
            'owner = "A*B"\npurpose = "Talks."\nnext_review = 2025-09-30\nconditions = ["Under watch."]\n'
            '[data_owners]\ncustomers = "Master data"\n',
            encoding="utf-8",
        )
        card = model_card(replace(run, source=tmp_path, same_tables_as=run), evaluation, APPROVED, LOADED)
        lines = section(card, "Who answers for it").splitlines()
        assert lines[0] == r"- Owner: A\*B" and "not named" in lines[3]
        assert "- Validated again by: 2025-09-30" in lines
        assert lines[-2:] == ["- Condition of use: Under watch.", "- The table customers: Master data"]
        assert "Talks." in section(card, "Intended use")

    def test_an_unknown_key_is_refused(self, run: Run, evaluation: Evaluation, tmp_path: Path) -> None:
        (tmp_path / GOVERNANCE).write_text('boss = "A"\n', encoding="utf-8")
        with pytest.raises(InputError, match="boss"):
            model_card(replace(run, source=tmp_path, same_tables_as=run), evaluation, APPROVED, LOADED)

    def test_the_tables_are_counted(self, run: Run, evaluation: Evaluation) -> None:
        text = section(model_card(run, evaluation, APPROVED, LOADED), "Quality of the data")
        events, customers = run.history.interactions, run.history.customers
        kinds = {name: int(count.replace(",", "")) for name, count in rows(text.partition("\n\n| table")[0])[2:]}
        assert sum(kinds.values()) == len(events)
        income = next(row for row in rows(text) if row[:2] == ["customers", "income"])
        known = customers.at(run.windows.test.cutoff)["income"]
        assert income[3:] == [f"{np.isnan(known).mean():.1%}", str(len(np.unique(known[~np.isnan(known)])))]

    def test_the_challenger_is_no_part_of_what_is_served(self, run: Run, evaluation: Evaluation) -> None:
        text = section(model_card(run, evaluation, APPROVED, LOADED), "Alternatives and the challenger")
        differences = {
            name.removeprefix("ranking-"): found[evaluation.main_metric].difference
            for name, found in evaluation.paired.items()
            if name.startswith("ranking-") and name != "ranking-retrieval"
        }
        strongest = min(differences, key=differences.__getitem__)
        assert f"strongest challenger is {strongest}: " in text and "retrieval," not in text

    def test_settings_are_those_that_are_not_the_defaults(self, run: Run, evaluation: Evaluation) -> None:
        text = section(model_card(run, evaluation, APPROVED, LOADED), "Settings, and how they were chosen")
        assert ["retrieval.embedding_dim", "8", "64"] in rows(text)
        assert not any(row[0] == "retrieval.temperature" for row in rows(text))
        assert "No search was made" in text

    def test_products_that_are_off(self, run: Run, evaluation: Evaluation) -> None:
        right = GroupCalibration(pairs=50, said=0.1, happened=0.1, ratio=Interval(value=1, low=0.5, high=2), p=1)
        off = GroupCalibration(
            pairs=90, said=0.1, happened=0.3, ratio=Interval(value=3, low=2, high=4), p=0.001, finding="more than said"
        )
        found = evaluation.model_copy(update={"calibration_by_product": {"P1": right, "P2": off}})
        text = section(model_card(run, found, APPROVED, LOADED), "And product by product?")
        assert "Of 2 products" in text and "leaves out 1 for 1;" in text and "1 are shown to be off" in text
        assert [row[0] for row in rows(text)[2:]] == ["P2", "P1"]

    def test_the_page_has_pictures_and_no_html_of_the_bank(self, run: Run, evaluation: Evaluation) -> None:
        changes = {"income": Difference(difference=-0.1, low=-0.2, high=-0.05, share_positive=0)}
        groups = {"<img src=x>": Slice(customers=3, models={"ranking": Interval(value=0.5)})}
        odd = evaluation.model_copy(update={"slices": {"group": groups}})
        page = model_card_page(model_card(run, odd, APPROVED, LOADED, changes), odd, changes)
        assert all(f'<div id="{name}"' in page for name in ("models", "sensitivity", "calibration"))
        assert "<img" not in page and "&lt;img src=x&gt;" in page
        assert "<h1>Model card: next best products" in page


def test_holdings_and_events_are_worth_most_and_are_measured_once(trained: Trained, tmp_path: Path) -> None:
    shutil.copytree(trained.run, tmp_path / "run")
    (tmp_path / "run" / "evaluation" / "sensitivity.json").unlink(missing_ok=True)
    found = measure_sensitivity(open_run(tmp_path / "run", lambda what: lambda doing, share: None))
    assert found[HISTORY].high < 0 and next(iter(found)) == HISTORY
    assert measure_sensitivity(open_run(tmp_path / "run", lambda what: lambda doing, share: None)) == found

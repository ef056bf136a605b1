"""What is said of columns and categories: always grammatical, never of what is protected."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from nextbest.data.tables.words import is_named
from nextbest.serving.english import plural
from nextbest.serving.formatting import MISSING, format_name, format_value
from nextbest.serving.insights.profiles import Attribute
from nextbest.serving.insights.reason_groups import is_protected
from nextbest.serving.insights.reason_phrases import column_phrase, count_nouns, join_words

PROTECTED = (
    *("gender", "sex", "Geschlecht", "sexo", "pohlavi", "marital_status", "Familienstand", "estado_civil"),
    *("rodinny_stav", "nationality", "religion", "Konfession", "ethnicity", "race", "disability", "Behinderung"),
    *("discapacidad", "citizenship", "country_of_birth"),
)
PLAIN = ("age", "income", "segment", "essex_branch", "racecourse", "tenure_years", "dependants")
DAY = int(np.datetime64("2024-09-27", "D").astype(int))


def said(name: str, raw: Any, role: str = "number", unit: str = "", segment: bool = False, **about: Any) -> str | None:
    column = {"role": role, "unit": unit} | {key: about.pop(key) for key in ("protected", "zero_means") if key in about}
    value = format_value(raw, column)
    attribute = Attribute(name, format_name(name), role, None, value, value == MISSING, **about)
    phrase = column_phrase(attribute, raw, column, DAY, segment)
    return None if phrase is None else phrase.full


@pytest.mark.parametrize(
    ("expected", "given"),
    [
        ("is 34 years old", ("age", 34.9, "number", "years")),
        ("is 1 year old", ("Alter", 1.0, "number", "years")),
        ("is 34 years old", ("date_of_birth", float(DAY - 12_600), "date")),
        ("has an income of 42,000 EUR a year", ("income", 42_000.0, "number", "EUR/year")),
        ("has a credit score of 720", ("credit_score", 720.0)),
        ("has a utilisation of 21%", ("utilisation", 0.21, "number", "share")),
        ("has savings of 104,400 EUR", ("savings", 104_400.0, "number", "EUR")),
        ("has no savings", ("savings", 0.0, "number", "EUR")),
        ("has no loan balance", ("loan_balance", 0.0, "number", "EUR")),
        ("has no dependants", ("dependants", 0.0)),
        ("has one dependant", ("dependants", 1.0)),
        ("has three dependants", ("dependants", 3.0)),
        ("has been a customer for two years", ("tenure_years", 2.9, "number", "years")),
        ("has been a customer for one year", ("tenure_years", 1.2, "number", "years")),
        ("has been a customer for less than a year", ("tenure_years", 0.4, "number", "years")),
        ("has been a customer since 2022", ("joined", float(DAY - 900), "date")),
        ('is marked as "home owner"', ("home_owner", 1.0, "boolean")),
        ('is not marked as "home owner"', ("home_owner", 0.0, "boolean")),
        ('is listed as "self employed" under employment', ("employment", "self_employed", "category")),
        ('belongs to the segment "affluent"', ("segment", "affluent", "category", "", True)),
        (None, ("age", np.nan, "number", "years")),
        (None, ("x17", 3.0)),
        (None, ("ind_nom", 3.0)),
        (None, ("notes", "wants a house", "text")),
        (None, ("branch", "B02", "category")),
        (None, ("last_event", "none", "category")),
        (None, ("last_event", "divorce", "category")),
        (None, ("gender", "female", "category")),
        (None, ("Familienstand", "ledig", "category")),
        (None, ("contract_start", float(DAY), "date")),
    ],
)
def test_phrases(expected: str | None, given: tuple[Any, ...]) -> None:
    assert said(*given) == expected


@pytest.mark.parametrize(
    ("expected", "percentiles"),
    [
        ("has savings of 900 EUR, above most of the segment", {"percentile": 75.0, "percentile_overall": 1.0}),
        ("has savings of 900 EUR, below most of the segment", {"percentile": 25.0}),
        ("has savings of 900 EUR", {"percentile": 50.0, "percentile_overall": 99.0}),
        ("has savings of 900 EUR, above most customers", {"percentile_overall": 90.0}),
    ],
)
def test_comparisons(expected: str, percentiles: dict[str, float]) -> None:
    assert said("savings", 900.0, unit="EUR", **percentiles) == expected


def test_who_was_born_late_is_young() -> None:
    born = float(DAY - 25 * 366)
    assert said("birthday_birth", born, "date", percentile=90.0) == "is 25 years old, younger than most of the segment"
    assert said("birthday_birth", born, "date", percentile=10.0) == "is 25 years old, older than most of the segment"
    assert said("age", 70.0, unit="years", percentile=90.0) == "is 70 years old, older than most of the segment"


def test_a_setting_decides_what_is_protected() -> None:
    assert said("region", "North", "category", protected=True) is None
    assert said("gender_pay_gap_score", 3.0, protected=False) == "has a gender pay gap score of 3"


@pytest.mark.parametrize("name", PROTECTED)
def test_protected_by_name(name: str) -> None:
    assert is_protected(name, {"role": "category"})


@pytest.mark.parametrize(
    "name", ["age", "income", "segment", "essex_branch", "racecourse", "tenure_years", "dependants"]
)
def test_not_protected(name: str) -> None:
    assert not is_named(name, "protected")


@pytest.mark.parametrize(
    ("category", "one", "two"),
    [
        ("fund", "one fund", "two funds"),
        ("savings_account", "one savings account", "two savings accounts"),
        ("home_insurance", "one home insurance policy", "two home insurance policies"),
        ("child_savings", "one child savings product", "two child savings products"),
        ("Credit Cards", "one Credit card", "two Credit cards"),
        ("invest", "one invest product", "two invest products"),
    ],
)
def test_products_are_counted(category: str, one: str, two: str) -> None:
    assert (count_nouns(category, 1), count_nouns(category, 2)) == (one, two)
    assert count_nouns(category) == two.removeprefix("two ")


def test_words() -> None:
    assert join_words(["a"]) == "a"
    assert join_words(["a", "b", "c"]) == "a, b and c"
    assert [plural(noun) for noun in ("policy", "day", "box", "fund")] == ["policies", "days", "boxes", "funds"]


def test_five_hundred_phrases_by_rules() -> None:
    random = np.random.default_rng(0)
    names = ["savings", "income", "credit_score", "dependants", "utilisation", "open_balance", "arrears"]
    units = ("", "EUR", "EUR/year", "share", "years", "days")
    for _ in range(500):
        raw = float(random.choice([0, 1, 2, 0.5, 1234.5, random.normal() * 1e4]))
        about = {"percentile": float(random.uniform(0, 100))} if random.random() < 0.7 else {}
        phrase = said(str(random.choice(names)), raw, unit=str(random.choice(units)), **about)
        assert phrase is not None
        assert re.match("(has|is) ", phrase), phrase
        assert not re.search(r"nan|  |_| a [aeio]|\bone \w+s\b(?! of)| ,|\.$", phrase), phrase

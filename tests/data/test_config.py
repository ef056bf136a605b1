"""What a config refuses, and what it says then."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from nextbest.data.config import (
    REQUEST_INPUTS,
    ColumnConfig,
    DataConfig,
    EncoderConfig,
    EntityConfig,
    HistoryList,
    InteractionsConfig,
    WindowsConfig,
)
from nextbest.data.rules import Rule

CONFIG: dict[str, Any] = {
    "customers": {
        "path": "customers.csv",
        "id": "customer_id",
        "as_of": "as_of",
        "columns": {
            "age": {"role": "number", "unit": "years"},
            "consent": {"role": "boolean"},
            "born": {"role": "date"},
            "segment": {"role": "category"},
        },
    },
    "products": {
        "path": "products.csv",
        "id": "product_id",
        "columns": {
            "min_age": {"role": "number"},
            "risk": {"role": "number"},
            "launched": {"role": "date"},
            "group": {"role": "category"},
        },
    },
    "interactions": {"path": "interactions.csv"},
    "policy": {
        "rules": [{"customer": "age", "op": ">=", "product": "min_age", "reason": "too young"}],
        "risk_column": "risk",
        "category_column": "group",
    },
    "segment": "segment",
}


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    config = copy.deepcopy(CONFIG)
    change(config)
    return config


def message(change: Callable[[dict[str, Any]], object]) -> str:
    with pytest.raises(ValidationError) as caught:
        DataConfig.model_validate(changed(change))
    return str(caught.value)


def rules_message(*rules: dict[str, Any]) -> str:
    reasons = ["because", *(f"because {number}" for number in range(2, len(rules) + 1))]
    numbered = [{"reason": reason, **rule} for reason, rule in zip(reasons, rules, strict=True)]
    return message(lambda config: config["policy"].update(rules=numbered))


def test_the_config_is_valid_and_immutable() -> None:
    config = DataConfig.model_validate(CONFIG)
    assert config.customers.columns["age"].unit == "years"
    assert DataConfig.model_validate_json(config.model_dump_json()) == config
    with pytest.raises(ValidationError, match="frozen"):
        config.segment = None  # type: ignore[misc]


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ((), "costumers"),
        (("customers",), "idd"),
        (("customers", "columns", "age"), "units"),
        (("products",), "rows"),
        (("interactions",), "when"),
        (("policy",), "rule"),
    ],
)
def test_an_unknown_key_is_refused_where_it_stands(section: tuple[str, ...], key: str) -> None:
    def add(config: dict[str, Any]) -> None:
        for name in section:
            config = config[name]
        config[key] = "x"

    text = message(add)
    assert ".".join([*section, key]) in text
    assert "Extra inputs are not permitted" in text


@pytest.mark.parametrize("name", REQUEST_INPUTS)
def test_a_customers_column_cannot_be_called_like_an_input(name: str) -> None:
    text = message(lambda config: config["customers"]["columns"].update({name: {"role": "number"}}))
    assert f"customers has a column '{name}', which is the name of an input of the exported model; rename it" in text
    allowed = changed(lambda config: config["products"]["columns"].update({name: {"role": "number"}}))
    allowed["products"]["id"] = "key"
    assert name in DataConfig.model_validate(allowed).products.columns  # products are not inputs


@pytest.mark.parametrize("name", ["net income", "größe", "class", "_hidden", "1st", "a-b", "x.y", ""])
def test_a_customers_column_has_a_name_that_a_graph_can_keep(name: str) -> None:
    text = message(lambda config: config["customers"]["columns"].update({name: {"role": "number"}}))
    assert f"customers has a column {name!r}, and no input of the exported model can have this name; rename it" in text
    allowed = changed(lambda config: config["products"]["columns"].update({name: {"role": "number"}}))
    assert name in DataConfig.model_validate(allowed).products.columns


def test_the_inputs_are_all_there() -> None:
    lists = {f"{name}_{part}" for name in get_args(HistoryList) for part in ("products", "days")}
    of_retrieval, of_ranking = {"as_of_day", "k", "examples"}, {"candidates", "similarity"}
    of_the_recommender = {"max_risk", "categories", "exclude", "words", "numbers", "product_id"}
    assert set(REQUEST_INPUTS) == lists | of_retrieval | of_ranking | of_the_recommender


@pytest.mark.parametrize("key", ["customer_id", "as_of"])
def test_a_key_is_no_feature(key: str) -> None:
    text = message(lambda config: config["customers"]["columns"].update({key: {"role": "id"}}))
    assert f"column '{key}' is the id, as_of or recorded_at column and cannot be a feature too; remove it" in text


@pytest.mark.parametrize("role", ["category", "boolean", "date", "text", "id"])
def test_only_numbers_are_transformed(role: Any) -> None:
    with pytest.raises(ValidationError, match=f"transform = 'log1p' is for the role 'number', not '{role}'; remove it"):
        ColumnConfig(role=role, transform="log1p")


def test_an_event_acquires_or_releases() -> None:
    with pytest.raises(ValidationError, match=re.escape("events ['open'] are in acquire and in release; keep each")):
        InteractionsConfig(path="x.csv", acquire=("open", "buy"), release=("close", "open"))


@pytest.mark.parametrize(
    "sides", [{}, {"customer": "a"}, {"value": 1}, {"product": "a"}, {"customer": "a", "product": "b", "value": 1}]
)
def test_a_rule_has_two_sides(sides: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="a rule compares exactly two of: customer, product, value"):
        Rule.model_validate({"op": "<=", "reason": "because", **sides})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_rules_value_is_finite(value: float) -> None:
    with pytest.raises(ValidationError, match="finite number"):
        Rule(customer="age", op="<=", value=value, reason="because")


@pytest.mark.parametrize("value", [18, 18.5, True, False, "retail"])
def test_a_rules_value_keeps_its_type(value: float | bool | str) -> None:
    rule = Rule(customer="age", op="==", value=value, reason="because")
    assert rule.value == value
    assert isinstance(rule.value, bool) == isinstance(value, bool)
    assert Rule.model_validate_json(rule.model_dump_json()) == rule


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (
            {"customer": "age", "op": "==", "value": [1, 2]},
            '== compares with one value, and value lists 2; use op = "in"',
        ),
        ({"customer": "age", "op": "in", "value": 1}, "in asks for a list of values"),
        ({"customer": "age", "value": []}, "value is an empty list"),
        ({"any": [{"customer": "age", "value": 1}], "customer": "age", "value": 2}, "any stands alone"),
        ({"not": {"customer": "age", "value": 1}, "all": [{"customer": "age", "value": 1}]}, "all stands alone"),
        ({"holds": "group", "value": "a", "op": "!="}, "holds counts what is equal, not !=; use at_most = 0"),
        ({"holds": "group", "customer": "age", "value": "a"}, "holds counts by exactly one of product and value"),
        ({"holds": "group", "value": "a", "at_least": 1, "at_most": 2}, "at_least and at_most are two conditions"),
        (
            {"customer": "age", "value": 3, "at_most": 2},
            "at_least and at_most count what the customer holds; add holds",
        ),
        ({"any": [{"op": "=="}]}, "a rule compares exactly two of"),
    ],
)
def test_a_condition_has_one_form(rule: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(problem)):
        Rule.model_validate({"reason": "because", **rule})


@pytest.mark.parametrize("reason", ["", "  ", "a\nb", " a"])
def test_a_reason_is_a_line_of_words(reason: str) -> None:
    with pytest.raises(ValidationError, match="say in words, on one line"):
        Rule(customer="age", op=">=", value=18, reason=reason)


@pytest.mark.parametrize(
    ("reason", "problem"),
    [
        ("Too young", "2 rules have the reason 'too young'; give each its own"),
        ("Already held", "the reason 'Already held' is one that nextbest gives itself"),
        ("riskier than wanted", "the reason 'riskier than wanted' is one that nextbest gives itself"),
        ("age unknown", "the reason 'age unknown' is one that nextbest gives itself"),
    ],
)
def test_reasons_can_be_told_apart(reason: str, problem: str) -> None:
    rule = {"customer": "age", "op": ">=", "product": "min_age"}
    assert problem in rules_message(rule | {"reason": "too young"}, rule | {"op": ">", "reason": reason})


def test_units_must_be_alike() -> None:
    def months(config: dict[str, Any]) -> None:
        config["products"]["columns"]["min_age"]["unit"] = "months"

    assert "age (years) and min_age (months) have unlike units; compare columns of one unit" in message(months)


def test_a_rules_missing_columns_are_all_named() -> None:
    text = rules_message(
        {"customer": "agee", "op": ">=", "product": "min_agee"},
        {"customer": "age", "op": ">=", "product": "min_age"},
        {"product": "age", "op": "<", "value": 3},
    )
    assert "policy rule 1 (because): customers has no column 'agee'; add it or fix the rule" in text
    assert "policy rule 1 (because): products has no column 'min_agee'; add it or fix the rule" in text
    assert "policy rule 3 (because 3): products has no column 'age'" in text  # it is a customer's
    assert "policy rule 2" not in text


@pytest.mark.parametrize(
    ("rule", "kinds"),
    [
        ({"customer": "age", "op": "==", "product": "group"}, "age and group are unlike kinds: number and word"),
        ({"customer": "born", "op": "<=", "product": "min_age"}, "born and min_age are unlike kinds: date and number"),
        ({"customer": "segment", "op": "==", "value": 3}, "segment is a word, and 3.0 is a number: unlike kinds"),
        ({"customer": "age", "op": "==", "value": "old"}, "age is a number, and 'old' is a word: unlike kinds"),
        ({"customer": "age", "op": ">=", "value": True}, "age is a number, and True is a boolean: unlike kinds"),
        ({"customer": "born", "op": "<=", "value": 19000}, "born is a date, and 19000.0 is a number: unlike kinds"),
        ({"customer": "born", "op": "<=", "value": "soon"}, "born is a date, and 'soon' is none; write yyyy-mm-dd or"),
        ({"customer": "born", "value": ["today", "2024-01-01"]}, '"today" stands alone, and in compares with a list'),
        ({"any": [{"not": {"customer": "age", "value": "old"}}]}, "age is a number, and 'old' is a word: unlike kinds"),
        ({"when": {"product": "group", "value": 3}, "product": "group", "value": "a"}, "group is a word, and 3.0 is a"),
        ({"customer": "age", "op": "in", "product": "min_age"}, "in is for words, and age is a number"),
        ({"holds": "min_age", "value": "3"}, "holds counts by words, and min_age is a number"),
        ({"holds": "grup", "value": "a"}, "products has no column 'grup'; add it or fix the rule"),
        ({"holds": "group", "value": [3]}, "holds counts by words, and value holds 3.0"),
    ],
)
def test_unlike_kinds_are_not_compared(rule: dict[str, Any], kinds: str) -> None:
    assert f"policy rule 1 (because): {kinds}" in rules_message(rule)


@pytest.mark.parametrize("op", ["<=", "<", ">=", ">"])
def test_words_have_no_order(op: str) -> None:
    text = rules_message({"customer": "segment", "op": op, "product": "group"})
    assert f"policy rule 1 (because): a word has no order; use == or !=, not {op}" in text


@pytest.mark.parametrize(
    "rule",
    [
        {"customer": "born", "op": "<=", "product": "launched"},
        {"customer": "consent", "op": "==", "value": True},
        {"customer": "segment", "op": "!=", "product": "group"},
        {"product": "risk", "op": "<=", "value": 4},
    ],
)
def test_like_kinds_are_compared(rule: dict[str, Any]) -> None:
    config = changed(lambda config: config["policy"].update(rules=[{"reason": "because", **rule}]))
    assert DataConfig.model_validate(config).policy.rules[0].reason == "because"


def test_named_columns_exist_and_have_their_role() -> None:
    def change(config: dict[str, Any]) -> None:
        config["policy"].update(risk_column="group", category_column="kind")
        config["segment"] = "age"

    text = message(change)  # all at once
    assert "policy.risk_column = 'group' is not a number column of products" in text
    assert "policy.category_column = 'kind' is not a category column of products" in text
    assert "segment = 'age' is not a category column of customers" in text


@pytest.mark.parametrize(("key", "value"), [("horizon_days", 0), ("ranking_windows", 0), ("max_recent", 0)])
def test_windows_have_lengths(key: str, value: int) -> None:
    with pytest.raises(ValidationError, match=rf"{key}\n  Input should be greater than or equal to"):
        WindowsConfig.model_validate({key: value})


def test_every_field_is_described() -> None:
    for model in (ColumnConfig, DataConfig, EntityConfig, InteractionsConfig, Rule, WindowsConfig, EncoderConfig):
        assert all(field.description for field in model.model_fields.values()), model

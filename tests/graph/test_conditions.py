"""Each form of a rule by hand, as the graph and as the evaluator outside of it read it; and both on random policies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.policies import DAY, World, differences, reasons_by_graph, reasons_outside
from nextbest.data.dataset import Array, Features
from nextbest.data.rules import PolicyConfig

NAN = np.nan
TODAY = float(DAY)


def numbers(*values: float) -> Array:
    return np.array(values, np.float32)


def words(*values: str) -> Array:
    return np.array(values, object)


CUSTOMERS: Features = {
    "segment": words("student", "family", ""),
    "income": numbers(10, 50, NAN),
    "savings": numbers(90, 0, 5),
    "consent": numbers(1, 0, NAN),
    "opted_out": words("loan|card", "fund", ""),
    "joined": numbers(TODAY - 400, TODAY, NAN),
}
PRODUCTS: Features = {
    "category": words("account", "loan", "fund", ""),
    "requires": words("", "account", "none", "account"),
    "segments": words("student|family", "family", "", "senior"),
    "min_income": numbers(0, 40, 20, NAN),
    "min_deposit": numbers(5, 5, 0, 100),
    "offered_from": numbers(TODAY, TODAY + 1, NAN, TODAY - 5),
    "family": words("tariff", "tariff", "", "other"),
}
# The first customer holds the account, twice in the list, the second the loan and the fund; the third holds nothing.
HELD = np.array([[0, 0], [1, 2], [-1, -1]], np.int32)
WORLD = World(CUSTOMERS, PRODUCTS, words("P0", "P1", "P2", "P3"), HELD)


def broken(rule: dict[str, Any], reason: str = "no") -> list[str]:
    """Return per customer which products have a reason, as letters: x where the rule, u where an unknown value."""
    policy = PolicyConfig.model_validate({"rules": [{"reason": reason, **rule}]})
    graph, _ = reasons_by_graph(policy, WORLD)
    assert graph == reasons_outside(policy, WORLD)
    letters = {reason: "x", "already held": ""}
    return ["".join("".join(letters.get(one, "u") for one in pair) or "." for pair in row) for row in graph]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # A lower bound of 0 asks nothing of whom the income is unknown; the last product has no bound.
        ({"customer": "income", "op": ">=", "product": "min_income"}, [".xx.", "....", ".uu."]),
        ({"customer": "income", "op": ">=", "product": "min_income", "missing": "allow"}, [".xx.", "....", "...."]),
        ({"customer": "segment", "op": "in", "product": "segments"}, [".x.x", "...x", "uu.u"]),
        ({"customer": "segment", "op": "not in", "product": "segments"}, ["x...", "xx..", "uu.u"]),
        ({"customer": "segment", "value": ["family", "senior"]}, ["xxxx", "....", "uuuu"]),
        ({"product": "category", "op": "not in", "value": ["fund", "loan"]}, [".xx.", ".xx.", ".xx."]),
        ({"product": "segments", "op": "contains", "value": "family"}, ["...x"] * 3),
        (
            {"customer": "opted_out", "op": "not contains", "product": "category", "missing": "allow"},
            [".x..", "..x.", "...."],
        ),
        ({"customer": "consent", "value": True}, ["....", "xxxx", "uuuu"]),
        ({"product": "offered_from", "op": "<=", "value": "today"}, [".x.."] * 3),
        ({"product": "offered_from", "op": ">", "value": "2024-10-04"}, ["x..x"] * 3),  # that is DAY
        ({"customer": "joined", "op": "<", "value": "today"}, ["....", "xxxx", "uuuu"]),
        ({"customer": "joined", "op": "<", "product": "offered_from"}, ["....", "x..x", "uu.u"]),
        (
            {
                "any": [
                    {"customer": "income", "op": ">=", "product": "min_income"},
                    {"customer": "savings", "op": ">=", "product": "min_deposit"},
                ]
            },
            # The last product asks for no income, so that none of both is asked for.
            ["....", "....", "...."],
        ),
        (
            {
                "all": [
                    {"customer": "income", "op": ">=", "product": "min_income"},
                    {"customer": "savings", "op": ">=", "product": "min_deposit"},
                ]
            },
            [".xxx", "xx.x", ".uux"],
        ),
        ({"not": {"customer": "segment", "value": "student"}}, ["xxxx", "....", "uuuu"]),
        (
            {"customer": "income", "op": ">=", "value": 40, "when": {"product": "category", "value": "loan"}},
            [".x..", "....", ".u.."],
        ),
        # What it requires must be held; "none" asks for nothing.
        (
            {"holds": "category", "product": "requires", "when": {"product": "requires", "op": "!=", "value": "none"}},
            ["....", ".x.x", ".x.x"],
        ),
        ({"holds": "category", "value": "account"}, ["....", "xxxx", "xxxx"]),
        ({"holds": "category", "value": ["account", "fund"], "at_least": 2}, ["xxxx"] * 3),
        ({"holds": "family", "product": "family", "at_most": 0}, ["xx..", "xx..", "...."]),
        ({"holds": "product_id", "value": ["P2"], "at_most": 0}, ["....", "xxxx", "...."]),
        ({"holds": "category", "value": ["loan", "fund"], "at_most": 1}, ["....", "xxxx", "...."]),
    ],
    ids=str,
)
def test_each_form(rule: dict[str, Any], expected: list[str]) -> None:
    assert broken(rule) == expected


def test_all_broken_rules_are_told() -> None:
    rules = [
        {"customer": "income", "op": ">=", "product": "min_income", "reason": "income"},
        {"customer": "savings", "op": ">=", "product": "min_deposit", "reason": "savings"},
        {"customer": "segment", "value": "student", "reason": "students only"},
    ]
    policy = PolicyConfig.model_validate({"rules": rules})
    reasons, allowed = reasons_by_graph(policy, WORLD)
    assert reasons == reasons_outside(policy, WORLD)
    assert reasons[1][1] == ["already held", "savings", "students only"]
    assert reasons[2][1] == ["income unknown", "segment unknown"]
    assert allowed.tolist()[0] == [False, False, False, False]


@pytest.mark.parametrize("seed", range(1000, 1025))
def test_both_readings_agree(seed: int) -> None:
    policy, different, refused = differences(seed, num_customers=6)
    assert not different, policy.model_dump_json(exclude_none=True)
    assert refused

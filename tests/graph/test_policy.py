"""Who may be shown what: masks by hand. A missing requirement asks nothing, a missing customer's value fails."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import tensorflow as tf

from nextbest.data.dataset import Array, Features
from nextbest.data.rules import PolicyConfig, Rule
from nextbest.graph.policy import SuitabilityPolicy

NAN, INF = np.nan, np.inf


def numbers(*values: float) -> Array:
    return np.array(values, np.float32)


def words(*values: str) -> Array:
    return np.array(values, object)


CUSTOMERS = {"age": numbers(18, 40, NAN), "segment": words("retail", "private", "")}
PRODUCTS = {
    "min_age": numbers(18, 30, NAN),
    "risk": numbers(1, 4, NAN),
    "group": words("account", "invest", ""),
    "for_segment": words("retail", "private", ""),
}


IDS = words("P0", "P1", "P2")


def policy(*rules: dict[str, Any]) -> SuitabilityPolicy:
    rules = tuple(Rule.model_validate({"reason": f"because {place}", **rule}) for place, rule in enumerate(rules))
    return SuitabilityPolicy(PolicyConfig(rules=rules, risk_column="risk", category_column="group"), PRODUCTS, IDS)


def suits(bound: SuitabilityPolicy, customers: Features, rows: Array, holdings: Array | None = None) -> Array:
    """Return the mask of customers on 2024-09-27, who hold what `holdings` says, [num_customers, num_products]."""
    held = sp.csr_matrix(np.zeros((3, bound.num_products)) if holdings is None else holdings)
    snapshot: Any = SimpleNamespace(customers=customers, holdings=held, day=19_993)
    return bound.suitable_array(snapshot, rows)


def mask(*rules: dict[str, Any], **columns: Any) -> list[list[int]]:
    return suits(policy(*rules), CUSTOMERS, np.arange(3), **columns).astype(int).tolist()


@pytest.mark.parametrize(
    ("op", "first", "second"),
    [  # ages 18 and 40 against 18, 30 and no limit
        ("<=", [1, 1, 1], [0, 0, 1]),
        ("<", [0, 1, 1], [0, 0, 1]),
        (">=", [1, 0, 1], [1, 1, 1]),
        (">", [0, 0, 1], [1, 1, 1]),
        ("==", [1, 0, 1], [0, 0, 1]),
        ("!=", [0, 1, 1], [1, 1, 1]),
    ],
)
def test_each_comparison(op: str, first: list[int], second: list[int]) -> None:
    rule = {"customer": "age", "op": op, "product": "min_age"}
    assert mask(rule) == [
        first,
        second,
        [0, 0, 1],
    ]  # the third customer's age is unknown, and the third product asks for none
    assert mask({**rule, "missing": "allow"}) == [first, second, [1, 1, 1]]


@pytest.mark.parametrize(("op", "own"), [("==", 1), ("!=", 0)])
def test_words_are_equal_or_not(op: str, own: int) -> None:
    rule = {"customer": "segment", "op": op, "product": "for_segment"}
    assert mask(rule) == [[own, 1 - own, 1], [1 - own, own, 1], [0, 0, 1]]
    assert mask({**rule, "missing": "allow"})[2] == [1, 1, 1]


def test_a_product_is_compared_with_a_fixed_value() -> None:
    """Whoever asks; a product without a risk sets no requirement."""
    assert mask({"product": "risk", "op": "<=", "value": 3}) == [[1, 0, 1]] * 3
    assert mask({"product": "group", "op": "!=", "value": "account"}) == [[0, 1, 1]] * 3


def test_a_customer_is_compared_with_a_fixed_value() -> None:
    assert mask({"customer": "age", "op": ">=", "value": 21}) == [[0] * 3, [1] * 3, [0] * 3]
    assert mask({"customer": "segment", "op": "==", "value": "retail", "missing": "allow"}) == [
        [1] * 3,
        [0] * 3,
        [1] * 3,
    ]


def test_a_boolean_is_1_or_0() -> None:
    config = PolicyConfig(rules=(Rule(customer="consent", op="==", value=True, reason="no consent"),))
    bound = SuitabilityPolicy(config, PRODUCTS, IDS)
    consent = {"consent": numbers(1, 0, NAN)}
    assert suits(bound, consent, np.arange(3))[:, 0].tolist() == [True, False, False]


@pytest.mark.parametrize("value", [INF, -INF, NAN])
def test_an_infinity_is_missing(value: float) -> None:
    """No one is infinitely old, and no product asks for it: such a request is a mistake."""
    for op in ("<=", ">=", "!=", "=="):
        bound = policy({"customer": "age", "op": op, "product": "min_age"})
        assert suits(bound, {"age": numbers(value)}, np.arange(1)).tolist() == [[False, False, True]]
    config = PolicyConfig(rules=(Rule(customer="age", op=">=", product="min_age", reason="too young"),))
    bound = SuitabilityPolicy(config, {"min_age": numbers(value)}, IDS[:1])
    assert suits(bound, CUSTOMERS, np.arange(2)).all()


def test_every_rule_must_hold() -> None:
    """18 may take the first, by age, and the third; risk excludes no one from these but the second product."""
    rules = [{"customer": "age", "op": ">=", "product": "min_age"}, {"product": "risk", "op": "<", "value": 4}]
    assert mask(*rules) == [[1, 0, 1], [1, 0, 1], [0, 0, 1]]


def test_each_rule_tells_by_itself_whether_it_is_broken() -> None:
    """So that every exclusion has its reasons, and an unknown age is no low one."""
    bound = policy(
        {"customer": "age", "op": ">=", "product": "min_age", "reason": "too young"},
        {"product": "risk", "op": "<", "value": 4, "reason": "too risky"},
        {"customer": "age", "op": "<", "value": 40, "reason": "too old"},
    )
    assert bound.reasons == ("too young", "too risky", "too old", "age unknown")
    assert bound.inputs == ("age",)
    broken = bound.broken({"age": tf.constant(CUSTOMERS["age"])})
    each = [np.broadcast_to(tensor.numpy(), (3, 3)).astype(int).tolist() for tensor in broken]
    assert each == [
        [[0, 1, 0], [0, 0, 0], [0, 0, 0]],
        [[0, 1, 0]] * 3,
        [[0] * 3, [1] * 3, [0] * 3],
        [[0] * 3, [0] * 3, [1] * 3],
    ]


def test_without_rules_everything_suits_everyone() -> None:
    assert mask() == [[1, 1, 1]] * 3


def test_rows_are_chosen_and_may_repeat() -> None:
    bound = policy({"customer": "age", "op": ">=", "product": "min_age"})
    found = suits(bound, CUSTOMERS, np.array([1, 0, 1])).astype(int).tolist()
    assert found == [[1, 1, 1], [1, 0, 1], [1, 1, 1]]
    assert suits(bound, CUSTOMERS, np.array([2])).tolist() == [[False, False, True]]
    assert suits(bound, CUSTOMERS, np.zeros(0, np.int64)).shape == (0, 3)


@pytest.mark.parametrize(
    ("max_risk", "expected"),
    [(NAN, [1, 1, 1]), (0.0, [0, 0, 0]), (1.0, [1, 0, 0]), (4.0, [1, 1, 0]), (INF, [1, 1, 0])],
)
def test_a_limit_of_risk_needs_a_known_risk(max_risk: float, expected: list[int]) -> None:
    bound = policy()
    assert bound.at_most_risk(tf.constant([max_risk])).numpy().astype(int).tolist() == [expected]
    assert bound.at_most_risk(tf.constant([max_risk, NAN]))[1].numpy().all()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([], [1, 1, 1]),
        (["", ""], [1, 1, 1]),
        (["invest"], [0, 1, 0]),
        (["invest", ""], [0, 1, 0]),  # padding does not wish for the product without a category
        (["", "account", "invest"], [1, 1, 0]),
        (["horses"], [0, 0, 0]),
    ],
)
def test_wanted_categories(wanted: list[str], expected: list[int]) -> None:
    categories = tf.reshape(tf.constant(wanted, tf.string), [1, len(wanted)])
    assert policy().in_categories(categories).numpy().astype(int).tolist() == [expected]


def test_wishes_differ_within_a_batch() -> None:
    wanted = tf.constant([["invest", ""], ["", ""], ["account", "invest"]])
    assert policy().in_categories(wanted).numpy().astype(int).tolist() == [[0, 1, 0], [1, 1, 1], [1, 1, 0]]


def test_filters_without_their_column_pass_everything() -> None:
    bound = SuitabilityPolicy(PolicyConfig(), PRODUCTS, IDS)
    assert bound.at_most_risk(tf.constant([0.0, NAN])).numpy().all()
    assert bound.in_categories(tf.constant([["horses"], [""]])).numpy().all()
    assert bound.in_categories(tf.constant([["horses"], [""]])).shape == (2, 3)


def test_a_catalogue_may_have_no_columns() -> None:
    assert SuitabilityPolicy(PolicyConfig(), {}, np.arange(7).astype(str)).suitable({}, 2).shape == (2, 7)


class Exported(tf.Module):
    def __init__(self, bound: SuitabilityPolicy) -> None:
        super().__init__()
        self.policy = bound
        signature = [tf.TensorSpec([None], tf.float32), tf.TensorSpec([None], tf.string)]
        self.suitable = tf.function(self._suitable, input_signature=signature)

    def _suitable(self, age: Any, segment: Any) -> Any:
        return self.policy.suitable({"age": age, "segment": segment}, tf.shape(age)[0])


def test_a_saved_model_enforces_the_same(tmp_path: Path) -> None:
    bound = policy(
        {"customer": "age", "op": ">=", "product": "min_age"},
        {"customer": "segment", "op": "==", "product": "for_segment", "missing": "allow"},
        {"product": "risk", "op": "<=", "value": 4},
    )
    expected = suits(bound, CUSTOMERS, np.arange(3))
    assert expected.astype(int).tolist() == [[1, 0, 1], [0, 1, 1], [0, 0, 1]]
    tf.saved_model.save(Exported(bound), str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path)).suitable
    columns = [tf.constant(CUSTOMERS[name]) for name in ("age", "segment")]
    np.testing.assert_array_equal(loaded(*columns).numpy(), expected)
    for row in range(3):
        single = loaded(*(column[row : row + 1] for column in columns))
        np.testing.assert_array_equal(single.numpy(), expected[row : row + 1])

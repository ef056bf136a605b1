"""The two readings of the suitability rules, side by side, on random policies over the whole language.

python -m benchmarks.policies --policies 500 --customers 200 --out DIR

Each policy is drawn with its own catalogue and customers, of whom some values are missing; `graph.policy` and
`data.suitability` must give the same reasons for every pair, and the mask must be what the reasons say.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from nextbest.data.dataset import Array, Features
from nextbest.data.files import write_text
from nextbest.data.rules import PolicyConfig
from nextbest.data.snapshot import NO_PRODUCT
from nextbest.data.suitability import Pair, broken_rules

DAY = 20_000
_WORDS = ("a", "b", "c", "d")
_NUMBERS = (-1.0, 0.0, 0.3, 1.0, 2.0, 40.0)
_DATES = (19_990.0, 20_000.0, 20_010.0)
_LISTS = ("a", "a|b", "b | c", "c|", "|", "d|a|b")
KINDS = {"number": _NUMBERS, "flag": (0.0, 1.0), "date": _DATES, "word": _WORDS, "list": _LISTS}
"""What columns hold, of customers (`my_...`) and of products alike."""


@dataclass(frozen=True)
class Vocabulary:
    """What random rules speak of: for each kind of `KINDS` a column of customers, one of products, and values."""

    customer: Mapping[str, str]
    product: Mapping[str, str]
    values: Mapping[str, Sequence[Any]]
    """Those of `number`, `flag`, `date` and `word`, as a rule writes them."""
    product_ids: Sequence[str]

    def word(self, random: Random) -> str:
        """Draw a word."""
        return str(random.choice(self.values["word"]))


_MADE_UP = Vocabulary(
    customer={kind: f"my_{kind}" for kind in KINDS},
    product={kind: kind for kind in KINDS},
    values={
        "number": _NUMBERS,
        "flag": (True, False),
        "date": ("2024-09-24", "2024-10-04", "today"),
        "word": _WORDS,
    },
    product_ids=("P00", "P03"),
)
"""That of `random_world`."""
_ORDER, _EQUAL = ("<=", "<", ">=", ">", "==", "!="), ("==", "!=")


@dataclass(frozen=True)
class World:
    """Some customers and a catalogue."""

    customers: Features
    products: Features
    product_ids: Array
    held: Array
    """Positions of held products, some twice, NO_PRODUCT is padding, int32, [num_customers, 6]."""


def random_policy(random: Random, words: Vocabulary = _MADE_UP) -> PolicyConfig:
    """Draw a policy of one to five rules."""
    rules = []
    for number in range(random.randint(1, 5)):
        rule = _condition(random, words, depth=2) | {
            "reason": f"rule {number}",
            "missing": random.choice(("exclude", "allow")),
        }
        if random.random() < 0.3:
            rule["when"] = _condition(random, words, depth=1)
        rules.append(rule)
    policy = {"rules": rules}
    if random.random() < 0.3:
        policy["repeatable"] = {"product": words.product["word"], "value": random.sample(words.values["word"], 2)}
    return PolicyConfig.model_validate(policy)


def random_world(random: Random, num_customers: int, num_products: int) -> World:
    """Draw customers and a catalogue; a fifth of the values is missing."""
    holdings = [random.choices(range(-1, num_products), k=6) for _ in range(num_customers)]
    return World(
        customers={f"my_{kind}": _column(random, kind, num_customers) for kind in KINDS},
        products={kind: _column(random, kind, num_products) for kind in KINDS},
        product_ids=np.array([f"P{number:02d}" for number in range(num_products)], object),
        held=np.array(holdings, np.int32),
    )


def _column(random: Random, kind: str, size: int) -> Array:
    is_text = kind in ("word", "list")
    values = [("" if is_text else np.nan) if random.random() < 0.2 else random.choice(KINDS[kind]) for _ in range(size)]
    return np.array(values, object if is_text else np.float32)


def _condition(random: Random, words: Vocabulary, depth: int) -> dict[str, Any]:
    if depth and random.random() < 0.35:
        parts = [_condition(random, words, depth - 1) for _ in range(random.randint(1, 3))]
        return random.choice(({"any": parts}, {"all": parts}, {"not": parts[0]}))
    return random.choice((_compare_columns, _compare_values, _compare_values, _list, _holds))(random, words)


def _compare_columns(random: Random, words: Vocabulary) -> dict[str, Any]:
    kind = random.choice(("number", "number", "flag", "date", "word"))
    op = random.choice(_ORDER if kind in ("number", "date") else _EQUAL)
    return {"customer": words.customer[kind], "op": op, "product": words.product[kind]}


def _compare_values(random: Random, words: Vocabulary) -> dict[str, Any]:
    kind = random.choice(("number", "flag", "date", "word"))
    op = random.choice((*_ORDER, "in", "not in") if kind in ("number", "date") else (*_EQUAL, "in", "not in"))
    values = words.values[kind]
    fixed = [value for value in random.sample(values, 2) if value != "today"] if op.endswith("in") else None
    side = random.choice(({"customer": words.customer[kind]}, {"product": words.product[kind]}))
    return side | {"op": op, "value": random.choice(values) if fixed is None else fixed}


def _list(random: Random, words: Vocabulary) -> dict[str, Any]:
    negated = random.choice(("", "not "))
    of_customer, of_product = words.customer["list"], words.product["list"]
    return random.choice(
        (
            {"customer": words.customer["word"], "op": f"{negated}in", "product": of_product},
            {"customer": of_customer, "op": f"{negated}contains", "product": words.product["word"]},
            {"customer": of_customer, "op": f"{negated}contains", "value": words.word(random)},
            {"product": of_product, "op": f"{negated}contains", "value": words.word(random)},
        )
    )


def _holds(random: Random, words: Vocabulary) -> dict[str, Any]:
    count = random.choice(({}, {"at_least": random.randint(1, 3)}, {"at_most": random.randint(0, 2)}))
    column = words.product["word"]
    two = random.sample(words.values["word"], 2)
    by = random.choice(({"product": column}, {"value": words.word(random)}, {"value": two}))
    if random.random() < 0.2:
        return {"holds": "product_id", "value": list(words.product_ids)} | count
    return {"holds": column} | by | count


def reasons_by_graph(policy: PolicyConfig, world: World) -> tuple[list[list[list[str]]], Array]:
    """Return each pair's reasons as the graph gives them, and which products it allows.

    Returns:
        Customer -> product -> reasons; bool, [num_customers, num_products].
    """
    import tensorflow as tf

    from nextbest.serving.eligibility import Eligibility

    batch, ids = len(world.held), np.append(world.product_ids, "").astype(object)
    request = {name: tf.constant(values) for name, values in world.customers.items()} | {
        "as_of_day": tf.fill([batch], np.int64(DAY)),
        "held_products": tf.constant(ids[world.held], tf.string),
        "max_risk": tf.fill([batch], np.float32(np.nan)),
        "categories": tf.zeros([batch, 0], tf.string),
        "exclude": tf.zeros([batch, 0], tf.string),
    }
    eligibility = Eligibility(policy, world.products, world.product_ids.astype("S"))
    told = np.array(eligibility.reasons(request)).astype(str)
    read = eligibility.read(request)
    allowed = np.asarray(eligibility.allowed(read))
    some = tf.constant(np.tile(np.arange(len(world.product_ids))[::-1].astype(np.int32), (batch, 1)))
    assert np.array_equal(np.asarray(eligibility.allowed(read, some)), allowed[:, ::-1])
    return [[cell.split("\n") if cell else [] for cell in row] for row in told], allowed


def reasons_outside(policy: PolicyConfig, world: World) -> list[list[list[str]]]:
    """Return the same as `data.suitability` gives them."""
    products = list(_rows(world.products | {"product_id": world.product_ids}, len(world.product_ids)))
    reasons = []
    for customer, held in zip(_rows(world.customers, len(world.held)), world.held, strict=True):
        holds = [products[place] for place in sorted({*held.tolist()} - {NO_PRODUCT})]
        reasons.append([broken_rules(policy, Pair(customer, product, holds, DAY)) for product in products])
    return reasons


def _rows(columns: Features, size: int) -> Iterator[dict[str, Any]]:
    for row in range(size):
        yield {name: values[row] for name, values in columns.items()}


def differences(seed: int, num_customers: int, num_products: int = 8) -> tuple[PolicyConfig, list[str], int]:
    """Compare both readings on one random policy.

    Returns:
        The policy, what they say differently, and how many pairs may not be shown.
    """
    random = Random(seed)
    policy, world = random_policy(random), random_world(random, num_customers, num_products)
    (graph, allowed), outside = reasons_by_graph(policy, world), reasons_outside(policy, world)
    found = []
    for customer in range(num_customers):
        for product in range(num_products):
            pair = graph[customer][product], outside[customer][product]
            if pair[0] != pair[1] or allowed[customer, product] != (not pair[0]):
                found.append(f"customer {customer}, product {product}: {pair[0]} in the graph, {pair[1]} outside")
    return policy, found, int((~allowed).sum())


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare many, print a table and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policies", type=int, default=500)
    parser.add_argument("--customers", type=int, default=200)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    different, refused, pairs = 0, 0, 0
    for seed in range(options.policies):
        policy, found, kept_out = differences(seed, options.customers)
        different, refused, pairs = different + len(found), refused + kept_out, pairs + options.customers * 8
        if found:
            print(f"seed {seed}: {found[0]} of {policy.model_dump_json(exclude_none=True)}")
    lines = ["| policies | customers | pairs | refused | differences |", "|---|---|---|---|---|"]
    counts = (options.policies, options.policies * options.customers, pairs, refused, different)
    table = "\n".join([*lines, f"| {' | '.join(f'{count:,}' for count in counts)} |"])
    print(table)
    options.out.mkdir(parents=True, exist_ok=True)
    write_text(options.out / "policies.md", table + "\n")


if __name__ == "__main__":
    main()

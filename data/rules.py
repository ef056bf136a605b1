"""The language of the suitability rules: what a bank's TOML may say about who may be offered what.

`graph.policy` compiles it into the served graph, `data.suitability` reads it outside of any graph.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Annotated, Literal, Protocol, TypeAlias

from pydantic import AfterValidator, ConfigDict, Field, FiniteFloat, model_validator

from nextbest.data.settings import SettingsModel

__all__ = [
    "FILTER_REASONS",
    "HELD_REASON",
    "TODAY",
    "Cap",
    "Comparison",
    "Condition",
    "PolicyConfig",
    "Rule",
    "Value",
    "policy_problems",
    "unknown_reason",
]

FILTER_REASONS = {
    "exclude": "excluded by the request",
    "categories": "not in the wanted categories",
    "max_risk": "riskier than wanted",
}
"""Filter -> the reason that is told for what it keeps out."""
HELD_REASON = "already held"
"""The reason that is told for what the customer holds; it stands before all others."""
TODAY = "today"
"""The value that stands for the day of the request, beside a date."""

Comparison = Literal["<=", "<", ">=", ">", "==", "!=", "in", "not in", "contains", "not contains"]
LISTS = ("in", "not in", "contains", "not contains")
Value: TypeAlias = bool | FiniteFloat | date | str
Kind = Literal["number", "boolean", "date", "word"]
_KINDS: Mapping[str, Kind] = {"number": "number", "boolean": "boolean", "date": "date"}
"""Role of a column -> what its values are; those of all other roles are words."""


def unknown_reason(column: str) -> str:
    """Return the reason that is told where a rule asks for a customer's value and there is none."""
    return f"{column.replace('_', ' ')} unknown"


class Condition(SettingsModel):
    """What is true of a customer and a product, or is not. It has one of three forms.

    A comparison of two of `customer`, `product` and `value`. What the customer `holds`, at least or at most so many
    products of a kind. Or `any`, `all` or `not` of other conditions.
    """

    # Aliases, since `not` is no name in Python; the others go with it.
    model_config = ConfigDict(serialize_by_alias=True)

    customer: str | None = None
    """The customer's column on the left; without it the product's column stands on the left."""
    op: Comparison | None = None
    """The comparison; without it ==, or in for a list of values. `in` asks whether the left is one of a list on the
    right: of values, or of what a product's column lists. `contains` asks it of a list on the left."""
    product: str | None = None
    """The product's column."""
    value: Value | tuple[Value, ...] | None = None
    """A fixed value on the right, or a list of them, when only one column is compared. Beside a date: a date, or
    "today" for the day of the request."""
    separator: str = Field("|", min_length=1)
    """What stands between the words of a column that lists some."""
    holds: str | None = None
    """A product's column: counted are the held products in which it is what `product` says of the offered one, or is
    `value`. The products' id column counts products by name."""
    at_least: int | None = Field(None, ge=1)
    """How many such products must be held; 1 if `at_most` is not given either."""
    at_most: int | None = Field(None, ge=0)
    """How many such products may be held; 0 excludes them."""
    any: tuple[Condition, ...] = ()
    """One of these conditions must be true, or more."""
    all: tuple[Condition, ...] = ()
    """All of these conditions must be true."""
    negated: Condition | None = Field(None, alias="not")
    """This condition must not be true."""

    @model_validator(mode="after")
    def _has_one_form(self) -> Condition:
        if problem := self._form_problem():
            raise ValueError(problem)
        return self

    def _form_problem(self) -> str | None:
        joined = [name for name in ("any", "all", "negated") if getattr(self, name)]
        single = [name for name in ("customer", "op", "product", "value", "holds") if getattr(self, name) is not None]
        if joined:
            name = joined[0].replace("negated", "not")
            alone = len(joined) == 1 and not single
            return None if alone else f"{name} stands alone; put what else must be true beside it into all = [...]"
        if self.holds is not None:
            return self._holds_problem()
        if self.at_least is not None or self.at_most is not None:
            return "at_least and at_most count what the customer holds; add holds"
        sides = [self.customer is not None, self.product is not None, self.value is not None]
        if sum(sides) != 2:
            return "a rule compares exactly two of: customer, product, value; or has holds, any, all or not"
        if isinstance(self.value, tuple):
            if not self.value:
                return "value is an empty list; name what it compares with"
            if self.op not in (None, "in", "not in"):
                return (
                    f'{self.op} compares with one value, and value lists {len(self.value)}; use op = "in" or "not in"'
                )
        elif self.op in ("in", "not in") and self.value is not None:
            return f'{self.op} asks for a list of values; write value = [...], or use op = "=="'
        return None

    def _holds_problem(self) -> str | None:
        if self.customer is not None or (self.product is None) == (self.value is None):
            return "holds counts by exactly one of product and value, and has no customer's column"
        if self.op not in (None, "==", "in"):
            return f"holds counts what is equal, not {self.op}; use at_most = 0 for what must not be held"
        if self.at_least is not None and self.at_most is not None:
            return "at_least and at_most are two conditions; write two rules, or all = [...]"
        return None

    @property
    def comparison(self) -> Comparison:
        """The comparison, where none is named the default."""
        return self.op or ("in" if isinstance(self.value, tuple) else "==")

    @property
    def values(self) -> tuple[Value, ...]:
        """The fixed values, one for a single one."""
        if self.value is None:
            return ()
        return self.value if isinstance(self.value, tuple) else (self.value,)

    def leaves(self) -> Iterator[Condition]:
        """Yield the conditions in it, itself too, that are not made of others."""
        parts = (*self.any, *self.all, *([self.negated] if self.negated else []))
        for part in parts:
            yield from part.leaves()
        if not parts:
            yield self

    @property
    def customer_columns(self) -> tuple[str, ...]:
        """The customer's columns that it reads, in order."""
        return tuple(dict.fromkeys(leaf.customer for leaf in self.leaves() if leaf.customer is not None))

    @property
    def reads_holdings(self) -> bool:
        """Whether it asks what the customer holds."""
        return any(leaf.holds is not None for leaf in self.leaves())


def _check_reason(text: str) -> str:
    if len(text.splitlines()) != 1 or text != text.strip():
        raise ValueError("say in words, on one line, why the product is not offered")
    return text


class Rule(Condition):
    """A suitability rule: a condition that must be true of a customer and a product that is offered.

    A value that the product lacks asks nothing of the customer, and so does `>=` against 0 of one without a value.
    """

    reason: Annotated[str, AfterValidator(_check_reason)]
    """What people read when the rule excludes a product; each rule has a reason of its own."""
    missing: Literal["exclude", "allow"] = "exclude"
    """What a missing value on the customer's side means, where the rule depends on it. Who is excluded for it reads
    that the value is unknown."""
    when: Condition | None = None
    """The rule asks only where this is true."""

    def leaves(self) -> Iterator[Condition]:
        """See `Condition`; those of `when` come first."""
        if self.when is not None:
            yield from self.when.leaves()
        yield from super().leaves()

    @property
    def compares_columns(self) -> bool:
        """Whether it is a plain comparison of a customer's column with a product's."""
        return self.customer is not None and self.product is not None and self.when is None


class Cap(SettingsModel):
    """At most so many products of one kind in a list of recommendations, the likeliest of them."""

    column: str
    """The product's category column whose values are the kinds. Products without one are not counted."""
    most: int = Field(ge=1)
    """How many."""


class PolicyConfig(SettingsModel):
    """The suitability policy, compiled into the served graph."""

    rules: tuple[Rule, ...] = ()
    """The rules; a product must satisfy all of them."""
    caps: tuple[Cap, ...] = ()
    """How many products of a kind a list may hold."""
    repeatable: Condition | None = None
    """Which products may be held twice, by their columns alone, for example { product = "category", value =
    ["term_deposit"] }. Who holds one may be offered it again, and an acquisition counts again."""
    risk_column: str | None = None
    """The product's number column that the `max_risk` filter compares."""
    category_column: str | None = None
    """The product's category column that the `categories` filter selects by."""

    @property
    def compared_columns(self) -> list[tuple[str, str]]:
        """The (customer, product) columns that rules compare, each pair once."""
        pairs = [(str(rule.customer), str(rule.product)) for rule in self.rules if rule.compares_columns]
        return list(dict.fromkeys(pairs))

    def comparing(self, compared: Iterable[tuple[str, str]]) -> PolicyConfig:
        """Return a policy whose `compared_columns` are these: what a ranker was trained with, though rules changed."""
        rules = [Rule(customer=left, op=">=", product=right, reason=f"{left} {right}") for left, right in compared]
        return self.model_copy(update={"rules": tuple(rules)})

    @property
    def customer_columns(self) -> tuple[str, ...]:
        """The customer's columns that the rules read, sorted."""
        return tuple(sorted({column for rule in self.rules for column in rule.customer_columns}))


class Column(Protocol):
    """What is asked of a column's meaning, see `data.config.ColumnConfig`."""

    @property
    def role(self) -> str:
        """What its values are."""

    @property
    def unit(self) -> str:
        """Their unit, '' for none."""


Columns = Mapping[str, Column]


def policy_problems(policy: PolicyConfig, customers: Columns, products: Columns, product_id: str) -> Iterator[str]:
    """Yield what a policy says that cannot be, with the remedy.

    Args:
        policy: The policy.
        customers: The customers' columns.
        products: The products' columns.
        product_id: The products' id column.
    """
    checker = _Checker(customers, products, product_id)
    for number, rule in enumerate(policy.rules, start=1):
        for leaf in rule.leaves():
            yield from (f"policy rule {number} ({rule.reason}): {problem}" for problem in checker.problems(leaf))
    yield from _reason_problems(policy)
    if policy.repeatable is not None:
        if policy.repeatable.customer_columns or policy.repeatable.reads_holdings:
            yield "policy.repeatable is about products; it cannot read customers or what they hold"
        for leaf in policy.repeatable.leaves():
            yield from (f"policy.repeatable: {problem}" for problem in checker.problems(leaf))
            if TODAY in leaf.values:
                yield "policy.repeatable does not change from day to day; use a rule for dates"
    for cap in policy.caps:
        if checker.kind(products, cap.column) != "word":
            yield f"policy.caps: column = {cap.column!r} is not a category column of products"
    risk, category = policy.risk_column, policy.category_column
    if risk and (risk not in products or products[risk].role != "number"):
        yield f"policy.risk_column = {risk!r} is not a number column of products"
    if category and (category not in products or products[category].role != "category"):
        yield f"policy.category_column = {category!r} is not a category column of products"


def _reason_problems(policy: PolicyConfig) -> Iterator[str]:
    """Yield which reasons people could not tell apart."""
    reserved = {HELD_REASON, *FILTER_REASONS.values(), *map(unknown_reason, policy.customer_columns)}
    counts = Counter(rule.reason.casefold() for rule in policy.rules)
    for reason in sorted({rule.reason for rule in policy.rules}):
        if reason.casefold() in reserved:
            yield f"policy: the reason {reason!r} is one that nextbest gives itself; word it otherwise"
    for reason, count in counts.items():
        if count > 1:
            yield f"policy: {count} rules have the reason {reason!r}; give each its own, or join them by all = [...]"


class _Checker:
    """Checks the conditions of a policy against the columns of the tables."""

    def __init__(self, customers: Columns, products: Columns, product_id: str) -> None:
        self._customers, self._products, self._product_id = customers, products, product_id

    def kind(self, columns: Columns, name: str) -> Kind | None:
        """Return what a column's values are; None where there is no such column."""
        return _KINDS.get(columns[name].role, "word") if name in columns else None

    def problems(self, leaf: Condition) -> Iterator[str]:
        """Yield what a condition that is not made of others says wrongly."""
        if leaf.holds is not None:
            yield from self._holds_problems(leaf)
            return
        sides = [("customers", self._customers, leaf.customer), ("products", self._products, leaf.product)]
        kinds: list[Kind] = []
        for table, columns, name in sides:
            kind = None if name is None else self.kind(columns, name)
            if name is not None and kind is None:
                yield f"{table} has no column {name!r}; add it or fix the rule"
            elif kind is not None:
                kinds.append(kind)
        if len(kinds) + (leaf.value is not None) < 2:
            return
        if leaf.value is not None:
            yield from _value_problems(leaf, kinds[0])
        elif len(set(kinds)) > 1:
            yield f"{leaf.customer} and {leaf.product} are unlike kinds: {kinds[0]} and {kinds[1]}"
        elif leaf.comparison in LISTS and kinds[0] != "word":
            yield f"{leaf.comparison} is for words, and {leaf.customer} is a {kinds[0]}"
        else:
            yield from self._unit_problems(leaf)
        if kinds[0] in ("word", "boolean") and leaf.comparison in ("<=", "<", ">=", ">"):
            yield f"a {kinds[0]} has no order; use == or !=, not {leaf.comparison}"

    def _unit_problems(self, leaf: Condition) -> Iterator[str]:
        units = self._customers[str(leaf.customer)].unit, self._products[str(leaf.product)].unit
        if all(units) and units[0] != units[1]:
            names = f"{leaf.customer} ({units[0]}) and {leaf.product} ({units[1]})"
            yield f"{names} have unlike units; compare columns of one unit, or correct the units"

    def _holds_problems(self, leaf: Condition) -> Iterator[str]:
        for name in (leaf.holds, leaf.product):
            kind = "word" if name == self._product_id else None if name is None else self.kind(self._products, name)
            if name is not None and kind is None:
                yield f"products has no column {name!r}; add it or fix the rule"
            elif name is not None and kind != "word":
                yield f"holds counts by words, and {name} is a {kind}"
        if wrong := [value for value in leaf.values if not isinstance(value, str) or not value]:
            yield f"holds counts by words, and value holds {wrong[0]!r}"


_VALUE_KINDS: Mapping[type, Kind] = {bool: "boolean", float: "number", date: "date", str: "word"}


def _value_problems(leaf: Condition, kind: Kind) -> Iterator[str]:
    """Yield what is wrong with fixed values beside a column of a kind."""
    column = leaf.customer or leaf.product
    for value in leaf.values:
        if kind == "date" and isinstance(value, str):
            if value == TODAY and leaf.comparison in LISTS:
                yield f'"{TODAY}" stands alone, and {leaf.comparison} compares with a list; use any = [...]'
            elif value != TODAY and not _is_date(value):
                yield f'{column} is a date, and {value!r} is none; write yyyy-mm-dd or "{TODAY}"'
        elif _VALUE_KINDS[type(value)] != kind:
            yield f"{column} is a {kind}, and {value!r} is a {_VALUE_KINDS[type(value)]}: unlike kinds"
        elif value == "":
            yield f"{column} is compared with nothing, which is a missing value; see the setting missing"
    if leaf.comparison in ("contains", "not contains") and kind != "word":
        yield f"{leaf.comparison} is for words, and {column} is a {kind}"


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text) is not None
    except ValueError:
        return False

"""What the tables and the windows tell before anything is trained: that there is something to learn and to measure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from nextbest.data.dataset import Array, Dataset
from nextbest.data.errors import InputError, Problem
from nextbest.data.rules import PolicyConfig, Rule
from nextbest.data.snapshot import Snapshot, take_snapshot
from nextbest.data.windows import EPOCH, Window, Windows, labels
from nextbest.graph.policy import SuitabilityPolicy
from nextbest.pipeline.config import RunConfig
from nextbest.retrieval.examples import why_no_examples

__all__ = ["check_policy", "check_tables"]

_MOST_CUSTOMERS = 10_000
"""So many customers, evenly drawn, show whether the rules leave anything to anybody."""


def check_tables(toml: Path, config: RunConfig, dataset: Dataset, windows: Windows, selection: Window | None) -> None:
    """Refuse tables from which nothing could be trained or measured.

    Args:
        toml: The config's file, for people.
        config: The config.
        dataset: All rows; of the test window's only whether there are any is seen.
        windows: How time is cut.
        selection: The window that chooses the retriever's epochs, if there is one.

    Raises:
        InputError: With all that is wrong, each with the window that it is about.
    """
    named = {f"ranking window {place}": window for place, window in enumerate(windows.ranking, start=1)}
    if selection is not None:
        named["window that chooses the epochs"] = selection
    if windows.measured:
        named["test window"] = windows.test
    problems = [*_windows_without_acquisitions(config, dataset, named)]
    first = min(window.cutoff for window in named.values())
    table = config.data.interactions.path
    if why := why_no_examples(dataset.until(first), first, config.data.windows, config.retrieval):
        what = f"there is nothing to learn from up to {EPOCH + timedelta(first)}: {why[0]}"
        problems.append(Problem(table, None, None, what, why[1]))
    problems += check_policy(toml, config, dataset, windows.test.cutoff)
    if problems:
        raise InputError(problems)


def check_policy(toml: Path, config: RunConfig, dataset: Dataset, cutoff: int) -> Iterator[Problem]:
    """Yield what the tables tell of the policy: a word that no row has, a rule that leaves no product to anybody.

    Args:
        toml: The config's file, for people.
        config: The config.
        dataset: All rows.
        cutoff: The day as of which the rules are tried on the customers, days since 1970-01-01.
    """
    for what in _unknown_words(config.data.policy, dataset):
        yield Problem(str(toml), "data.policy", None, what, "correct the word, or the table")
    if config.data.policy.rules:
        snapshot = take_snapshot(dataset.until(cutoff), cutoff, config.data.windows)
        if why_not := _nothing_suits(config.data.policy, snapshot):
            remedy = "correct the rules, or the columns that they compare"
            yield Problem(str(toml), "data.policy.rules", None, why_not, remedy)


def _windows_without_acquisitions(
    config: RunConfig, dataset: Dataset, windows: Mapping[str, Window]
) -> Iterator[Problem]:
    for name, window in windows.items():
        if not len(labels(dataset, dataset.until(window.cutoff), window)):
            what = _nothing_acquired(name, window, dataset)
            yield Problem(config.data.interactions.path, None, None, what, _OTHER_WINDOWS)


_OTHER_WINDOWS = (
    "set data.windows.test_cutoff to another day, or change data.windows.ranking_windows or horizon_days, so that each "
    "window has some; or check interactions.acquire"
)


def _nothing_acquired(name: str, window: Window, dataset: Dataset) -> str:
    first, last = window.dates
    acquired = dataset.interactions.acquisitions.day
    dates = [str(np.datetime64(int(day), "D")) for day in (acquired.min(), acquired.max())]
    return (
        f"nobody acquires a new product after {first} until {last}, the {name}; acquisitions run from {dates[0]} to "
        f"{dates[1]}"
    )


def _nothing_suits(policy: PolicyConfig, snapshot: Snapshot) -> str | None:
    """Say which rule leaves no product to anybody, or that all rules together do."""
    size = snapshot.holdings.shape[0]
    rows = np.linspace(0, size - 1, min(size, _MOST_CUSTOMERS)).astype(int)
    for rule in policy.rules:
        if not _suits_somebody(PolicyConfig(rules=(rule,)), snapshot, rows):
            return f"the rule {rule.reason!r} leaves no product to anybody{_compared(rule, snapshot, rows)}"
    if not _suits_somebody(policy, snapshot, rows):
        return "the rules together leave no product to anybody, though each alone leaves some"
    return None


def _suits_somebody(policy: PolicyConfig, snapshot: Snapshot, rows: Array) -> bool:
    bound = SuitabilityPolicy(policy, snapshot.products, snapshot.product_ids)
    chunks = np.array_split(rows, -(-len(rows) // 1000))
    return any((bound.suitable_array(snapshot, chunk) & snapshot.available).any() for chunk in chunks)


def _compared(rule: Rule, snapshot: Snapshot, rows: Array) -> str:
    """Say what the compared columns hold."""
    sides: list[str] = []
    for leaf in rule.leaves():
        if leaf.customer is not None:
            sides.append(f"customers' {leaf.customer} is {_range(snapshot.customers[leaf.customer][rows])}")
        if leaf.product is not None and leaf.product in snapshot.products:
            sides.append(f"products' {leaf.product} is {_range(snapshot.products[leaf.product])}")
        if leaf.value is not None:
            sides.append(f"the value is {leaf.value}")
    return f": {', '.join(dict.fromkeys(sides))}" if sides else ""


def _unknown_words(policy: PolicyConfig, dataset: Dataset) -> Iterator[str]:
    """Yield the fixed words of rules that no row of their column has, which are likely misspelt."""
    tables = {"customers": dataset.customers, "products": dataset.products}
    conditions = [*policy.rules, *([policy.repeatable] if policy.repeatable else [])]
    for leaf in dict.fromkeys(leaf for condition in conditions for leaf in condition.leaves()):
        table = "customers" if leaf.customer else "products"
        column = leaf.customer or leaf.holds or leaf.product
        values = tables[table].columns.get(str(column), tables[table].ids)
        if values.dtype.kind != "O":
            continue
        splits = leaf.comparison in ("contains", "not contains")
        known = {part.strip() for one in set(values) for part in (one.split(leaf.separator) if splits else [one])}
        for word in leaf.values:
            if word not in known:
                close = get_close_matches(str(word), sorted(known), 1)
                meant = f"; did you mean {close[0]!r}?" if close else ""
                yield f"no row of {table} has {word!r} in {column}{meant}"


def _range(values: Array) -> str:
    if values.dtype.kind == "f":
        known = values[~np.isnan(values)]
        return f"{known.min():g} to {known.max():g}" if len(known) else "missing everywhere"
    words = sorted({value for value in values if value})
    return ", ".join(map(repr, words[:3])) + (", …" if len(words) > 3 else "") if words else "missing everywhere"

"""Training examples of the retriever: each acquisition, predicted from the snapshot at the start of its stride."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nextbest.data.config import WindowsConfig
from nextbest.data.dataset import Array, Dataset, Interactions
from nextbest.data.errors import InputError, Problem
from nextbest.data.padding import concat_padded, lists_by_row
from nextbest.data.snapshot import NO_PRODUCT, Snapshot, holdings_at, new_acquisitions, take_snapshot
from nextbest.data.statistics import StatisticsConfig, popularity_features
from nextbest.graph.catalogue import Encoders, encode_products
from nextbest.graph.query import QueryEncoder, concat_queries, encode_customers
from nextbest.retrieval.config import RetrievalConfig

__all__ = ["Queries", "TrainingSet", "make_queries", "make_training_set", "why_no_examples"]

_LEAVE_ONE_OUT_EXAMPLES = 200_000
"""The most examples of products that are held."""


@dataclass(frozen=True)
class Queries:
    """Customers of one snapshot who acquired something after it, and what."""

    customers: Array
    """Customer positions in the snapshot, int64 [num_queries]."""
    encoded: dict[str, Array]
    """Encoded queries, [num_queries, ...]."""
    positives: Array
    """Products that each acquired, padded with NO_PRODUCT, int32 [num_queries, any]."""
    query: Array
    """The query of each example, int32 [num_examples]."""
    product: Array
    """The product of each example, int32 [num_examples]."""
    weight: Array
    """The interaction's own weight, float32 [num_examples]."""


@dataclass(frozen=True)
class TrainingSet:
    """The examples of all strides before a cutoff."""

    queries: Queries
    window: Array
    """The stride of each example, int32 [num_examples]."""
    weight: Array
    """Weight of each example, the interaction's own times its recency's, mean 1, float32 [num_examples]."""
    products: dict[str, Array]
    """Encoded products at the start of each stride, [num_windows, num_products, width]."""
    available: Array
    """Whether a product was known then, bool [num_windows, num_products]."""
    frequency: Array
    """Share of each product among a stride's examples, of which its batches are made: how often it is an in-batch
    negative, float32 [num_windows, num_products]."""


def make_training_set(
    history: Dataset,
    day: int,
    encoders: Encoders,
    windows: WindowsConfig,
    statistics: StatisticsConfig,
    config: RetrievalConfig,
    seed: int = 0,
) -> TrainingSet:
    """Make the examples of the strides that end at `day` and before, and of what is held then if that is wanted.

    Args:
        history: The tables up to `day`.
        day: The cutoff.
        encoders: Encoders fitted at the cutoff.
        windows: How time is cut.
        statistics: Settings of the products' popularity.
        config: Settings of the retriever.
        seed: Seed of the draw of held products.

    Raises:
        InputError: There is no example.
    """
    encoder = encoders.query_encoder()
    parts: list[Queries] = []
    products: list[dict[str, Array]] = []
    available: list[Array] = []
    weights: list[Array] = []

    def add(queries: Queries, age: Array, snapshot: Snapshot, importance: float = 1.0) -> None:
        weights.append(importance * queries.weight * 0.5 ** (age / config.recency_half_life_days))
        parts.append(queries)
        popularity = popularity_features(history, snapshot.day, statistics)
        products.append(encode_products(snapshot, encoders.products, popularity))
        available.append(snapshot.available)

    for after, until in _strides(history, day, windows, config):
        snapshot = take_snapshot(history, after, windows)
        acquired = new_acquisitions(history, after, until)
        acquired = acquired[snapshot.num_held[acquired.customer] >= windows.min_holdings]
        if not len(acquired):
            continue
        queries = make_queries(snapshot, acquired, encoder)
        add(queries, np.full(len(queries.query), day - until), snapshot)
    if config.leave_one_out > 0:
        snapshot = take_snapshot(history, day, windows)
        queries, acquired_on = _leave_one_out(snapshot, encoder, _LEAVE_ONE_OUT_EXAMPLES, seed)
        if len(queries.query):
            add(queries, day - acquired_on, snapshot, config.leave_one_out)
    if not parts:
        what, remedy = why_no_examples(history, day, windows, config) or ("no acquisition has a weight", "raise one")
        raise InputError([Problem("interactions", None, None, what, remedy)])
    joined = _concat_queries(parts)
    weight = np.concatenate(weights)
    window = np.repeat(np.arange(len(parts), dtype=np.int32), [len(part.query) for part in parts])
    counts = np.zeros((len(parts), len(history.products)))
    np.add.at(counts, (window, joined.product), 1)
    return TrainingSet(
        queries=joined,
        window=window,
        weight=(weight / (weight.mean() or 1.0)).astype(np.float32),
        products={name: np.stack([encoded[name] for encoded in products]) for name in products[0]},
        available=np.stack(available),
        frequency=(counts / counts.sum(axis=1, keepdims=True)).astype(np.float32),
    )


def _strides(history: Dataset, day: int, windows: WindowsConfig, config: RetrievalConfig) -> Iterator[tuple[int, int]]:
    """Yield the days `after < day <= until` of the strides that make examples, the newest first."""
    first_day = int(history.interactions.day[0]) if len(history.interactions) else day
    for back in range(config.training_windows):
        until = day - back * windows.stride_days
        if until - windows.stride_days < first_day:
            break
        yield until - windows.stride_days, until


def why_no_examples(
    history: Dataset, day: int, windows: WindowsConfig, config: RetrievalConfig
) -> tuple[str, str] | None:
    """Return why the tables up to a day make no example, and what to do about it; None if they make one."""
    if config.leave_one_out > 0 and (holdings_at(history, day).getnnz(axis=1) > 1).any():
        return None
    strides = list(_strides(history, day, windows, config))
    total = 0
    for after, until in strides:
        acquired = new_acquisitions(history, after, until)
        total += len(acquired)
        if (holdings_at(history, after).getnnz(axis=1)[acquired.customer] >= windows.min_holdings).any():
            return None
    if total:
        what = f"all {total:,} acquisitions are of customers who held fewer than {windows.min_holdings} products before"
        return what, "lower data.windows.min_holdings, or set retrieval.leave_one_out above 0"
    what = f"no acquisition in the {len(strides)} strides of {windows.stride_days} days before the cutoff"
    return what, "raise retrieval.training_windows, lower data.windows.stride_days, or check interactions.acquire"


def make_queries(snapshot: Snapshot, acquired: Interactions, encoder: QueryEncoder) -> Queries:
    """Pair the customers of a snapshot with what they acquired next."""
    rows, query = np.unique(acquired.customer, return_inverse=True)
    order = np.argsort(query, kind="stable")
    query, product = query[order].astype(np.int32), acquired.product[order]
    positives = lists_by_row(product, query, len(rows), NO_PRODUCT)
    return Queries(rows, encode_customers(snapshot, encoder, rows), positives, query, product, acquired.weight[order])


def _concat_queries(parts: list[Queries]) -> Queries:
    firsts = np.cumsum([0, *(len(part.positives) for part in parts[:-1])])
    return Queries(
        customers=np.concatenate([part.customers for part in parts]),
        encoded=concat_queries([part.encoded for part in parts]),
        positives=concat_padded([part.positives for part in parts], NO_PRODUCT),
        query=np.concatenate([part.query + first for part, first in zip(parts, firsts, strict=True)]).astype(np.int32),
        product=np.concatenate([part.product for part in parts]),
        weight=np.concatenate([part.weight for part in parts]),
    )


def _leave_one_out(snapshot: Snapshot, encoder: QueryEncoder, limit: int, seed: int) -> tuple[Queries, Array]:
    """Make examples of what customers already hold: each held product, predicted from what else they hold.

    Args:
        snapshot: The snapshot at the cutoff.
        encoder: The query encoder.
        limit: How many examples at most; they are drawn evenly.
        seed: Seed of the draw.

    Returns:
        One query per example, and the day of each acquisition, int32 [num_examples].
    """
    held = snapshot.held.products
    several = np.flatnonzero((held != NO_PRODUCT).sum(axis=1) > 1)  # of a single product nothing else is left to see
    row, place = np.nonzero(held[several] != NO_PRODUCT)
    drawn = np.sort(np.random.default_rng(seed).permutation(len(row))[:limit])
    customers, place = several[row[drawn]], place[drawn]
    product = held[customers, place]
    encoded = encode_customers(snapshot, encoder, customers)
    for name in encoder.list_lengths:
        encoded[name] = np.where(encoded[name] == product[:, None], NO_PRODUCT, encoded[name])
    query = np.arange(len(customers), dtype=np.int32)
    weight = np.ones(len(customers), np.float32)
    acquired = snapshot.held.days[customers, place]
    return Queries(customers, encoded, product[:, None], query, product, weight), acquired

"""Training examples of the ranker: the retriever's own candidates, labelled by what the window brought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from nextbest.data.candidates import Candidates
from nextbest.data.config import DataConfig
from nextbest.data.dataset import Array, Dataset, Interactions
from nextbest.data.snapshot import NO_PRODUCT, Snapshot, take_snapshot
from nextbest.data.sparse_table import SparseTable
from nextbest.data.statistics import StatisticsConfig, product_statistics
from nextbest.data.windows import Window
from nextbest.graph.catalogue import Encoders, encode_products, segment_indices
from nextbest.graph.query import encode_customers

__all__ = [
    "CatalogueStatistics",
    "WindowExamples",
    "catalogue_statistics",
    "of_known_products",
    "sample_customers",
    "split_customers",
    "window_examples",
]


@dataclass(frozen=True)
class CatalogueStatistics:
    """What the ranker knows of the catalogue at a cutoff."""

    products: dict[str, Array]
    """Encoded products with their popularity, [num_products, width]."""
    segments: Array | SparseTable
    """See `ProductStatistics`."""
    pairs: Array | SparseTable
    """See `ProductStatistics`."""

    def arrays(self) -> dict[str, Array]:
        """Return all arrays by name, a table's by `SparseTable.arrays`."""
        arrays = dict(self.products)
        for name, table in (("segments", self.segments), ("pairs", self.pairs)):
            arrays |= table.arrays(name) if isinstance(table, SparseTable) else {name: table}
        return arrays


@dataclass(frozen=True)
class WindowExamples:
    """The examples of one window; one per customer, a list of candidates each."""

    queries: dict[str, Array]
    """Encoded queries, [num_examples, ...]."""
    candidates: Array
    """Product positions, NO_PRODUCT is padding, int32 [num_examples, num_candidates]."""
    scores: Array
    """Retrieval's cosines, float32 [num_examples, num_candidates]."""
    labels: Array
    """1 where the customer acquired the candidate in the window, float32 [num_examples, num_candidates]."""
    num_relevant: Array
    """How many products the customer acquired in the window, candidates or not, int64 [num_examples]."""
    weight: Array
    """How many customers, of those known at the cutoff, an example stands for, float32 [num_examples]."""
    catalogue: CatalogueStatistics
    """The catalogue at the window's cutoff."""


def sample_customers(
    acquisitions: Interactions,
    eligible: Array,
    seed: int,
    *,
    limit: int = 40_000,
    without_purchase: float = 0.25,
) -> Array:
    """Return the customers whose candidates become examples, positions in increasing order.

    Those who acquired something in the window come first, up to the limit; then a share of the others is drawn.

    Args:
        acquisitions: The new acquisitions in the window.
        eligible: Whether a customer may be an example, bool [num_customers].
        seed: Seed of the draw.
        limit: How many at most.
        without_purchase: Customers who acquired nothing in the window, per one who did: the probability alone learns
            from them, so few do.
    """
    random = np.random.default_rng(seed)
    active = np.intersect1d(acquisitions.customer, np.flatnonzero(eligible))
    if len(active) >= limit:
        return np.sort(random.choice(active, limit, replace=False))
    others = np.setdiff1d(np.flatnonzero(eligible), active)
    wanted = max(int(without_purchase * len(active)), 1)
    num_drawn = min(wanted, limit - len(active), len(others))
    drawn = random.choice(others, num_drawn, replace=False)
    return np.sort(np.concatenate([active, drawn]))


def split_customers(examples: WindowExamples, share: float, seed: int) -> tuple[WindowExamples, WindowExamples]:
    """Draw `share` of a window's examples; return the others and the drawn."""
    drawn = np.zeros(len(examples.weight), bool)
    drawn[np.random.default_rng(seed).permutation(len(drawn))[: round(share * len(drawn))]] = True
    others, validation = (_rows(examples, rows) for rows in (~drawn, drawn))
    return others, validation


def _rows(examples: WindowExamples, rows: Array) -> WindowExamples:
    per_example = {
        field.name: getattr(examples, field.name)[rows]
        for field in fields(examples)
        if field.name not in ("queries", "catalogue")
    }
    queries = {name: values[rows] for name, values in examples.queries.items()}
    return replace(examples, queries=queries, **per_example)


def of_known_products(examples: WindowExamples, earlier: Sequence[WindowExamples]) -> WindowExamples:
    """Leave out of a window the products that no one acquired in the earlier ones.

    Where these train, how such a product is ordered is chance. It is the same chance for all of its buyers: one launch
    can outweigh all that a further epoch has learned. Where nothing that was acquired would be left, all stays.
    """
    known = np.unique(np.concatenate([window.candidates[window.labels > 0] for window in earlier]))
    unknown = ~np.isin(examples.candidates, known)
    labels = np.where(unknown, 0, examples.labels)
    if not labels.any():
        return examples
    left_out = (examples.labels.sum(axis=1) - labels.sum(axis=1)).astype(examples.num_relevant.dtype)
    candidates = np.where(unknown, np.int32(NO_PRODUCT), examples.candidates)
    return replace(examples, candidates=candidates, labels=labels, num_relevant=examples.num_relevant - left_out)


def catalogue_statistics(
    dataset: Dataset, snapshot: Snapshot, encoders: Encoders, data: DataConfig, statistics: StatisticsConfig
) -> CatalogueStatistics:
    """Compute what is known of the catalogue at the snapshot's day."""
    encoder = encoders.query_encoder()
    everyone = encode_customers(snapshot, encoder, np.arange(len(dataset.customers)))
    segment = segment_indices(everyone["categories"], encoders.customers, data.segment)
    sizes = dict(zip(encoders.customers.categories, encoders.customers.category_sizes, strict=True))
    num_segments = sizes[data.segment] if data.segment else 1
    computed = product_statistics(dataset, snapshot, segment, num_segments, statistics)
    return CatalogueStatistics(
        products=encode_products(snapshot, encoders.products, computed.popularity),
        segments=computed.segments,
        pairs=computed.pairs,
    )


def window_examples(
    dataset: Dataset,
    window: Window,
    candidates: Candidates,
    acquisitions: Interactions,
    encoders: Encoders,
    data: DataConfig,
    statistics: StatisticsConfig,
) -> WindowExamples:
    """Label candidates by what was acquired in a window.

    Args:
        dataset: Tables that reach to the window's end at least.
        window: The window.
        candidates: Candidates of a retriever that has seen nothing after the window's cutoff.
        acquisitions: The new acquisitions in the window, in positions of `dataset`. Those of customers or products that
            were not known at the cutoff do not count (nothing could have predicted them), nor those of customers who
            held fewer products than `windows.min_holdings`.
        encoders: The ranker's encoders, in positions of `dataset`.
        data: What the tables mean.
        statistics: Settings of the statistics.
    """
    snapshot = take_snapshot(dataset, window.cutoff, data.windows)
    customers, products = candidates.positions(dataset)
    num_products = len(dataset.products)
    eligible = (dataset.customers.rows_at(window.cutoff) >= 0) & (snapshot.num_held >= data.windows.min_holdings)
    acquisitions = acquisitions[eligible[acquisitions.customer] & snapshot.available[acquisitions.product]]
    relevant = np.unique(acquisitions.customer.astype(np.int64) * num_products + acquisitions.product)
    labels = np.isin(customers[:, None] * num_products + products, relevant) & (products != NO_PRODUCT)
    num_relevant = np.bincount(relevant // num_products, minlength=len(dataset.customers))
    active = num_relevant[customers] > 0
    num_active = int((num_relevant > 0).sum())
    negative_weight = (int(eligible.sum()) - num_active) / max(int((~active).sum()), 1)
    active_weight = num_active / max(int(active.sum()), 1)
    return WindowExamples(
        queries=encode_customers(snapshot, encoders.query_encoder(), customers),
        candidates=products,
        scores=candidates.scores,
        labels=labels.astype(np.float32),
        num_relevant=num_relevant[customers],
        weight=np.where(active, active_weight, negative_weight).astype(np.float32),
        catalogue=catalogue_statistics(dataset, snapshot, encoders, data, statistics),
    )

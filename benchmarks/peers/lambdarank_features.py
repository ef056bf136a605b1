"""The candidates of a customer, and what LambdaRank reads about each, all from rows at or before a day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from nextbest.data.config import DataConfig
from nextbest.data.dataset import ALWAYS, Array, Dataset, Interactions
from nextbest.data.settings import SettingsModel
from nextbest.data.snapshot import NO_PRODUCT, Snapshot, holdings_at, new_acquisitions, take_snapshot
from nextbest.evaluation.baselines import EASE, ItemKNN, RecentPopularity
from nextbest.graph.policy import SuitabilityPolicy
from nextbest.modelling.metrics import top_k

__all__ = ["DayStatistics", "FeatureConfig", "candidate_features", "propose"]


class FeatureConfig(SettingsModel):
    """Which candidates there are, and what is counted about each."""

    ease_l2: float = Field(gt=0)
    """The ridge penalty of the EASE score."""
    knn_shrinkage: float = Field(ge=0)
    """Shrinkage of the kNN score."""
    half_life_days: float = Field(gt=0)
    """The age in days at which a purchase counts half in the popularity that proposes candidates."""
    knn_candidates: int = Field(40, ge=1)
    """How many candidates item-kNN proposes."""
    recent_candidates: int = Field(20, ge=1)
    """How many further candidates decayed popularity proposes."""
    half_lives: tuple[float, ...] = (15, 30, 60, 120, 240)
    """Half-lives of the popularity features, days."""
    share_days: tuple[int, ...] = (30, 90, 180)
    """Lengths of the periods in which a product's share of the purchases is a feature, days."""
    conditional_days: int = Field(60, ge=1)
    """The latest purchases, of which it is counted what their buyers held before, days."""
    pair_prior: float = Field(20, ge=0)
    """Holders without a purchase that every conditional probability is shrunk by."""
    segment_prior: float = Field(200, ge=0)
    """Holdings that the overall shares are worth in a segment's."""


@dataclass(frozen=True)
class DayStatistics:
    """The statistics of products, customers and pairs of products at the end of a day."""

    snapshot: Snapshot
    """Holdings and features of the day."""
    policy: SuitabilityPolicy
    """Which products suit whom."""
    ease: EASE
    """The linear autoencoder."""
    knn: ItemKNN
    """Neighbours by cosine."""
    recent: Array
    """Decayed popularity that proposes candidates, float32, [num_products]."""
    held_with: Array
    """P(holds the column | holds the row), shrunk, float32, [num_products, num_products]."""
    bought_with: Array
    """The same of the latest purchases: P(bought the column lately | held the row before), float32."""
    product_features: dict[str, Array]
    """Feature of a product -> values, float32, [num_products]."""
    customer_features: dict[str, Array]
    """Feature of a customer -> values, float32, [num_customers]."""
    segment: Array
    """Each customer's row of `segment_shares`, int, [num_customers]."""
    segment_shares: Array
    """A product's share of a segment's holdings over that of all holdings, float32, [num_segments, num_products]."""
    category: Array
    """Each product's category as a number, int, [num_products]."""

    @classmethod
    def at(cls, history: Dataset, day: int, data: DataConfig, config: FeatureConfig) -> DayStatistics:
        """Compute the statistics at the end of a day; rows of `history` after it change nothing."""
        snapshot = take_snapshot(history, day, data.windows)
        segment = _codes(snapshot.customers[data.segment]) if data.segment else np.zeros(len(history.customers), int)
        category_column = data.policy.category_column
        category = (
            _codes(snapshot.products[category_column]) if category_column else np.zeros(len(history.products), int)
        )
        return cls(
            snapshot=snapshot,
            policy=SuitabilityPolicy(data.policy, snapshot.products, snapshot.product_ids),
            ease=EASE.fit(history, day, l2=config.ease_l2),
            knn=ItemKNN.fit(history, day, shrinkage=config.knn_shrinkage),
            recent=RecentPopularity.fit(history, day, half_life_days=config.half_life_days).scores,
            held_with=_conditional(snapshot.holdings, snapshot.holdings, config.pair_prior),
            bought_with=_bought_with(history, day, config),
            product_features=_product_features(history, snapshot, data, config),
            customer_features=_customer_features(history, snapshot, data, config),
            segment=segment,
            segment_shares=_segment_lift(snapshot.holdings, segment, config.segment_prior),
            category=category,
        )

    def allowed(self, customers: Array) -> Array:
        """Return which products may be recommended to customers by their positions, bool, [n, num_products]."""
        suitable = self.policy.suitable_array(self.snapshot, customers)
        return np.asarray(suitable & self.snapshot.can_acquire(customers))


def _codes(labels: Array) -> Array:
    return np.unique(labels.astype(str), return_inverse=True)[1]


def _conditional(held: sp.csr_matrix, bought: sp.csr_matrix, prior: float) -> Array:
    """Return P(bought column | held row) among the customers of the rows, with `prior` more who bought nothing."""
    together = (held.T @ bought).toarray()
    np.fill_diagonal(together, 0)
    holders = np.asarray(held.sum(axis=0)).ravel()
    return (together / (holders + prior)[:, None]).astype(np.float32)


def _matrix(events: Interactions, history: Dataset) -> sp.csr_matrix:
    shape = (len(history.customers), len(history.products))
    return sp.csr_matrix((np.ones(len(events), np.float32), (events.customer, events.product)), shape=shape)


def _bought_with(history: Dataset, day: int, config: FeatureConfig) -> Array:
    before = day - config.conditional_days
    bought = _matrix(new_acquisitions(history, before, day), history)
    buyers = np.unique(bought.nonzero()[0])
    return _conditional(holdings_at(history, before)[buyers], bought[buyers], config.pair_prior)


def _product_features(
    history: Dataset, snapshot: Snapshot, data: DataConfig, config: FeatureConfig
) -> dict[str, Array]:
    day, num_products = snapshot.day, len(history.products)
    past = history.interactions.between(ALWAYS, day).acquisitions

    def share(weights: Array) -> Array:
        counts = np.bincount(past.product, weights, minlength=num_products)
        return (counts / max(counts.sum(), 1e-9)).astype(np.float32)

    age = (day - past.day).astype(np.float64)
    features = {f"decayed_share_{half_life:g}": share(0.5 ** (age / half_life)) for half_life in config.half_lives}
    features |= {f"share_of_{days}_days": share(age < days) for days in config.share_days}
    features["share"] = share(np.ones(len(past)))
    last = np.full(num_products, ALWAYS, np.float64)
    np.maximum.at(last, past.product, past.day)
    features["days_since_last"] = np.where(last > ALWAYS, day - last, np.nan).astype(np.float32)
    first_of_customer = np.full(len(history.customers), np.iinfo(np.int32).max)
    np.minimum.at(first_of_customer, past.customer, past.day)
    lately = age < max(config.share_days)
    new = lately & (past.day == first_of_customer[past.customer])
    count, count_new = (np.bincount(past.product[rows], minlength=num_products) for rows in (lately, new))
    features["share_of_new_buyers"] = ((count_new + 1) / (count + 2)).astype(np.float32)
    for name, column in data.products.columns.items():
        if column.role == "category":
            features[name] = _codes(snapshot.products[name]).astype(np.float32)
    return features


def _customer_features(
    history: Dataset, snapshot: Snapshot, data: DataConfig, config: FeatureConfig
) -> dict[str, Array]:
    day, num_customers = snapshot.day, len(history.customers)
    past = history.interactions.between(ALWAYS, day).acquisitions
    last = np.full(num_customers, ALWAYS, np.float64)
    np.maximum.at(last, past.customer, past.day)
    lately = past.customer[past.day > day - config.conditional_days]
    features = {
        "num_held": snapshot.num_held.astype(np.float32),
        "days_since_own_last": np.where(last > ALWAYS, day - last, np.nan).astype(np.float32),
        "num_bought_lately": np.bincount(lately, minlength=num_customers).astype(np.float32),
    }
    for name, column in data.customers.model_columns.items():
        if column.role == "category":
            features[name] = _codes(snapshot.customers[name]).astype(np.float32)
    return features


def _segment_lift(holdings: sp.csr_matrix, segment: Array, prior: float) -> Array:
    """Return (share in the segment) / (overall share), the overall shares being worth `prior` holdings."""
    rows = np.arange(len(segment))
    member = sp.csr_matrix((np.ones(len(segment), np.float32), (segment, rows)))
    counts = (member @ holdings).toarray().astype(np.float64)
    overall = (counts.sum(axis=0) + 1) / (counts.sum() + counts.shape[1])
    shares = (counts + prior * overall) / (counts.sum(axis=1, keepdims=True) + prior)
    return (shares / overall).astype(np.float32)


def propose(statistics: DayStatistics, customers: Array, config: FeatureConfig) -> Array:
    """Return item-kNN's candidates and then those of decayed popularity, int32, [n, knn + recent], NO_PRODUCT pads."""
    allowed = statistics.allowed(customers)
    near = top_k(statistics.knn.score(customers), allowed, config.knn_candidates)
    rows, places = np.nonzero(near != NO_PRODUCT)
    allowed[rows, near[rows, places]] = False
    recent = top_k(np.tile(statistics.recent, (len(customers), 1)), allowed, config.recent_candidates)
    return np.concatenate([near, recent], axis=1)


def candidate_features(statistics: DayStatistics, customers: Array, candidates: Array) -> tuple[list[str], Array]:
    """Return the features' names, and the features of each candidate, float32, [n, num_candidates, num_features].

    Args:
        statistics: The statistics of the day.
        customers: Positions, [n].
        candidates: Product positions, NO_PRODUCT pads, [n, num_candidates].
    """
    named = dict(_features(statistics, customers, np.maximum(candidates, 0)))
    return list(named), np.stack(list(named.values()), axis=-1).astype(np.float32)


def _features(statistics: DayStatistics, customers: Array, candidates: Array) -> Iterator[tuple[str, Array]]:
    def at_candidates(matrix: Array) -> Array:
        return np.take_along_axis(matrix, candidates, axis=1)

    holdings = statistics.snapshot.holdings[customers]
    for name, scorer in (("ease", statistics.ease), ("knn", statistics.knn)):
        score = at_candidates(scorer.score(customers))
        yield name, score
        yield f"{name}_rank", _rank(score)
        yield f"{name}_of_best", score / np.maximum(score.max(axis=1, keepdims=True), 1e-9)
    for name, weights in (("held_with", statistics.held_with), ("bought_with", statistics.bought_with)):
        yield f"{name}_sum", at_candidates(np.asarray(holdings @ weights))
        yield f"{name}_max", at_candidates(_largest(holdings, weights))
    for name, values in statistics.product_features.items():
        yield name, values[candidates]
    yield "recent_rank", _rank(statistics.recent[candidates])
    for name, values in statistics.customer_features.items():
        yield f"customer_{name}", np.broadcast_to(values[customers][:, None], candidates.shape)
    yield "segment_lift", at_candidates(statistics.segment_shares[statistics.segment[customers]])
    per_category = (
        holdings @ sp.csr_matrix(np.eye(statistics.category.max() + 1, dtype=np.float32)[statistics.category])
    ).toarray()
    in_category = np.take_along_axis(per_category, statistics.category[candidates], axis=1)
    yield "num_held_in_category", in_category
    yield "share_held_in_category", in_category / np.maximum(per_category.sum(axis=1, keepdims=True), 1)


def _rank(scores: Array) -> Array:
    """Return each candidate's place by its score, 0 is the best, [n, num_candidates]."""
    return np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)


def _largest(holdings: sp.csr_matrix, weights: Array) -> Array:
    """Return the largest weight that a held product gives to each product, 0 without any, [n, num_products]."""
    largest = np.zeros((holdings.shape[0], weights.shape[1]), np.float32)
    some = np.diff(holdings.indptr) > 0
    largest[some] = np.maximum.reduceat(weights[holdings.indices], holdings.indptr[:-1][some], axis=0)
    return largest
